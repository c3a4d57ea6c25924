"""MobileNet V2 (Sandler et al. 2018, table 2) as Keras builds it, int8 with random weights: a graph with residuals."""

from __future__ import annotations

from typing import Any

import numpy as np
from aot_graphs import PLAIN, RELU6, Affine, GraphBuilder
from numpy.typing import NDArray

from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.slim import slim_graph
from edgekit.tflite.writer import write_model

_BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, output channels at alpha = 1, repetitions, stride of the first."""


class _Builder(GraphBuilder):
    """A builder that runs each operator once: a network is too deep to run all of it for every layer."""

    def __init__(self, resolution: int, seed: int) -> None:
        self._known: dict[int, NDArray[np.int8]] = {}
        super().__init__((1, resolution, resolution, 3), seed=seed)
        self.samples = self.samples[:3]

    def values(self, tensor: int) -> NDArray[np.int8]:
        if tensor == self.input:
            return self.samples
        if tensor not in self._known:
            op = next(op for op in self._ops if tensor in op.outputs)
            sources = tuple(i for i in op.inputs if i >= 0 and not self._tensors[i].constant)
            alone = Graph(
                tuple(self._tensors),
                (Op(0, op.kind, op.inputs, op.outputs, op.options, op.version),),
                sources,
                (tensor,),
            )
            interpreter = HostInterpreter(write_model(slim_graph(alone)))
            inputs = zip(*map(self.values, sources), strict=True)
            self._known[tensor] = np.stack([interpreter.run(list(each))[0] for each in inputs])
        return self._known[tensor]

    def strided(self, x: int, stride: int, depthwise: bool, channels: int) -> int:
        """Add a 3x3 convolution; with stride 2 after a PAD, as Keras does it."""
        if stride == 1:
            return self.conv(x, channels, depthwise=depthwise)
        odd = self.shape(x)[1] % 2
        edge = (1, 1) if odd else (0, 1)
        padded = self.pad(x, [(0, 0), edge, edge, (0, 0)])
        return self.conv(padded, channels, (3, 3), (2, 2), RELU6, padding="VALID", depthwise=depthwise)


def mobilenet_v2(alpha: float, resolution: int, classes: int = 10, seed: int = 0) -> Graph:
    """Return the graph of MobileNet V2 with weights that keep the activations apart."""
    b = _Builder(resolution, seed)
    x = b.strided(b.input, 2, False, _width(32, alpha))
    linear: Affine = PLAIN
    for expansion, channels, repetitions, stride in _BLOCKS:
        for turn in range(repetitions):
            inner = b.conv(x, expansion * b.shape(x)[3], (1, 1)) if expansion > 1 else x
            inner = b.strided(inner, stride if turn == 0 else 1, True, b.shape(inner)[3])
            y = b.conv(inner, _width(channels, alpha), (1, 1), quantization=linear, activation="NONE")
            x = b.add(x, y, linear) if turn else y
    x = b.conv(x, 1280, (1, 1))
    x = b.mean(x, PLAIN)
    return b.graph(b.softmax(b.fully_connected(x, classes)))


def _width(channels: int, alpha: float) -> int:
    """Return channels * alpha to the nearest multiple of 8, not more than a tenth below."""
    wanted: Any = channels * alpha
    width = max(8, int(wanted + 4) // 8 * 8)
    return width + 8 if width < 0.9 * wanted else width
