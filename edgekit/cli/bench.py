"""``edgekit bench``: run the model on a device and compare every output with the host's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from edgekit.cli.params import DEFAULT_BUILD, TIME, baud_option
from edgekit.cli.subject import Subject, find_subject, open_subject
from edgekit.errors import EdgekitError, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from edgekit.bench.cases import Case
    from edgekit.bench.job import Job
    from edgekit.bench.record import BenchRecord
    from edgekit.tflite.interpreter import HostInterpreter

_DEFAULT_RUNS: Final = 20
_DEFAULT_INPUTS: Final = 5
_DEFAULT_IMAGES: Final = 200


@click.command("bench")
@click.option(
    "--port",
    "-p",
    metavar="PORT",
    help="Serial port (/dev/ttyUSB0, COM5), URL (socket://HOST:PORT, host://MODEL.tflite), the word qemu: the "
    "emulated board, started and ended for it, or host: this computer instead of the board. [default: the board "
    "that `edgekit flash` started]",
)
@click.option(
    "--build",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help=f"Build folder of what is on the device. [default: {DEFAULT_BUILD}, unless --model is given]",
)
@click.option("--model", type=click.Path(path_type=Path), metavar="FILE", help="Model that is on the device.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Count top-1 on the device with labelled images, one subfolder per class, instead of other inputs.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    help=f"Images of --data at most, as many of each class as there are. [default: {_DEFAULT_IMAGES}]",
)
@click.option("--profile", is_flag=True, help="Also tell the time of every operator.")
@click.option(
    "--calibrate",
    is_flag=True,
    help="With --profile: keep the times of the operators, so that later estimates for this board use them.",
)
@click.option(
    "--runs",
    type=click.IntRange(1, 100_000),
    help=f"Timed inferences in all. [default: {_DEFAULT_RUNS}; one for each image of --data]",
)
@click.option(
    "--warmup",
    type=click.IntRange(0, 1_000),
    default=1,
    show_default=True,
    help="Inferences before the first timed one.",
)
@click.option(
    "--inputs",
    type=click.IntRange(1, 10_000),
    help=f"Different inputs: golden ones first, then random. [default: {_DEFAULT_INPUTS}, at most --runs]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of random inputs and chosen images.")
@click.option(
    "--max-latency", type=TIME, metavar="TIME", help="Fail when the 95th percentile is above: 400ms."
)
@click.option(
    "--tolerance",
    type=click.IntRange(0, 255),
    default=0,
    help="Quantized steps by which outputs may be off, on a Linux board whose kernels round otherwise. [default: 0]",
)
@click.option("--mlperf", is_flag=True, help="Use the MLPerf Tiny text protocol alone.")
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the result as JUnit XML."
)
@click.option("--json", "as_json", is_flag=True, help="Print the record as one JSON document to stdout.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write the record. [default: bench.json in the build folder]",
)
@baud_option
@click.pass_context
def command(
    ctx: click.Context,
    port: str | None,
    build: Path | None,
    model: Path | None,
    data: Path | None,
    limit: int | None,
    profile: bool,
    calibrate: bool,
    runs: int | None,
    warmup: int,
    inputs: int | None,
    seed: int,
    max_latency: float | None,
    tolerance: int,
    mlperf: bool,
    junit: Path | None,
    as_json: bool,
    output: Path | None,
    baud: int,
) -> None:
    """Run the model on the device and compare every output with the host's, bit for bit.

    With --data the inputs are images of a folder, and the device's top-1 is printed next to the host's. Images that the
    model was trained with count as well: give others to learn how good it is.

    Exit status: 0 all outputs equal, 1 an output differs or the latency is above the limit, 2 the user's
    input.
    """
    _check_options(data, limit, profile, runs, inputs, mlperf, tolerance)
    if calibrate and not profile:
        raise click.UsageError("--calibrate keeps the times of single operators; give --profile too.")

    from edgekit.bench.job import Job
    from edgekit.bench.record import BENCH_FILE
    from edgekit.files import check_writable
    from edgekit.report.bench import print_bench
    from edgekit.report.console import stderr_console
    from edgekit.tflite.interpreter import HostInterpreter

    subject = find_subject(port, build, model)
    interpreter = HostInterpreter(subject.model)
    if data is not None:
        cases = _images(subject, interpreter, data, limit or _DEFAULT_IMAGES, seed)
    else:
        cases = _cases(subject, interpreter, inputs or min(_DEFAULT_INPUTS, runs or _DEFAULT_RUNS), seed)
    job = Job(
        model=subject.model,
        cases=cases,
        runs=_runs(runs, len(cases), data is not None),
        warmup=warmup,
        max_latency_ms=max_latency,
        project=subject.project,
        graph=subject.graph if profile else None,
        predicted_instructions=_predicted_instructions(subject),
        # The other engine has no interpreter whose arena could be measured here.
        interpreter=interpreter.runtime,
        tolerance=tolerance,
        host_arena=host_arena if subject.project is None or subject.project.engine == "tflm" else None,
    )
    if output is None and subject.build is not None:
        output = subject.build / BENCH_FILE
    for path in (output, junit):
        if path is not None:
            check_writable(path.parent)
            if path.is_dir():
                raise InputError(f"{path} is a folder, not a file.", "Give the name of a file to write.")
    record = _run(subject, job, interpreter, mlperf, baud)
    print_bench(record, stderr_console())
    _write(record, output, junit)
    if output is not None:
        click.echo(f"Record: {output}", err=True)
    if as_json:
        click.echo(record.to_json(), nl=False)
    if calibrate:
        _calibrate(record, subject)
    ctx.exit(0 if record.ok else 1)


def _calibrate(record: BenchRecord, subject: Subject) -> None:
    """Keep what was measured of single operators."""
    import datetime

    from edgekit.bench.calibrate import calibration_board, calibration_record
    from edgekit.latency.store import save

    board = calibration_board(record)
    kept = calibration_record(record, subject.graph, board, datetime.date.today())
    path = save(kept)
    click.echo(
        f"Kept {kept.operators} operators for {board.name}, {kept.kernels}, {kept.sdk}: {path}", err=True
    )


def _check_options(
    data: Path | None,
    limit: int | None,
    profile: bool,
    runs: int | None,
    inputs: int | None,
    mlperf: bool,
    tolerance: int,
) -> None:
    """Check what contradicts itself before anything is opened."""
    if inputs is not None and inputs > (runs or _DEFAULT_RUNS):
        raise click.UsageError(
            f"--inputs {inputs} needs at least as many --runs, not {runs or _DEFAULT_RUNS}."
        )
    if data is not None and inputs is not None:
        raise click.UsageError("--inputs is for random inputs; with --data it is --limit.")
    if data is None and limit is not None:
        raise click.UsageError("--limit is for the images of --data.")
    if mlperf and (data is not None or profile or tolerance):
        option = "--profile" if profile else "--data" if data is not None else "--tolerance"
        raise click.UsageError(f"{option} needs edgekit's own commands; leave --mlperf out.")


def _runs(asked: int | None, inputs: int, images: bool) -> int:
    """Return the timed inferences; only images are known to be too many after they were counted."""
    if asked is None:
        return inputs if images else _DEFAULT_RUNS
    if asked < inputs:
        raise click.UsageError(f"--runs {asked} is too few for {inputs} images; give --limit {asked} too.")
    return asked


def _predicted_instructions(subject: Subject) -> int | None:
    """Return the instructions of one inference where they can be estimated for the folder's board."""
    from edgekit.boards.catalog import get_board
    from edgekit.latency.estimate import estimate_instructions
    from edgekit.search.figures import counted_calibration

    if (project := subject.project) is None:
        return None
    try:
        board = get_board(project.board)
        counted = counted_calibration(board, project.kernels)
        return estimate_instructions(subject.graph, project.kernels, board.core, counted)
    except InputError:
        return None  # a board that is not in the catalog any more


