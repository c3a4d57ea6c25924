"""Everything about a program that is known before it runs: packed weights, biases, multipliers, tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgekit.aot import packing, tables
from edgekit.aot.accumulators import Accumulators, constant_outputs, rescaling
from edgekit.aot.kernels.conv import Conv2d, Pointwise
from edgekit.aot.kernels.copy import Concat, Pad
from edgekit.aot.kernels.depthwise import Depthwise
from edgekit.aot.kernels.elementwise import Add, Lookup
from edgekit.aot.kernels.pool import AveragePool, MaxPool, Mean
from edgekit.aot.kernels.softmax import Softmax
from edgekit.aot.problems import quantization_of
from edgekit.aot.program import Call, Program
from edgekit.errors import InputError
from edgekit.tflite.graph import Graph, Op

_COMPACT_ACCUMULATOR: Final = 1 << 30
_COMPACT_BIAS: Final = 1 << 26
_CONSTANT_SHIFT: Final = 2
_CONSTANT_FACTOR: Final = tables.Multiplier(1 << 30, -1)
"""A quarter, the largest factor of the compact form."""
_PACKED_IN: Final = {
    "CONV_2D": packing.PAIR,
    "FULLY_CONNECTED": packing.PAIR,
    "DEPTHWISE_CONV_2D": packing.GROUP,
}


@dataclass(frozen=True, eq=False)
class Weighted:
    """Constants of a convolution or fully connected layer.

    Attributes
    ----------
    weights:
        Packed.
    channels:
        int32 [packed channels, 2] for the compact form, [packed channels, 3] for the wide one.
    in_zero, out_zero, out_min, out_max:
        Zero points, and what the output is clamped to.
    """

    weights: NDArray[np.int8]
    channels: NDArray[np.int32]
    in_zero: int
    out_zero: int
    out_min: int
    out_max: int

    @property
    def wide(self) -> bool:
        """Whether the channels need the general form."""
        return self.channels.shape[1] == 3


@dataclass(frozen=True, slots=True)
class Clamped:
    """What a pool's output is clamped to."""

    out_min: int
    out_max: int


@dataclass(frozen=True, slots=True)
class Averaged:
    """Constants of MEAN."""

    in_zero: int
    out_zero: int
    factor: tables.Multiplier


@dataclass(frozen=True, slots=True)
class Added:
    """Constants of ADD."""

    a_zero: int
    b_zero: int
    out_zero: int
    out_min: int
    out_max: int
    factors: tables.AddConstants


@dataclass(frozen=True, slots=True)
class Table:
    """The 256 answers, int8, of a function of one int8."""

    answers: bytes


@dataclass(frozen=True, slots=True)
class Filled:
    """The value that padding has."""

    value: int


@dataclass(frozen=True, slots=True)
class Exponentials:
    """exp of each difference to the largest score, Q0.31."""

    values: tuple[int, ...]


Constants = Weighted | Clamped | Averaged | Added | Table | Filled | Exponentials | None


def fold(program: Program) -> tuple[Constants, ...]:
    """Return the constants of each call of ``program``; ``None`` for calls without any.

    Raises
    ------
    InputError
        If the graph's weights have no values.
    """
    return tuple(_constants(program.graph, call) for call in program.calls)


def _constants(graph: Graph, call: Call) -> Constants:
    op = graph.ops[call.op]
    ins = [graph.tensors[i] for i in op.inputs if i >= 0 and not graph.tensors[i].constant]
    out = graph.tensors[op.outputs[0]]
    match call.kernel:
        case Conv2d() | Pointwise() | Depthwise():
            return _weighted(graph, op)
        case AveragePool() | MaxPool():
            return Clamped(*_range(op, quantization_of(out)))
        case Concat():
            return None
    affine = [quantization_of(tensor) for tensor in (*ins, out)]
    match call.kernel:
        case Mean():
            factor = tables.mean_multiplier(affine[0], affine[1], call.kernel.pixels)
            return Averaged(affine[0].zero_point, affine[1].zero_point, factor)
        case Add():
            a, b, total = affine
            factors = tables.add_constants(a, b, total)
            return Added(a.zero_point, b.zero_point, total.zero_point, *_range(op, total), factors)
        case Lookup():
            return Table(tables.lookup_table(op.kind, *affine))
        case Pad():
            return Filled(affine[1].zero_point)
        case Softmax():
            return Exponentials(tables.softmax_table(affine[0].scale, op.options["beta"]))
    raise TypeError(f"no constants for {call.kernel}")


def _weighted(graph: Graph, op: Op) -> Weighted:
    sums = Accumulators.of(graph, op)
    if sums is None:
        raise InputError(
            f"Operator {op.index} ({op.label}) has no weights: the graph was computed, not read from a file.",
            "Convert the model first.",
        )
    out = quantization_of(graph.tensors[op.outputs[0]])
    rescaled = rescaling(graph, op, len(sums.bias))
    multiplier, shift = (values.copy() for values in rescaled)
    weights, bias, bound = sums.weights.copy(), sums.bias.copy(), sums.bound
    for channel, value in constant_outputs(graph, op, sums, *rescaled).items():
        # Whatever its numbers were: these fit the compact form and give the same.
        weights[channel] = 0
        bias[channel] = bound[channel] = (value - out.zero_point) << _CONSTANT_SHIFT
        multiplier[channel], shift[channel] = _CONSTANT_FACTOR
    pack_weights = packing.pack_pairs
    if op.kind == "DEPTHWISE_CONV_2D":
        weights, pack_weights = weights.T, packing.pack_groups
    compact = (
        bound.max() < _COMPACT_ACCUMULATOR
        and np.abs(bias).max() < _COMPACT_BIAS
        and -shift.max() >= packing.COMPACT_SHIFTS.start
        and -shift.min() < packing.COMPACT_SHIFTS.stop
        and multiplier.min() >= 1 << 30
    )
    pack = packing.compact_channels if compact else packing.wide_channels
    return Weighted(
        pack_weights(weights),
        pack(bias, multiplier, shift, _PACKED_IN[op.kind]),
        quantization_of(graph.tensors[op.inputs[0]]).zero_point,
        out.zero_point,
        *_range(op, out),
    )


def _range(op: Op, out: tables.Affine) -> tuple[int, int]:
    return tables.activation_range(op.options.get("activation", "NONE"), out)
