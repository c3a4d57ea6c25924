"""``edgekit fit --board all``: rank the boards for a wanted network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from edgekit.memory.plan_names import PlanChoice
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.search.ranking import Limits, Wanted
from edgekit.search.records import EngineChoice

_OF_WHAT_IS_MADE: Final = (
    "framework",
    "data",
    "weights",
    "epochs",
    "flip",
    "samples",
    "seed",
    "plot",
    "output",
)
"""Parameters of ``edgekit fit`` that say what to make, and how."""


def check_nothing_is_made(context: click.Context) -> None:
    """Refuse what the user has said of what is to be made: a ranking makes nothing.

    Raises
    ------
    click.UsageError
        If something was.
    """
    said = [
        max(parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name in _OF_WHAT_IS_MADE
        and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]
    if said:
        raise click.UsageError(
            f"--board all ranks the boards and makes nothing; leave out {' and '.join(said)}."
        )


def rank_for(
    console: Console,
    boards_dirs: Sequence[Path],
    space: Sequence[NetworkSpec],
    wanted: Wanted,
    limits: Limits,
    engine: EngineChoice,
    plan: PlanChoice,
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
            boards, space, wanted, limits, engine, lambda done: bar.update(task, completed=done), plan
        )
    print_ranking(console, ranking)
    if as_json:
        click.echo(ranking.to_json(), nl=False)
    return 0 if any(row.fits for row in ranking.boards) else 1
