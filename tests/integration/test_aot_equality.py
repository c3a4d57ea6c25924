"""The aot engine against TFLite's reference kernels: every output byte of every input, on every code path.

``EDGEKIT_AOT_INPUTS`` sets the number of inputs of each network; without it the larger ones get fewer, so that the file
takes a minute or two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aot_graphs import GraphBuilder
from aot_host import build, render, run_sanitized
from aot_networks import random_inputs, random_network
from aot_operators import NETWORKS, OPERATORS, SEEDS
from aot_paths import PATHS
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from edgekit.aot.plan import AotPlan, CallOffsets, plan_program
from edgekit.aot.program import Program
from edgekit.memory.lifetimes import align
from edgekit.mobilenet.architecture import Arch, NetworkSpec
from edgekit.tflite.graph import Graph
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.reader import read_graph
from edgekit.tflite.writer import write_model

Int8 = NDArray[np.int8]


@dataclass(frozen=True)
class Proof:
    """A model with inputs and what the reference makes of them."""

    graph: Graph
    inputs: Int8
    expected: Int8

    @classmethod
    def of(cls, graph: Graph, inputs: Int8, model: bytes | None = None) -> Proof:
        """Run the reference on ``inputs``."""
        interpreter = HostInterpreter(model or write_model(graph))
        if "FULLY_CONNECTED" in graph.op_kinds and not interpreter.runtime.startswith("tflite-runtime"):
            pytest.skip(f"{interpreter.runtime} computes FULLY_CONNECTED unlike TFLite's reference")
        expected = [interpreter.run([one])[0].reshape(graph.output.shape) for one in inputs]
        return cls(graph, inputs, np.stack(expected))

    def wrong(self, outputs: Int8) -> int:
        """Return the number of inputs with a wrong output."""
        return sum(not np.array_equal(one, other) for one, other in zip(outputs, self.expected, strict=True))

    def check(self, variants: Iterable[str] = tuple(PATHS)) -> None:
        """Compile the model for ``variants`` and compare every output."""
        program, texts = render(self.graph)
        for variant in variants:
            model = build(program, texts, variant)
            assert model.violations() == 0
            assert self.wrong(model.run(self.inputs)) == 0, variant

    def check_sanitized(self, count: int) -> None:
        """Compare the outputs of the first ``count`` inputs, in programs that end on anything undefined."""
        program, texts = render(self.graph)
        for variant in PATHS:
            outputs = run_sanitized(program, texts, self.inputs[:count], variant)
            assert np.array_equal(outputs, self.expected[:count]), variant

    def check_telling(self) -> None:
        """Check that outputs depend on inputs and are not all at the ends of int8: otherwise nothing is proven."""
        rows = {one.tobytes() for one in self.expected}
        assert len(rows) > len(self.expected) // 2
        saturated = np.isin(self.expected, (-128, 127)).mean()
        assert saturated < 0.5, saturated


def number_of_inputs(default: int) -> int:
    """Return how many inputs a network gets."""
    return int(os.environ.get("EDGEKIT_AOT_INPUTS", default))


# Trained networks


@pytest.fixture(scope="module", params=["vww_96_int8", "kws_ref_model", "ad01_int8"])
def trained(request: pytest.FixtureRequest, shared_models: Path) -> Proof:
    model = (shared_models / f"{request.param}.tflite").read_bytes()
    graph = read_graph(model)
    return Proof.of(graph, random_inputs(graph.input.shape, number_of_inputs(1000), 1), model)


def test_trained_networks_equal_the_reference(trained: Proof) -> None:
    trained.check()


def test_trained_networks_do_nothing_undefined(trained: Proof) -> None:
    trained.check_sanitized(10)


# The family, at the corners of the paper's grid

CORNERS = [(0.25, 96, 1000), (0.25, 224, 60), (1.0, 96, 20), (1.0, 224, 3)]
RELATIVES: list[tuple[Arch, float, int, int]] = [
    ("conv_mobilenet_v1", 0.25, 32, 100),
    ("shallow_mobilenet_v1", 0.35, 48, 200),
]


@pytest.mark.parametrize(("alpha", "resolution", "inputs"), CORNERS)
def test_the_corners_of_the_papers_grid_equal_the_reference(
    alpha: float, resolution: int, inputs: int
) -> None:
    check_network(NetworkSpec("mobilenet_v1", alpha, resolution), number_of_inputs(inputs))


@pytest.mark.parametrize(("arch", "alpha", "resolution", "inputs"), RELATIVES)
def test_the_relatives_equal_the_reference(arch: Arch, alpha: float, resolution: int, inputs: int) -> None:
    check_network(NetworkSpec(arch, alpha, resolution, classes=10), number_of_inputs(inputs))


def check_network(spec: NetworkSpec, count: int) -> None:
    graph = random_network(spec, seed=1)
    proof = Proof.of(graph, random_inputs(graph.input.shape, count, 2))
    # Softmax leaves little of the differences; what went into it shows that they are there.
    logits = graph.tensors[graph.ops[-1].inputs[0]]
    before = replace(graph, ops=graph.ops[:-1], outputs=(logits.index,))
    Proof.of(before, proof.inputs[:20]).check_telling()
    proof.check()


# Networks with branches


def mobilenet_v2(seed: int) -> GraphBuilder:
    """Return blocks of MobileNet V2: expansion, depthwise, linear projection, and a sum around them."""
    b = GraphBuilder((1, 24, 20, 3), (1 / 128, 0), seed)
    x = b.conv(b.input, 8, stride=(2, 2))
    x = b.conv(x, 8, depthwise=True)
    x = b.conv(x, 6, (1, 1), quantization=(0.047, 2), activation="NONE")
    for channels, stride in ((6, 1), (10, 2), (10, 1)):
        y = b.conv(x, 6 * b.shape(x)[3], (1, 1))
        y = b.conv(y, b.shape(y)[3], stride=(stride, stride), depthwise=True)
        y = b.conv(y, channels, (1, 1), quantization=(0.05, -4), activation="NONE")
        x = b.add(x, y, (0.06, 1)) if stride == 1 else y
    x = b.conv(x, 32, (1, 1))
    x = b.mean(x, (3 / 255, -128), keep=True)
    b.conv(b.reshape(x, (1, 1, 1, 32)), 7, (1, 1), quantization=(0.1, 5), activation="NONE")
    return b


def resnet8(seed: int) -> GraphBuilder:
    """Return a small residual network with strided shortcuts, padding of its own, and a concatenation."""
    b = GraphBuilder((1, 16, 16, 3), (1 / 64, -7), seed)
    x = b.conv(b.input, 16, quantization=(0.04, -128), activation="RELU")
    for channels, stride in ((16, 1), (32, 2)):
        y = b.conv(x, channels, stride=(stride, stride), quantization=(0.03, -128), activation="RELU")
        y = b.conv(y, channels, quantization=(0.05, 9), activation="NONE")
        if stride == 2:
            x = b.conv(x, channels, (1, 1), (2, 2), quantization=(0.045, -20), activation="NONE")
        x = b.add(x, y, (0.04, -128), activation="RELU")
    padded = b.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    y = b.conv(padded, 32, (3, 3), (2, 2), padding="VALID", quantization=b.affine(x), activation="RELU")
    z = b.pool(padded, (2, 2), (2, 2), "MAX_POOL_2D", padding="SAME")
    z = b.conv(z, 8, (2, 2), padding="VALID", quantization=b.affine(x), activation="RELU")
    x = b.concat((y, b.conv(z, 8, (1, 1), quantization=b.affine(x)), y), 3)
    x = b.pool(x, (4, 4), (4, 4))
    x = b.fully_connected(b.reshape(x, (1, 72)), 10, (0.1, 3))
    b.softmax(x, beta=0.5)
    return b


@pytest.mark.parametrize("make", [mobilenet_v2, resnet8])
def test_networks_with_branches_equal_the_reference(make: Callable[[int], GraphBuilder]) -> None:
    graph = whole(make(3))
    proof = Proof.of(graph, random_inputs(graph.input.shape, number_of_inputs(1000), 4))
    proof.check_telling()
    proof.check()
    proof.check_sanitized(10)


def whole(builder: GraphBuilder) -> Graph:
    """Return the graph that ends in the last operator's output."""
    return builder.graph(builder.last)


