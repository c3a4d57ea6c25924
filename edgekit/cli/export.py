"""``edgekit export``: the build folder of a finished int8 .tflite."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from edgekit.boards.kernels import Engine, KernelLibrary, engine_of
from edgekit.boards.profile import BoardProfile, Framework
from edgekit.cli.folder import write_build
from edgekit.cli.params import (
    MODEL_ID,
    board_option,
    choose_kernels,
    engine_options,
    framework_option,
    limit_options,
    output_option,
    plan_option,
    strict_option,
)
from edgekit.codegen.project import check_framework
from edgekit.errors import InputError
from edgekit.files import check_writable, read_bytes
from edgekit.memory.plan_names import PlanChoice
from edgekit.pipeline import export, sizes_line
from edgekit.report.console import stderr_console
from edgekit.report.inspect import print_inspection
from edgekit.search.budget import Budget
from edgekit.search.inspection import inspect_model
from edgekit.search.planning import plan_for_board
from edgekit.tflite.interpreter import probe
from edgekit.tflite.reader import read_graph, read_model_file
from edgekit.tflite.support import refusal

_MAX_LABELS_BYTES = 8 * 1024**2


@click.command("export")
@click.argument("model", type=click.Path(path_type=Path))
@board_option(required=True)
@engine_options
@framework_option
@plan_option
@limit_options
@strict_option
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Names of the classes, one a line in the order of the outputs; `edgekit bench --data` needs them.",
)
@click.option(
    "--model-id",
    type=MODEL_ID,
    help="What the firmware calls the model in the MLPerf Tiny protocol, whose runner chooses its test by it: "
    "vww01 (default: the beginning of the model's SHA-256).",
)
@output_option
def command(
    model: Path,
    board: BoardProfile,
    boards_dir: tuple[Path, ...],
    engine: Engine | None,
    kernels: KernelLibrary | None,
    framework: Framework | None,
    plan: PlanChoice,
    ram: int | None,
    flash: int | None,
    max_latency: float | None,
    strict: bool,
    labels: Path | None,
    model_id: str | None,
    output: Path,
) -> int:
    """Write the firmware sources for MODEL, a finished int8 .tflite, as `edgekit fit` does for its own networks.

    Exit status: 0, or 1 if the model does not fit the board; its folder is written all the same.
    """
    chosen = choose_kernels(board, engine, kernels)
    check_framework(board, engine_of(chosen), framework)
    content = read_model_file(model)
    graph = read_graph(content)
    names = _read_labels(labels) if labels is not None else ()
    check_writable(output)
    budget = Budget.of_board(board, ram, flash, max_latency, strict)
    content, graph, planned = plan_for_board(content, graph, chosen, board, budget, plan)
    record = inspect_model(content, graph, board, chosen, budget)
    found = [problem for problem in record.problems if problem.severity == "error"]
    if found:
        raise refusal(found, record.engine)
    # It runs, and there is a board.
    assert record.arena is not None and record.flash is not None and record.latency_ms is not None
    refused = probe(content)
    if refused is not None:
        raise InputError(
            f"The host interpreter does not take {model}: {refused}.", "Convert the float model again."
        )
    figures = (record.arena, record.flash, record.latency_ms)
    files = export(
        content,
        graph,
        board,
        chosen,
        planned,
        budget,
        *figures,
        labels=names,
        model_id=model_id,
        framework=framework,
    )
    write_build(output, files)
    console = stderr_console()
    print_inspection(console, record, graph, model)
    console.print(escape(sizes_line(files, output)))
    return 1 if record.fits is False else 0


def _read_labels(path: Path) -> tuple[str, ...]:
    try:
        lines = read_bytes(path, "labels", _MAX_LABELS_BYTES).decode().split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text.", "Give a text file with one class a line.") from error
    return tuple(name for line in lines if (name := line.strip()))
