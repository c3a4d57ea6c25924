"""``edgekit models``: the family with Mult-Adds and parameters."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from edgekit.mobilenet.architecture import ARCHS, BASE_RESOLUTION, Arch, NetworkSpec
from edgekit.mobilenet.published import paper_figures
from edgekit.search.space import GRIDS, Grid, search_space


@click.command("models")
@click.option("--arch", type=click.Choice(ARCHS), help="Only this architecture.")
@click.option("--grid", type=click.Choice(GRIDS), default="paper", show_default=True)
@click.option("--classes", type=click.IntRange(2, 100_000), default=1000, show_default=True)
@click.option("--channels", type=click.Choice(["1", "3"]), default="3", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(arch: Arch | None, grid: Grid, classes: int, channels: str, as_json: bool) -> None:
    """List the MobileNet family with Mult-Adds and parameters.

    Mult-Adds follow the paper: multiply-accumulates of convolutions, without biases and pooling. Parameters are those
    that are deployed: weights and one bias a channel, batch normalization folded in.
    """
    archs = (arch,) if arch else ARCHS
    specs = [spec for name in archs for spec in search_space(grid, name, int(channels), classes)]
    if as_json:
        click.echo(
            json.dumps({"schema": "edgekit.models/1", "models": [_entry(spec) for spec in specs]}, indent=2)
        )
        return
    published = {(f.arch, f.alpha, BASE_RESOLUTION): f for f in paper_figures()}
    table = Table(header_style="bold", box=None, pad_edge=False)
    for heading in ("architecture", "alpha", "rho", "resolution", "M Mult-Adds", "M parameters", "paper (M)"):
        table.add_column(heading, justify="left" if heading == "architecture" else "right", no_wrap=True)
    for spec in specs:
        paper = published.get((spec.arch, spec.alpha, spec.resolution))
        table.add_row(
            spec.arch,
            f"{spec.alpha:g}",
            f"{spec.rho:.3f}",
            str(spec.resolution),
            f"{spec.mult_adds / 1e6:.2f}",
            f"{spec.params / 1e6:.2f}",
            f"{paper.mult_adds_m:g} / {paper.params_m:g}"
            if paper and (classes, channels) == (1000, "3")
            else "",
        )
    stdout = Console()
    # A pipe has no width; a table of figures must not be cut there.
    (stdout if stdout.is_terminal else Console(width=120)).print(table)


def _entry(spec: NetworkSpec) -> dict[str, object]:
    return {
        "arch": spec.arch,
        "alpha": spec.alpha,
        "rho": round(spec.rho, 6),
        "resolution": spec.resolution,
        "channels": spec.channels,
        "classes": spec.classes,
        "mult_adds": spec.mult_adds,
        "params": spec.params,
    }
