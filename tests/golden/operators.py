"""Graphs of one operator each, as they were measured on emulated targets (arena_on_target.csv)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from graphs import convolution, fully_connected, one_op, tensor

from edgekit.tflite.graph import Graph, Tensor

IMAGE = tensor(1, 6, 6, 8)
ROW = tensor(1, 10)
POOL = {"padding": "VALID", "stride_h": 2, "stride_w": 2, "filter_width": 2, "filter_height": 2}
EDGES = Tensor(0, (4, 2), "int32", None, True, np.array([[0, 0], [1, 1], [2, 1], [0, 0]], np.int32))
AXES = tensor(values=[1, 2])


def floats(*shape: int) -> Tensor:
    return tensor(*shape, dtype="float32")


def _unary(kind: str) -> Graph:
    return one_op(kind, (IMAGE,), IMAGE)


def _binary(kind: str) -> Graph:
    return one_op(kind, (IMAGE, IMAGE), IMAGE)


def _reduce(kind: str) -> Graph:
    return one_op(kind, (IMAGE, AXES), tensor(1, 8))


def _transposed(channels: int, stride: int) -> Graph:
    size = 6 * stride
    filters = tensor(5, 3, 3, channels, constant=True, scales=5)
    options = {"padding": "SAME", "stride_h": stride, "stride_w": stride}
    inputs = (tensor(values=[1, size, size, 5]), filters, tensor(1, 6, 6, channels))
    return one_op("TRANSPOSE_CONV", inputs, tensor(1, size, size, 5), options=options)


def _strided_slice() -> Graph:
    corners = (tensor(values=[0, 0, 0, 0]), tensor(values=[1, 3, 6, 8]), tensor(values=[1, 1, 1, 1]))
    return one_op("STRIDED_SLICE", (IMAGE, *corners), tensor(1, 3, 6, 8))


OPERATORS: Mapping[str, Callable[[], Graph]] = {
    "relu": lambda: _unary("RELU"),
    "relu6": lambda: _unary("RELU6"),
    "hard_swish": lambda: _unary("HARD_SWISH"),
    "logistic": lambda: _unary("LOGISTIC"),
    "tanh": lambda: _unary("TANH"),
    "elu": lambda: _unary("ELU"),
    "abs": lambda: _unary("ABS"),
    "add": lambda: _binary("ADD"),
    "sub": lambda: _binary("SUB"),
    "mul": lambda: _binary("MUL"),
    "maximum": lambda: _binary("MAXIMUM"),
    "squared_difference": lambda: _binary("SQUARED_DIFFERENCE"),
    "add_n": lambda: one_op("ADD_N", (IMAGE, IMAGE, IMAGE), IMAGE),
    "prelu": lambda: one_op("PRELU", (IMAGE, tensor(1, 1, 1, 8, constant=True)), IMAGE),
    "average_pool": lambda: one_op("AVERAGE_POOL_2D", (IMAGE,), tensor(1, 3, 3, 8), options=POOL),
    "max_pool": lambda: one_op("MAX_POOL_2D", (IMAGE,), tensor(1, 3, 3, 8), options=POOL),
    "mean": lambda: _reduce("MEAN"),
    "sum": lambda: _reduce("SUM"),
    "reduce_max": lambda: _reduce("REDUCE_MAX"),
    "mean_float": lambda: one_op("MEAN", (floats(1, 6, 6, 8), AXES), floats(1, 8)),
    "softmax": lambda: one_op("SOFTMAX", (ROW,), ROW, options={"beta": 1.0}),
    "softmax_float": lambda: one_op("SOFTMAX", (floats(1, 10),), floats(1, 10), options={"beta": 1.0}),
    "concatenation": lambda: one_op(
        "CONCATENATION", (IMAGE, IMAGE), tensor(1, 6, 6, 16), options={"axis": 3}
    ),
    "reshape": lambda: one_op("RESHAPE", (IMAGE, tensor(values=[1, 288])), tensor(1, 288)),
    "quantize": lambda: one_op("QUANTIZE", (floats(1, 8),), tensor(1, 8)),
    "dequantize": lambda: one_op("DEQUANTIZE", (tensor(1, 8),), floats(1, 8)),
    "pad": lambda: one_op("PAD", (IMAGE, EDGES), tensor(1, 8, 9, 8)),
    "mirror_pad": lambda: one_op("MIRROR_PAD", (IMAGE, EDGES), tensor(1, 8, 9, 8), options={"mode": 0}),
    "strided_slice": _strided_slice,
    "transpose": lambda: one_op("TRANSPOSE", (IMAGE, tensor(values=[0, 3, 1, 2])), tensor(1, 8, 6, 6)),
    "depth_to_space": lambda: one_op(
        "DEPTH_TO_SPACE", (IMAGE,), tensor(1, 12, 12, 2), options={"block_size": 2}
    ),
    "gather": lambda: one_op("GATHER", (tensor(4, 8), tensor(values=[1, 2])), tensor(2, 8)),
    "fully_connected": lambda: fully_connected(tensor(1, 64), ROW),
    "fully_connected_per_channel": lambda: fully_connected(tensor(1, 64), ROW, scales=10),
    "fully_connected_not_constant": lambda: fully_connected(tensor(1, 64), ROW, constant=False),
    "fully_connected_rows": lambda: fully_connected(tensor(1, 5, 64), tensor(1, 5, 10)),
    "transpose_conv_8_2": lambda: _transposed(8, 2),
    "transpose_conv_32_2": lambda: _transposed(32, 2),
    "transpose_conv_32_3": lambda: _transposed(32, 3),
    "conv_float": lambda: convolution(floats(1, 6, 6, 3), (3, 3), floats(1, 6, 6, 8), weights="float32"),
    "conv_dilated": lambda: convolution(
        tensor(1, 16, 16, 12), (3, 3), tensor(1, 16, 16, 20), dilation_h=2, dilation_w=2
    ),
    "conv_row": lambda: convolution(tensor(1, 1, 20, 8), (1, 5), tensor(1, 1, 20, 16)),
    "conv_5x5": lambda: convolution(
        tensor(1, 12, 12, 24), (5, 5), tensor(1, 6, 6, 16), stride_h=2, stride_w=2
    ),
    "depthwise_5x5": lambda: convolution(
        tensor(1, 12, 12, 24), (5, 5), tensor(1, 12, 12, 24), kind="DEPTHWISE_CONV_2D"
    ),
    "depthwise_one_channel": lambda: convolution(
        tensor(1, 12, 12, 1), (3, 3), tensor(1, 12, 12, 8), kind="DEPTHWISE_CONV_2D"
    ),
}
"""By the name in the table."""
