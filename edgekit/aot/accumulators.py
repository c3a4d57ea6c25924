"""How large the accumulators of a convolution can get, and what rescales them to int8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgekit.aot.problems import TFLM, Refused, quantization_of
from edgekit.aot.tables import (
    INT8_MAX,
    INT8_MIN,
    Multiplier,
    activation_range,
    quantize_multiplier,
    requantize,
)
from edgekit.tflite.graph import Graph, Op

WEIGHTED: Final = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
"""Operators that have weights."""

_LIMIT: Final = 1 << 31
_LEFT_SHIFTS: Final = 30


@dataclass(frozen=True, eq=False)
class Accumulators:
    """The sums of an operator with weights, one an output channel.

    Attributes
    ----------
    weights:
        int8 [channels, values].
    bias:
        Biases with the input's zero point folded in.
    low, high:
        What some input makes the smallest and the largest accumulator. No partial sum is beyond them either.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @property
    def bound(self) -> NDArray[np.int64]:
        """What no accumulator exceeds in magnitude, whatever the input."""
        return np.maximum(-self.low, self.high)

    @classmethod
    def of(cls, graph: Graph, op: Op) -> Accumulators | None:
        """Return the sums of ``op``, or ``None`` where the weights have no values."""
        data = graph.tensors[op.inputs[1]].data
        if data is None:
            return None
        rows = np.moveaxis(data, 3, 0) if op.kind == "DEPTHWISE_CONV_2D" else data
        weights = rows.reshape(rows.shape[0], -1)
        wide = weights.astype(np.int64)
        bias = np.zeros(len(weights), np.int64)
        if len(op.inputs) > 2 and op.inputs[2] >= 0:
            bias += graph.tensors[op.inputs[2]].values().reshape(-1)
        in_zero = quantization_of(graph.tensors[op.inputs[0]]).zero_point
        folded = bias - in_zero * wide.sum(axis=1)
        least = np.where(wide > 0, INT8_MIN * wide, INT8_MAX * wide).sum(axis=1)
        most = np.where(wide > 0, INT8_MAX * wide, INT8_MIN * wide).sum(axis=1)
        return cls(weights, folded, folded + least, folded + most)


def rescaling(graph: Graph, op: Op, channels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return multiplier and shift (to the left) from the accumulator to the output, one an output channel."""
    filters = graph.tensors[op.inputs[1]].quantization
    assert filters is not None
    source = np.float32(quantization_of(graph.tensors[op.inputs[0]]).scale)
    target = np.float32(quantization_of(graph.tensors[op.outputs[0]]).scale)
    if op.kind == "FULLY_CONNECTED" and not filters.per_channel:
        # The reference multiplies these two scales in single precision, and only these.
        products = [float(source * np.float32(filters.scale[0]))]
    else:
        products = [float(source) * float(np.float32(scale)) for scale in filters.scale]
    factors = np.array([quantize_multiplier(product / float(target)) for product in products], np.int64)
    spread = np.broadcast_to(factors, (channels, 2))
    return spread[:, 0], spread[:, 1]


def constant_outputs(
    graph: Graph, op: Op, sums: Accumulators, multiplier: NDArray[np.int64], shift: NDArray[np.int64]
) -> dict[int, int]:
    """Return the output channels of ``op`` that are the same for every input, with their values.

    ``multiplier`` and ``shift`` are those of :func:`rescaling`. Trained networks have many: where training has driven
    the weights of a channel to zero, its bias is left. The output grows with the accumulator, so that it is constant
    where both ends of its range give the same.
    """
    out = quantization_of(graph.tensors[op.outputs[0]])
    least, most = activation_range(op.options.get("activation", "NONE"), out)

    def output(accumulator: int, factor: Multiplier) -> int:
        return max(least, min(most, out.zero_point + requantize(accumulator, factor)))

    factors = [Multiplier(*pair) for pair in zip(multiplier.tolist(), shift.tolist(), strict=True)]
    ends = zip(sums.low.tolist(), sums.high.tolist(), factors, strict=True)
    values = [(output(low, factor), output(high, factor)) for low, high, factor in ends]
    return {channel: low for channel, (low, high) in enumerate(values) if low == high}


def check_accumulators(graph: Graph, op: Op) -> None:
    """Check that no input makes an accumulator of ``op`` overflow 32 bits.

    Raises
    ------
    Refused
        If one could: with every activation at the end of its range that is worst for the channel.
    """
    sums = Accumulators.of(graph, op) if op.kind in WEIGHTED else None
    if sums is None:
        return
    _, shift = rescaling(graph, op, len(sums.bias))
    idle = sums.low == sums.high
    # A factor of 1 or more shifts the accumulator to the left before it is multiplied.
    for channel, (bound, left) in enumerate(zip(sums.bound.tolist(), shift.tolist(), strict=True)):
        reached = bound << max(left, 0)
        if idle[channel]:
            continue
        if reached >= _LIMIT or left > _LEFT_SHIFTS:
            raise Refused(
                f"The accumulator of output channel {channel} can reach {reached:,}, which 32 bits do not hold.",
                f"Check weights and biases of the layer and convert again, or {TFLM[0].lower()}{TFLM[1:]}.",
            )
