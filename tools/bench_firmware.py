"""The firmware: the size of what every image has, and the time that a user waits for a build and a bench."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench_rows import Row, make_console, print_rows
from bench_vww import MODELS, ROOT, vww
from rich.console import Console

from edgekit.cli.main import show_error
from edgekit.errors import EdgekitError, TaskError

sys.path.insert(0, str(ROOT / "tests"))

from firmware_core import RAM_LIMIT, TEXT_LIMIT, measure_core

BOARD = "mps2-an386"
RUNS = 50
LIMIT_S = 10.0


def size_rows() -> Iterator[Row]:
    """Compare the core's size with its limits."""
    size = measure_core()
    what = "with port and C library, without model, engine and stack"
    yield Row(
        "firmware core, M4F, text",
        f"<= {TEXT_LIMIT:,} B",
        f"{size.text:,} B",
        size.text <= TEXT_LIMIT,
        what,
    )
    yield Row("firmware core, M4F, RAM", f"<= {RAM_LIMIT:,} B", f"{size.ram:,} B", size.ram <= RAM_LIMIT)


def time_rows(name: str, model: bytes) -> Iterator[Row]:
    """Time a build from nothing and a bench under emulation, as commands that a user types."""
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as place:
        file = Path(place, "model.tflite")
        file.write_bytes(model)
        _timed(place, "export", str(file), "--board", BOARD, "--engine", "aot")
        for command in (["build"], ["bench", "--port", "qemu", "--runs", str(RUNS)]):
            seconds = _timed(place, *command)
            yield Row(
                f"edgekit {' '.join(command)}",
                f"< {LIMIT_S:g} s",
                f"{seconds:.2f} s",
                seconds < LIMIT_S,
                f"{name} on {BOARD}, aot",
            )


def _timed(place: str, *words: str) -> float:
    """Run a command of edgekit's in ``place`` and return its seconds.

    Raises
    ------
    TaskError
        If it fails.
    """
    command: Sequence[str] = [str(Path(sys.executable).with_name("edgekit")), *words]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise TaskError(
            f"`edgekit {' '.join(words)}` ended with {done.returncode}.",
            "What it said is below.",
            done.stderr.splitlines()[-10:],
        )
    return seconds


def firmware_section(console: Console, models: Path) -> list[Row]:
    """Measure with VWW, or a network of its shape where it is missing, print the table and return the rows."""
    rows = [*size_rows(), *time_rows(*vww(models))]
    return print_rows(console, f"Firmware and bench, on {os.cpu_count()} CPUs", rows)


def main() -> int:
    """Measure, print the table and return the exit status."""
    try:
        rows = firmware_section(make_console(), MODELS)
    except EdgekitError as error:
        show_error(error)
        return 1
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
