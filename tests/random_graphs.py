"""Random int8 graphs with residuals, branches and concatenations, whose activations tell inputs apart."""

from __future__ import annotations

from random import Random

import numpy as np
from aot_graphs import PLAIN, RELU6, GraphBuilder

from edgekit.tflite.graph import Graph, Quantization


def random_graph(seed: int, most: int = 9) -> Graph:
    """Return a graph of a few to about twenty operators, the same for the same ``seed``."""
    random = Random(seed)
    sides = random.randint(6, 20), random.randint(6, 20)
    b = GraphBuilder((1, *sides, random.choice((1, 3, 4, 8, 16))), seed=seed)
    images = [b.input]
    for _ in range(random.randint(3, most)):
        images.append(random.choice(_STEPS)(b, random, images))
    return b.graph(_ending(b, random, images[-1]))


def _recent(random: Random, images: list[int]) -> int:
    """Return the last image mostly, so that depth grows, and sometimes one before it, so that there are branches."""
    return images[-1] if random.random() < 0.7 else random.choice(images[-4:])


def _convolution(b: GraphBuilder, random: Random, images: list[int]) -> int:
    x = _recent(random, images)
    kernel = random.choice(((1, 1), (1, 1), (3, 3), (3, 1), (5, 5)))
    return b.conv(x, random.choice((3, 4, 8, 16, 24)), kernel, _strides(b, random, x))


def _depthwise(b: GraphBuilder, random: Random, images: list[int]) -> int:
    x = _recent(random, images)
    channels = b.shape(x)[3] * random.choice((1, 1, 1, 2))
    return b.conv(x, channels, (3, 3), _strides(b, random, x), depthwise=True)


def _strides(b: GraphBuilder, random: Random, x: int) -> tuple[int, int]:
    return (2, 2) if min(b.shape(x)[1:3]) > 5 and random.random() < 0.35 else (1, 1)


def _padded(b: GraphBuilder, random: Random, images: list[int]) -> int:
    """Return what Keras' MobileNets have for a stride of 2: rows below and columns right, then VALID."""
    x = _recent(random, images)
    if min(b.shape(x)[1:3]) < 4:
        return _convolution(b, random, images)
    before = random.choice((0, 0, 1))
    padded = b.pad(x, [(0, 0), (before, 1), (before, 1), (0, 0)])
    stride = random.choice(((1, 1), (2, 2)))
    return b.conv(padded, b.shape(x)[3], (3, 3), stride, padding="VALID", depthwise=random.random() < 0.5)


def _residual(b: GraphBuilder, random: Random, images: list[int]) -> int:
    x = _recent(random, images)
    channels = b.shape(x)[3]
    y = b.conv(x, 2 * channels, (1, 1))
    y = b.conv(y, 2 * channels, (3, 3), depthwise=True)
    y = b.conv(y, channels, (1, 1), quantization=PLAIN, activation="NONE")
    return b.add(x, y, PLAIN)


def _branches(b: GraphBuilder, random: Random, images: list[int]) -> int:
    x = _recent(random, images)
    parts = [b.conv(x, random.choice((4, 8)), random.choice(((1, 1), (3, 3)))) for _ in range(2)]
    if random.random() < 0.4:
        parts.append(b.conv(parts[-1], 4, (3, 3), quantization=RELU6))
    return b.concat(parts, random.choice((3, 3, -1)))


def _pool(b: GraphBuilder, random: Random, images: list[int]) -> int:
    x = _recent(random, images)
    kind = random.choice(("AVERAGE_POOL_2D", "MAX_POOL_2D"))
    return b.pool(x, (2, 2) if min(b.shape(x)[1:3]) > 5 else (1, 1), _strides(b, random, x), kind)


_STEPS = (_convolution, _convolution, _depthwise, _depthwise, _padded, _residual, _branches, _pool)


def _ending(b: GraphBuilder, random: Random, x: int) -> int:
    """Return ``x``, or what a classifier makes of it."""
    if random.random() < 0.3:
        return x
    pixels = b.shape(x)[1] * b.shape(x)[2] * b.shape(x)[3]
    flat = random.random() < 0.5 and pixels <= 1024
    x = b.reshape(x, (1, pixels)) if flat else b.mean(x, PLAIN)
    x = b.fully_connected(x, random.choice((2, 5, 10)))
    return b.softmax(x) if random.random() < 0.5 else x


def chain_with_residuals(ops: int) -> Graph:
    """Return a graph of about ``ops`` operators: blocks that widen, narrow and add their input, as in MobileNet V2.

    Its weights are all the same, as planning does not look at them.
    """
    b = GraphBuilder((1, 16, 16, 4), seed=9)
    x = b.input
    for turn in range(ops // 4):
        y = _plain(b, x, 4 * (2 + turn % 5))
        y = _plain(b, b.op("RELU", (y,), b.shape(y)), 4)
        x = b.add(x, y, PLAIN)
    return b.graph(x)


def _plain(b: GraphBuilder, x: int, channels: int) -> int:
    shape = b.shape(x)
    about = Quantization((0.01,) * channels, (0,) * channels)
    weights = b.constant(np.ones((channels, 1, 1, shape[3])), "int8", quantization=about)
    options = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1}
    inputs = (x, weights, b.constant(np.zeros(channels)))
    return b.op("CONV_2D", inputs, (*shape[:3], channels), PLAIN, activation="NONE", **options)
