"""Latency, one board left out at a time: estimates for a board that the model has not seen, against published times."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from math import exp, log
from statistics import mean, median

from bench_rows import Row, make_console, print_rows
from latency_data import bad_rows, load_observations
from latency_held_out import Held, blind_fits, held_out
from latency_networks import mult_adds
from rich.console import Console
from rich.table import Table

from edgekit.boards.kernels import KERNEL_LIBRARIES
from edgekit.latency.estimate import COVERAGE
from edgekit.units import format_ms


def rows(held: Sequence[Held]) -> Iterator[Row]:
    """Return the table of errors and coverage against their targets."""
    for case, target, title in (
        ("library", 0.25, "median error, library timed on another board"),
        ("operators", 0.15, "median error, operators timed on the board"),
        ("prior", None, "median error, library timed on no other board"),
    ):
        known = [h for h in held if h.case == case and not h.row.stands_in]
        off = median(abs(h.error) for h in known)
        ours = [abs(h.error) for h in known if h.row.library in KERNEL_LIBRARIES]
        note = f"{len(known)} networks"
        note += f"; {median(ours):.0%} for the {len(ours)} with libraries of edgekit's" if ours else ""
        yield Row(
            title,
            f"<= {target:.0%}" if target else "-",
            f"{off:.1%}",
            off <= target if target else None,
            note,
        )
    known = [h for h in held if not h.row.stands_in]
    inside = sum(h.inside for h in known) / len(known)
    width = median(h.high / h.low for h in known)
    note = f"{sum(h.inside for h in known)} of {len(known)}; high/low {width:.1f} in the middle"
    yield Row(f"measured within the {COVERAGE:.0%} bounds", ">= 75%", f"{inside:.0%}", inside >= 0.75, note)
    yield _one_figure(held)
    stands = [h for h in held if h.row.stands_in]
    off = median(abs(h.error) for h in stands)
    note = (
        f"{sum(h.inside for h in stands)} of {len(stands)} within bounds; MCUNet, whose layers are not known"
    )
    yield Row("median error where another network stands in", "-", f"{off:.0%}", None, note)


def _one_figure(held: Sequence[Held]) -> Row:
    """Return how far off one figure of cycles per Mult-Add is: that of the library on the other boards."""
    rows = [h.row for h in held if h.case == "library" and not h.row.stands_in]
    errors = []
    for row in rows:
        others = [
            log(other.amount / mult_adds(other.works))
            for other in rows
            if other.library == row.library and other.board != row.board
        ]
        if others:
            errors.append(abs(exp(mean(others)) * mult_adds(row.works) / row.amount - 1))
    note = f"{len(errors)} networks; {max(errors):.0%} at worst"
    return Row("  with one figure of cycles per Mult-Add instead", "-", f"{median(errors):.1%}", None, note)


def detail_table(held: Sequence[Held]) -> Table:
    """Return every row that was held out."""
    table = Table(title="Boards left out one at a time", title_justify="left")
    for column in ("row", "board", "kernels", "network", "case"):
        table.add_column(column)
    for column in ("measured", "estimate", "low", "high", "error"):
        table.add_column(column, justify="right")
    table.add_column("bounds")
    for h in sorted(held, key=lambda h: (h.case, h.row.name)):
        times = (format_ms(value) for value in (h.row.ms, h.estimate, h.low, h.high))
        table.add_row(
            h.row.name,
            h.row.board,
            h.row.library,
            h.row.network + (" (stands in)" if h.row.stands_in else ""),
            h.case,
            *times,
            f"{h.error:+.0%}",
            "inside" if h.inside else "[red]OUTSIDE[/]",
        )
    return table


def latency_section(console: Console) -> list[Row]:
    """Leave every board out once, print the tables and return the rows."""
    held = held_out(blind_fits(load_observations()))
    shown = print_rows(console, "Latency of boards that the model has not seen", rows(held))
    console.print(detail_table([h for h in held if h.row.use == "fit"]))
    for row in bad_rows():
        console.print(f"Left out: {row.name}, {row.board}, {row.network}: {row.note}.")
    console.print(
        "Also left out, and not in the file: X-CUBE-AI from 9 on with VWW, which drops dead channels; ticks of the"
        " Corstone-300 simulator, which are no time."
    )
    return shown


def main() -> int:
    """Print the report; return the exit status."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    return 1 if any(row.met is False for row in latency_section(make_console())) else 0


if __name__ == "__main__":
    sys.exit(main())
