"""What the search computes of a network is what conversion then makes: tensor by tensor, byte by byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.memory.arena import predict_wheel_arena
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.mobilenet.keras_models import build_keras, randomize_weights
from edgekit.quantize.convert import quantize_keras
from edgekit.quantize.representative import synthetic_calibration
from edgekit.tflite.graph import Graph, Tensor
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.macs import graph_mult_adds
from edgekit.tflite.reader import read_graph
from edgekit.tflite.tflm import measure_tflm, tflm_available
from edgekit.tflite.writer import model_size

SPECS = (
    NetworkSpec("mobilenet_v1", 0.25, 96, 3, 2),
    NetworkSpec("mobilenet_v1", 0.35, 80, 1, 1000),
    NetworkSpec("conv_mobilenet_v1", 0.25, 48, 1, 10),
    NetworkSpec("shallow_mobilenet_v1", 0.5, 64, 3, 7),
    NetworkSpec("mobilenet_v1", 0.1, 32, 1, 10),
)


@pytest.fixture(scope="module", params=SPECS, ids=lambda spec: f"{spec.arch}-{spec.label}")
def converted(request: pytest.FixtureRequest) -> tuple[NetworkSpec, bytes]:
    spec: NetworkSpec = request.param
    model = build_keras(spec)
    randomize_weights(model, seed=1)
    shape = (spec.resolution, spec.resolution, spec.channels)
    return spec, quantize_keras(model, synthetic_calibration(shape, 4)).model


def shape_of(tensor: Tensor) -> tuple[object, ...]:
    scales = len(tensor.quantization.scale) if tensor.quantization else 0
    dimension = tensor.quantization.dimension if tensor.quantization else 0
    return tensor.shape, tensor.dtype, tensor.constant, scales, dimension


def assert_same_structure(real: Graph, computed: Graph) -> None:
    assert list(map(shape_of, real.tensors)) == list(map(shape_of, computed.tensors))
    assert real.ops == computed.ops
    assert (real.inputs, real.outputs) == (computed.inputs, computed.outputs)


def test_the_computed_graph_is_the_converted_one(converted: tuple[NetworkSpec, bytes]) -> None:
    spec, model = converted
    assert_same_structure(read_graph(model), network_graph(spec))


def test_another_network_is_not_the_same() -> None:
    spec = SPECS[0]
    with pytest.raises(AssertionError):
        assert_same_structure(network_graph(spec), network_graph(replace(spec, alpha=0.5)))


def test_file_size_and_counts_are_those_computed(converted: tuple[NetworkSpec, bytes]) -> None:
    spec, model = converted
    graph = read_graph(model)
    assert len(model) == model_size(network_graph(spec))
    assert graph_mult_adds(graph) == spec.mult_adds
    shapes = {i for op in graph.ops if op.kind in ("MEAN", "RESHAPE") for i in op.inputs[1:]}
    values = sum(t.elements for t in graph.tensors if t.constant and t.index not in shapes)
    assert values == spec.params


@pytest.mark.skipif(not tflm_available(), reason="the tflite-micro wheel is not installed")
def test_real_tflm_agrees_on_arena_and_outputs(converted: tuple[NetworkSpec, bytes]) -> None:
    spec, model = converted
    interpreter = HostInterpreter(model)
    inputs = np.random.default_rng(0).integers(-128, 128, (5, *interpreter.inputs[0].shape)).astype(np.int8)
    measured = measure_tflm(model, inputs)
    predicted = predict_wheel_arena(network_graph(spec))
    assert (measured.head, measured.tail) == (predicted.head + predicted.scratch, predicted.tail)
    assert measured.outputs is not None
    for value, output in zip(inputs, measured.outputs, strict=True):
        assert np.array_equal(interpreter.run([value])[0], output)
