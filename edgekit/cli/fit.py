"""``edgekit fit``: choose the largest MobileNet that fits a board, make it, and write its firmware sources."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from edgekit.boards.catalog import load_catalog
from edgekit.boards.profile import BoardProfile, Framework
from edgekit.cli.fit_boards import check_nothing_is_made, rank_for
from edgekit.cli.folder import write_build
from edgekit.cli.params import (
    CURVES,
    board_or_all_option,
    framework_option,
    limit_options,
    output_option,
    plan_option,
    strict_option,
    wanted_options,
)
from edgekit.errors import TaskError
from edgekit.files import check_writable
from edgekit.memory.plan_names import PlanChoice
from edgekit.mobilenet.architecture import ARCHS, Arch
from edgekit.report.console import stderr_console
from edgekit.report.fit import closest, print_candidates, print_choice, unlocked
from edgekit.report.unlock import print_unlocks
from edgekit.search.budget import Budget
from edgekit.search.ranking import Limits, Wanted, resolution_of
from edgekit.search.records import ENGINE_CHOICES, EngineChoice, FitRecord
from edgekit.search.search import search
from edgekit.search.space import GRIDS, Grid, search_space
from edgekit.search.unlock import unlocks

if TYPE_CHECKING:
    from edgekit.pipeline import Work
    from edgekit.training.folder import ImageFolder
    from edgekit.training.options import OnProgress, TrainingProgress

_DEFAULT_CLASSES = 10


@click.command("fit")
@board_or_all_option
@click.option(
    "--grid",
    type=click.Choice(GRIDS),
    default="paper",
    show_default=True,
    help="Search space: 20 or 247 points.",
)
@click.option(
    "--arch", type=click.Choice(ARCHS), default="mobilenet_v1", show_default=True, help="Architecture."
)
@click.option(
    "--engine",
    type=click.Choice(ENGINE_CHOICES),
    default="auto",
    show_default=True,
    help="What runs the model: tflm is TFLite Micro, aot edgekit's own engine of plain C99, auto the better one.",
)
@framework_option
@plan_option
@wanted_options
@limit_options
@strict_option
@click.option(
    "--classes",
    type=click.IntRange(2, 100_000),
    help=f"Number of classes (default: the class folders of --data, else {_DEFAULT_CLASSES}).",
)
@click.option(
    "--channels", type=click.Choice(["1", "3"]), default="3", show_default=True, help="Gray or RGB input."
)
@click.option(
    "--search-only", is_flag=True, help="Stop after the search; needs no TensorFlow and writes nothing."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of images, one subfolder per class, to train with.",
)
@click.option(
    "--weights", metavar="imagenet|FILE", help="Start from these weights: imagenet, or a .h5 or .keras file."
)
@click.option(
    "--epochs", type=click.IntRange(1, 10_000), default=8, show_default=True, help="Epochs at most."
)
@click.option("--flip", is_flag=True, help="Mirror training images at random (not for digits or text).")
@click.option(
    "--samples", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Calibration images."
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option(
    "--plot",
    type=CURVES,
    metavar="FILE",
    help="Draw accuracy against Mult-Adds and parameters, with what the board holds (.svg or .png).",
)
@output_option
@click.option("--json", "as_json", is_flag=True, help="Print the fit document to stdout.")
def command(
    board: BoardProfile | str,
    boards_dir: tuple[Path, ...],
    grid: Grid,
    arch: Arch,
    engine: EngineChoice,
    framework: Framework | None,
    plan: PlanChoice,
    alpha: float | None,
    resolution: int | None,
    rho: float | None,
    top1: float | None,
    ram: int | None,
    flash: int | None,
    max_latency: float | None,
    strict: bool,
    classes: int | None,
    channels: str,
    search_only: bool,
    data: Path | None,
    weights: str | None,
    epochs: int,
    flip: bool,
    samples: int,
    seed: int,
    plot: Path | None,
    output: Path,
    as_json: bool,
) -> int:
    """Choose the largest MobileNet that fits a board, train it, and write its firmware sources.

    Goes through every width multiplier (alpha) and resolution multiplier (rho), and picks the one with the highest
    expected accuracy that stays within the board's RAM, flash and latency limits. Exit status: 0 fits, 1 nothing fits,
    2 wrong input.

    `--board all` ranks the boards for the network that --alpha, --resolution or --rho, and --top1 ask for.
    """
    console = stderr_console()
    if not isinstance(board, BoardProfile):
        check_nothing_is_made(click.get_current_context())
    folder = _scan(data)
    if folder is not None:
        from edgekit.pipeline import check_classes

        classes = check_classes(folder, classes)
    wanted = _wanted(alpha, resolution, rho, top1)
    space = wanted.narrow(search_space(grid, arch, int(channels), classes or _DEFAULT_CLASSES))
    if not isinstance(board, BoardProfile):
        limits = Limits(ram, flash, max_latency, strict)
        return rank_for(console, boards_dir, space, wanted, limits, engine, plan, as_json)
    engine = _engine_for(board, engine, framework)
    budget = Budget.of_board(board, ram, flash, max_latency, strict)
    if not search_only:
        check_writable(output)
    if plot is not None:
        check_writable(plot.parent)
    with _bar(console) as bar:
        task = bar.add_task("Searching", total=len(space), info="")
        record = search(board, budget, space, lambda done: bar.update(task, completed=done), engine, plan)
    boards = tuple(load_catalog(boards_dir).values())
    record = record.model_copy(update={"next_larger": unlocks(record, board, budget, boards)})
    print_candidates(console, record, board)
    if plot is not None:
        _plot(console, record, board, plot)
    if record.chosen is None:
        print_unlocks(console, record.next_larger)
        if as_json:
            click.echo(record.to_json(), nl=False)
        near = closest(record.candidates)
        needs = " and ".join(binding.unlock for binding in near.binding)
        other = unlocked(record)
        raise TaskError(
            f"Nothing fits {board.title} within these limits;"
            f" closest is {near.spec.label} with {near.kernels} kernels.",
            (f"With --engine {other.engine} {other.spec.label} fits. Otherwise it" if other else "It")
            + f" would need {needs}. `edgekit boards` lists larger boards; --grid fine has smaller networks.",
        )
    if not search_only:
        if weights is not None:
            from edgekit.training.weights import check_weights

            check_weights(record.chosen.spec, weights)
        record = _make(
            console,
            record,
            board,
            budget,
            boards,
            _work(folder, weights, epochs, flip, seed, samples, framework),
            output,
        )
    print_choice(console, record)
    print_unlocks(console, record.next_larger)
    if as_json:
        click.echo(record.to_json(), nl=False)
    return 0


def _plot(console: Console, record: FitRecord, board: BoardProfile, path: Path) -> None:
    """Draw the search's figures into the file ``path``."""
    from edgekit.files import write_atomic
    from edgekit.report.curves import draw_curves

    write_atomic(path, draw_curves(record, board, "svg" if path.suffix.lower() == ".svg" else "png"))
    console.print(f"Drawn in {path}.", markup=False)


