"""The benchmark: times, memory, arenas and file sizes against their targets; exits with 1 if one is missed."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from bench_agent import agent_section
from bench_exact import (
    Converted,
    Pair,
    conversion_points,
    convert,
    file_on_host,
    network_on_host,
    on_cortex_m4,
    wheel_points,
)
from bench_firmware import firmware_section
from bench_flash import flash_section
from bench_latency import latency_section
from bench_line import line_section
from bench_plans import plan_section
from bench_process import RUNS, ProcessCost, measure_processes
from bench_projects import project_section, tflm_spec
from bench_rows import Row, make_console, print_rows
from bench_target import target_section
from bench_vww import MODELS
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from edgekit.boards.catalog import get_board
from edgekit.cli.main import show_error
from edgekit.codegen.project import render_project
from edgekit.errors import EdgekitError
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite import tflm_worker
from edgekit.tflite.tflm import tflm_available
from edgekit.tflite.writer import write_model
from edgekit.units import format_size

BOARD = "esp32s3"
BASELINE = 'python -c "import numpy"'
EXACT = "0 B off"
Item = TypeVar("Item")


def process_rows(models: Path) -> Iterator[Row]:
    """Measure the commands as a user starts them."""
    edgekit = str(Path(sys.executable).with_name("edgekit"))
    search = [edgekit, "fit", "--board", BOARD, "--search-only", "--grid"]
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as name:
        model = Path(name, "model.tflite")
        trained = models / "vww_96_int8.tflite"
        placeholder = network_graph(NetworkSpec("mobilenet_v1", 0.25, 96, classes=2))
        model.write_bytes(trained.read_bytes() if trained.exists() else write_model(placeholder))
        worker = [sys.executable, str(tflm_worker.__file__), name, str(256 * 1024**2), "1"]
        commands = {
            BASELINE: [sys.executable, "-c", "import numpy"],
            "edgekit --help": [edgekit, "--help"],
            "edgekit fit --search-only --grid paper": [*search, "paper"],
            "edgekit fit --search-only --grid fine": [*search, "fine"],
        }
        if tflm_available():
            commands["tflm_worker.py: TFLM's own arena"] = worker
            commands["edgekit inspect MODEL --tflm --json"] = [
                edgekit,
                "inspect",
                str(model),
                "--tflm",
                "--json",
            ]
        costs = measure_processes(commands)
        for grid, points in (("paper", 20), ("fine", 247)):
            yield _points_row(grid, points, [*search, grid, "--json"])
    limits = dict(zip(list(commands)[1:5], (0.3, 1.5, 5.0, 0.5), strict=False))
    for command, cost in costs.items():
        limit = limits.get(command)
        note = (
            f"min {min(cost.seconds):.3f} s, x{cost.median / costs[BASELINE].median:.2f} of importing numpy"
        )
        target = f"< {limit:g} s" if limit else "-"
        yield Row(command, target, f"{cost.median:.3f} s", cost.median < limit if limit else None, note)
        yield _peak_row(cost, 150 if command.endswith("paper") else None)
    if not tflm_available():
        yield _no_wheel("TFLM's own arena")


def _points_row(grid: str, points: int, command: Sequence[str]) -> Row:
    """Check that a search looks at the whole grid; its exit status is 1 when none of it fits the board."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    document = json.loads(done.stdout) if done.returncode in (0, 1) and done.stdout else {"candidates": []}
    seen = len({(c["alpha"], c["resolution"]) for c in document["candidates"]})
    chosen = document.get("chosen")
    note = f"chosen {chosen['alpha']:g}/{chosen['resolution']}" if chosen else "nothing chosen"
    return Row(f"points searched, --grid {grid}", f"{points}", f"{seen}", seen == points, note)


def _peak_row(cost: ProcessCost, limit_mb: int | None) -> Row:
    megabytes = cost.peak / 1e6
    target = f"< {limit_mb} MB" if limit_mb else "-"
    return Row("  its peak memory", target, f"{megabytes:.0f} MB", megabytes < limit_mb if limit_mb else None)


