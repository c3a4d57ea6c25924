"""What a benchmark found, for people: predicted next to measured, and the verdict."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.bench.record import BenchRecord
from edgekit.device.host import HOST_BOARD
from edgekit.units import format_millions, format_ms, format_size


def print_bench(record: BenchRecord, console: Console) -> None:
    """Print ``record``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, justify in (("", "left"), ("Predicted", "right"), ("Measured", "right"), ("", "left")):
        table.add_column(title, justify="right" if justify == "right" else "left", overflow="fold")
    latency = record.latency
    predicted = record.predicted_latency
    expected = f"{format_ms(predicted.estimate)} ({predicted.basis})" if predicted else "-"
    table.add_row("Latency, median", expected, _amount(record, latency.median), _latency_note(record))
    table.add_row("  min / p95 / max", "", " / ".join(_amount(record, v) for v in _spread(record)), "")
    arena = record.arena
    table.add_row("Arena", _size(arena.predicted), _size(arena.measured), _arena_note(record))
    outputs = record.outputs
    equal = outputs.compared - outputs.mismatched
    compared = "three decimals" if record.protocol == "mlperf" else "bit for bit"
    table.add_row("Outputs equal", f"{outputs.compared}", f"{equal}", f"compared {compared}")
    device = ", ".join(part for part in (record.board, record.engine, record.kernels) if part)
    console.print(Text(f"{device or record.device} at {record.port}: {record.runs} runs"))
    console.print(table)
    for failure in record.failures[:_SHOWN]:
        console.print(Text(failure, style="red"))
    if len(record.failures) > _SHOWN:
        console.print(Text(f"and {len(record.failures) - _SHOWN} more; all are in the JSON.", style="red"))
    if record.ok:
        console.print(Text(f"OK: all {outputs.compared} outputs equal the host's.", style="bold green"))
    else:
        console.print(
            Text(f"FAILED: {outputs.mismatched} of {outputs.compared} outputs differ.", style="bold red")
        )


_SHOWN = 5


def _spread(record: BenchRecord) -> tuple[float, float, float]:
    return record.latency.min, record.latency.p95, record.latency.max


def _amount(record: BenchRecord, value: float) -> str:
    if record.latency.unit == "ms":
        return format_ms(value)
    return format_millions(round(value))


def _size(size: int | None) -> str:
    return "-" if size is None else format_size(size)


def _latency_note(record: BenchRecord) -> str:
    if record.latency.unit == "instructions":
        return "instructions, under emulation: no time"
    if record.board == HOST_BOARD:
        return "of this host, not of the board"
    predicted = record.predicted_latency
    if predicted is None:
        return ""
    inside = predicted.low <= record.latency.median <= predicted.high
    bar = f"{format_ms(predicted.low)} to {format_ms(predicted.high)}"
    return f"{'within' if inside else 'OUTSIDE'} the error bar of {bar}"


def _arena_note(record: BenchRecord) -> str:
    arena = record.arena
    if record.board == HOST_BOARD:
        return "of this 64-bit host with reference kernels, not of the board" if arena.measured else ""
    if arena.predicted is None or arena.measured is None:
        return ""
    difference = arena.measured - arena.predicted
    return "equal" if difference == 0 else f"{difference:+,} B"
