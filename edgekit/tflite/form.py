"""Whether operators have the tensors and options of their kind, and a graph the order that it needs to run.

Everything that plans memory takes this for granted. Kernels check it when they prepare; a file can say anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from edgekit.tflite.graph import Graph, Op, Tensor

MAX_TENSOR_BYTES: Final = (1 << 31) - 1
"""What sizes and offsets can be in a file, and on a microcontroller."""

_INPUTS: Final[Mapping[str, tuple[int, int]]] = {
    "ADD": (2, 2),
    "CONCATENATION": (1, 1 << 16),
    "CONV_2D": (2, 3),
    "DEPTHWISE_CONV_2D": (2, 3),
    "FULLY_CONNECTED": (2, 3),
    "MEAN": (2, 2),
    "MUL": (2, 2),
    "PAD": (2, 2),
    "PRELU": (2, 2),
    "RESHAPE": (1, 2),
    "STRIDED_SLICE": (4, 4),
    "SUB": (2, 2),
    "TRANSPOSE": (2, 2),
    "TRANSPOSE_CONV": (3, 4),
    **dict.fromkeys(("AVERAGE_POOL_2D", "DEQUANTIZE", "HARD_SWISH", "LOGISTIC", "MAX_POOL_2D"), (1, 1)),
    **dict.fromkeys(("QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "SOFTMAX", "TANH"), (1, 1)),
}
"""The least and the most inputs of an operator; each has one output."""


def disorder(graph: Graph) -> str | None:
    """Return what of ``graph`` is not in the form that its operators need, or ``None``; others may have any form."""
    large = next((t.index for t in graph.tensors if t.nbytes > MAX_TENSOR_BYTES), None)
    if large is not None:
        return f"tensor {large} has more than 2 GB"
    written = {*graph.inputs, *(t.index for t in graph.tensors if t.constant or t.variable or not t.nbytes)}
    for op in graph.ops:
        name = f"operator {op.index} ({op.label})"
        for index in op.inputs:
            if index >= 0 and index not in written:
                return f"{name} reads tensor {index} before anything is written to it"
        for index in op.outputs:
            if index in written and graph.tensors[index].nbytes:
                return f"{name} writes to tensor {index}, which has its values already"
            written.add(index)
        if not _is_formed(graph, op):
            return f"{name} does not have the tensors and options of its kind"
    missing = [index for index in graph.outputs if index not in written]
    return f"nothing is written to its output, tensor {missing[0]}" if missing else None


def _is_formed(graph: Graph, op: Op) -> bool:
    if op.kind not in _INPUTS:
        return True
    least, most = _INPUTS[op.kind]
    if not least <= len(op.inputs) <= most or min(*op.inputs[:least], *op.outputs, 0) < 0:
        return False
    if len(op.outputs) != 1 or any(size < 1 for i in op.inputs[:least] for size in graph.tensors[i].shape):
        return False
    inputs = [graph.tensors[index] for index in op.inputs[:least]]
    check = _CHECKS.get(op.kind)
    if op.kind == "CONCATENATION":
        inputs = [graph.tensors[index] for index in op.inputs if index >= 0]
    return check is None or check(op, inputs, graph.tensors[op.outputs[0]])


def _positive(op: Op, *names: str, unless: int = 0) -> bool:
    return all(op.options.get(name, unless) >= 1 for name in names)


def _convolution(op: Op, inputs: list[Tensor], y: Tensor) -> bool:
    x, weights = inputs
    if not len(x.shape) == len(weights.shape) == len(y.shape) == 4 or op.options.get("padding") is None:
        return False
    if x.shape[0] != y.shape[0] or not _positive(op, "stride_h", "stride_w"):
        return False
    if not _positive(op, "dilation_h", "dilation_w", unless=1):
        return False
    if op.kind == "CONV_2D":
        return weights.shape[0] == y.shape[3] and x.shape[3] % weights.shape[3] == 0
    return weights.shape[3] == y.shape[3] and y.shape[3] % x.shape[3] == 0


def _transposed(op: Op, inputs: list[Tensor], y: Tensor) -> bool:
    _, weights, x = inputs
    ranks = len(x.shape) == len(weights.shape) == len(y.shape) == 4
    return ranks and _positive(op, "stride_h", "stride_w")


def _pool(op: Op, inputs: list[Tensor], y: Tensor) -> bool:
    (x,) = inputs
    if not len(x.shape) == len(y.shape) == 4 or op.options.get("padding") is None:
        return False
    sizes = _positive(op, "filter_height", "filter_width", "stride_h", "stride_w")
    return sizes and (x.shape[0], x.shape[3]) == (y.shape[0], y.shape[3])


def _fully_connected(op: Op, inputs: list[Tensor], y: Tensor) -> bool:
    x, weights = inputs
    if len(weights.shape) != 2 or not y.elements:
        return False
    outputs, depth = weights.shape
    return x.elements % depth == 0 and y.elements == x.elements // depth * outputs


def _pad(op: Op, inputs: list[Tensor], y: Tensor) -> bool:
    x, edges = inputs
    if len(x.shape) != len(y.shape) or edges.shape != (len(x.shape), 2):
        return False
    if edges.data is None:
        return True
    rows = zip(edges.data.tolist(), x.shape, y.shape, strict=True)
    return all(
        before >= 0 <= after and before + size + after == whole for (before, after), size, whole in rows
    )


def _concatenation(op: Op, inputs: list[Tensor], y: Tensor) -> bool:
    rank, axis = len(y.shape), op.options.get("axis")
    if axis is None or not -rank <= axis < rank or any(len(x.shape) != rank for x in inputs):
        return False
    axis %= rank
    others = {(*x.shape[:axis], *x.shape[axis + 1 :]) for x in (*inputs, y)}
    return len(others) == 1 and sum(x.shape[axis] for x in inputs) == y.shape[axis]


def _reshape(op: Op, inputs: list[Tensor], y: Tensor) -> bool:
    return inputs[0].nbytes == y.nbytes


def _slice(op: Op, inputs: list[Tensor], y: Tensor) -> bool:
    return len({edge.shape for edge in inputs[1:]}) == 1 and len(inputs[1].shape) == 1


_CHECKS: Final[Mapping[str, Callable[[Op, list[Tensor], Tensor], bool]]] = {
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _pool,
    "PAD": _pad,
    "RESHAPE": _reshape,
    "STRIDED_SLICE": _slice,
    "TRANSPOSE_CONV": _transposed,
}
