"""``edgekit inspect``: what a .tflite needs, what is wrong with it, and whether it fits a board."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from edgekit.boards.kernels import Engine, KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.cli.params import (
    NO_PICTURE,
    PICTURE,
    board_option,
    choose_kernels,
    engine_options,
    limit_options,
    strict_option,
)
from edgekit.errors import InputError
from edgekit.files import write_atomic
from edgekit.memory.plan_names import PLANS, Plan
from edgekit.report.console import stderr_console
from edgekit.report.inspect import print_inspection
from edgekit.report.plan import print_plan
from edgekit.report.plan_svg import plan_svg
from edgekit.search.budget import Budget
from edgekit.search.inspection import inspect_model
from edgekit.search.planning import planned_content
from edgekit.tflite.interpreter import probe
from edgekit.tflite.reader import read_graph, read_model_file
from edgekit.tflite.tflm import measure_tflm


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@board_option()
@engine_options
@limit_options
@strict_option
@click.option("--tflm", is_flag=True, help="Measure the arena with real TFLite Micro on this host as well.")
@click.option(
    "--plan",
    type=PICTURE,
    is_flag=False,
    flag_value=NO_PICTURE,
    metavar="[FILE.svg]",
    help="Draw the memory plan, into an SVG file too if one is named.",
)
@click.option(
    "--with-plan",
    type=click.Choice(PLANS),
    help="Look at the model as `edgekit plan` writes it with this memory plan.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the document to stdout.")
def command(
    model: Path,
    board: BoardProfile | None,
    boards_dir: tuple[Path, ...],
    engine: Engine | None,
    kernels: KernelLibrary | None,
    ram: int | None,
    flash: int | None,
    max_latency: float | None,
    strict: bool,
    tflm: bool,
    plan: Path | None,
    with_plan: Plan | None,
    as_json: bool,
) -> int:
    """Show what MODEL needs: operators, arena with its peak, flash, and whether it fits a board.

    Exit status: 0, or 1 if a board is named and the model does not fit it or cannot run.
    """
    if board is None and (ram or flash or max_latency or strict):
        raise InputError("Limits need a board to apply to.", "Add --board NAME.")
    chosen = choose_kernels(board, engine, kernels)
    content = read_model_file(model)
    graph = read_graph(content)
    budget = Budget.of_board(board, ram, flash, max_latency, strict) if board else None
    if with_plan is not None:
        content = planned_content(graph, chosen, board, with_plan)
        graph = read_graph(content)
    record = inspect_model(content, graph, board, chosen, budget)
    if record.runs and tflm:
        record = record.model_copy(update={"tflm_host_arena": measure_tflm(content).total})
    elif record.runs:
        record = record.with_host_verdict(probe(content))
    console = stderr_console()
    print_inspection(console, record, graph, model)
    if plan is not None:
        print_plan(console, record)
        picture = plan_svg(record, model.name) if plan != NO_PICTURE else None
        if picture is not None:
            write_atomic(plan, picture)
            console.print(f"       drawn in {escape(str(plan))}")
    if as_json:
        click.echo(record.to_json(), nl=False)
    return 1 if record.fits is False else 0
