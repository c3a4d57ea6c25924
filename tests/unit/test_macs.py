"""Mult-Adds counted from the shapes of a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.macs import graph_mult_adds, op_mult_adds
from edgekit.tflite.reader import read_graph


def one_op(
    kind: str, inputs: list[tuple[int, ...]], output: tuple[int, ...], **options: Any
) -> tuple[Graph, Op]:
    tensors = tuple(Tensor(i, shape, "int8") for i, shape in enumerate([*inputs, output]))
    op = Op(0, kind, tuple(range(len(inputs))), (len(inputs),), options)
    return Graph(tensors, (op,), (0,), (len(inputs),)), op


@pytest.mark.parametrize(
    ("kind", "inputs", "output", "expected"),
    [
        ("CONV_2D", [(1, 224, 224, 3), (32, 3, 3, 3), (32,)], (1, 112, 112, 32), 3 * 3 * 3 * 32 * 112 * 112),
        ("CONV_2D", [(1, 8, 8, 16), (32, 1, 1, 16)], (1, 8, 8, 32), 16 * 32 * 64),
        ("CONV_2D", [(1, 8, 8, 16), (32, 3, 3, 4)], (1, 8, 8, 32), 9 * 4 * 32 * 64),  # four groups
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 16), (1, 3, 3, 16)], (1, 4, 4, 16), 9 * 16 * 16),
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 1), (1, 3, 3, 8)], (1, 4, 4, 8), 9 * 16 * 8),
        ("FULLY_CONNECTED", [(1, 256), (10, 256)], (1, 10), 2560),
        ("FULLY_CONNECTED", [(4, 256), (10, 256)], (4, 10), 4 * 2560),
        ("TRANSPOSE_CONV", [(4,), (8, 3, 3, 16), (1, 4, 4, 16)], (1, 8, 8, 8), 16 * 8 * 9 * 16),
        ("BATCH_MATMUL", [(2, 5, 7), (2, 7, 3)], (2, 5, 3), 2 * 5 * 7 * 3),
        ("AVERAGE_POOL_2D", [(1, 7, 7, 64)], (1, 1, 1, 64), 0),
        ("MEAN", [(1, 7, 7, 64), (2,)], (1, 64), 0),
        ("SOFTMAX", [(1, 10)], (1, 10), 0),
        ("ADD", [(1, 8, 8, 4), (1, 8, 8, 4)], (1, 8, 8, 4), 0),
        ("CONV_2D", [(1, 8, 8, 16)], (1, 8, 8, 32), 0),  # no weights: nothing that can run
        ("CONV_2D", [(1, 8, 8, 16), (32,)], (1, 8, 8, 32), 0),
        ("FULLY_CONNECTED", [(1, 256), ()], (1, 10), 0),
        ("BATCH_MATMUL", [(7,), (7,)], (), 0),
    ],
)
def test_one_operator(
    kind: str, inputs: list[tuple[int, ...]], output: tuple[int, ...], expected: int
) -> None:
    graph, op = one_op(kind, inputs, output)
    assert op_mult_adds(graph, op) == graph_mult_adds(graph) == expected


def test_a_transposed_left_factor_has_its_inner_dimension_first() -> None:
    graph, op = one_op("BATCH_MATMUL", [(2, 7, 5), (2, 7, 3)], (2, 5, 3), adj_x=True)
    assert op_mult_adds(graph, op) == 2 * 5 * 7 * 3


def test_left_out_inputs_count_nothing() -> None:
    graph, _ = one_op("CONV_2D", [(1, 8, 8, 16), (32, 3, 3, 16)], (1, 8, 8, 32))
    assert op_mult_adds(graph, Op(0, "CONV_2D", (0, -1), (2,))) == 0
    assert op_mult_adds(graph, Op(0, "BATCH_MATMUL", (), ())) == 0


@pytest.mark.parametrize(
    ("name", "expected"), [("vww_96_int8", 7_489_664), ("kws_ref_model", 2_656_768), ("ad01_int8", 264_192)]
)
def test_trained_models_have_their_published_counts(shared_models: Path, name: str, expected: int) -> None:
    assert graph_mult_adds(read_graph((shared_models / f"{name}.tflite").read_bytes())) == expected
