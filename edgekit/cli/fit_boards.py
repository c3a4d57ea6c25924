"""``edgekit fit --board all``: rank the boards for a wanted network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.search.ranking import Limits, Wanted
from edgekit.search.records import EngineChoice


def rank_for(
    console: Console,
    boards_dirs: Sequence[Path],
    space: Sequence[NetworkSpec],
    wanted: Wanted,
    limits: Limits,
    engine: EngineChoice,
    as_json: bool,
) -> int:
    """Rank all boards, print the table, and return the exit status: 0 if one holds what is wanted."""
    from edgekit.boards.catalog import load_catalog
    from edgekit.report.ranking import print_ranking
    from edgekit.search.ranking import rank_boards

    boards = load_catalog(boards_dirs).values()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Looking at boards", total=sum(not board.emulated for board in boards))
        ranking = rank_boards(
            boards, space, wanted, limits, engine, lambda done: bar.update(task, completed=done)
        )
    print_ranking(console, ranking)
    if as_json:
        click.echo(ranking.to_json(), nl=False)
    return 0 if any(row.fits for row in ranking.boards) else 1
