"""What ``edgekit plan`` prints for people."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgekit.search.planning import PlanFigures, PlanRecord
from edgekit.units import format_millions


def print_plans(console: Console, record: PlanRecord, path: Path) -> None:
    """Print the arena under each plan, and what the new file has."""
    console.print(
        f"[bold]{escape(str(path))}[/]: {record.model.bytes:,} B, arena {record.before.total:,} B"
        f" ({record.before.basis}) with {record.kernels} kernels"
    )
    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("plan")
    for heading in ("head", "scratch", "tail", "arena", "file", "Mult-Adds"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for figures in record.plans:
        arena = figures.arena
        table.add_row(
            figures.plan,
            f"{arena.head:,}",
            f"{arena.scratch:,}",
            f"{arena.tail:,}",
            f"{arena.total:,} B",
            f"{figures.file_bytes:,} B",
            format_millions(figures.mult_adds),
            _note(figures),
            style="bold green" if figures is record.chosen else None,
        )
    console.print(table)
    if record.host is not None:
        same = f"; outputs the same for {record.outputs_compared} inputs" if record.outputs_compared else ""
        console.print(
            f"In TFLite Micro on this 64-bit host: arena {record.host.measured:,} B measured,"
            f" {record.host.predicted:,} B predicted{same}."
        )
    if record.chosen.overlaps:
        console.print(f"The plan is for {record.kernels} kernels alone.", style="yellow")


def _note(figures: PlanFigures) -> str:
    if figures.bands is not None:
        return f"operators 0 to {figures.bands.operators - 1} in {figures.bands.bands} bands"
    return "" if figures.gives == figures.plan else f"no less than {figures.gives}"