# Single operators


@pytest.mark.parametrize("name", OPERATORS)
def test_random_operators_equal_the_reference(name: str) -> None:
    strategy, examples = OPERATORS[name]

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy, SEEDS)
    def check(builder: GraphBuilder, seed: int) -> None:
        graph = whole(builder)
        Proof.of(graph, random_inputs(graph.input.shape, 40, seed)).check()

    check()


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize(
    ("function", "kernel", "depthwise"),
    [
        ("ek_conv2d_wide", (3, 2), False),
        ("ek_pointwise_wide", (1, 1), False),
        ("ek_depthwise_wide", (3, 3), True),
    ],
)
def test_the_wide_forms_equal_the_reference(
    function: str, kernel: tuple[int, int], depthwise: bool, heavy: bool
) -> None:
    depth, largest, spread = (70, 127, 60) if heavy else (5, 1, 200)
    b = GraphBuilder((1, 7, 9, depth), (0.05, -9), seed=5)
    about: dict[str, Any] = {"depthwise": depthwise, "largest": largest, "spread": spread, "heavy": heavy}
    b.conv(b.input, depth, kernel, quantization=(0.04, 3), activation="NONE", **about)
    graph = whole(b)
    assert f"  {function}(" in render(graph)[1]["model.c"]
    proof = Proof.of(graph, random_inputs(graph.input.shape, 100, 6))
    proof.check()
    proof.check_sanitized(5)


