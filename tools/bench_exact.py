"""Predicted against measured arena and file size: the benchmark's figures that have to agree to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from edgekit.memory.arena import predict_arena, predict_wheel_arena
from edgekit.mobilenet.architecture import ARCHS, Arch, NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.search.space import search_space
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph
from edgekit.tflite.slim import slim_graph
from edgekit.tflite.tflm import measure_tflm
from edgekit.tflite.writer import model_size, write_model

TRAINED_CLASSES = 10

_ON_CORTEX_M4 = (
    # alpha, resolution, classes, head, tail: TFLite Micro's own report on an emulated Cortex-M4F, reference kernels
    (0.25, 128, 2, 131_072, 26_852),
    (0.5, 96, 2, 110_592, 48_740),
    (0.5, 128, 1000, 196_608, 56_708),
    (1.0, 224, 1000, 1_204_224, 100_484),
)
_VWW_ON_CORTEX_M4 = (73_728, 26_932)


class Pair(NamedTuple):
    """A predicted and a measured number of bytes."""

    name: str
    predicted: int
    measured: int

    @property
    def off(self) -> int:
        """Predicted minus measured."""
        return self.predicted - self.measured


class Converted(NamedTuple):
    """A network that TensorFlow converted, with what was predicted of it."""

    spec: NetworkSpec
    model: bytes
    file: Pair
    arena: Pair | None
    """``None`` where TFLite Micro is not installed."""


def wheel_points(quick: bool) -> dict[Arch, tuple[NetworkSpec, ...]]:
    """Return the points of the paper grid by architecture."""
    return {arch: _points(arch, 1000, quick) for arch in ARCHS}


def network_on_host(spec: NetworkSpec) -> Pair:
    """Compare the arena of ``spec``, written with placeholder weights, with real TFLite Micro on this host."""
    graph = network_graph(spec)
    measured = measure_tflm(write_model(graph))
    return Pair(spec.label, predict_wheel_arena(graph).total, measured.total)


def file_on_host(path: Path) -> Pair:
    """Compare the arena of a trained model with real TFLite Micro on this host."""
    model = path.read_bytes()
    return Pair(path.name, predict_wheel_arena(read_graph(model)).total, measure_tflm(model).total)


def on_cortex_m4(models: Path) -> Iterator[Pair]:
    """Compare with what TFLite Micro reported on a 32-bit target, head and tail each."""
    rows = [
        (f"{alpha:g}/{size}, {classes} classes", _dense_head(alpha, size, classes), (head, tail))
        for alpha, size, classes, head, tail in _ON_CORTEX_M4
    ]
    vww = models / "vww_96_int8.tflite"
    if vww.exists():
        rows.insert(0, (vww.name, read_graph(vww.read_bytes()), _VWW_ON_CORTEX_M4))
    for name, graph, (head, tail) in rows:
        arena = predict_arena(graph, "reference", "cortex-m4f")
        yield Pair(f"{name}: head", arena.head + arena.scratch, head)
        yield Pair(f"{name}: tail", arena.tail, tail)


def conversion_points(quick: bool) -> tuple[NetworkSpec, ...]:
    """Return the points to convert with TensorFlow, the largest MobileNet V1 among them."""
    others = tuple(NetworkSpec(arch, 0.25, 96, 3, TRAINED_CLASSES) for arch in ARCHS[1:])
    return (*_points(ARCHS[0], TRAINED_CLASSES, quick), *others)


def convert(spec: NetworkSpec, on_host: bool) -> Converted:
    """Build ``spec`` in Keras with random weights, convert it with TensorFlow, and compare."""
    from edgekit.mobilenet.backend import load_keras
    from edgekit.mobilenet.keras_models import build_keras, randomize_weights
    from edgekit.quantize.convert import quantize_keras
    from edgekit.quantize.representative import synthetic_calibration

    load_keras()[1].backend.clear_session()
    network = build_keras(spec)
    randomize_weights(network, seed=0)
    shape = (spec.resolution, spec.resolution, spec.channels)
    model = quantize_keras(network, synthetic_calibration(shape, samples=2)).model
    graph = network_graph(spec)
    file = Pair(spec.label, model_size(graph), len(model))
    arena = None
    if on_host:
        arena = Pair(spec.label, predict_wheel_arena(graph).total, measure_tflm(model).total)
    return Converted(spec, model, file, arena)


def _points(arch: Arch, classes: int, quick: bool) -> tuple[NetworkSpec, ...]:
    grid = search_space("paper", arch, 3, classes)
    if not quick:
        return grid
    alphas = {grid[0].alpha, grid[-1].alpha}
    sizes = {grid[0].resolution, grid[-1].resolution}
    return tuple(spec for spec in grid if spec.alpha in alphas and spec.resolution in sizes)


def _dense_head(alpha: float, resolution: int, classes: int) -> Graph:
    """Return MobileNet V1 with a fully connected classifier, as the networks measured on the target had it."""
    graph = network_graph(NetworkSpec("mobilenet_v1", alpha, resolution, 3, classes))
    tensors = list(graph.tensors)
    *body, mean, classifier, reshape, softmax = graph.ops
    channels = tensors[mean.outputs[0]].shape[-1]
    for index, shape in (
        (mean.outputs[0], (1, channels)),
        (classifier.inputs[1], (classes, channels)),
        (classifier.outputs[0], (1, classes)),
    ):
        tensors[index] = replace(tensors[index], shape=shape)
    head = (
        replace(mean, options={"keep_dims": False}),
        replace(classifier, kind="FULLY_CONNECTED", options={"activation": "NONE"}),
        replace(softmax, index=reshape.index, inputs=classifier.outputs),
    )
    return slim_graph(replace(graph, tensors=tuple(tensors), ops=(*body, *head)))
