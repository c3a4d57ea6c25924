"""The graph of a network before it exists: what the int8 converter and edgekit's writer will make of it.

File size, memory plan and latency of a candidate are computed from this graph, so a whole search converts nothing.
The integration tests hold it against really converted files, tensor by tensor and byte by byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgekit.mobilenet.architecture import Layer, NetworkSpec
from edgekit.tflite.graph import Graph, Op, Quantization, Tensor

INPUT_SCALE: Final = 1 / 128
"""Scale of the int8 input: edgekit's networks see ``(pixel - 128) / 128``, so that ``q = pixel - 128`` exactly."""

INPUT_ZERO_POINT: Final = 0

_VERSIONS: Final[Mapping[str, int]] = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "MEAN": 2,
    "RESHAPE": 1,
    "SOFTMAX": 2,
}
_INPUT: Final = Quantization((INPUT_SCALE,), (INPUT_ZERO_POINT,))
_SOFTMAX: Final = Quantization((1 / 256,), (-128,))
_RELU6: Final = Quantization((6 / 255,), (-128,))
_LOGITS: Final = Quantization((1 / 16,), (0,))
_WEIGHT_SCALE: Final = 1 / 128
"""Only calibration and training can tell the scales of activations and weights; these stand for them. TFLite Micro
accepts a file that is written with them, so its arena can be measured before there is a model."""


def network_graph(spec: NetworkSpec) -> Graph:
    """Return the graph of ``spec`` after int8 conversion and slimming, constants without values."""
    builder = _Builder()
    x = builder.tensor((1, spec.resolution, spec.resolution, spec.channels), quantization=_INPUT)
    inputs = (x,)
    for layer in spec.layers:
        if layer.kind == "pool" and layer.in_size == 1:
            continue  # the mean of one pixel is that pixel: conversion leaves it out
        if layer.kind == "pool":
            axes = builder.constant(1, 2)
            x = builder.op("MEAN", (x, axes), (1, 1, 1, layer.out_channels), {"keep_dims": True})
        elif layer.kind == "softmax":
            shape = builder.constant(1, spec.classes)
            x = builder.op("RESHAPE", (x, shape), (1, spec.classes), {"new_shape": ()}, _LOGITS)
            x = builder.op("SOFTMAX", (x,), (1, spec.classes), {"beta": 1.0}, _SOFTMAX)
        else:
            x = builder.convolution(layer, x)
    return Graph(tuple(builder.tensors), tuple(builder.ops), inputs, (x,))


class _Builder:
    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self._constants: dict[tuple[int, ...], int] = {}

    def tensor(
        self,
        shape: tuple[int, ...],
        dtype: str = "int8",
        quantization: Quantization | None = None,
        constant: bool = False,
        data: NDArray[Any] | None = None,
    ) -> int:
        self.tensors.append(Tensor(len(self.tensors), shape, dtype, quantization, constant, data))
        return len(self.tensors) - 1

    def constant(self, *values: int) -> int:
        """Return the int32 parameter tensor with these values; equal ones are one tensor, as in a slim file."""
        if values not in self._constants:
            data = np.array(values, np.int32)
            self._constants[values] = self.tensor(data.shape, "int32", constant=True, data=data)
        return self._constants[values]

    def op(
        self,
        kind: str,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        options: Mapping[str, Any],
        quantization: Quantization = _RELU6,
    ) -> int:
        output = self.tensor(shape, quantization=quantization)
        self.ops.append(Op(len(self.ops), kind, inputs, (output,), options, _VERSIONS[kind]))
        return output

    def convolution(self, layer: Layer, x: int) -> int:
        depthwise = layer.kind == "depthwise"
        channels = layer.out_channels
        shape = (1 if depthwise else channels, layer.kernel, layer.kernel, layer.in_channels)
        scales = Quantization((_WEIGHT_SCALE,) * channels, (0,) * channels, 3 if depthwise else 0)
        weights = self.tensor(shape, quantization=scales, constant=True)
        bias = self.tensor((channels,), "int32", constant=True)
        options: dict[str, Any] = {
            "padding": "SAME",
            "stride_w": layer.stride,
            "stride_h": layer.stride,
            "activation": "NONE" if layer.kind == "classifier" else "RELU6",
            "dilation_w": 1,
            "dilation_h": 1,
        }
        options |= {"depth_multiplier": 1} if depthwise else {"quantized_bias_type": 0}
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        shape = (1, layer.out_size, layer.out_size, channels)
        quantization = _LOGITS if layer.kind == "classifier" else _RELU6
        return self.op(kind, (x, weights, bias), shape, options, quantization)
