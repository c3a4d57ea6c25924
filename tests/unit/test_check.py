"""What is found wrong with a model, and in which order it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from graphs import convolution, followed_by, fully_connected, one_op, tensor

from edgekit.errors import InputError
from edgekit.latency.work import graph_work
from edgekit.memory.plans import plan_problems
from edgekit.memory.rewrite import plan_model
from edgekit.mobilenet.architecture import ARCHS, NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.check import Problem, check_graph, dead_tensors, is_int8_network
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.offline import with_offsets

INT8_CONVOLUTION = convolution(tensor(1, 8, 8, 3), (3, 3), tensor(1, 8, 8, 4))


def retyped(graph: Graph, dtype: str, indices: Sequence[int]) -> Graph:
    tensors = [replace(t, dtype=dtype) if t.index in indices else t for t in graph.tensors]
    return replace(graph, tensors=tuple(tensors))


def reshaped(graph: Graph, index: int, shape: tuple[int, ...]) -> Graph:
    tensors = [replace(t, shape=shape) if t.index == index else t for t in graph.tensors]
    return replace(graph, tensors=tuple(tensors))


def appended(graph: Graph, op: Op, *tensors: Tensor) -> Graph:
    return replace(
        graph,
        tensors=(*graph.tensors, *(replace(t, index=len(graph.tensors) + i) for i, t in enumerate(tensors))),
        ops=(*graph.ops, replace(op, index=len(graph.ops))),
    )


def one_problem(graph: Graph) -> Problem:
    (problem,) = check_graph(graph)
    assert problem.remedy.endswith(".") and problem.problem
    return problem


@pytest.mark.parametrize("arch", ARCHS)
def test_the_family_has_no_problems(arch: str) -> None:
    graph = network_graph(NetworkSpec(arch, 0.25, 96))  # type: ignore[arg-type]
    assert check_graph(graph) == []


def test_a_plain_convolution_has_no_problems() -> None:
    assert check_graph(INT8_CONVOLUTION) == []


@pytest.mark.parametrize(
    ("kind", "custom", "shown", "remedy"),
    [
        ("CUSTOM", "FlexErf", "FlexErf", "SELECT_TF_OPS"),
        ("CUSTOM", "MyLayer", "MyLayer", "Replace it"),
        ("GELU", "", "GELU", "RELU6"),
        ("WHILE", "", "WHILE", "control flow"),
        ("BUILTIN_999", "", "BUILTIN_999", "Replace it"),
    ],
)
def test_an_operator_without_a_kernel_is_named_with_its_remedy(
    kind: str, custom: str, shown: str, remedy: str
) -> None:
    graph = one_op(kind, (tensor(1, 4),), tensor(1, 4))
    graph = replace(graph, ops=(replace(graph.ops[0], custom_code=custom),))
    problem = one_problem(graph)
    assert (problem.index, problem.op, problem.severity) == (0, shown, "error")
    assert remedy in problem.remedy


def test_a_custom_operator_that_tflite_micro_has_is_no_problem() -> None:
    graph = one_op("CUSTOM", (tensor(1, 4),), tensor(1, 4))
    graph = replace(graph, ops=(replace(graph.ops[0], custom_code="CIRCULAR_BUFFER"),))
    assert check_graph(graph) == []


@pytest.mark.parametrize(
    ("places", "said"), [((0,), "The input of"), ((3,), "The output of"), ((0, 3), "The input and output of")]
)
def test_float_ends_of_an_int8_network_are_pointed_out(places: tuple[int, ...], said: str) -> None:
    body = INT8_CONVOLUTION
    ends = (tensor(1, 8, 8, 3, dtype="float32"), tensor(1, 8, 8, 4, dtype="float32"))
    graph = appended(body, Op(0, "DEQUANTIZE", (3,), (4,)), ends[1])
    graph = replace(graph, outputs=(4 if 3 in places else 3,))
    if 0 in places:
        graph = appended(graph, Op(0, "QUANTIZE", (5,), (0,)), ends[0])
        ops = tuple(replace(op, index=k) for k, op in enumerate(graph.ops[-1:] + graph.ops[:-1]))
        graph = replace(graph, ops=ops, inputs=(5,))
    problem = one_problem(graph)
    assert is_int8_network(graph)
    assert (problem.index, problem.op, problem.severity) == (None, "model", "warning")
    assert said in problem.problem and "float32" in problem.problem


def test_a_float_network_may_have_float_ends() -> None:
    graph = retyped(INT8_CONVOLUTION, "float32", range(4))
    assert not is_int8_network(graph)
    assert check_graph(graph) == []


def test_a_dead_tensor_is_pointed_out_with_its_bytes() -> None:
    dead = replace(tensor(1, 10, 10, 20), index=4)
    graph = replace(INT8_CONVOLUTION, tensors=(*INT8_CONVOLUTION.tensors, dead))
    problem = one_problem(graph)
    assert dead_tensors(graph) == [4]
    assert problem.severity == "warning" and "2,000 B" in problem.problem


def test_an_unused_constant_is_not_planned_and_so_no_problem() -> None:
    unused = replace(tensor(16, constant=True), index=4)
    graph = replace(INT8_CONVOLUTION, tensors=(*INT8_CONVOLUTION.tensors, unused))
    assert check_graph(graph) == []


def test_dynamic_shapes_are_an_error_and_an_open_batch_is_recognised() -> None:
    tensors = [replace(t, dynamic=t.index == 3) for t in INT8_CONVOLUTION.tensors]
    graph = replace(INT8_CONVOLUTION, tensors=tuple(tensors))
    problem = one_problem(graph)
    assert problem.severity == "error" and "first tensor 3" in problem.problem
    assert "batch of 1" in problem.remedy
    assert "open batch" not in problem.problem
    shape = appended(graph, Op(0, "SHAPE", (0,), (4,)), tensor(4, dtype="int32"))
    assert "SHAPE come" in one_problem(shape).problem


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_a_hybrid_operator_is_an_error(kind: str) -> None:
    graph = convolution(tensor(1, 8, 8, 3), (3, 3), tensor(1, 8, 8, 3), kind=kind)
    problem = one_problem(retyped(graph, "float32", (0, 3)))
    assert (problem.index, problem.op, problem.severity) == (0, kind, "error")
    assert "hybrid" in problem.problem


def test_the_old_uint8_scheme_is_an_error() -> None:
    problem = one_problem(retyped(INT8_CONVOLUTION, "uint8", (0, 1, 3)))
    assert problem.severity == "error" and "uint8" in problem.problem


def test_fully_connected_weights_per_channel_are_a_warning() -> None:
    x, y = tensor(1, 8), tensor(1, 4)
    problem = one_problem(fully_connected(x, y, scales=4))
    assert (problem.index, problem.op, problem.severity) == (0, "FULLY_CONNECTED", "warning")
    assert "per channel" in problem.problem
    assert check_graph(fully_connected(x, y)) == []


def test_further_subgraphs_are_pointed_out() -> None:
    assert "2 subgraphs" in one_problem(replace(INT8_CONVOLUTION, subgraphs=2)).problem


def test_unsupported_operators_come_before_everything_else() -> None:
    graph = fully_connected(tensor(1, 8), tensor(1, 4), scales=4)
    graph = appended(graph, Op(0, "GELU", (3,), (4,)), tensor(1, 4))
    graph = appended(graph, Op(0, "CUSTOM", (4,), (5,), custom_code="FlexErf"), tensor(1, 4, dtype="float32"))
    graph = appended(graph, Op(0, "RELU", (5,), (6,)), tensor(1, 4, dtype="float32"), tensor(1, 4))
    graph = replace(graph, outputs=(6,))
    problems = check_graph(graph)
    assert [(p.index, p.op) for p in problems[:3]] == [(1, "GELU"), (2, "FlexErf"), (0, "FULLY_CONNECTED")]
    assert [p.op for p in problems[3:]] == ["model", "model"]


ADDED = one_op("ADD", (tensor(1, 8), tensor(1, 8)), tensor(1, 8))
CHAIN = followed_by(followed_by(one_op("RELU", (tensor(1, 8),), tensor(1, 8)), "TANH"), "LOGISTIC")


def op_changed(graph: Graph, **changes: Any) -> Graph:
    return replace(graph, ops=(replace(graph.ops[0], **changes), *graph.ops[1:]))


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (op_changed(INT8_CONVOLUTION, inputs=(0,)), "operator 0 (CONV_2D) does not have"),
        (op_changed(INT8_CONVOLUTION, inputs=(-1, 1, 2)), "operator 0 (CONV_2D) does not have"),
        (op_changed(INT8_CONVOLUTION, outputs=()), "operator 0 (CONV_2D) does not have"),
        (op_changed(INT8_CONVOLUTION, options={}), "operator 0 (CONV_2D) does not have"),
        (reshaped(INT8_CONVOLUTION, 0, (8, 8, 3)), "operator 0 (CONV_2D) does not have"),
        (reshaped(INT8_CONVOLUTION, 3, (1, 8, 8, 5)), "operator 0 (CONV_2D) does not have"),
        (op_changed(ADDED, inputs=(0,)), "operator 0 (ADD) does not have"),
        (one_op("RESHAPE", (tensor(1, 8),), tensor(2, 8)), "operator 0 (RESHAPE) does not have"),
        (one_op("AVERAGE_POOL_2D", (tensor(1, 8, 8, 3),), tensor(1, 4, 4, 3)), "(AVERAGE_POOL_2D) does not"),
        (one_op("CONCATENATION", (tensor(1, 8),) * 2, tensor(1, 16)), "(CONCATENATION) does not have"),
        (fully_connected(tensor(1, 8), tensor(1, 0)), "(FULLY_CONNECTED) does not have"),
        (op_changed(CHAIN, inputs=(3,)), "operator 0 (RELU) reads tensor 3 before anything is written to it"),
        (op_changed(CHAIN, inputs=(1,)), "operator 0 (RELU) reads tensor 1 before anything is written to it"),
        (op_changed(CHAIN, outputs=(0,)), "operator 0 (RELU) writes to tensor 0, which has its values"),
        (op_changed(CHAIN, outputs=(3,)), "operator 1 (TANH) reads tensor 1 before anything is written"),
        (
            one_op("RELU", (tensor(1, 1 << 16, 1 << 15),), tensor(1, 1 << 16, 1 << 15)),
            "tensor 0 has more than 2 GB",
        ),
        (replace(CHAIN, ops=CHAIN.ops[:2]), "nothing is written to its output, tensor 3"),
    ],
)
def test_a_graph_that_does_not_hold_together_is_told_and_no_plan_is_made_of_it(
    graph: Graph, said: str
) -> None:
    problem = next(problem for problem in check_graph(graph) if problem.severity == "error")
    assert said in problem.problem[0].lower() + problem.problem[1:] and problem.op == "model"
    with pytest.raises(InputError, match=r"cannot run as it is|values of tensor"):
        plan_model(graph, "bands", "reference")
    assert plan_problems(with_offsets(graph, [0] * len(graph.tensors)), "reference") == []
    assert len(graph_work(graph)) == len(graph.ops)