def arena_rows(models: Path, quick: bool) -> Iterator[Row]:
    """Compare arenas with real TFLite Micro on this host, and with what it reported on a 32-bit target."""
    if tflm_available():
        for arch, specs in wheel_points(quick).items():
            pairs = [network_on_host(spec) for spec in _tracked(specs, f"Arena of {arch}")]
            yield _summary(f"host, {arch}, {len(specs)} points of the paper grid", pairs)
        for path in sorted(models.glob("*.tflite")):
            yield _exact(f"host, {path.name}", [file_on_host(path)])
    else:
        yield _no_wheel("arena on this host")
    for pair in on_cortex_m4(models):
        yield _exact(f"Cortex-M4, {pair.name}", [pair])


def conversion_rows(converted: Iterable[Converted]) -> Iterator[Row]:
    """Compare files that TensorFlow really converted with their predictions."""
    for result in converted:
        pairs = [pair for pair in (result.file, result.arena) if pair is not None]
        yield _exact(f"{result.spec.arch} {result.spec.label}: file, arena", pairs)


def codegen_row(model: bytes) -> Row:
    """Time the rendering of the largest network's project."""
    spec = tflm_spec(get_board(BOARD), model)
    start = time.perf_counter()
    files = render_project(spec)
    seconds = time.perf_counter() - start
    size = sum(len(content) for content in files.values())
    return Row(
        "rendering a project, 1/224",
        "-",
        f"{seconds:.2f} s",
        None,
        f"{len(files)} files, {format_size(size)}",
    )


def _exact(metric: str, pairs: Sequence[Pair]) -> Row:
    """Return a row that shows every pair."""
    off = ", ".join(f"{pair.off:+,}" if pair.off else "0" for pair in pairs)
    note = f"predicted {', '.join(f'{p.predicted:,}' for p in pairs)} B"
    return Row(metric, EXACT, f"{off} B off", not any(p.off for p in pairs), note)


def _summary(metric: str, pairs: Sequence[Pair]) -> Row:
    """Return one row for many pairs, naming those that are off."""
    wrong = [f"{pair.name}: {pair.off:+,}" for pair in pairs if pair.off]
    sizes = [pair.measured for pair in pairs]
    note = "; ".join(wrong) or f"{min(sizes):,} to {max(sizes):,} B"
    worst = max((pair.off for pair in pairs), key=abs)
    return Row(metric, EXACT, f"{worst:,} B off at worst", not wrong, note)


def _no_wheel(metric: str) -> Row:
    return Row(metric, EXACT, "not measured", None, "the tflite-micro wheel is not installed")


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # TensorFlow's output is redirected elsewhere meanwhile, so rich must leave the streams alone.
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bar:
        yield bar


def _tracked(items: Sequence[Item], what: str) -> Iterator[Item]:
    with _progress() as bar:
        yield from bar.track(items, description=what)


def main() -> int:
    """Run everything, print the tables and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the 4 corner points of each grid")
    quick = parser.parse_args().quick
    console = make_console()
    models = MODELS
    if not models.is_dir():
        console.print(f"Trained models are not at {models} (set EDGEKIT_TEST_MODELS); going without them.")
    start = time.monotonic()
    try:
        title = f"Whole processes: median of {RUNS} runs on {os.cpu_count()} CPUs, board {BOARD}"
        rows = print_rows(console, title, process_rows(models))
        rows += print_rows(
            console, "Arena: predicted against TFLite Micro's own report", arena_rows(models, quick)
        )
        rows += plan_section(console, models)
        rows += latency_section(console)
        rows += target_section(console, models)
        rows += line_section(console, models)
        rows += firmware_section(console, models)
        rows += project_section(console, models)
        rows += flash_section(console, models)
        rows += agent_section(console, models)
        specs = conversion_points(quick)
        converted = [convert(spec, tflm_available()) for spec in _tracked(specs, "Converting")]
        title = "Predicted against converted with TensorFlow, 10 classes, random weights"
        rows += print_rows(console, title, conversion_rows(converted))
        largest = max(converted, key=lambda result: result.spec.mult_adds)
        rows += print_rows(console, "Code generation", [codegen_row(largest.model)])
    except EdgekitError as error:
        show_error(error)
        return 1
    targets = [row for row in rows if row.met is not None]
    missed = [row for row in targets if not row.met]
    console.print(
        f"{len(targets) - len(missed)} of {len(targets)} targets met in {time.monotonic() - start:.0f} s."
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