@pytest.mark.parametrize("name", OPERATORS)
def test_random_operators_do_nothing_undefined(name: str) -> None:
    @settings(max_examples=2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(OPERATORS[name][0], SEEDS)
    def check(builder: GraphBuilder, seed: int) -> None:
        graph = whole(builder)
        Proof.of(graph, random_inputs(graph.input.shape, 10, seed)).check_sanitized(10)

    check()


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(NETWORKS, SEEDS)
def test_random_networks_equal_the_reference(builder: GraphBuilder, seed: int) -> None:
    graph = whole(builder)
    Proof.of(graph, random_inputs(graph.input.shape, 20, seed)).check()


# What must be caught


@pytest.fixture(scope="module")
def small() -> Proof:
    """A network without the softmax, which would hide errors."""
    graph = random_network(NetworkSpec("mobilenet_v1", 0.25, 64, classes=10), seed=1)
    graph = replace(graph, ops=graph.ops[:-1], outputs=graph.ops[-1].inputs)
    return Proof.of(graph, random_inputs(graph.input.shape, 20, 2))


def test_a_flipped_weight_bit_is_caught(small: Proof) -> None:
    program, texts = render(small.graph)
    assert small.wrong(build(program, texts).run(small.inputs)) == 0
    for op in (0, 1, 2, 12, 26):
        weights = small.graph.tensors[small.graph.ops[op].inputs[1]]
        assert weights.data is not None
        flipped = weights.data.copy()
        flipped.reshape(-1)[flipped.size // 2] ^= 16
        tensors = [*small.graph.tensors]
        tensors[weights.index] = replace(weights, data=flipped)
        program, texts = render(replace(small.graph, tensors=tuple(tensors)))
        assert small.wrong(build(program, texts).run(small.inputs)) > 0, op


def test_a_lead_that_is_one_byte_too_small_is_caught(small: Proof) -> None:
    for number, op in enumerate(small.graph.ops[:12]):
        graph = replace(small.graph, ops=small.graph.ops[: number + 1], outputs=op.outputs)
        proof = Proof.of(graph, small.inputs)
        program, _ = render(graph)
        (lead,) = program.calls[-1].kernel.leads
        assert lead is not None
        for missing in (0, 1):
            _, texts = render(graph, overlapped(program, lead - missing))
            model = build(program, texts)
            wrong = proof.wrong(model.run(proof.inputs))
            assert (model.violations(), wrong > 0) == (missing, missing > 0), (program.calls[-1], lead)


def overlapped(program: Program, lead: int) -> AotPlan:
    """Return a plan in which nothing overlaps but input and output of the last call, at this lead."""
    shared = program.calls[-1]
    source = shared.inputs[0]
    offset_of = {source: max(lead, 0), shared.output: max(-lead, 0)}
    end = align(max(offset + program.memory_bytes(tensor) for tensor, offset in offset_of.items()))
    calls = []
    for call in program.calls:
        for tensor in (*call.inputs, call.output):
            if tensor not in offset_of:
                offset_of[tensor] = end
                end += align(program.memory_bytes(tensor))
        inputs = tuple(offset_of[i] for i in call.inputs)
        calls.append(CallOffsets(inputs, offset_of[call.output], end if call.kernel.scratch else None))
        end += align(call.kernel.scratch)
    return replace(plan_program(program), activations=end, scratch=0, calls=tuple(calls), offset_of=offset_of)
