"""What ``edgekit fit --board all`` prints for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from edgekit.report.fit import verdict
from edgekit.search.ranking import Ranking, Wanted
from edgekit.units import format_ms, format_size


def print_ranking(console: Console, ranking: Ranking) -> None:
    """Print the boards with the best that each can do, and its verdict."""
    table = Table(
        title=f"Boards for {ranking.arch} {_wanted(ranking.wanted)}",
        title_justify="left",
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    for heading in ("board", "alpha/res", "kernels"):
        table.add_column(heading, no_wrap=True)
    for heading in ("top-1 %", "arena", "RAM", "image", "latency", "least", "most"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    for row in ranking.boards:
        one, latency = row.candidate, row.candidate.latency_ms
        table.add_row(
            row.board,
            one.spec.label,
            one.kernels,
            f"{one.top1.value:.1f}",
            format_size(one.arena.need),
            format_size(row.budget.ram_bytes),
            format_size(one.flash.total),
            f"~{format_ms(latency.estimate)}{'m' if latency.measured_on else ''}",
            format_ms(latency.low),
            format_ms(latency.high),
            verdict(one),
            style=None if row.fits else "dim",
        )
    console.print(table)
    holding = sum(row.fits for row in ranking.boards)
    console.print(
        f"{holding} of {len(ranking.boards)} boards hold it. Latency is estimated; 80 % of measurements lie between"
        " least and most. m: from measurements on this board.",
        style="dim",
    )


def _wanted(wanted: Wanted) -> str:
    parts = [
        f"alpha {wanted.alpha:g}" if wanted.alpha is not None else "",
        f"{wanted.resolution} px" if wanted.resolution is not None else "",
        f"top-1 of {wanted.top1:g} % at least" if wanted.top1 is not None else "",
    ]
    return ", ".join(part for part in parts if part) or "of any size"
