"""What an operator has to do, in the terms that its cost depends on: class, Mult-Adds, outputs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Final, Literal, get_args

from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.macs import op_mult_adds

OpClass = Literal[
    "conv_first",
    "conv_kxk",
    "pointwise",
    "depthwise",
    "depthwise_s2",
    "fully_connected",
    "pool",
    "softmax",
    "add",
    "copy",
]
OP_CLASSES: Final[tuple[OpClass, ...]] = get_args(OpClass)
"""Classes of operators whose cost per Mult-Add differs several times over, on every kernel library
measured."""

_FIRST_CHANNELS: Final = 4
"""Most input channels of a network's first convolution, as a class of its own: too few to fill a vector."""
_WEIGHTED: Final = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")

_KINDS: Final[dict[str, OpClass]] = {
    "BATCH_MATMUL": "fully_connected",
    "MEAN": "pool",
    "SUM": "pool",
    "REDUCE_MAX": "pool",
    "AVERAGE_POOL_2D": "pool",
    "MAX_POOL_2D": "pool",
    "SOFTMAX": "softmax",
    "LOG_SOFTMAX": "softmax",
    "LOGISTIC": "softmax",
    "TANH": "softmax",
    "ADD": "add",
    "SUB": "add",
    "MUL": "add",
    "SQUARED_DIFFERENCE": "add",
    "PRELU": "add",
    "LEAKY_RELU": "add",
    "HARD_SWISH": "add",
    "QUANTIZE": "add",
    "DEQUANTIZE": "add",
}


@dataclass(frozen=True, slots=True)
class OpWork:
    """The work of one operator.

    Attributes
    ----------
    op_class:
        Its class.
    steps:
        Mult-Adds; for pooling, the elements it reads.
    outputs:
        Elements it writes.
    weights:
        Bytes of its weights, which it reads from where the model is.
    pixels:
        Places of a convolution's output; 1 for other operators. What is done for each of them is the same for few
        channels as for many.
    """

    op_class: OpClass
    steps: int
    outputs: int
    weights: int = 0
    pixels: int = 1


_last: Final[list[tuple[Graph, tuple[OpWork, ...]]]] = []


def op_work(graph: Graph, op: Op) -> OpWork:
    """Return the work of one run of ``op``. Operators that are not known count as copying their output."""
    written = graph.op_outputs(op)
    outputs = sum(tensor.elements for tensor in written)
    if op.kind in _WEIGHTED and written:
        shape = _weights_shape(graph, op)
        place = written[0].shape
        pixels = prod(place[:-1]) if len(place) == 4 else 1
        return OpWork(
            _weighted_class(graph, op, shape), op_mult_adds(graph, op), outputs, prod(shape), pixels
        )
    op_class = _KINDS.get(op.kind, "copy")
    if op_class == "pool":
        return OpWork(op_class, _pool_reads(graph, op, outputs), outputs)
    return OpWork(op_class, op_mult_adds(graph, op), outputs)


def graph_work(graph: Graph) -> tuple[OpWork, ...]:
    """Return the work of every operator of ``graph``, in order."""
    # A search asks for the same graph once for each kernel library, one after the other.
    if not _last or _last[0][0] is not graph:
        _last[:] = [(graph, tuple(op_work(graph, op) for op in graph.ops))]
    return _last[0][1]


def _weights_shape(graph: Graph, op: Op) -> tuple[int, ...]:
    return graph.tensors[op.inputs[1]].shape if len(op.inputs) > 1 and op.inputs[1] >= 0 else ()


def _weighted_class(graph: Graph, op: Op, weights: tuple[int, ...]) -> OpClass:
    if op.kind == "DEPTHWISE_CONV_2D":
        return "depthwise_s2" if int(op.options.get("stride_w", 1)) > 1 else "depthwise"
    if op.kind == "FULLY_CONNECTED":
        return "fully_connected"
    if op.kind == "TRANSPOSE_CONV" or len(weights) != 4:
        return "conv_kxk"
    if weights[1] * weights[2] == 1:
        # On a single pixel no weight is used twice, which is what makes a fully connected layer slow.
        shape = graph.op_outputs(op)[0].shape
        return "fully_connected" if prod(shape[:-1]) == 1 else "pointwise"
    # Its place counts too: a later one that alpha leaves as few channels must not change its class with them, or more
    # channels would seem to be faster.
    first = next(other.index for other in graph.ops if other.kind in _WEIGHTED)
    return "conv_first" if op.index == first and weights[3] <= _FIRST_CHANNELS else "conv_kxk"


def _pool_reads(graph: Graph, op: Op, outputs: int) -> int:
    window = int(op.options.get("filter_width", 0)) * int(op.options.get("filter_height", 0))
    if window:
        return outputs * window
    inputs = graph.op_inputs(op)
    return inputs[0].elements if inputs else outputs
