"""Small graphs, built without a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgekit.tflite.graph import Graph, Op, Quantization, Tensor

ACTIVATION = Quantization((0.5,), (0,))


def tensor(
    *shape: int,
    dtype: str = "int8",
    constant: bool = False,
    scales: int = 1,
    dimension: int = 0,
    values: Sequence[int] | None = None,
) -> Tensor:
    """Return a tensor without a place in a graph; ``values`` makes it an int32 constant."""
    if values is not None:
        data = np.array(values, np.int32)
        return Tensor(0, data.shape, "int32", constant=True, data=data)
    quantization = Quantization((0.5,) * scales, (0,) * scales, dimension) if dtype == "int8" else None
    return Tensor(0, shape, dtype, quantization, constant)


def one_op(
    kind: str, inputs: Sequence[Tensor], *outputs: Tensor, options: Mapping[str, Any] | None = None
) -> Graph:
    """Return a graph of one operator, whose non-constant inputs are the model's inputs."""
    tensors = tuple(replace(t, index=i) for i, t in enumerate((*inputs, *outputs)))
    op_inputs = tuple(range(len(inputs)))
    op_outputs = tuple(range(len(inputs), len(tensors)))
    op = Op(0, kind, op_inputs, op_outputs, options or {})
    return Graph(tensors, (op,), tuple(i for i in op_inputs if not tensors[i].constant), op_outputs)


def followed_by(graph: Graph, kind: str) -> Graph:
    """Return ``graph`` with an operator ``kind`` after its output, which keeps shape and quantization."""
    out = replace(graph.output, index=len(graph.tensors))
    op = Op(len(graph.ops), kind, (graph.output.index,), (out.index,))
    return replace(graph, tensors=(*graph.tensors, out), ops=(*graph.ops, op), outputs=(out.index,))


def convolution(
    x: Tensor,
    kernel: tuple[int, int],
    y: Tensor,
    *,
    filter_channels: int | None = None,
    weights: str = "int8",
    kind: str = "CONV_2D",
    **options: Any,
) -> Graph:
    """Return a graph of one convolution, depthwise when ``kind`` says so."""
    in_channels, channels = x.shape[3], y.shape[3]
    last = filter_channels or (in_channels if kind == "CONV_2D" else channels)
    first = channels if kind == "CONV_2D" else 1
    dimension = 0 if kind == "CONV_2D" else 3
    filters = tensor(first, *kernel, last, constant=True, scales=channels, dimension=dimension)
    bias = tensor(channels, dtype="int32", constant=True)
    defaults = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1}
    if kind != "CONV_2D":
        defaults["depth_multiplier"] = channels // in_channels
    return one_op(kind, (x, replace(filters, dtype=weights), bias), y, options={**defaults, **options})


def fully_connected(x: Tensor, y: Tensor, *, scales: int = 1, constant: bool = True) -> Graph:
    """Return a graph of one fully connected layer."""
    weights = tensor(y.shape[-1], x.shape[-1], constant=constant, scales=scales)
    bias = tensor(y.shape[-1], dtype="int32", constant=True)
    return one_op("FULLY_CONNECTED", (x, weights, bias), y)
