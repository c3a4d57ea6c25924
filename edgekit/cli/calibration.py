"""``edgekit calibration``: what was measured on boards and later estimates use."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.boards.kernels import KERNEL_LIBRARIES, KernelLibrary
from edgekit.errors import InputError

_EMPTY = "`edgekit bench --profile --calibrate` measures a board."


@click.group("calibration")
def command() -> None:
    """Show, share and forget what was measured on boards with `edgekit bench --profile --calibrate`.

    Later runs of `edgekit fit` and `edgekit inspect` for the same board, kernels and SDK use it.
    """


@command.command("list")
@click.option(
    "--json", "as_json", is_flag=True, help="Print all that is kept as one JSON document to stdout."
)
def list_command(as_json: bool) -> None:
    """List what is kept."""
    from rich.console import Console
    from rich.table import Table

    from edgekit.latency.store import CalibrationSet, load_all, store_folder

    found = list(load_all())
    if as_json:
        click.echo(CalibrationSet(calibrations=tuple(record for _, record in found)).to_json(), nl=False)
        return
    if not found:
        click.echo(f"Nothing is kept in {store_folder()}. {_EMPTY}", err=True)
        return
    table = Table(header_style="bold", box=None, pad_edge=False)
    for heading in ("board", "kernels", "SDK", "unit", "measured on"):
        table.add_column(heading)
    for heading in ("models", "operators"):
        table.add_column(heading, justify="right")
    for _, record in found:
        counts = (str(len(record.models)), str(record.operators))
        table.add_row(record.board, record.kernels, record.sdk, record.unit, record.date, *counts)
    stdout = Console()
    (stdout if stdout.is_terminal else Console(width=120)).print(table)
    click.echo(f"In {store_folder()}.", err=True)


@command.command("export")
@click.argument("board", required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write. [default: stdout]",
)
def export_command(board: str | None, output: Path | None) -> None:
    """Write what is kept for BOARD, or for all boards, as one JSON document for `edgekit calibration import`."""
    from edgekit.files import write_atomic
    from edgekit.latency.store import CalibrationSet, load_all

    board = _named(board)
    records = tuple(record for _, record in load_all() if board in (None, record.board))
    if not records:
        raise InputError(f"Nothing is kept{f' for {board}' if board else ''}.", _EMPTY)
    text = CalibrationSet(calibrations=records).to_json()
    if output is None:
        click.echo(text, nl=False)
        return
    write_atomic(output, text)
    click.echo(f"Wrote {len(records)} calibrations to {output}.", err=True)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_command(file: Path) -> None:
    """Keep what is in FILE, which `edgekit calibration export` wrote; of a model in both, the later day counts."""
    from edgekit.latency.store import load_set, save

    for record in load_set(file).calibrations:
        save(record)
        click.echo(f"{record.board}, {record.kernels}, {record.sdk}: measured on {record.date}.", err=True)


@command.command("forget")
@click.argument("board", required=False)
@click.option("--kernels", type=click.Choice(KERNEL_LIBRARIES), help="Only this kernel library.")
@click.option("--all", "everything", is_flag=True, help="All boards.")
def forget_command(board: str | None, kernels: KernelLibrary | None, everything: bool) -> None:
    """Remove what is kept for BOARD."""
    from edgekit.latency.store import forget, store_folder

    if everything == (board is not None):
        raise click.UsageError("Name a board, or give --all.")
    board = _named(board)
    removed = forget(board, kernels)
    if not removed:
        what = " ".join(part for part in (board, kernels) if part)
        raise InputError(
            f"Nothing is kept for {what or 'any board'} in {store_folder()}.",
            "See `edgekit calibration list`.",
        )
    click.echo(f"Removed {', '.join(path.name for path in removed)}.", err=True)


def _named(board: str | None) -> str | None:
    """Return the name of the board that has ``board`` for an alias; one that is not known any more keeps its own."""
    from edgekit.boards.catalog import get_board

    try:
        return board and get_board(board).name
    except InputError:
        return board
