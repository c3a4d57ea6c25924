"""What a build gave, for people: predicted next to measured, and what takes most."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.build.record import BuildRecord
from edgekit.units import format_size

_SHOWN = 8


def print_build(record: BuildRecord, console: Console) -> None:
    """Print ``record``."""
    made = ", ".join((record.board, record.engine, record.kernels))
    console.print(Text(f"Built for {made} in {record.seconds:.1f} s with {_tools(record)}"))
    if record.tflm is not None:
        commit = f", commit {record.tflm.commit[:12]}" if record.tflm.commit else ""
        console.print(Text(f"TFLite Micro: {record.tflm.library}, SHA-256 {record.tflm.sha256[:12]}{commit}"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "Predicted", "Measured", "Limit"):
        table.add_column(title, justify="right" if title else "left")
    flash, ram, sizes = record.flash, record.ram, record.sizes
    table.add_row(
        "Flash", *_sizes(flash.predicted.total if flash.predicted else None, flash.measured, flash.budget)
    )
    place = f" ({record.arena_memory})" if record.arena_memory else ""
    table.add_row(f"RAM{place}", *_sizes(None, ram.total, ram.budget))
    table.add_row("  arena", *_sizes(ram.arena_predicted, ram.arena_measured, None))
    if sizes.stack:
        table.add_row("  stack", *_sizes(None, sizes.stack, None))
    for name, used in record.memories.items():
        if name != record.arena_memory:
            table.add_row(f"  beside it, {name}", *_sizes(None, used, None))
    console.print(table)
    console.print(Text(f"text {sizes.text:,} B, data {sizes.data:,} B, bss {sizes.bss:,} B; largest:"))
    parts = Table(box=None, pad_edge=False, show_header=False)
    parts.add_column(justify="right")
    for part in record.largest[:_SHOWN]:
        where = "flash and RAM" if part.memory == "both" else "RAM" if part.memory == "ram" else "flash"
        parts.add_row(f"{part.bytes:,} B", part.name, part.file, where)
    console.print(parts)
    for name in record.changed:
        console.print(Text(f"Note: {name} is not as edgekit wrote it."))


def _tools(record: BuildRecord) -> str:
    return ", ".join(
        version if version.startswith(name) else f"{name} {version}" for name, version in record.tools.items()
    )


def _sizes(*values: int | None) -> list[str]:
    return ["-" if value is None else format_size(value) for value in values]
