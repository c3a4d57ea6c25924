"""``edgekit build``: the firmware image of a build folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli.params import build_option

if TYPE_CHECKING:
    from edgekit.build.drivers import Plan


@click.command("build")
@build_option
@click.option(
    "--tflm",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with TFLite Micro's headers and library, for the tflm engine; else $EDGEKIT_TFLM_DIR.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the record as one JSON document to stdout.")
def command(folder: Path, tflm: Path | None, as_json: bool) -> None:
    """Build the firmware in a build folder, and hold its size to what was predicted and to the board's limits.

    Exit status: 0, 1 if it does not build or is larger than a limit, 2 the user's input.
    """
    from edgekit.build.lock import folder_lock
    from edgekit.build.project import build_project, over_budget
    from edgekit.build.record import BUILD_FILE, BUILD_LOG
    from edgekit.report.build import print_build
    from edgekit.report.console import stderr_console

    def say(plan: Plan) -> None:
        if plan.slow:
            click.echo(
                f"Building with {', '.join(plan.tools)}; what they say goes to {folder / BUILD_LOG}.",
                err=True,
            )

    with folder_lock(folder):
        record = build_project(folder, tflm, say)
    print_build(record, stderr_console())
    click.echo(f"Image: {folder / record.image.file}   (record {BUILD_FILE}, log {BUILD_LOG})", err=True)
    if as_json:
        click.echo(record.to_json(), nl=False)
    if not record.ok:
        raise over_budget(record)
