"""``edgekit bench``: run the model on a device and compare every output with the host's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import click

from edgekit.cli.params import DEFAULT_BUILD, TIME
from edgekit.errors import EdgekitError, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from edgekit.bench.cases import Case
    from edgekit.bench.job import Job
    from edgekit.bench.line import Line
    from edgekit.bench.record import BenchRecord
    from edgekit.codegen.record import FirmwareProject
    from edgekit.tflite.graph import Graph
    from edgekit.tflite.interpreter import HostInterpreter

_DEFAULT_BAUD: Final = 115_200
_DEFAULT_RUNS: Final = 20
_DEFAULT_INPUTS: Final = 5
_DEFAULT_IMAGES: Final = 200
_EMULATED: Final = "qemu"
"""The port that means an emulated board, started for this."""


@dataclass(frozen=True)
class _Subject:
    """What is benched: the port (or :data:`_EMULATED`), the model, and the build folder if there is one."""

    port: str
    model: bytes
    build: Path | None
    project: FirmwareProject | None


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
@click.option(
    "--baud",
    type=click.IntRange(300, 12_000_000),
    default=_DEFAULT_BAUD,
    show_default=True,
    help="Speed of the line.",
)
@click.pass_context
def command(
    ctx: click.Context,
    port: str | None,
    build: Path | None,
    model: Path | None,
    data: Path | None,
    limit: int | None,
    profile: bool,
    runs: int | None,
    warmup: int,
    inputs: int | None,
    seed: int,
    max_latency: float | None,
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
    _check_options(data, limit, profile, runs, inputs, mlperf)

    from edgekit.bench.job import Job
    from edgekit.bench.record import BENCH_FILE
    from edgekit.report.bench import print_bench
    from edgekit.report.console import stderr_console
    from edgekit.tflite.interpreter import HostInterpreter
    from edgekit.tflite.reader import read_graph

    subject = _subject(port, build, model)
    interpreter = HostInterpreter(subject.model)
    if data is not None:
        cases = _images(subject, interpreter, data, limit or _DEFAULT_IMAGES, seed)
    else:
        cases = _cases(subject, interpreter, inputs or min(_DEFAULT_INPUTS, runs or _DEFAULT_RUNS), seed)
    graph = read_graph(subject.model)
    job = Job(
        model=subject.model,
        cases=cases,
        runs=_runs(runs, len(cases), data is not None),
        warmup=warmup,
        max_latency_ms=max_latency,
        project=subject.project,
        graph=graph if profile else None,
        predicted_instructions=_predicted_instructions(graph, subject.project),
        # The other engine has no interpreter whose arena could be measured here.
        host_arena=host_arena if subject.project is None or subject.project.engine == "tflm" else None,
    )
    record = _run(subject, job, interpreter, mlperf, baud)
    if output is None and subject.build is not None:
        output = subject.build / BENCH_FILE
    print_bench(record, stderr_console())
    _write(record, output, junit)
    if output is not None:
        click.echo(f"Record: {output}", err=True)
    if as_json:
        click.echo(json.dumps(record.document(), indent=2, ensure_ascii=False))
    ctx.exit(0 if record.ok else 1)


def _check_options(
    data: Path | None, limit: int | None, profile: bool, runs: int | None, inputs: int | None, mlperf: bool
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
    if mlperf and (data is not None or profile):
        option = "--profile" if profile else "--data"
        raise click.UsageError(f"{option} needs edgekit's own commands; leave --mlperf out.")


def _runs(asked: int | None, inputs: int, images: bool) -> int:
    """Return the timed inferences; only images are known to be too many after they were counted."""
    if asked is None:
        return inputs if images else _DEFAULT_RUNS
    if asked < inputs:
        raise click.UsageError(f"--runs {asked} is too few for {inputs} images; give --limit {asked} too.")
    return asked


def _predicted_instructions(graph: Graph, project: FirmwareProject | None) -> int | None:
    """Return the instructions of one inference where they can be estimated for the folder's board."""
    from edgekit.boards.catalog import get_board
    from edgekit.latency.estimate import estimate_instructions

    if project is None:
        return None
    try:
        return estimate_instructions(graph, project.kernels, get_board(project.board).core)
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


def _subject(port: str | None, build: Path | None, model: Path | None) -> _Subject:
    """Find the model, the build folder and the port that the options mean."""
    from edgekit.codegen.record import load_model, load_project
    from edgekit.device.line.protocol_host import SCHEME, model_path
    from edgekit.files import read_bytes
    from edgekit.flash.board import port_of
    from edgekit.tflite.interpreter import check_foreign
    from edgekit.tflite.reader import MAX_MODEL_BYTES, read_graph

    if model is None and build is None and port is not None and port.lower().startswith(SCHEME):
        model = model_path(port)
    if build is None and (model is None or port in (None, _EMULATED)):
        build = DEFAULT_BUILD
    project = load_project(build) if build is not None else None
    if port is None:
        assert build is not None
        port = port_of(build)
    if model is not None:
        content = read_bytes(model, "model", MAX_MODEL_BYTES)
        if build is not None and project is not None and content != load_model(build, project):
            raise InputError(
                f"{model} is not the model of the build folder {build}.", "Leave out --model or --build."
            )
        read_graph(content)
        check_foreign(content)
    else:
        assert build is not None and project is not None
        model = build / project.model.file
        content = load_model(build, project)
    if port == "host":
        port = f"{SCHEME}{quote(str(model.resolve()))}"
    return _Subject(port, content, build, project)


def _cases(subject: _Subject, interpreter: HostInterpreter, count: int, seed: int) -> list[Case]:
    from edgekit.bench.cases import make_cases
    from edgekit.codegen.golden import GOLDEN_FILE, load_golden

    golden = None
    if subject.build is not None and (subject.build / GOLDEN_FILE).is_file():
        golden = load_golden(subject.build)
    return make_cases(interpreter, count, seed, golden)


def _images(subject: _Subject, interpreter: HostInterpreter, data: Path, limit: int, seed: int) -> list[Case]:
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


def _run(subject: _Subject, job: Job, interpreter: HostInterpreter, mlperf: bool, baud: int) -> BenchRecord:
    """Open the line, run the job behind a progress bar, and close the line whatever happens."""
    from edgekit.bench.job import run_job, run_text_job
    from edgekit.device.host import pixel_offset, tensor_of
    from edgekit.report.console import stderr_console

    with (
        _line(subject, baud) as line,
        _progress(stderr_console(), "Running on the device", job.steps) as advance,
    ):
        if not mlperf:
            return run_job(line, job, advance)
        offset = pixel_offset(interpreter.inputs[0])
        if subject.project is not None:
            offset = -subject.project.input.offset
        return run_text_job(line, job, tensor_of(interpreter.outputs[0]), offset, advance)


@contextmanager
def _line(subject: _Subject, baud: int) -> Iterator[Line]:
    """Open the line to the device, having started an emulated one for it where that is asked for."""
    from edgekit.bench.line import open_line
    from edgekit.flash.board import emulated_board
    from edgekit.report.build import print_build
    from edgekit.report.console import stderr_console

    with ExitStack() as stack:
        port = subject.port
        if port == _EMULATED:
            assert subject.build is not None
            console = stderr_console()
            port = stack.enter_context(
                emulated_board(subject.build, lambda build: print_build(build, console))
            )
        line = open_line(port, baud)
        stack.callback(line.close)
        yield line


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
