"""``edgekit plan``: a .tflite written anew with a memory plan in it."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from edgekit.boards.kernels import TFLM_KERNELS, KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.cli.params import board_option, choose_kernels
from edgekit.errors import InputError
from edgekit.files import check_writable, write_atomic
from edgekit.memory.plan_names import PLANS, Plan
from edgekit.memory.rewrite import check_rewritable
from edgekit.report.console import stderr_console
from edgekit.report.planning import print_plans
from edgekit.search.planning import plan_file, written
from edgekit.tflite.interpreter import check_foreign
from edgekit.tflite.reader import read_graph, read_model_file


@click.command("plan")
@click.argument("model", type=click.Path(path_type=Path))
@board_option()
@click.option(
    "--kernels",
    type=click.Choice(TFLM_KERNELS),
    help="Kernel library that the plan is for (default: the board's best, else reference).",
)
@click.option(
    "--plan",
    type=click.Choice(PLANS),
    default="overlap",
    show_default=True,
    help="How far to go: each plan stands for itself and those before it.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="OUT.tflite", help="File to write.")
@click.option("--json", "as_json", is_flag=True, help="Print the document to stdout.")
def command(
    model: Path,
    board: BoardProfile | None,
    boards_dir: tuple[Path, ...],
    kernels: KernelLibrary | None,
    plan: Plan,
    output: Path | None,
    as_json: bool,
) -> int:
    """Show what memory plans do for MODEL, and write it anew with the best of them.

    greedy is TFLite Micro's own plan. offline lets no two tensors overlap and is safe with every kernel. overlap
    lets an operator's output lie over its input as far as the kernels allow. bands also computes the first operators
    in bands of rows. The new file gives the same outputs bit for bit.
    """
    if output is not None:
        if output.suffix.lower() != ".tflite":
            raise InputError(f"{output} does not end in .tflite.", "Name the model to write.")
        if output.resolve() == model.resolve():
            raise InputError("The output is the model itself.", "Name another file, so that both are there.")
        check_writable(output.parent)
    chosen = choose_kernels(board, "tflm", kernels)
    content = read_model_file(model)
    graph = read_graph(content)
    check_rewritable(graph)
    check_foreign(content)
    planned = plan_file(content, graph, chosen, board, plan)
    record = planned.record
    if output is not None:
        write_atomic(output, planned.content)
        record = written(planned)
    console = stderr_console()
    print_plans(console, record, model)
    if output is not None:
        console.print(f"Wrote {escape(str(output))} ({len(planned.content):,} B).")
    if as_json:
        click.echo(record.to_json(), nl=False)
    return 0
