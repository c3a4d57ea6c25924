"""``edgekit monitor``: what the device says on its line."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.params import TIME, baud_option, build_option


@click.command("monitor")
@click.option(
    "--port",
    "-p",
    metavar="PORT",
    help="Serial port or URL. [default: the board that `edgekit flash` started]",
)
@build_option
@click.option(
    "--send",
    "commands",
    multiple=True,
    metavar="COMMAND",
    help="Send this first, such as name, profile or help (repeatable); the % at its end is added.",
)
@click.option(
    "--for", "time_ms", type=TIME, metavar="TIME", help="Stop after this time: 5s. [default: Ctrl-C]"
)
@baud_option
def command(
    port: str | None, folder: Path, commands: tuple[str, ...], time_ms: float | None, baud: int
) -> None:
    """Show what the device says on its line, until Ctrl-C."""
    from edgekit.bench.line import open_port
    from edgekit.bench.monitor import watch
    from edgekit.flash.board import port_of

    url = port if port is not None else port_of(folder)
    opened = open_port(url, baud)
    click.echo(f"{url} at {baud} baud; Ctrl-C ends.", err=True)
    try:
        watch(opened, url, _show, commands, None if time_ms is None else time_ms / 1000)
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        opened.close()


def _show(text: str) -> None:
    click.echo(text, nl=False)
