"""Mult-Adds of a graph, counted from the shapes in it.

The convention is the paper's (Howard et al. 2017): multiply-accumulates of convolutions and matrix products
only; biases, pooling, softmax and element-wise operators count nothing.
"""

from __future__ import annotations

from math import prod
from typing import Final

from edgekit.tflite.graph import Graph, Op

_WEIGHTED: Final = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1}
"""Operators with a weight tensor, and at which input it is."""


def op_mult_adds(graph: Graph, op: Op) -> int:
    """Return the Mult-Adds of one run of ``op``; 0 for operators that are no convolution or matrix product.

    Weights lie as the schema says: ``[out, height, width, in]`` for (transposed) convolutions, ``[1, height,
    width, out]`` for depthwise ones, ``[out, in]`` for fully connected layers. A batched matrix product
    counts one for every output element and inner position. An operator that lacks the tensors for it counts
    0.
    """
    if op.kind == "BATCH_MATMUL":
        return _batch_matmul(graph, op)
    place = _WEIGHTED.get(op.kind)
    if place is None or len(op.inputs) <= place or not op.outputs or min(op.inputs[place], op.outputs[0]) < 0:
        return 0
    weights = graph.tensors[op.inputs[place]].shape
    output = graph.tensors[op.outputs[0]]
    if op.kind == "FULLY_CONNECTED":
        return output.elements * weights[-1] if weights else 0
    if len(weights) != 4:
        return 0
    if op.kind == "DEPTHWISE_CONV_2D":
        return output.elements * weights[1] * weights[2]
    if op.kind == "CONV_2D":
        return output.elements * prod(weights[1:])
    # A transposed convolution spreads every input pixel over the whole kernel; its input comes third.
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return 0
    return prod(graph.tensors[op.inputs[2]].shape[:-1]) * prod(weights)


def graph_mult_adds(graph: Graph) -> int:
    """Return the Mult-Adds of one inference of ``graph``."""
    return sum(op_mult_adds(graph, op) for op in graph.ops)


def _batch_matmul(graph: Graph, op: Op) -> int:
    if not op.inputs or not op.outputs or min(op.inputs[0], op.outputs[0]) < 0:
        return 0
    left = graph.tensors[op.inputs[0]].shape
    if len(left) < 2:
        return 0
    return graph.tensors[op.outputs[0]].elements * (left[-2] if op.options.get("adj_x") else left[-1])
