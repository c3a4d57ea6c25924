"""The networks that published latencies are of, as the work of their operators."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import pairwise

from edgekit.latency.work import OpClass, OpWork, graph_work
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph

MCUNET = {"vww0": 6.0, "vww2": 55.8, "in0": 6.4, "in2": 67.3, "in4": 125.9}
"""Millions of Mult-Adds of MCUNet's networks (mit-han-lab/mcunet: README.md). Their layers are in no table that goes
with the latencies, so a MobileNetV2 of 0.35 with as many Mult-Adds stands in."""

_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""(expansion, channels, blocks, stride of the first) of MobileNetV2: Sandler et al. 2018, table 2."""

Works = tuple[OpWork, ...]


class _Layers:
    """Collects the work of one layer after another."""

    def __init__(self) -> None:
        self.works: list[OpWork] = []

    def conv(self, op_class: OpClass, kernel: int, pixels: int, channels: int, outputs: int) -> None:
        """Add a convolution with ``kernel`` weights a pair of channels, on ``pixels`` output pixels."""
        weights = kernel * channels * outputs
        self.works.append(OpWork(op_class, weights * pixels, pixels * outputs, weights, pixels))

    def depthwise(self, kernel: int, pixels: int, channels: int, stride: int = 1) -> None:
        """Add a depthwise convolution."""
        op_class: OpClass = "depthwise_s2" if stride > 1 else "depthwise"
        weights = kernel * channels
        self.works.append(OpWork(op_class, weights * pixels, pixels * channels, weights, pixels))

    def other(self, op_class: OpClass, steps: int, outputs: int) -> None:
        """Add an operator without weights."""
        self.works.append(OpWork(op_class, steps, outputs))

    def dense(self, channels: int, outputs: int) -> None:
        """Add a fully connected layer."""
        self.works.append(OpWork("fully_connected", channels * outputs, outputs, channels * outputs))


def v1(alpha: float, resolution: int, channels: int, classes: int) -> Works:
    """Return MobileNetV1."""
    return graph_work(network_graph(NetworkSpec("mobilenet_v1", alpha, resolution, channels, classes)))


def person_detect() -> Works:
    """Return TFLite Micro's person_detect: V1 0.25/96 in gray, whose first layer is depthwise, 1 to 8 channels."""
    first, *others = v1(0.25, 96, 1, 2)
    return (replace(first, op_class="depthwise_s2"), *others)


def v2(alpha: float, resolution: int, classes: int) -> Works:
    """Return MobileNetV2 as Keras builds it; channels are rounded to multiples of 8."""

    def width(channels: float) -> int:
        wide = max(8, int(channels + 4) // 8 * 8)
        return wide + 8 if wide < 0.9 * channels else wide

    layers = _Layers()
    size, channels = -(-resolution // 2), width(32 * alpha)
    layers.conv("conv_first", 9, size**2, 3, channels)
    for expansion, base, blocks, first_stride in _V2:
        outputs = width(base * alpha)
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            inner = channels * expansion
            if expansion > 1:
                layers.conv("pointwise", 1, size**2, channels, inner)
            size = -(-size // stride)
            layers.depthwise(9, size**2, inner, stride)
            layers.conv("pointwise", 1, size**2, inner, outputs)
            if stride == 1 and channels == outputs:
                layers.other("add", 0, size**2 * outputs)
            channels = outputs
    last = width(1280 * alpha) if alpha > 1 else 1280
    layers.conv("pointwise", 1, size**2, channels, last)
    layers.other("pool", size**2 * last, last)
    layers.dense(last, classes)
    layers.other("softmax", 0, classes)
    return tuple(layers.works)


def keyword_spotting() -> Works:
    """Return MLPerf Tiny's DS-CNN: 49x10 in, four separable blocks of 64 channels at 25x5."""
    layers = _Layers()
    layers.conv("conv_first", 40, 125, 1, 64)
    for _ in range(4):
        layers.depthwise(9, 125, 64)
        layers.conv("pointwise", 1, 125, 64, 64)
    layers.other("pool", 125 * 64, 64)
    layers.dense(64, 12)
    layers.other("softmax", 0, 12)
    return tuple(layers.works)


def image_classification() -> Works:
    """Return MLPerf Tiny's ResNet8 for 32x32x3."""
    layers = _Layers()
    layers.conv("conv_first", 9, 1024, 3, 16)
    for size, channels, outputs in ((32, 16, 16), (16, 16, 32), (8, 32, 64)):
        layers.conv("conv_kxk", 9, size**2, channels, outputs)
        layers.conv("conv_kxk", 9, size**2, outputs, outputs)
        if channels != outputs:
            layers.conv("pointwise", 1, size**2, channels, outputs)
        layers.other("add", 0, size**2 * outputs)
    layers.other("pool", 64 * 64, 64)
    layers.dense(64, 10)
    layers.other("softmax", 0, 10)
    return tuple(layers.works)


def anomaly_detection() -> Works:
    """Return MLPerf Tiny's autoencoder: ten fully connected layers."""
    layers = _Layers()
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    for channels, outputs in pairwise(widths):
        layers.dense(channels, outputs)
    return tuple(layers.works)


def _stand_in(millions: float) -> Works:
    """Return the MobileNetV2 0.35 of two classes that comes nearest to ``millions`` Mult-Adds."""
    candidates = [v2(0.35, resolution, 2) for resolution in range(64, 420, 16)]
    return min(candidates, key=lambda works: abs(mult_adds(works) - millions * 1e6))


@cache
def network(name: str) -> Works:
    """Return the work of the network ``name``: ``kws``, ``v1_ALPHA_RESOLUTION_CHANNELS_CLASSES``, ...

    Raises
    ------
    KeyError
        If there is none of that name.
    """
    if match := re.fullmatch(r"v([12])_([\d.]+)_(\d+)_(\d+)_(\d+)", name):
        alpha, resolution, channels, classes = (float(match[2]), *map(int, match.groups()[2:]))
        return v1(alpha, resolution, channels, classes) if match[1] == "1" else v2(alpha, resolution, classes)
    if name.startswith("mcunet-"):
        return _stand_in(MCUNET[name.removeprefix("mcunet-")])
    return {
        "vww": lambda: v1(0.25, 96, 3, 2),
        "person_detect": person_detect,
        "kws": keyword_spotting,
        "ic": image_classification,
        "ad": anomaly_detection,
    }[name]()


def mult_adds(works: Works) -> int:
    """Return the Mult-Adds of a network."""
    return sum(work.steps for work in works if work.op_class != "pool")
