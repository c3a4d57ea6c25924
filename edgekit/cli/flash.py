"""``edgekit flash``: the firmware of a build folder onto its board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli.params import build_option, show_complaint

if TYPE_CHECKING:
    from edgekit.build.record import BuildRecord
    from edgekit.flash.record import AnyRecord


@click.command("flash")
@build_option
@click.option("--dry-run", is_flag=True, help="Print the commands that would be run, and touch nothing.")
@click.option(
    "--port",
    "-p",
    metavar="PORT",
    help="Serial port or URL; on a Linux board the agent's TCP port. [default: found by its USB ids; 4747]",
)
@click.option("--target", metavar="USER@HOST", help="Board that is reached over the network.")
@click.option("--method", metavar="TOOL", help="How, instead of the board's own way: esptool, uf2, pyocd ...")
@click.option(
    "--baud",
    type=click.IntRange(300, 12_000_000),
    metavar="RATE",
    help="Speed of the transfer, with esptool and nrfutil.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    help="Threads of one inference on a Linux board. [default: one a core with XNNPACK, else 1]",
)
@click.option(
    "--python",
    metavar="PATH",
    help="Python on a Linux board that has the packages, instead of an environment; a path is from the home there.",
)
@click.option(
    "--wheels",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Packages for a Linux board that has no network.",
)
@click.option("--stop", is_flag=True, help="End the emulated board, or the agent on a Linux board.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as one JSON document to stdout.")
def command(
    folder: Path,
    dry_run: bool,
    port: str | None,
    target: str | None,
    method: str | None,
    baud: int | None,
    threads: int | None,
    python: str | None,
    wheels: Path | None,
    stop: bool,
    as_json: bool,
) -> None:
    """Put the firmware onto the board, having built it where needed, and check that it runs there.

    The board's port is found by its USB ids; where several match, each device is asked who it is. An emulated board is
    started with the firmware, and runs in the background until `edgekit flash --stop`. `edgekit bench` and
    `edgekit monitor` find the board afterwards.

    Exit status: 0, 1 if it could not be done, 2 the user's input.
    """
    from edgekit.errors import InputError
    from edgekit.flash.board import flash_board, flash_commands, stop_board
    from edgekit.flash.flasher import Told, Wishes
    from edgekit.flash.record import AgentRecord, DeviceRecord, EmulatorRecord

    if stop and dry_run:
        raise InputError("--stop ends what runs, and --dry-run touches nothing.", "Give one of the two.")
    if stop:
        ended = stop_board(folder)
        click.echo(_ended(ended, folder), err=True)
        if as_json:
            click.echo(ended.to_json() if ended else "null\n", nl=False)
        return
    wishes = Wishes(
        port=port, target=target, method=method, baud=baud, threads=threads, python=python, wheels=wheels
    )
    told = Told(
        built=_print_built,
        complains=show_complaint,
        says=_say,
        shows=_show,
    )
    if dry_run:
        for line in flash_commands(folder, wishes, told):
            click.echo(line)
        return
    from edgekit.bench.identify import ask_identity

    record = flash_board(folder, wishes, told, ask_identity)
    if isinstance(record, EmulatorRecord):
        click.echo(f"{record.board} runs the image of {folder}, process {record.pid}.", err=True)
        click.echo("Next: `edgekit bench`, `edgekit monitor`, `edgekit flash --stop`.", err=True)
    elif isinstance(record, DeviceRecord):
        build = f", build {record.identity.build}" if record.identity.build else ""
        click.echo(f"{record.board} at {record.port} runs the image of {folder}{build}.", err=True)
        click.echo("Next: `edgekit bench`, `edgekit monitor`.", err=True)
    elif isinstance(record, AgentRecord):
        who = f"{record.engine}, {record.kernels}, {record.plan}"
        click.echo(f"{record.board} at {record.target} answers: {who}.", err=True)
        click.echo("Next: `edgekit bench`, `edgekit flash --stop`.", err=True)
    if as_json:
        click.echo(record.to_json(), nl=False)
    else:
        click.echo(record.port)


def _print_built(build: BuildRecord) -> None:
    from edgekit.report.build import print_build
    from edgekit.report.console import stderr_console

    print_build(build, stderr_console())


def _ended(record: AnyRecord | None, folder: Path) -> str:
    """Return what was ended, as a sentence."""
    from edgekit.flash.record import AgentRecord, EmulatorRecord

    if isinstance(record, EmulatorRecord):
        return f"Ended {record.board} at {record.port}, process {record.pid}."
    if isinstance(record, AgentRecord):
        return f"Ended the agent on {record.target}."
    return f"No board of {folder} was running."


def _say(text: str) -> None:
    click.echo(text, err=True)


def _show(text: str) -> None:
    click.echo(text, err=True, nl=False)
