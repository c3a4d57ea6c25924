"""The first operators of a network in horizontal bands: what lies between them never exists as a whole.

The input is cut into bands of rows, each with what the windows of its outputs reach into the neighbouring ones. A band
goes through the same operators with the same constants, the rows that its cut edges spoil are cut off, and the bands of
the last operator are put together again. Every operator is one of TFLite Micro's own (STRIDED_SLICE, convolutions with
SAME padding, CONCATENATION), so that no kernel changes; the rows that bands have in common are computed twice. Above
the rows that are still to be cut out, the input's memory is free for what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from edgekit.memory.window import leading_pad
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.macs import op_mult_adds
from edgekit.tflite.slim import slim_graph

_KINDS: Final = ("CONV_2D", "DEPTHWISE_CONV_2D")
_MASKS: Final = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


@dataclass(frozen=True, slots=True)
class Rows:
    """The vertical geometry of a convolution, which is all that cutting depends on.

    Attributes
    ----------
    inputs, outputs:
        Height of input and output.
    kernel, stride, dilation:
        Of the window.
    same:
        Whether it pads.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int
    dilation: int
    same: bool

    @property
    def reach(self) -> int:
        """Rows that one output sees."""
        return (self.kernel - 1) * self.dilation + 1

    def pad(self, rows: int) -> int:
        """Return the rows of padding above an input of ``rows`` rows."""
        padding = "SAME" if self.same else "VALID"
        return leading_pad(rows, self.kernel, self.stride, self.dilation, padding)

    def outputs_of(self, rows: int) -> int:
        """Return the height of the output for an input of ``rows`` rows."""
        return -(-rows // self.stride) if self.same else (rows - self.reach) // self.stride + 1


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution that bands can go through.

    Attributes
    ----------
    rows:
        Its vertical geometry.
    in_row, out_row:
        Bytes of a row of input and output.
    work:
        Mult-Adds of a row of the output.
    channels:
        Of the output.
    """

    rows: Rows
    in_row: int
    out_row: int
    work: int
    channels: int


@dataclass(frozen=True, slots=True)
class Band:
    """One band.

    Attributes
    ----------
    start, stop:
        Rows of the model's input that are cut out.
    heights:
        Rows of the band before the first operator and after each.
    keep:
        The first and the end of the rows to keep of the last, counted in the band.
    """

    start: int
    stop: int
    heights: tuple[int, ...]
    keep: tuple[int, int]

    @property
    def kept(self) -> int:
        """Rows that it gives."""
        return self.keep[1] - self.keep[0]


def band_layers(graph: Graph) -> tuple[Layer, ...]:
    """Return the operators at the beginning of ``graph`` that bands can go through: a chain of int8 convolutions."""
    layers: list[Layer] = []
    if len(graph.inputs) != 1 or graph.subgraphs != 1:
        return ()
    readers = [0] * (len(graph.tensors) + 1)
    for op in graph.ops:
        for index in {*op.inputs}:
            readers[index] += 1
    x = graph.inputs[0]
    for op in graph.ops:
        if op.kind not in _KINDS or op.inputs[0] != x or readers[x] != 1 or x in graph.outputs:
            break
        layer = _layer(graph, op)
        if layer is None:
            break
        layers.append(layer)
        x = op.outputs[0]
    return tuple(layers)


def _layer(graph: Graph, op: Op) -> Layer | None:
    x, weights, y = (graph.tensors[i] for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    constants = all(graph.tensors[i].constant for i in op.inputs[1:] if i >= 0)
    shapes = len(x.shape) == len(weights.shape) == len(y.shape) == 4 and x.shape[0] == 1
    if not (x.dtype == y.dtype == "int8" and constants and shapes):
        return None
    rows = Rows(
        x.shape[1],
        y.shape[1],
        weights.shape[1],
        op.options["stride_h"],
        op.options.get("dilation_h", 1),
        op.options["padding"] == "SAME",
    )
    return Layer(
        rows,
        x.shape[2] * x.shape[3],
        y.shape[2] * y.shape[3],
        op_mult_adds(graph, op) // y.shape[1],
        y.shape[3],
    )


@lru_cache(maxsize=4096)
def cut(layers: tuple[Rows, ...], count: int) -> tuple[Band, ...] | None:
    """Return the ``count`` bands in which ``layers`` give the rows of the last, or ``None`` if there are none.

    The last band may be smaller than the others.
    """
    outputs = layers[-1].outputs
    height = -(-outputs // count)
    bands = []
    for first in range(0, outputs, height):
        band = _band(layers, first, min(first + height, outputs))
        if band is None:
            return None
        bands.append(band)
    return tuple(bands) if len(bands) == count > 1 else None


def _band(layers: Sequence[Rows], first: int, end: int) -> Band | None:
    """Return the least band that gives the rows from ``first`` to ``end`` of the last layer, unspoilt."""
    low, high, step = first, end, 1
    for layer in reversed(layers):
        low = max(0, low * layer.stride - layer.pad(layer.inputs))
        high = min(layer.inputs, (high - 1) * layer.stride - layer.pad(layer.inputs) + layer.reach)
        step *= layer.stride
    start = low // step * step
    # A band of odd height may be padded otherwise than the whole; some rows more are then right.
    for stop in range(high, min(layers[0].inputs, high + 2 * step) + 1):
        found = _run(layers, start, stop)
        if found is not None and found[1] <= first and found[2] >= end:
            heights, offset = found[0], found[3]
            return Band(start, stop, heights, (first - offset, end - offset))
    return None


def _run(layers: Sequence[Rows], start: int, stop: int) -> tuple[tuple[int, ...], int, int, int] | None:
    """Return the heights of a band, which rows of the last layer are right (from, to), and the band's first row.

    ``None`` where a layer pads the band otherwise than the whole, so that rows would be shifted.
    """
    heights = [stop - start]
    right = (start, stop)
    offset = start
    for layer in layers:
        height, pad = heights[-1], layer.pad(layer.inputs)
        if layer.pad(height) != pad or offset % layer.stride or layer.outputs_of(height) < 1:
            return None
        # Rows of the output whose window sees nothing but right rows and true padding.
        first = 0 if right[0] == 0 else -(-(right[0] + pad) // layer.stride)
        last = (
            layer.outputs - 1 if right[1] == layer.inputs else (right[1] + pad - layer.reach) // layer.stride
        )
        offset //= layer.stride
        heights.append(layer.outputs_of(height))
        right = (first, min(last + 1, offset + heights[-1]))
        if right[0] >= right[1]:
            return None
    return tuple(heights), right[0], right[1], offset


def banded(graph: Graph, depth: int, count: int) -> Graph | None:
    """Return ``graph`` with its first ``depth`` operators in ``count`` bands, or ``None`` if that is not possible."""
    layers = band_layers(graph)[:depth]
    bands = cut(tuple(layer.rows for layer in layers), count) if len(layers) == depth > 0 else None
    if bands is None:
        return None
    return replace(slim_graph(_Builder(graph, depth, bands).graph()), metadata=graph.metadata)


class _Builder:
    """The banded graph as it grows: the tensors of the old one, and new ones after them."""

    def __init__(self, graph: Graph, depth: int, bands: Sequence[Band]) -> None:
        self._old, self._depth, self._bands = graph, depth, bands
        self._tensors = list(graph.tensors)
        self._ops: list[Op] = []
        self._constants: dict[tuple[int, ...], int] = {}

    def graph(self) -> Graph:
        graph = self._old
        last = graph.ops[self._depth - 1].outputs[0]
        parts = tuple(map(self._through, self._bands))
        self._add("CONCATENATION", parts, last, {"axis": 1, "activation": "NONE"})
        for op in graph.ops[self._depth :]:
            self._ops.append(replace(op, index=len(self._ops)))
        return replace(graph, tensors=tuple(self._tensors), ops=tuple(self._ops))

    def _through(self, band: Band) -> int:
        """Add the operators of one band; return the rows that it gives."""
        x = self._slice(self._old.inputs[0], band.start, band.stop)
        for op, height in zip(self._old.ops[: self._depth], band.heights[1:], strict=True):
            y = self._like(op.outputs[0], height)
            self._add(op.kind, (x, *op.inputs[1:]), y, op.options, op.version)
            x = y
        return self._slice(x, *band.keep)

    def _slice(self, x: int, first: int, end: int) -> int:
        _, rows, width, channels = self._tensors[x].shape
        if (first, end) == (0, rows):
            return x
        y = self._like(x, end - first)
        edges = ((0, first, 0, 0), (1, end, width, channels), (1, 1, 1, 1))
        inputs = (x, *map(self._constant, edges))
        self._add("STRIDED_SLICE", inputs, y, {**dict.fromkeys(_MASKS, 0), "offset": False})
        return y

    def _like(self, tensor: int, rows: int) -> int:
        """Add an activation like ``tensor`` of ``rows`` rows."""
        old = self._tensors[tensor]
        shape = (old.shape[0], rows, *old.shape[2:])
        return self._new(replace(old, shape=shape))

    def _constant(self, values: tuple[int, ...]) -> int:
        if values not in self._constants:
            data = np.array(values, np.int32)
            self._constants[values] = self._new(Tensor(0, data.shape, "int32", constant=True, data=data))
        return self._constants[values]

    def _new(self, tensor: Tensor) -> int:
        self._tensors.append(replace(tensor, index=len(self._tensors)))
        return len(self._tensors) - 1

    def _add(self, kind: str, inputs: tuple[int, ...], output: int, options: Any, version: int = 2) -> None:
        self._ops.append(Op(len(self._ops), kind, inputs, (output,), options, version))
