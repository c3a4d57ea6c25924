"""The small int8 network that the golden files are rendered from.

``tiny.tflite`` beside this file is what :func:`tiny_graph` describes, committed so that the golden files
do not depend on how a flatbuffer is laid out. ``python tests/golden/tiny.py`` writes it anew.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from edgekit.tflite.graph import Graph, Op, Quantization, Tensor
from edgekit.tflite.writer import write_model

TINY_MODEL = Path(__file__).parent / "tiny.tflite"


def tiny_graph() -> Graph:
    """Return a MobileNet in small: 6x6x3 to 3 classes."""
    tensors: list[Tensor] = []
    ops: list[Op] = []
    generator = random.Random(7)

    def add(
        shape: tuple[int, ...], dtype: str, quantization: Quantization | None, constant: bool = False
    ) -> int:
        data = None
        if constant:
            low, high = (-127, 127) if dtype == "int8" else (-500, 500)
            values = [generator.randint(low, high) for _ in range(int(np.prod(shape)))]
            data = np.array(values, dtype).reshape(shape)
        tensors.append(Tensor(len(tensors), shape, dtype, quantization, constant, data))
        return len(tensors) - 1

    def activation(shape: tuple[int, ...], scale: float = 0.0625, zero_point: int = -128) -> int:
        return add(shape, "int8", Quantization((scale,), (zero_point,)))

    def convolution(
        kind: str, source: int, kernel: tuple[int, ...], shape: tuple[int, ...], **options: object
    ) -> int:
        channels, dimension = shape[-1], 3 if kind == "DEPTHWISE_CONV_2D" else 0
        scales = tuple(2.0**-9 * (1 + i) for i in range(channels))
        zeros = (0,) * channels
        weights = add(kernel, "int8", Quantization(scales, zeros, dimension), constant=True)
        bias = add(
            (channels,), "int32", Quantization(tuple(s * 0.0625 for s in scales), zeros), constant=True
        )
        target = activation(shape, *((0.0625, -128) if options["activation"] == "RELU6" else (0.125, 3)))
        ops.append(Op(len(ops), kind, (source, weights, bias), (target,), {"padding": "SAME", **options}))
        return target

    def append(kind: str, sources: tuple[int, ...], target: int, **options: object) -> int:
        ops.append(Op(len(ops), kind, sources, (target,), options))
        return target

    strided = {"stride_w": 2, "stride_h": 2, "dilation_w": 1, "dilation_h": 1, "activation": "RELU6"}
    straight = {"stride_w": 1, "stride_h": 1, "dilation_w": 1, "dilation_h": 1}
    image = activation((1, 6, 6, 3), 0.0078125, 0)
    x = convolution("CONV_2D", image, (4, 3, 3, 3), (1, 3, 3, 4), **strided)
    x = convolution(
        "DEPTHWISE_CONV_2D", x, (1, 3, 3, 4), (1, 3, 3, 4), depth_multiplier=1, activation="RELU6", **straight
    )
    pool = {"padding": "VALID", "stride_w": 1, "stride_h": 1, "filter_width": 3, "filter_height": 3}
    x = append("AVERAGE_POOL_2D", (x,), activation((1, 1, 1, 4)), activation="NONE", **pool)
    x = convolution("CONV_2D", x, (3, 1, 1, 4), (1, 1, 1, 3), activation="NONE", **straight)
    x = append("RESHAPE", (x,), activation((1, 3), 0.125, 3), new_shape=(1, 3))
    x = append("SOFTMAX", (x,), activation((1, 3), 0.00390625, -128), beta=1.0)
    return Graph(tuple(tensors), tuple(ops), (image,), (x,))


if __name__ == "__main__":
    TINY_MODEL.write_bytes(write_model(tiny_graph()))
