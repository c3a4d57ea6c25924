"""Graphs with random weights whose outputs tell inputs apart, built operator by operator.

Every convolution is calibrated on what the operators before it give, according to the host's reference interpreter: its
scales are such that the outputs spread over int8. So an error anywhere reaches the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from aot_networks import random_inputs
from numpy.typing import NDArray

from edgekit.tflite.graph import Graph, Op, Quantization, Tensor
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.writer import write_model

Affine = tuple[float, int]
"""Scale and zero point."""

RELU6: Affine = (6 / 255, -128)
PLAIN: Affine = (0.05, 3)
_SAMPLES = 8


class GraphBuilder:
    """A graph that grows; methods return the tensor that they add.

    Parameters
    ----------
    shape, quantization:
        Of the model's input.
    seed:
        Of the weights.
    """

    def __init__(self, shape: tuple[int, ...], quantization: Affine = (1 / 128, 0), seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self._tensors: list[Tensor] = []
        self._ops: list[Op] = []
        self.input = self._tensor(shape, quantization)
        self.samples = random_inputs(shape, _SAMPLES, seed + 1)

    def graph(self, output: int) -> Graph:
        """Return the graph that ends in ``output``."""
        return Graph(tuple(self._tensors), tuple(self._ops), (self.input,), (output,))

    @property
    def last(self) -> int:
        """The output of the last operator; the input where there is none."""
        return self._ops[-1].outputs[0] if self._ops else self.input

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return self._tensors[tensor].shape

    def affine(self, tensor: int) -> Affine:
        """Return scale and zero point of an activation."""
        quantization = self._tensors[tensor].quantization
        assert quantization is not None
        return quantization.scale[0], quantization.zero_point[0]

    def values(self, tensor: int) -> NDArray[np.int8]:
        """Return what the reference computes for ``tensor``, int8 [samples, ...]."""
        if tensor == self.input:
            return self.samples
        interpreter = HostInterpreter(write_model(self.graph(tensor)))
        return np.stack([interpreter.run([one])[0] for one in self.samples])

    def constant(self, values: Sequence[int] | NDArray[Any], dtype: str = "int32", **about: Any) -> int:
        """Add a constant."""
        data = np.asarray(values, dtype)
        self._tensors.append(Tensor(len(self._tensors), data.shape, dtype, constant=True, data=data, **about))
        return len(self._tensors) - 1

    def op(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: tuple[int, ...],
        quantization: Affine | None = None,
        **options: Any,
    ) -> int:
        """Add an operator; without ``quantization`` its output has that of the first input."""
        output = self._tensor(shape, quantization or self.affine(inputs[0]))
        version = _VERSIONS.get(kind, 2)
        self._ops.append(Op(len(self._ops), kind, tuple(inputs), (output,), options, version))
        return output

    def conv(
        self,
        x: int,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        quantization: Affine = RELU6,
        *,
        padding: str = "SAME",
        activation: str = "RELU6",
        depthwise: bool = False,
        largest: int = 127,
        spread: float = 60,
        per_tensor: bool = False,
        bias: bool = True,
        heavy: bool = False,
    ) -> int:
        """Add CONV_2D, or DEPTHWISE_CONV_2D with ``channels`` a multiple of the input's.

        Parameters
        ----------
        largest:
            Largest weight. With small ones the factor to the output is large, which takes the wide form.
        spread:
            Standard deviation of the outputs before they are clamped, in int8 steps.
        heavy:
            Whether biases are far larger than what weights contribute.
        """
        _, height, width, depth = self.shape(x)
        weights = self._weights((channels, *kernel, 1 if depthwise else depth), largest)
        sizes = [_outputs(*each, padding) for each in zip((height, width), kernel, stride, strict=True)]
        sums = _convolve(self._real(x), weights, stride, sizes, padding, depthwise)
        options = {"padding": padding, "stride_h": stride[0], "stride_w": stride[1], "activation": activation}
        options |= {"dilation_h": 1, "dilation_w": 1}
        kind = "CONV_2D"
        if depthwise:
            kind, weights = "DEPTHWISE_CONV_2D", np.moveaxis(weights, 0, 3).reshape(1, *kernel, channels)
            options["depth_multiplier"] = channels // depth
        shape = (1, *sizes, channels)
        return self._weighted(
            kind, x, weights, sums, shape, quantization, options, spread, per_tensor, bias, heavy
        )

    def fully_connected(
        self,
        x: int,
        channels: int,
        quantization: Affine = PLAIN,
        *,
        depth: int | None = None,
        keep: bool = False,
        activation: str = "NONE",
        largest: int = 127,
        spread: float = 60,
        per_tensor: bool = True,
        bias: bool = True,
    ) -> int:
        """Add FULLY_CONNECTED over ``depth`` values (the last dimension unless given)."""
        depth = depth or self.shape(x)[-1]
        weights = self._weights((channels, depth), largest)
        sums = self._real(x).reshape(-1, depth) @ weights.T.astype(np.float64)
        rows = prod(self.shape(x)) // depth
        shape = (*self.shape(x)[:-1], channels) if keep else (rows, channels)
        options = {"activation": activation, "keep_num_dims": keep, "weights_format": 0}
        return self._weighted(
            "FULLY_CONNECTED", x, weights, sums, shape, quantization, options, spread, per_tensor, bias, False
        )

    def pool(
        self,
        x: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        kind: str = "AVERAGE_POOL_2D",
        padding: str = "VALID",
        activation: str = "NONE",
    ) -> int:
        """Add a pool."""
        _, *sides, channels = self.shape(x)
        sizes = [_outputs(*each, padding) for each in zip(sides, kernel, stride, strict=True)]
        options = {"padding": padding, "stride_h": stride[0], "stride_w": stride[1], "activation": activation}
        options |= {"filter_height": kernel[0], "filter_width": kernel[1]}
        return self.op(kind, (x,), (1, *sizes, channels), **options)

    def mean(self, x: int, quantization: Affine, axes: Sequence[int] = (1, 2), keep: bool = False) -> int:
        """Add MEAN over height and width."""
        channels = self.shape(x)[3]
        shape = (1, 1, 1, channels) if keep else (1, channels)
        return self.op("MEAN", (x, self.constant(axes)), shape, quantization, keep_dims=keep)

    def add(self, a: int, b: int, quantization: Affine, activation: str = "NONE") -> int:
        """Add ADD."""
        return self.op("ADD", (a, b), self.shape(a), quantization, activation=activation)

    def pad(self, x: int, paddings: Sequence[tuple[int, int]], explicit: bool = False) -> int:
        """Add PAD, or PADV2 with the zero point given explicitly."""
        shape = tuple(size + sum(pad) for size, pad in zip(self.shape(x), paddings, strict=True))
        edges = self.constant(np.array(paddings))
        if not explicit:
            return self.op("PAD", (x, edges), shape)
        scale, zero = self.affine(x)
        value = self.constant(np.array([zero]), "int8", quantization=Quantization((scale,), (zero,)))
        return self.op("PADV2", (x, edges, value), shape)

    def concat(self, parts: Sequence[int], axis: int) -> int:
        """Add CONCATENATION of tensors with one quantization."""
        shape = list(self.shape(parts[0]))
        shape[axis] = sum(self.shape(part)[axis] for part in parts)
        return self.op("CONCATENATION", parts, tuple(shape), axis=axis, activation="NONE")

    def reshape(self, x: int, shape: tuple[int, ...]) -> int:
        """Add RESHAPE."""
        return self.op("RESHAPE", (x, self.constant(shape)), shape, new_shape=())

    def softmax(self, x: int, beta: float = 1.0) -> int:
        """Add SOFTMAX."""
        return self.op("SOFTMAX", (x,), self.shape(x), (1 / 256, -128), beta=beta)

    def _tensor(self, shape: tuple[int, ...], quantization: Affine) -> int:
        scale, zero = float(np.float32(quantization[0])), quantization[1]
        self._tensors.append(Tensor(len(self._tensors), shape, "int8", Quantization((scale,), (zero,))))
        return len(self._tensors) - 1

    def _real(self, x: int) -> NDArray[np.float64]:
        """Return the values of an activation less its zero point, [samples, ...] without the batch."""
        values = self.values(x).astype(np.float64) - self.affine(x)[1]
        return values.reshape(len(values), *self.shape(x)[1:]) if len(self.shape(x)) == 4 else values

    def _weights(self, shape: tuple[int, ...], largest: int) -> NDArray[np.int8]:
        return self.rng.integers(-largest, largest + 1, shape).astype(np.int8)

    def _weighted(
        self,
        kind: str,
        x: int,
        weights: NDArray[np.int8],
        sums: NDArray[np.float64],
        shape: tuple[int, ...],
        quantization: Affine,
        options: Mapping[str, Any],
        spread: float,
        per_tensor: bool,
        bias: bool,
        heavy: bool,
    ) -> int:
        rng, channels = self.rng, shape[-1]
        sums = sums.reshape(-1, channels)
        factor = spread / (sums.std(axis=0) + 1) * np.exp(rng.normal(0, 0.3, channels))
        if per_tensor:
            factor = np.full(channels, factor.mean())
        centre = rng.uniform(-50, 50, channels) - quantization[1]
        offset = centre / factor - sums.mean(axis=0)
        if heavy:
            offset = rng.uniform(2.0**26, 2.0**27, channels) * np.sign(centre + 0.5)
            # Shifted to the left by a larger factor than 4, they would not fit 32 bits: the engine refuses that.
            factor = np.minimum(factor, 4) if per_tensor else (np.abs(centre) + 1) / np.abs(offset)
        in_scale, _ = self.affine(x)
        scales = np.float32(factor * float(np.float32(quantization[0])) / in_scale).tolist()
        dimension = 3 if kind == "DEPTHWISE_CONV_2D" else 0
        count = 1 if per_tensor else channels
        about = Quantization(tuple(scales[:count]), (0,) * count, dimension)
        inputs = [x, self.constant(weights, "int8", quantization=about)]
        if bias:
            of_bias = Quantization(tuple(in_scale * scale for scale in scales[:count]), (0,) * count)
            inputs.append(
                self.constant(np.clip(offset, -(2**31) + 1, 2**31 - 1), "int32", quantization=of_bias)
            )
        elif kind == "FULLY_CONNECTED":
            inputs.append(-1)
        return self.op(kind, inputs, shape, quantization, **options)


_VERSIONS: Mapping[str, int] = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "EXPAND_DIMS": 1,
    "FULLY_CONNECTED": 4,
    "RELU_N1_TO_1": 1,
    "RESHAPE": 1,
    "SQUEEZE": 1,
}
"""Versions that read int8, where they are not 2."""


def _outputs(size: int, kernel: int, stride: int, padding: str) -> int:
    return -(-size // stride) if padding == "SAME" else (size - kernel) // stride + 1


def _convolve(
    x: NDArray[np.float64],
    weights: NDArray[np.int8],
    stride: tuple[int, int],
    sizes: Sequence[int],
    padding: str,
    depthwise: bool,
) -> NDArray[np.float64]:
    """Return the sums of a convolution of ``x`` [n, h, w, c] with ``weights`` [channels, h, w, c or 1]."""
    kernel = weights.shape[1:3]
    before = [(0, 0)] * 4
    if padding == "SAME":
        for axis in (0, 1):
            total = max(0, (sizes[axis] - 1) * stride[axis] + kernel[axis] - x.shape[axis + 1])
            before[axis + 1] = (total // 2, total - total // 2)
    x = np.pad(x, before)
    if depthwise:
        x = x.repeat(weights.shape[0] // x.shape[3], axis=3)
    total_sums = np.zeros((x.shape[0], *sizes, weights.shape[0]))
    for row, column in np.ndindex(*kernel):
        seen = x[:, row :: stride[0], column :: stride[1]][:, : sizes[0], : sizes[1]]
        taps = weights[:, row, column].astype(np.float64)
        total_sums += seen * taps[:, 0] if depthwise else seen @ taps.T
    return total_sums


def changed(graph: Graph, tensor: int, **changes: Any) -> Graph:
    """Return ``graph`` with one tensor changed."""
    tensors = [*graph.tensors]
    tensors[tensor] = replace(tensors[tensor], **changes)
    return replace(graph, tensors=tuple(tensors))


def with_op(graph: Graph, index: int, **changes: Any) -> Graph:
    """Return ``graph`` with one operator changed; ``options`` are added to those that it has."""
    ops = [*graph.ops]
    if "options" in changes:
        changes["options"] = {**ops[index].options, **changes["options"]}
    ops[index] = replace(ops[index], **changes)
    return replace(graph, ops=tuple(ops))


def scaled(*scale: float, zero: int = 0, dimension: int = 0) -> Quantization:
    return Quantization(scale, (zero,) * len(scale), dimension)


def _one_of_most() -> Graph:
    b = GraphBuilder((1, 8, 8, 3))
    x = b.conv(b.input, 4, stride=(2, 2))  # 0
    x = b.conv(x, 4, depthwise=True)  # 1
    y = b.conv(x, 4, (1, 1))  # 2
    x = b.add(x, y, PLAIN)  # 3
    x = b.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])  # 4
    x = b.pool(x, (3, 3), (3, 3))  # 5
    x = b.concat((x, x), 3)  # 6
    x = b.mean(x, PLAIN)  # 7
    x = b.fully_connected(x, 5)  # 8
    b.softmax(x)  # 9
    return b.graph(b.last)


MIXED = _one_of_most()
"""A graph with one of most operators; comments above have their indices."""
