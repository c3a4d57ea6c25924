"""``edgekit flash``: the firmware of a build folder onto its board."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.params import build_option, show_complaint


@click.command("flash")
@build_option
@click.option("--stop", is_flag=True, help="End the emulated board that was started.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as one JSON document to stdout.")
def command(folder: Path, stop: bool, as_json: bool) -> None:
    """Put the firmware onto the board, having built it where needed. An emulated board is started with it.

    The emulated board runs in the background until `edgekit flash --stop`; `edgekit bench` and
    `edgekit monitor` find it.

    Exit status: 0, 1 if it could not be done, 2 the user's input.
    """
    from edgekit.flash.board import flash_board, stop_board
    from edgekit.report.build import print_build
    from edgekit.report.console import stderr_console

    if stop:
        ended = stop_board(folder)
        click.echo(
            f"Ended {ended.machine} at {ended.port}, process {ended.pid}."
            if ended
            else f"No board of {folder} was running.",
            err=True,
        )
        if as_json:
            click.echo(ended.to_json() if ended else "null\n", nl=False)
        return
    record, built = flash_board(folder, lambda build: print_build(build, stderr_console()), show_complaint)
    click.echo(f"{record.machine} runs {folder / built.image.file}, process {record.pid}.", err=True)
    click.echo("Next: `edgekit bench`, `edgekit monitor`, `edgekit flash --stop`.", err=True)
    if as_json:
        click.echo(record.to_json(), nl=False)
    else:
        click.echo(record.port)
