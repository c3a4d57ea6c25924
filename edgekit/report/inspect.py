"""What ``edgekit inspect`` prints for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgekit.latency.estimate import Grounds
from edgekit.memory.lifetimes import ALIGNMENT
from edgekit.search.inspection import InspectRecord, TensorEntry
from edgekit.search.records import ArenaFigures, FlashFigures, LatencyFigures
from edgekit.tflite.graph import Graph
from edgekit.units import format_millions, format_ms, format_size

_GROUNDS: Final[Mapping[Grounds, str]] = {
    "calibration": "measured on this board",
    "board": "timed on this board",
    "core": "timed on boards with this core",
    "library": "timed on other cores only",
    "counted": "instructions counted, cycles assumed",
    "prior": "nothing was measured, a guess from the core",
}


def print_inspection(console: Console, record: InspectRecord, graph: Graph, path: Path) -> None:
    """Print problems first, then operators, arena, flash and the verdict."""
    console.print(
        f"[bold]{escape(str(path))}[/]: {record.model.bytes:,} B, {len(record.ops)} operators,"
        f" {format_millions(record.mult_adds)} Mult-Adds; input {_type(graph, graph.inputs)},"
        f" output {_type(graph, graph.outputs)}"
    )
    for problem in record.problems:
        where = f"operator {problem.index}, {problem.op}" if problem.index is not None else "model"
        style = "red" if problem.severity == "error" else "yellow"
        console.print(f"[{style}]{problem.severity}[/]: {escape(where)}: {escape(problem.problem)}")
        console.print(f"  Try: {escape(problem.remedy)}")
    _print_ops(console, record)
    if record.arena is not None and record.flash is not None:
        _print_memory(console, record, record.arena, record.flash)
    if record.latency_ms is not None:
        latency = record.latency_ms
        bar = f"{format_ms(latency.low)} to {format_ms(latency.high)}"
        console.print(f"time   ~{format_ms(latency.estimate)} ({latency.basis}, {bar}{grounds_of(latency)})")
    if record.fits is not None:
        _print_verdict(console, record)


def _print_memory(console: Console, record: InspectRecord, arena: ArenaFigures, flash: FlashFigures) -> None:
    console.print(
        f"arena  {arena.total:,} B ({arena.basis}) = {arena_parts(arena)}, with {record.kernels} kernels"
    )
    if arena.required - arena.total >= ALIGNMENT:
        console.print(
            f"       at least {arena.required:,} B to allocate: planning needs more room than running"
        )
    if arena.margin:
        console.print(
            f"       plus {arena.margin:,} B kept free for the other TFLite Micro release of the SDK"
        )
    if record.tflm_host_arena is not None:
        console.print(f"       {record.tflm_host_arena:,} B measured in TFLite Micro on this 64-bit host")
    if record.peak is not None:
        alive = ", ".join(
            f"{'scratch' if b.tensor is None else f'tensor {b.tensor} {list(b.shape)}'} {b.bytes:,} B"
            for b in record.peak.alive
        )
        console.print(
            f"peak   {record.peak.bytes:,} B at operator {record.peak.index} ({record.peak.op}): {escape(alive)}"
        )
    console.print(
        f"flash  {format_size(flash.total)} ({flash.basis}) = model {flash.model:,} B + code {format_size(flash.code)}"
    )


def grounds_of(latency: LatencyFigures) -> str:
    """Return, for a bracket, what an estimate rests on, and for measurements on the board their day."""
    return f"; measured on {latency.measured_on}" if latency.measured_on else f"; {_GROUNDS[latency.grounds]}"


def arena_parts(arena: ArenaFigures) -> str:
    """Return what an arena is made of; the aot engine's has no tail."""
    parts = f"head {arena.head:,} + scratch {arena.scratch:,}"
    return f"{parts} + tail {arena.tail:,}" if arena.tail else parts


def _print_ops(console: Console, record: InspectRecord) -> None:
    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("operator")
    table.add_column("inputs")
    table.add_column("outputs")
    table.add_column("Mult-Adds", justify="right")
    for op in record.ops:
        table.add_row(
            str(op.index),
            escape(op.op),
            escape(" ".join(_shape(t) for t in op.inputs)),
            escape(" ".join(_shape(t) for t in op.outputs)),
            f"{op.mult_adds:,}" if op.mult_adds else "",
        )
    console.print(table)


def _print_verdict(console: Console, record: InspectRecord) -> None:
    if record.fits:
        console.print(f"[bold green]fits[/] {record.board}")
        return
    reasons = [f"{b.limit} needs {b.need:,.0f}, has {b.have:,.0f} ({b.unlock})" for b in record.binding] or [
        "an operator cannot run"
    ]
    console.print(f"[bold red]does not fit[/] {record.board}: {escape('; '.join(reasons))}")


def _shape(tensor: TensorEntry) -> str:
    text = "x".join(map(str, tensor.shape)) or "scalar"
    return f"({text})" if tensor.constant else text


def _type(graph: Graph, indices: tuple[int, ...]) -> str:
    return " ".join(f"{graph.tensors[i].dtype} {'x'.join(map(str, graph.tensors[i].shape))}" for i in indices)
