"""What a benchmark found, for people: predicted next to measured, and the verdict."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.bench.record import BenchRecord, JudgeRecord, OpRecord, ProfileRecord
from edgekit.device.host import HOST_BOARD
from edgekit.units import format_millions, format_ms, format_size

_SHOWN = 5


def print_bench(record: BenchRecord, console: Console) -> None:
    """Print ``record``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "Predicted", "Measured", ""):
        table.add_column(title, justify="right" if title else "left", overflow="fold")
    latency = record.latency
    table.add_row(
        "Latency, median", _predicted(record), _amount(record, latency.median), _latency_note(record)
    )
    table.add_row("  min / p95 / max", "", " / ".join(_amount(record, v) for v in _spread(record)), "")
    arena = record.arena
    table.add_row("Arena", _size(arena.predicted), _size(arena.measured), _arena_note(record))
    outputs = record.outputs
    equal = outputs.compared - outputs.mismatched
    within = " within the tolerance" if record.judge is not None and record.judge.tolerance else " equal"
    table.add_row(f"Outputs{within}", f"{outputs.compared}", f"{equal}", f"compared {_compared(record)}")
    if record.judge is not None and record.judge.reference is not None:
        share = record.judge.reference
        table.add_row(
            "  equal to the reference",
            "",
            f"{outputs.compared - share.differing}",
            _steps_note(share.largest),
        )
    if record.top1 is not None:
        top1 = record.top1
        table.add_row(
            "Top-1", f"{top1.host:.1f} %", f"{top1.value:.1f} %", f"of {top1.images} images; host, device"
        )
    device = ", ".join(part for part in (record.board, record.engine, record.kernels) if part)
    console.print(Text(f"{device or record.device} at {record.port}: {record.runs} runs"))
    console.print(table)
    if record.selftest == "passed":
        console.print("Self-test passed: the device's own golden vector, when it started.")
    if record.ops is not None and record.profile is not None:
        _print_profile(record, record.ops, record.profile, console)
    _print_verdict(record, console)


def _print_verdict(record: BenchRecord, console: Console) -> None:
    different = len(record.mismatches)
    # What concerns the whole comes first: there may be many outputs that differ.
    failures = (*record.failures[different:], *record.failures[:different])
    for failure in failures[:_SHOWN]:
        console.print(Text(failure, style="red"))
    if len(failures) > _SHOWN:
        console.print(Text(f"and {len(failures) - _SHOWN} more; all are in the JSON.", style="red"))
    if different and record.judge is not None and not record.judge.exact:
        console.print(Text(_doubt(record.judge), style="yellow"))
    compared = record.outputs.compared
    if record.ok:
        verdict, style = f"OK: all {compared} outputs {_agreement(record)}.", "bold green"
    elif different:
        verdict, style = f"FAILED: {different} of {compared} outputs {_differ(different)}.", "bold red"
    else:
        verdict, style = f"FAILED, though all {compared} outputs {_agreement(record)}.", "bold red"
    console.print(Text(verdict, style=style))


def _doubt(judge: JudgeRecord) -> str:
    """Return what has to be known of outputs that differ where equality is not promised."""
    apart = "" if judge.largest is None else f", by {_at_most(judge.largest)}"
    return (
        f"They differ from the {judge.kernels} kernels of {judge.interpreter or 'the host'}{apart}. The device runs "
        "another interpreter, or on another machine, which may round in another way: install the same package here, "
        "or allow so many steps with --tolerance."
    )


def _agreement(record: BenchRecord) -> str:
    """Return what is right with outputs of which none is a mismatch."""
    judge = record.judge
    if judge is None or (judge.kernels == "reference" and not judge.differing):
        return "equal the host's"
    if not judge.differing:
        return f"equal those of the host's XNNPACK ({judge.interpreter})"
    within = f"are within {_steps(judge.tolerance)} of the host's ({judge.kernels} kernels)"
    return f"{within}; {judge.differing} of them {_differ(judge.differing)}"


def _compared(record: BenchRecord) -> str:
    """Return how the outputs were compared, and with what where it is not the reference."""
    judge = record.judge
    if judge is None:
        return "three decimals" if record.protocol == "mlperf" else "bit for bit"
    how = f"to {_steps(judge.tolerance)}" if judge.tolerance else "bit for bit"
    if judge.exact and judge.kernels == "reference":
        return how
    return f"{how} with {judge.kernels} of {judge.interpreter or 'the host'}"


def _steps_note(largest: int | None) -> str:
    return f"{_at_most(largest)} off" if largest else ""


def _at_most(largest: int) -> str:
    return f"at most {_steps(largest)}"


def _steps(count: int) -> str:
    return f"{count} step{'' if count == 1 else 's'}"


def _differ(count: int) -> str:
    return "differs" if count == 1 else "differ"


def _print_profile(
    record: BenchRecord, ops: tuple[OpRecord, ...], profile: ProfileRecord, console: Console
) -> None:
    """Print the operators of one inference, and what they are of the whole."""
    emulated = record.latency.unit == "instructions"
    table = Table(box=None, pad_edge=False, header_style="bold")
    amount, each_title = ("instructions", "instr./Mult-Add") if emulated else ("latency", "ns/Mult-Add")
    for title in ("#", "operator", "output", amount, "%", "Mult-Adds", each_title):
        table.add_column(title, justify="left" if title in ("operator", "output") else "right")
    for op in ops:
        each = op.latency * (1 if emulated else 1e6) / op.mult_adds if op.mult_adds else None
        table.add_row(
            str(op.index),
            Text(op.op),
            "x".join(map(str, op.shape)),
            f"{op.latency:,.0f}" if emulated else format_ms(op.latency),
            f"{100 * op.latency / profile.whole:.1f}" if profile.whole else "",
            f"{op.mult_adds:,}" if op.mult_adds else "",
            f"{each:.2f}" if each is not None else "",
        )
    console.print(table)
    share = f" ({100 * profile.sum / profile.whole:.1f} %)" if profile.whole else ""
    console.print(
        Text(
            f"Operators together {_amount(record, profile.sum)} of {_amount(record, profile.whole)}{share}, "
            "in one inference that was profiled."
        )
    )


def _predicted(record: BenchRecord) -> str:
    if record.latency.unit == "instructions":
        instructions = record.predicted_instructions
        return "-" if instructions is None else f"{format_millions(instructions)} (estimated)"
    predicted = record.predicted_latency
    return f"{format_ms(predicted.estimate)} ({predicted.basis})" if predicted else "-"


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
        predicted_count = record.predicted_instructions
        off = f"; {record.latency.median / predicted_count - 1:+.1%}" if predicted_count else ""
        return f"instructions, under emulation: no time{off}"
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
