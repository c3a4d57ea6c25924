"""``edgekit inspect``: what a .tflite needs, what is wrong with it, and whether it fits a board."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.boards.kernels import KERNEL_LIBRARIES, KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.cli.params import board_option, limit_options
from edgekit.errors import InputError
from edgekit.report.console import stderr_console
from edgekit.report.inspect import print_inspection
from edgekit.search.budget import Budget
from edgekit.search.inspection import inspect_model
from edgekit.tflite.interpreter import probe
from edgekit.tflite.reader import read_graph, read_model_file
from edgekit.tflite.tflm import measure_tflm


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@board_option()
@click.option(
    "--kernels",
    type=click.Choice(KERNEL_LIBRARIES),
    help="Kernel library (default: the board's best, else reference).",
)
@limit_options
@click.option("--tflm", is_flag=True, help="Measure the arena with real TFLite Micro on this host as well.")
@click.option("--json", "as_json", is_flag=True, help="Print the document to stdout.")
def command(
    model: Path,
    board: BoardProfile | None,
    boards_dir: tuple[Path, ...],
    kernels: KernelLibrary | None,
    ram: int | None,
    flash: int | None,
    max_latency: float | None,
    tflm: bool,
    as_json: bool,
) -> int:
    """Show what MODEL needs: operators, arena with its peak, flash, and whether it fits a board.

    Exit status: 0, or 1 if a board is named and the model does not fit it or cannot run.
    """
    if board is None and (ram or flash or max_latency):
        raise InputError("Limits need a board to apply to.", "Add --board NAME.")
    if board is not None and kernels is not None and kernels not in board.kernels:
        raise InputError(
            f"{board.title} cannot use {kernels} kernels.", f"It has {', '.join(board.kernels)}."
        )
    content = read_model_file(model)
    graph = read_graph(content)
    chosen = kernels or (board.kernels[0] if board else "reference")
    budget = Budget.of_board(board, ram, flash, max_latency) if board else None
    record = inspect_model(content, graph, board, chosen, budget)
    if record.runs and tflm:
        record = record.model_copy(update={"tflm_host_arena": measure_tflm(content).total})
    elif record.runs:
        record = record.with_host_verdict(probe(content))
    print_inspection(stderr_console(), record, graph, model)
    if as_json:
        click.echo(record.model_dump_json(by_alias=True, indent=2))
    return 1 if record.fits is False else 0
