"""The lines of the benchmark's tables: a metric, its target, what was measured, and whether that is met."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One line of a table; ``met`` is ``None`` where there is no target, or where nothing could be measured."""

    metric: str
    target: str
    measured: str
    met: bool | None
    note: str = ""


def print_rows(console: Console, title: str, rows: Iterable[Row]) -> list[Row]:
    """Print ``rows`` as a table and return them."""
    shown = list(rows)
    table = Table("metric", "target", "measured", "verdict", "", title=title, title_justify="left")
    verdicts = {True: "[green]met[/]", False: "[bold red]MISSED[/]", None: "-"}
    for row in shown:
        table.add_row(row.metric, row.target, row.measured, verdicts[row.met], row.note)
    console.print(table)
    return shown


def make_console() -> Console:
    """Return a console for the tables: as wide as the terminal, or wide enough in a pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=140)
