"""From a choice on paper to a build folder: train, quantize, measure, render; and the next candidate if it breaks.

The search computed everything; here the winner is made and measured. If a measurement breaks the budget, that is said,
and the next candidate has its turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from edgekit.boards.kernels import KernelLibrary, engine_of
from edgekit.boards.profile import BoardProfile, Framework
from edgekit.codegen.golden import make_golden
from edgekit.codegen.project import ProjectSpec, render_project
from edgekit.codegen.record import ArenaRecord, BudgetRecord, ImageSizeRecord, LatencyRecord
from edgekit.errors import InputError, TaskError
from edgekit.memory.arena import predict_wheel_arena
from edgekit.memory.lifetimes import align
from edgekit.memory.plan_names import Plan
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.search.budget import Budget
from edgekit.search.code_size import golden_count
from edgekit.search.figures import bindings, latency_figures, memory_figures, stored_calibration
from edgekit.search.planning import with_plan_of
from edgekit.search.records import (
    AccuracyFigures,
    ArenaFigures,
    Candidate,
    FitRecord,
    FlashFigures,
    HostArena,
    LatencyFigures,
    Measurements,
)
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph
from edgekit.tflite.tflm import measure_tflm, tflm_available
from edgekit.tflite.writer import model_size, write_model
from edgekit.training.options import OnProgress, TrainingOptions
from edgekit.units import format_size

if TYPE_CHECKING:
    from edgekit.quantize.convert import QuantizedModel
    from edgekit.training.dataset import Dataset, Split
    from edgekit.training.folder import ImageFolder
    from edgekit.training.train import TrainingResult

FIT_FILE: Final = "fit.json"
TRAINING_FILE: Final = "training.json"


class Reporter(Protocol):
    """How the pipeline tells what it does."""

    @property
    def training(self) -> OnProgress:
        """Called after every training step."""

    def stage(self, text: str) -> None:
        """Say what begins now."""

    def note(self, text: str) -> None:
        """Say something that the user has to know."""


@dataclass(frozen=True)
class Work:
    """What to make the winner from.

    Attributes
    ----------
    folder:
        Labelled images, or ``None``: then the network is not trained and calibration is synthetic.
    options:
        Training settings; ``options.weights`` is what to start from.
    samples:
        Calibration images.
    framework:
        What the project is written for; the board's own unless given.
    """

    folder: ImageFolder | None
    options: TrainingOptions
    samples: int = 100
    framework: Framework | None = None


@dataclass(frozen=True)
class Made:
    """A build folder's content, ready to be written.

    Attributes
    ----------
    record:
        The fit document with the measured choice.
    files:
        Relative path to content, ``fit.json`` included.
    training:
        The training document, if something was trained.
    """

    record: FitRecord
    files: Mapping[str, bytes | str]
    training: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True)
class _Network:
    """A quantized network, with what is known of how it got there."""

    quantized: QuantizedModel
    labels: tuple[str, ...] = ()
    dataset: Dataset | None = None
    split: Split | None = None
    trained: TrainingResult | None = None


def make(record: FitRecord, board: BoardProfile, budget: Budget, work: Work, reporter: Reporter) -> Made:
    """Make the best candidate of ``record`` that stays within the budget when it is measured.

    One that does not is in the document as it was measured, so that nobody takes it for one that fits; what the next
    larger networks would take (``next_larger``) is the caller's to find out anew then.

    Raises
    ------
    InputError
        If data or weights cannot be used.
    TaskError
        If no candidate survives its measurement, or training or conversion fails.
    """
    network = spec = None
    for candidate in (c for c in record.candidates if c.fits):
        if network is None or candidate.spec != spec:
            network, spec = _build(candidate.spec, work, reporter), candidate.spec
        reporter.stage("Measuring")
        model, whole = network.quantized.model, read_graph(network.quantized.model)
        graph = with_plan_of(candidate, whole, board, budget)
        if graph is not whole:
            model = write_model(graph)
        measurements = _measurements(candidate, model, graph)
        try:
            measured = _measured(candidate, measurements, graph, board, budget)
        except InputError as error:
            # Only the weights tell whether the aot engine's accumulators can overflow.
            reporter.note(f"{error.message} Taking the next candidate.")
            continue
        if not measured.fits:
            broken = " and ".join(binding.limit for binding in measured.binding)
            reporter.note(
                f"{candidate.spec.label} breaks the {broken} budget when measured; taking the next candidate."
            )
            record = _with_measured(record, candidate, measured)
            continue
        if measurements.host_arena and measurements.host_arena.excess:
            reporter.note(
                f"TFLite Micro on this host uses {measurements.host_arena.measured:,} B of arena,"
                f" {measurements.host_arena.predicted:,} B were predicted: this release has other rules."
                " What is missing was added; please report it."
            )
        return _finish(
            record, measured, measurements, network, model, graph, board, budget, work.framework, reporter
        )
    raise TaskError(
        "No candidate stays within the budget when it is measured.",
        "Raise a limit, or look at the table above.",
    )


def _with_measured(record: FitRecord, candidate: Candidate, measured: Candidate) -> FitRecord:
    """Return ``record`` with ``measured`` in place of ``candidate``, which it shows to be none that fits."""
    candidates = tuple(measured if c is candidate else c for c in record.candidates)
    best = {
        engine: next((c for c in candidates if c.fits and c.engine == engine), None) if c == candidate else c
        for engine, c in record.best.items()
    }
    return record.model_copy(update={"candidates": candidates, "best": best})


def _build(spec: NetworkSpec, work: Work, reporter: Reporter) -> _Network:
    if work.folder is not None:
        return _train(spec, work, work.folder, reporter)
    from edgekit.mobilenet.keras_models import build_keras, randomize_weights
    from edgekit.quantize.convert import quantize_keras
    from edgekit.quantize.representative import synthetic_calibration
    from edgekit.training.weights import load_weights

    seed = work.options.seed
    reporter.stage(f"Building {spec.label}")
    model = build_keras(spec)
    if work.options.weights:
        loaded = load_weights(model, spec, work.options.weights)
        if loaded.new_head:
            reporter.note(
                "The weights have another classifier; the new one is untrained, so the answers mean nothing."
            )
    else:
        randomize_weights(model, seed)
        reporter.note("No data and no weights: the network is untrained, its answers mean nothing.")
    reporter.note("No data: calibration is synthetic and accuracy unknown. Give images with --data.")
    reporter.stage("Quantizing")
    shape = (spec.resolution, spec.resolution, spec.channels)
    return _Network(quantize_keras(model, synthetic_calibration(shape, work.samples, seed)))


def _train(spec: NetworkSpec, work: Work, folder: ImageFolder, reporter: Reporter) -> _Network:
    from edgekit.quantize.convert import quantize_keras
    from edgekit.quantize.representative import representative_images
    from edgekit.training.dataset import describe_skipped, load_dataset, split_dataset
    from edgekit.training.train import train

    reporter.stage(f"Reading {len(folder.files):,} images at {spec.resolution} px")
    dataset = load_dataset(folder, spec.resolution, spec.resolution, spec.channels)
    if dataset.skipped:
        reporter.note(f"Left out {len(dataset.skipped)} files that are not usable images:")
        for line in describe_skipped(dataset.skipped):
            reporter.note(f"  {line}")
    split = split_dataset(dataset, work.options.seed)
    reporter.stage(f"Training {spec.label}")
    trained = train(spec, dataset, split, work.options, reporter.training)
    reporter.stage("Quantizing")
    calibration = representative_images(dataset, split.train, work.samples, work.options.seed)
    return _Network(quantize_keras(trained.model, calibration), dataset.names, dataset, split, trained)


def _measured(
    candidate: Candidate, measurements: Measurements, graph: Graph, board: BoardProfile, budget: Budget
) -> Candidate:
    """Return ``candidate`` with the figures of the real file, and the verdict they give.

    What real TFLite Micro uses beyond its own prediction on this host is required on the board too.
    """
    memory = memory_figures(graph, candidate.kernels, board, measurements.model_bytes)
    arena = memory.arena
    if measurements.host_arena and measurements.host_arena.excess:
        required = arena.required + measurements.host_arena.excess
        arena = arena.model_copy(update={"required": required, "basis": "estimated"})
    latency = latency_figures(graph, board, candidate.kernels, stored_calibration(board, candidate.kernels))
    binding = bindings(arena, memory.flash, latency, budget, board)
    speed = latency.verdict(budget.latency_ms)
    return candidate.model_copy(
        update={
            "arena": arena,
            "flash": memory.flash,
            "latency_ms": latency,
            "binding": binding,
            "fits": not binding,
            "close": speed == "close",
            "speed": speed,
        }
    )


def _measurements(candidate: Candidate, model: bytes, graph: Graph) -> Measurements:
    tflm = candidate.engine == "tflm"
    host = None
    if tflm and tflm_available():
        host = HostArena(predicted=predict_wheel_arena(graph).total, measured=measure_tflm(model).total)
    # With TFLite Micro the file is what the image has of the model, so that the search has computed it.
    predicted = candidate.flash.model if tflm else model_size(network_graph(candidate.spec))
    return Measurements(model_bytes=len(model), predicted_model_bytes=predicted, host_arena=host)


def _finish(
    record: FitRecord,
    chosen: Candidate,
    measurements: Measurements,
    network: _Network,
    model: bytes,
    graph: Graph,
    board: BoardProfile,
    budget: Budget,
    framework: Framework | None,
    reporter: Reporter,
) -> Made:
    accuracy, training = _accuracy(network, reporter)
    final = record.model_copy(
        update={
            "chosen": chosen,
            "measurements": measurements,
            "accuracy": accuracy,
            "calibration": network.quantized.calibration.basis,
        }
    )
    reporter.stage("Rendering")
    inputs = _real_inputs(network)
    figures = (chosen.arena, chosen.flash, chosen.latency_ms)
    files = export(
        model,
        graph,
        board,
        chosen.kernels,
        chosen.plan,
        budget,
        *figures,
        inputs,
        network.labels,
        framework=framework,
    )
    files[FIT_FILE] = final.to_json()
    return Made(final, files, training)


def _real_inputs(network: _Network) -> NDArray[np.int8] | None:
    """Return up to three held-out images as the model takes them, if there are any."""
    if network.dataset is None or network.split is None:
        return None
    pixels = network.dataset.images[network.split.test[:3]]
    inputs: NDArray[np.int8] = (pixels.astype(np.int16) - 128).astype(np.int8)[:, None]
    return inputs


def export(
    model: bytes,
    graph: Graph,
    board: BoardProfile,
    kernels: KernelLibrary,
    plan: Plan,
    budget: Budget,
    arena: ArenaFigures,
    flash: FlashFigures,
    latency: LatencyFigures,
    inputs: NDArray[np.int8] | None = None,
    labels: tuple[str, ...] = (),
    model_id: str | None = None,
    framework: Framework | None = None,
) -> dict[str, bytes | str]:
    """Return the build folder of a finished int8 model: relative path to content.

    Parameters
    ----------
    model, graph:
        The .tflite, which the host's interpreter must accept, and its graph.
    kernels:
        One of the board's kernel libraries; it says which engine runs the model.
    plan:
        What the memory plan is called.
    budget:
        The limits that a built image is held to.
    arena, flash, latency:
        The model's figures with the kernels.
    inputs:
        Real inputs for golden vectors, int8 [n, ...input shape]; random ones where there are too few.
    labels:
        One for each output; empty when unknown.
    model_id:
        What the device calls the model in the text protocol; the beginning of its SHA-256 unless given.
    framework:
        What the project is written for; the board's own unless given.

    Raises
    ------
    InputError
        If the engine cannot run the model, or there is no project of ``framework`` for the board.
    """
    golden_inputs, golden_outputs = make_golden(model, inputs, golden_count(graph.input.nbytes))
    spec = ProjectSpec(
        board=board,
        engine=engine_of(kernels),
        kernels=kernels,
        plan=plan,
        model=model,
        graph=graph,
        arena=ArenaRecord(
            head=arena.head, tail=arena.tail, scratch=arena.scratch, total=arena.total, basis=arena.basis
        ),
        arena_bytes=align(arena.need),
        golden_inputs=golden_inputs,
        golden_outputs=golden_outputs,
        labels=labels,
        latency=LatencyRecord(
            estimate=latency.estimate, low=latency.low, high=latency.high, basis=latency.basis
        ),
        flash=ImageSizeRecord(model=flash.model, code=flash.code, total=flash.total, basis=flash.basis),
        budget=BudgetRecord(
            ram_bytes=budget.ram_bytes,
            ram_reserved=board.arena_region.reserved,
            flash_bytes=budget.flash_bytes,
        ),
        model_id=model_id,
        framework=framework,
    )
    return render_project(spec)


def _accuracy(network: _Network, reporter: Reporter) -> tuple[AccuracyFigures | None, dict[str, Any] | None]:
    """Measure the int8 model on the held-out images; return the figures and the training document."""
    from edgekit.quantize.accuracy import int8_accuracy

    if network.dataset is None or network.split is None or network.trained is None:
        return None, None
    reporter.stage(f"Measuring accuracy on {len(network.split.test)} held-out images")
    before = network.trained.accuracy
    after = int8_accuracy(network.quantized.model, network.dataset, network.split.test)
    figures = AccuracyFigures(
        images=after.images,
        float_top1=100 * before.top1,
        int8_top1=100 * after.top1,
        drop=100 * (before.top1 - after.top1),
        confusion=after.confusion,
    )
    trained = network.trained
    document = {
        "schema": "edgekit.training/1",
        "float_top1": figures.float_top1,
        "int8_top1": figures.int8_top1,
        "test_images": figures.images,
        "labels": list(network.labels),
        "split": dict(trained.split),
        "start": trained.start.source if trained.start else None,
        "history": [
            {
                "phase": epoch.phase,
                "loss": epoch.loss,
                "accuracy": 100 * epoch.accuracy,
                "validation_loss": epoch.validation_loss,
                "validation_accuracy": 100 * epoch.validation_accuracy,
            }
            for epoch in trained.history
        ],
        "confusion": {
            "float": [list(row) for row in before.confusion],
            "int8": [list(row) for row in after.confusion],
        },
        "basis": "measured",
    }
    return figures, document


def check_classes(folder: ImageFolder, classes: int | None) -> int:
    """Return the number of classes in ``folder``, which ``--classes`` may only repeat.

    Raises
    ------
    InputError
        If they differ.
    """
    found = len(folder.labels)
    if classes is not None and classes != found:
        raise InputError(
            f"--classes says {classes}, but {folder.root} has {found} class folders.", "Leave out --classes."
        )
    return found


def sizes_line(files: Mapping[str, bytes | str], folder: Path) -> str:
    """Return one line on what was written."""
    total = sum(len(content) for content in files.values())
    return f"Wrote {len(files)} files ({format_size(total)}) to {folder}."
