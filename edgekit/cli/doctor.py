"""``edgekit doctor``: what keeps a board from being built for, flashed or benched, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.boards.profile import BoardProfile
from edgekit.cli.params import DEFAULT_BUILD, board_option


@click.command("doctor")
@board_option()
@click.option(
    "--build",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help=f"Build folder whose image is looked at [default: {DEFAULT_BUILD} if there is one and no board is named].",
)
@click.option("--port", metavar="PORT", help="Serial port to look at, and to ask what is at it.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON document to stdout.")
def command(
    board: BoardProfile | None,
    boards_dir: tuple[Path, ...],
    folder: Path | None,
    port: str | None,
    as_json: bool,
) -> int:
    """Look for what keeps a board from being built for, flashed or benched: tools, permissions, ports, the image.

    Every finding says what it is, where that was seen, and what to do. Nothing is changed, and no board is reset.

    Exit status: 0, 1 if there is a problem (a warning is none), 2 the user's input.
    """
    from edgekit.boards.catalog import get_board
    from edgekit.codegen.record import PROJECT_FILE, load_project
    from edgekit.doctor.examine import examine
    from edgekit.errors import InputError
    from edgekit.report.console import stderr_console
    from edgekit.report.doctor import print_doctor

    if folder is None and board is None and (DEFAULT_BUILD / PROJECT_FILE).is_file():
        folder = DEFAULT_BUILD
    if folder is not None:
        built_for = load_project(folder).board
        if board is not None and board.name != built_for:
            raise InputError(
                f"{folder} is for {built_for}, and --board says {board.name}.",
                "Leave one of them out.",
            )
        board = board or get_board(built_for, boards_dir)
    record = examine(board, folder, port)
    print_doctor(record, stderr_console())
    if as_json:
        click.echo(record.to_json(), nl=False)
    return 0 if record.ok else 1
