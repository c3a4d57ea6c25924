"""What the aot engine refuses, and what it says about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from aot_graphs import MIXED, PLAIN, changed, scaled, with_op
from graphs import one_op, tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.aot.lowering import SUPPORTED_KINDS
from edgekit.aot.program import check_aot, lower
from edgekit.codegen.aot import render_aot
from edgekit.errors import InputError
from edgekit.tflite.graph import Graph, Quantization


@pytest.fixture(scope="module")
def graph() -> Graph:
    return MIXED


Change = Callable[[Graph], Graph]


def option(op: int, **options: Any) -> Change:
    return lambda graph: with_op(graph, op, options=options)


def source(op: int, place: int = 0, **changes: Any) -> Change:
    return lambda graph: changed(graph, graph.ops[op].inputs[place], **changes)


def target(op: int, **changes: Any) -> Change:
    return lambda graph: changed(graph, graph.ops[op].outputs[0], **changes)


REFUSED: dict[str, tuple[Change, int | None, str]] = {
    "unknown operator": (lambda g: with_op(g, 1, kind="HARD_SWISH"), 1, "no kernel"),
    "custom operator": (lambda g: with_op(g, 1, kind="CUSTOM", custom_code="Own"), 1, "no kernel"),
    "float": (source(1, dtype="float32"), 0, "output is float32, not int8"),
    "int16 activation": (target(3, dtype="int16"), 3, "int16"),
    "dynamic": (target(0, dynamic=True), 0, "no fixed shape"),
    "variable": (target(0, variable=True), 0, "keeps its values"),
    "constant activation": (source(3, 1, constant=True), 2, "constant"),
    "no quantization": (target(0, quantization=None), 0, "not one scale"),
    "zero scale": (target(0, quantization=scaled(0.0)), 0, "scale of its output is 0"),
    "not a number": (target(0, quantization=scaled(float("nan"))), 0, "nan"),
    "zero point beyond int8": (target(0, quantization=scaled(0.1, zero=128)), 0, "zero point 128"),
    "batch": (source(0, shape=(2, 8, 8, 3)), 0, "batch of 2"),
    "rank": (source(0, shape=(8, 8, 3)), 0, "3 dimensions"),
    "huge": (source(0, shape=(1, 4096, 4096, 3)), 0, "bytes"),
    "dilation": (option(0, dilation_w=2), 0, "dilation of 2"),
    "no stride": (option(0, stride_h=0), 0, "stride of 0"),
    "padding": (option(0, padding="VALID"), 0, "VALID padding give"),
    "fused tanh": (option(1, activation="TANH"), 1, "TANH"),
    "grouped": (source(0, 1, shape=(4, 3, 3, 1)), 0, "grouped"),
    "int16 weights": (source(0, 1, dtype="int16"), 0, "weights are int16"),
    "weights in float": (source(2, 1, dtype="float32"), 2, "weights are float32"),
    "weights computed": (source(2, 1, constant=False), 2, "not constant"),
    "sparse weights": (source(2, 1, opaque=True), 2, "sparse"),
    "weights with zero point": (source(0, 1, quantization=scaled(*[0.1] * 4, zero=1)), 0, "zero point other"),
    "scales along another dimension": (
        source(0, 1, quantization=scaled(*[0.1] * 4, dimension=3)),
        0,
        "along dimension 3",
    ),
    "too few scales": (source(1, 1, quantization=scaled(0.1, 0.2)), 1, "2 scales"),
    "int64 bias": (source(0, 2, dtype="int64"), 0, "bias is int64"),
    "bias computed": (source(0, 2, constant=False), 0, "bias is not constant"),
    "short bias": (source(0, 2, shape=(3,)), 0, "3 values for 4"),
    "depth multiplier": (option(1, depth_multiplier=2), 1, "multiplier of 2"),
    "shapes of a sum": (source(3, 1, shape=(1, 1, 1, 4)), 2, "gives? "),
    "pad with other zero point": (target(4, quantization=scaled(PLAIN[0], zero=9)), 4, "differently"),
    "paddings unknown": (source(4, 1, data=None), 4, "not constant integers"),
    "negative padding": (
        source(4, 1, data=np.array([[0, 0], [-1, 3], [1, 1], [0, 0]], np.int32)),
        4,
        "do not take",
    ),
    "pool to another scale": (target(5, quantization=scaled(0.3)), 5, "differently"),
    "concatenation of scales": (target(6, quantization=scaled(0.3)), 6, "differently"),
    "concatenation with activation": (option(6, activation="RELU"), 6, "RELU"),
    "axis": (option(6, axis=4), 6, "axis is 4"),
    "mean over channels": (source(7, 1, data=np.array([1, 3], np.int32)), 7, r"axes \[1, 3\]"),
    "mean that overflows": (target(7, quantization=scaled(1e-9)), 7, "32 bits"),
    "mean of nothing": (target(7, quantization=scaled(1e-12)), 7, "output scale"),
    "shuffled weights": (option(8, weights_format=1), 8, "shuffled"),
    "softmax to another scale": (target(9, quantization=scaled(0.5)), 9, "1/256"),
    "softmax of nothing": (source(9, quantization=scaled(1e-12)), 9, "softmax"),
    "two inputs": (lambda g: replace(g, inputs=(*g.inputs, g.ops[2].outputs[0])), None, "2 inputs"),
    "two outputs": (lambda g: replace(g, outputs=(*g.outputs, g.ops[2].outputs[0])), None, "2 outputs"),
    "subgraphs": (lambda g: replace(g, subgraphs=2), None, "subgraph"),
    "unwritten output": (lambda g: replace(g, ops=g.ops[:-1]), None, "No operator writes"),
    "read before written": (lambda g: replace(g, ops=(*g.ops[1:], g.ops[0])), 1, "before anything writes"),
    "written twice": (lambda g: replace(g, ops=(*g.ops, g.ops[-1])), 9, "second time"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_engine_does_not_do_is_named(name: str, graph: Graph) -> None:
    change, index, text = REFUSED[name]
    problems = check_aot(change(graph))
    named = [problem for problem in problems if problem.index == index]
    assert named and re.search(text, named[0].problem), problems
    assert all(problem.remedy.endswith(".") and problem.severity == "error" for problem in problems)
    with pytest.raises(InputError, match="cannot run with the aot engine") as caught:
        lower(change(graph))
    assert caught.value.hint == problems[0].remedy
    assert len(caught.value.details) == len(problems) - 1


def test_the_base_of_these_cases_is_accepted(graph: Graph) -> None:
    assert check_aot(graph) == [] and len(lower(graph).calls) == 10


def test_every_problem_is_named_at_once(graph: Graph) -> None:
    bad = with_op(with_op(graph, 1, kind="TANH"), 9, kind="LOG_SOFTMAX")
    assert [(p.index, p.op) for p in check_aot(bad)] == [(1, "TANH"), (9, "LOG_SOFTMAX")]
    with pytest.raises(InputError, match=r"Operator 1 \(TANH\)") as caught:
        lower(bad)
    assert "--engine tflm" in caught.value.hint
    assert "operator 9 (LOG_SOFTMAX)" in caught.value.details[0]


KINDS = st.sampled_from(SUPPORTED_KINDS)
NUMBERS = st.sampled_from((-1, 0, 1, 2, 3, 127, 1 << 31))
QUANTIZATIONS = st.none() | st.builds(
    Quantization,
    st.lists(st.sampled_from((0.0, 1e-38, 0.1, 1.0, 1e38, float("inf"))), max_size=4).map(tuple),
    st.lists(st.sampled_from((-129, 0, 3)), max_size=4).map(tuple),
    st.integers(0, 3),
)
DTYPES = st.sampled_from(("int8", "int8", "int32", "float32", "string"))
FLAWS = st.sampled_from(
    ("shape", "dtype", "quantization", "constant", "data", "kind", "inputs", "outputs", "options")
)


@given(st.data(), st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_damaged_graphs_end_in_an_error_for_people(data: st.DataObject, flaws: int) -> None:
    graph = MIXED
    for _ in range(flaws):
        flaw = data.draw(FLAWS)
        tensor = data.draw(st.integers(0, len(graph.tensors) - 1))
        op = data.draw(st.integers(0, len(graph.ops) - 1))
        indices = st.lists(st.integers(-1, len(graph.tensors) - 1), max_size=4).map(tuple)
        if flaw == "shape":
            shape = data.draw(st.lists(st.integers(0, 9), max_size=5).map(tuple))
            graph = changed(graph, tensor, shape=shape, data=None)
        elif flaw == "dtype":
            graph = changed(graph, tensor, dtype=data.draw(DTYPES), data=None)
        elif flaw == "quantization":
            graph = changed(graph, tensor, quantization=data.draw(QUANTIZATIONS))
        elif flaw == "constant":
            graph = changed(graph, tensor, constant=not graph.tensors[tensor].constant)
        elif flaw == "data":
            graph = changed(graph, tensor, data=None)
        elif flaw == "kind":
            graph = with_op(graph, op, kind=data.draw(KINDS))
        elif flaw == "options":
            name = data.draw(st.sampled_from((*graph.ops[op].options, "axis")))
            graph = with_op(graph, op, options={name: data.draw(NUMBERS)})
        else:
            graph = with_op(graph, op, **{flaw: data.draw(indices)})
    try:
        render_aot(lower(graph))
    except InputError as error:
        assert error.message and error.hint


@pytest.mark.parametrize("kind", ["QUANTIZE", "RELU", "RELU6"])
def test_scales_too_far_apart_for_the_multiplier_are_refused(kind: str) -> None:
    x, y = (replace(tensor(1, 4), quantization=scaled(scale)) for scale in (1e9, 1e-9))
    (problem,) = check_aot(one_op(kind, (x,), y))
    assert (problem.index, problem.op) == (0, kind) and "output scale of 1e-09" in problem.problem
    assert check_aot(one_op(kind, (y,), x)) == []
