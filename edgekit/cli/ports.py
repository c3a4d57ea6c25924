"""``edgekit ports``: what is connected, and which boards it may be."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.params import boards_dir_option


@click.command("ports")
@click.option(
    "--identify",
    is_flag=True,
    help="Open each port on USB and ask the device who it is; boards that restart when their port is opened do so.",
)
@boards_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
def command(identify: bool, boards_dir: tuple[Path, ...], as_json: bool) -> None:
    """List the serial ports that are here, the boards that may be behind them, and boards in their boot loader.

    Nothing is opened for it unless --identify is given.
    """
    from edgekit.boards.catalog import load_catalog
    from edgekit.flash.survey import survey

    ask = None
    if identify:
        from edgekit.bench.identify import ask_identity

        ask = ask_identity
    connected = survey(tuple(load_catalog(boards_dir).values()), ask)
    if as_json:
        click.echo(connected.to_json(), nl=False)
    else:
        from edgekit.report.console import stdout_console
        from edgekit.report.ports import print_ports

        print_ports(connected, stdout_console())
    for port in connected.ports:
        if port.boards and not port.accessible:
            from edgekit.doctor.explain import as_details, explain_port

            for line in as_details(explain_port(port.port)):
                click.echo(line, err=True)