def host_arena(model: bytes) -> int | None:
    """Return the arena bytes of real TFLite Micro on this host, or ``None`` if it cannot tell."""
    from edgekit.tflite.tflm import measure_tflm, tflm_available

    if not tflm_available():
        return None
    try:
        return measure_tflm(model).total
    except EdgekitError:
        return None


def _cases(subject: Subject, interpreter: HostInterpreter, count: int, seed: int) -> list[Case]:
    from edgekit.bench.cases import make_cases
    from edgekit.codegen.golden import GOLDEN_FILE, load_golden

    golden = None
    if subject.build is not None and (subject.build / GOLDEN_FILE).is_file():
        golden = load_golden(subject.build)
    return make_cases(interpreter, count, seed, golden)


def _images(subject: Subject, interpreter: HostInterpreter, data: Path, limit: int, seed: int) -> list[Case]:
    """Read labelled images and let the host classify them."""
    from edgekit.bench.images import check_labels, choose_images, image_cases, image_size
    from edgekit.report.console import stderr_console
    from edgekit.training.dataset import describe_skipped, load_dataset
    from edgekit.training.folder import scan_folder

    folder = scan_folder(data)
    size = image_size(interpreter)
    project = subject.project
    labels = project.labels if project is not None else ()
    check_labels(folder, labels)
    assert project is not None
    folder = choose_images(folder, limit, seed)
    dataset = load_dataset(folder, *size)
    console = stderr_console()
    if dataset.skipped:
        console.print(f"Left out {len(dataset.skipped)} files that are not usable images:", style="yellow")
        for line in describe_skipped(dataset.skipped):
            console.print(f"  {line}", style="yellow", markup=False)
    with _progress(console, "Running on the host", len(dataset.labels)) as advance:
        return image_cases(interpreter, folder, dataset, labels, project.input.offset, advance)


def _run(subject: Subject, job: Job, interpreter: HostInterpreter, mlperf: bool, baud: int) -> BenchRecord:
    """Open the line, run the job behind a progress bar, and close the line whatever happens."""
    from edgekit.bench.job import run_job, run_text_job
    from edgekit.device.host import pixel_offset, tensor_of
    from edgekit.report.console import stderr_console

    with (
        open_subject(subject, baud) as line,
        _progress(stderr_console(), "Running on the device", job.steps) as advance,
    ):
        if not mlperf:
            return run_job(line, job, advance)
        offset = pixel_offset(interpreter.inputs[0])
        if subject.project is not None:
            offset = -subject.project.input.offset
        return run_text_job(line, job, tensor_of(interpreter.outputs[0]), offset, advance)


@contextmanager
def _progress(console: Console, what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)

        def advance(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        yield advance


def _write(record: BenchRecord, output: Path | None, junit: Path | None) -> None:
    from edgekit.files import write_atomic
    from edgekit.report.junit import bench_junit

    if output is not None:
        write_atomic(output, record.to_json())
    if junit is not None:
        write_atomic(junit, bench_junit(record))
