"""Folding PAD into the convolution after it, where that gives the same bytes and saves the padded copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import starmap

from edgekit.memory.window import leading_pad
from edgekit.tflite.graph import Graph, Op

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def fold_pads(graph: Graph) -> Graph:
    """Return ``graph`` without the PADs of height and width whose readers can pad alike by themselves.

    They can where each is a convolution without padding of its own, and SAME padding of the unpadded input begins at
    the same row and column and gives as many outputs: beyond the edges a convolution sees the input's zero point, which
    is what an int8 PAD writes. Tensors that this leaves unused stay; :func:`edgekit.tflite.slim.slim_graph` drops them.
    """
    while True:
        readers: dict[int, list[Op]] = {}
        for op in graph.ops:
            for index in {*op.inputs}:
                readers.setdefault(index, []).append(op)
        pad = next((op for op in graph.ops if _folds(graph, op, readers)), None)
        if pad is None:
            return graph
        graph = _folded(graph, pad, readers[pad.outputs[0]])


def _folds(graph: Graph, op: Op, readers: Mapping[int, list[Op]]) -> bool:
    if op.kind != "PAD" or op.outputs[0] in graph.outputs:
        return False
    convolutions = readers.get(op.outputs[0], [])
    return bool(convolutions) and all(_same(graph, op, reader) for reader in convolutions)


def _folded(graph: Graph, pad: Op, readers: list[Op]) -> Graph:
    changed = {
        reader.index: replace(
            reader,
            inputs=(pad.inputs[0], *reader.inputs[1:]),
            options={**reader.options, "padding": "SAME"},
        )
        for reader in readers
    }
    kept = [changed.get(op.index, op) for op in graph.ops if op.index != pad.index]
    return replace(graph, ops=tuple(replace(op, index=index) for index, op in enumerate(kept)))


def _same(graph: Graph, pad: Op, conv: Op) -> bool:
    """Whether ``conv`` gives the same bytes with SAME padding of what ``pad`` pads."""
    if conv.kind not in _CONVOLUTIONS:
        return False
    x, padded, edges = (graph.tensors[i] for i in (pad.inputs[0], pad.outputs[0], pad.inputs[1]))
    y, weights = graph.tensors[conv.outputs[0]], graph.tensors[conv.inputs[1]]
    alike = x.dtype == padded.dtype == "int8" and x.quantization == padded.quantization
    if conv.inputs[0] != padded.index or not alike or edges.data is None:
        return False
    if padded.index in conv.inputs[1:] or conv.options.get("padding") != "VALID":
        return False
    if edges.data.shape != (4, 2) or len(weights.shape) != 4 or min(edges.data.reshape(-1)) < 0:
        return False
    before = edges.data[:, 0].tolist()
    if edges.data[[0, 3]].any():
        return False
    sides = zip(
        before[1:3],
        x.shape[1:3],
        y.shape[1:3],
        weights.shape[1:3],
        (conv.options["stride_h"], conv.options["stride_w"]),
        (conv.options.get("dilation_h", 1), conv.options.get("dilation_w", 1)),
        strict=True,
    )
    return all(starmap(_same_side, sides))


def _same_side(before: int, size: int, outputs: int, kernel: int, stride: int, dilation: int) -> bool:
    return outputs == -(-size // stride) and before == leading_pad(size, kernel, stride, dilation, "SAME")