def _wanted(alpha: float | None, resolution: int | None, rho: float | None, top1: float | None) -> Wanted:
    if rho is not None and resolution is not None:
        raise click.UsageError("--rho and --resolution say the same; give one of them.")
    return Wanted(alpha=alpha, resolution=resolution_of(rho) if rho is not None else resolution, top1=top1)


def _engine_for(board: BoardProfile, engine: EngineChoice, framework: Framework | None) -> EngineChoice:
    """Return the engines to look at: those of ``engine`` that there is a project of ``framework`` for.

    Raises
    ------
    InputError
        If there is none.
    """
    if framework is None or framework == board.sdk.framework:
        return engine
    from edgekit.codegen.frameworks import frameworks_of
    from edgekit.codegen.project import check_framework

    usable = [name for name in board.engines if framework in frameworks_of(board, name)]
    if engine != "auto" or not usable:
        check_framework(board, board.engines[-1] if engine == "auto" else engine, framework)
        return engine
    return usable[0] if len(usable) == 1 else "auto"


def _scan(data: Path | None) -> ImageFolder | None:
    if data is None:
        return None
    from edgekit.training.folder import scan_folder

    return scan_folder(data)


def _work(
    folder: ImageFolder | None,
    weights: str | None,
    epochs: int,
    flip: bool,
    seed: int,
    samples: int,
    framework: Framework | None,
) -> Work:
    from edgekit.pipeline import Work
    from edgekit.training.options import TrainingOptions

    patience = max(3, epochs // 3)
    options = TrainingOptions(epochs=epochs, patience=patience, flip=flip, seed=seed, weights=weights)
    return Work(folder, options, samples, framework)


def _make(
    console: Console,
    record: FitRecord,
    board: BoardProfile,
    budget: Budget,
    boards: Sequence[BoardProfile],
    work: Work,
    output: Path,
) -> FitRecord:
    from edgekit.pipeline import FIT_FILE, TRAINING_FILE, make, sizes_line

    with _bar(console) as bar:
        made = make(record, board, budget, work, _RichReporter(console, bar))
    final, files = made.record, dict(made.files)
    if final.chosen is not None and record.chosen is not None and final.chosen.spec != record.chosen.spec:
        # Other networks are the next larger ones than those of the choice on paper.
        final = final.model_copy(update={"next_larger": unlocks(final, board, budget, boards)})
        files[FIT_FILE] = final.to_json()
    if made.training is not None:
        files[TRAINING_FILE] = json.dumps(made.training, indent=2) + "\n"
    write_build(output, files)
    console.print(sizes_line(files, output))
    return final


@contextlib.contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[info]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield bar


class _RichReporter:
    """Shows stages and training progress as one line that moves."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self._console = console
        self._bar = bar
        self._task: TaskID | None = None

    @property
    def training(self) -> OnProgress:
        return self._train

    def stage(self, text: str) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        if not self._console.is_terminal:
            self._console.print(f"{text} ...", markup=False)
        self._task = self._bar.add_task(text, total=None, info="")

    def note(self, text: str) -> None:
        self._console.print(text, style="yellow", markup=False)

    def _train(self, progress: TrainingProgress) -> None:
        assert self._task is not None
        done = progress.epoch * progress.steps + (progress.step if progress.validation_loss is None else 0)
        info = f"epoch {progress.epoch}/{progress.epochs}, accuracy {progress.accuracy:.1%}"
        self._bar.update(self._task, total=progress.epochs * progress.steps, completed=done, info=info)
        if progress.validation_accuracy is not None:
            self._console.print(
                f"  epoch {progress.epoch}: accuracy {progress.accuracy:.1%},"
                f" validation {progress.validation_accuracy:.1%}"
            )
