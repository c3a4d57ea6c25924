"""Networks of the family with random weights that still tell inputs apart, and inputs that differ enough.

With plain random weights, activations vanish or saturate after a few layers, and whatever comes in, the same comes
out: a wrong kernel would pass. So each layer is calibrated, as batch normalization would, on what the layers before it
give.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.graph import Graph, Op, Quantization, Tensor

SPREAD = 70.0
"""Standard deviation that the outputs of a channel have before they are clamped, in int8 steps."""

Values = NDArray[np.float64]


def random_inputs(shape: tuple[int, ...], count: int, seed: int) -> NDArray[np.int8]:
    """Return int8 ``[count, ...shape]``: noise over the whole range, and from the second on every other one blotched.

    ``shape`` is a tensor's, with a batch of 1. Blotches have a brightness and a contrast of their own.
    """
    rng = np.random.default_rng(seed)
    inputs = rng.integers(-128, 128, (count, *shape), np.int8)
    for one in inputs[1::2].reshape(-1, *shape):
        coarse = rng.normal(rng.uniform(-80, 80), rng.uniform(5, 100), [-(-size // 8) for size in shape])
        for axis, size in enumerate(shape):
            coarse = coarse.repeat(8, axis).take(range(size), axis)
        one[...] = np.clip(coarse + rng.normal(0, 5, shape), -128, 127).astype(np.int8)
    return inputs


def random_network(spec: NetworkSpec, seed: int) -> Graph:
    """Return the graph of ``spec`` with weights, biases and weight scales drawn from ``seed``."""
    rng = np.random.default_rng(seed)
    graph = network_graph(spec)
    tensors = list(graph.tensors)
    x = random_inputs(graph.input.shape, 6, seed).reshape(-1, *graph.input.shape[1:]).astype(np.float64)
    for op in graph.ops:
        y = tensors[op.outputs[0]]
        if op.kind == "MEAN":
            x = np.round(x.mean((1, 2), keepdims=True))
        elif op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            before, weights, bias = (tensors[i] for i in op.inputs)
            kernel = rng.integers(-127, 128, weights.shape, np.int8)
            sums = _convolve(op, x, before, kernel)
            spread = sums.std((0, 1, 2)) + 1
            offset = np.round(rng.normal(0.3, 0.3, sums.shape[-1]) * spread - sums.mean((0, 1, 2)))
            rescaling = SPREAD / spread
            x = np.clip(np.round((sums + offset) * rescaling) + _zero(y), -128, 127)
            scales = np.float32(rescaling * _scale(y) / _scale(before)).tolist()
            assert weights.quantization is not None
            quantization = Quantization(tuple(scales), (0,) * len(scales), weights.quantization.dimension)
            tensors[weights.index] = replace(weights, data=kernel, quantization=quantization)
            tensors[bias.index] = replace(bias, data=offset.astype(np.int32))
    return replace(graph, tensors=tuple(tensors))


def _convolve(op: Op, x: Values, about: Tensor, kernel: NDArray[np.int8]) -> Values:
    """Return the sums of a SAME convolution of ``x`` [n, h, w, c], before the bias."""
    strides = op.options["stride_h"], op.options["stride_w"]
    sizes = [-(-size // stride) for size, stride in zip(x.shape[1:3], strides, strict=True)]
    pads = [
        max(0, (size - 1) * stride + k - have)
        for size, stride, k, have in zip(sizes, strides, kernel.shape[1:3], x.shape[1:3], strict=True)
    ]
    around = ((0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0))
    x = np.pad(x - _zero(about), around)
    total: Values = np.zeros(())
    for row, column in np.ndindex(kernel.shape[1:3]):
        rows, columns = (
            slice(at, at + (size - 1) * stride + 1, stride)
            for at, size, stride in zip((row, column), sizes, strides, strict=True)
        )
        seen, taps = x[:, rows, columns], kernel[:, row, column].astype(np.float64)
        total = total + (seen * taps[0] if op.kind == "DEPTHWISE_CONV_2D" else seen @ taps.T)
    return total


def _scale(tensor: Tensor) -> float:
    assert tensor.quantization is not None
    return tensor.quantization.scale[0]


def _zero(tensor: Tensor) -> int:
    assert tensor.quantization is not None
    return tensor.quantization.zero_point[0]
