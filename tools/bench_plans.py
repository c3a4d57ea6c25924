"""Memory plans against their targets: heads, arenas in bands, and the time that planning takes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from bench_rows import Row, make_console, print_rows
from bench_vww import MODELS, ROOT
from rich.console import Console

from edgekit.memory.arena import predict_arena, predict_wheel_arena
from edgekit.memory.band_choice import with_bands
from edgekit.memory.plans import with_plan
from edgekit.memory.releases import TFLM_WHEEL
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph
from edgekit.tflite.tflm import measure_tflm, tflm_available
from edgekit.tflite.writer import write_model

sys.path.insert(0, str(ROOT / "tests"))

from random_graphs import chain_with_residuals

_HEADS = (
    # alpha, resolution, most bytes of the head: greedy, offline, overlap with reference kernels
    (0.25, 96, 73_728, 55_296, 36_880),
    (0.25, 224, 401_408, 301_056, 200_720),
    (0.5, 160, 307_200, 307_200, 204_816),
    (1.0, 224, 1_204_224, 1_204_224, 802_848),
)
_BANDS = ((0.25, 224, 246_480), (0.5, 160, 249_952), (1.0, 96, 252_240))
"""Alpha, resolution, most bytes of the whole arena in bands, without overlap, on a 64-bit host."""
_RUNS = 5


def plan_rows(models: Path) -> Iterator[Row]:
    """Compare plans with their targets, each after a real allocation where TFLite Micro is installed."""
    vww = models / "vww_96_int8.tflite"
    for alpha, resolution, *most in _HEADS:
        graph = _network(alpha, resolution)
        name = f"{alpha:g}/{resolution}"
        if resolution == 96 and vww.exists():
            graph, name = read_graph(vww.read_bytes()), "VWW 0.25/96"
        for plan, limit in zip(("greedy", "offline", "overlap"), most, strict=True):
            planned = with_plan(graph, plan, "reference")
            head = predict_arena(planned, "reference", "cortex-m4f").head
            off, note = _allocated(planned)
            yield Row(
                f"{name}, {plan}: head", f"<= {limit:,} B", f"{head:,} B", head <= limit and not off, note
            )
    for alpha, resolution, limit in _BANDS:
        found = with_bands(_network(alpha, resolution), "esp_nn", "lp64", TFLM_WHEEL)
        assert found is not None
        graph, choice = found
        total = predict_wheel_arena(graph).total
        off, note = _allocated(graph)
        note = f"{choice.depth} operators in {choice.count} bands; {note}"
        metric = f"{alpha:g}/{resolution}, bands without overlap: arena, 64-bit"
        yield Row(metric, f"<= {limit:,} B", f"{total:,} B", total <= limit and not off, note)


def time_rows() -> Iterator[Row]:
    """Time the planning of one network and of a graph of 200 operators."""
    for metric, graph, limit in (
        ("planning 31 operators, all tensor plans", _network(0.25, 96), 0.05),
        ("planning 200 operators with residuals", chain_with_residuals(200), 2.0),
    ):
        with_plan(graph, "overlap", "reference")
        seconds = []
        for _ in range(_RUNS):
            start = time.perf_counter()
            with_plan(graph, "overlap", "reference")
            seconds.append(time.perf_counter() - start)
        took = median(seconds)
        yield Row(metric, f"< {limit:g} s", f"{took:.4f} s", took < limit, f"median of {_RUNS}")


def plan_section(console: Console, models: Path) -> list[Row]:
    """Print the tables and return their rows."""
    rows = print_rows(console, "Memory plans", plan_rows(models))
    return rows + print_rows(console, "Time to plan", time_rows())


def _network(alpha: float, resolution: int) -> Graph:
    return network_graph(NetworkSpec("mobilenet_v1", alpha, resolution, 3, 2))


def _allocated(graph: Graph) -> tuple[int, str]:
    """Return by how many bytes the prediction is off in real TFLite Micro, and a note on it."""
    if not tflm_available():
        return 0, "not allocated: the tflite-micro wheel is not installed"
    measured = measure_tflm(write_model(graph)).total
    off = predict_wheel_arena(graph).total - measured
    return off, f"{measured:,} B in TFLite Micro on this host, {off:,} B off"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables and return the exit status."""
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    rows = plan_section(make_console(), MODELS)
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
