"""Hypothesis strategies for the kernels of the aot engine: small geometries, odd ones included."""

from __future__ import annotations

from hypothesis import strategies as st

from edgekit.aot.kernels.conv import Conv2d, Pointwise
from edgekit.aot.kernels.copy import Concat, Four, Pad
from edgekit.aot.kernels.depthwise import Depthwise
from edgekit.aot.kernels.elementwise import Add, Lookup
from edgekit.aot.kernels.geometry import Kernel, Shape, Window
from edgekit.aot.kernels.pool import AveragePool, MaxPool, Mean
from edgekit.aot.kernels.softmax import Softmax

_SIZES = st.integers(1, 9)
_CHANNELS = st.sampled_from((1, 2, 3, 4, 5, 7, 8, 12, 16))
_WINDOWS = st.one_of(st.just((3, 3)), st.tuples(st.integers(1, 5), st.integers(1, 5)))
_STRIDES = st.one_of(st.just((1, 1)), st.just((2, 2)), st.tuples(st.integers(1, 3), st.integers(1, 3)))


def _along(size: int, kernel: int, stride: int, same: bool) -> tuple[int, int]:
    """Return the outputs of a dimension and what is padded in front."""
    if not same:
        return (size - kernel) // stride + 1, 0
    outputs = -(-size // stride)
    return outputs, max(0, (outputs - 1) * stride + kernel - size) // 2


@st.composite
def _spatial(draw: st.DrawFn) -> tuple[Shape, Shape, Window]:
    height, width = draw(_SIZES), draw(_SIZES)
    kernel_h, kernel_w = draw(_WINDOWS)
    stride_h, stride_w = draw(_STRIDES)
    same = draw(st.booleans()) or kernel_h > height or kernel_w > width
    rows, top = _along(height, kernel_h, stride_h, same)
    columns, left = _along(width, kernel_w, stride_w, same)
    channels = draw(_CHANNELS)
    window = Window(kernel_h, kernel_w, stride_h, stride_w, top, left)
    return Shape(height, width, channels), Shape(rows, columns, channels), window


@st.composite
def _conv2d(draw: st.DrawFn) -> Conv2d:
    source, target, window = draw(_spatial())
    return Conv2d(source, Shape(target.h, target.w, draw(_CHANNELS)), window)


@st.composite
def _depthwise(draw: st.DrawFn) -> Depthwise:
    source, target, window = draw(_spatial())
    multiplier = draw(st.sampled_from((1, 1, 1, 2, 3, 8)))
    return Depthwise(source, Shape(target.h, target.w, source.c * multiplier), window, multiplier)


@st.composite
def _pad(draw: st.DrawFn) -> Pad:
    def four(low: int, high: int) -> Four:
        numbers = st.integers(low, high)
        return draw(st.tuples(numbers, numbers, numbers, numbers))

    source, before, after = four(1, 4), four(0, 2), four(0, 2)
    if draw(st.booleans()):
        before, after = (0, *before[1:3], 0), (0, *after[1:3], 0)
    n, h, w, c = (sum(sizes) for sizes in zip(source, before, after, strict=True))
    return Pad(source, (n, h, w, c), before)


KERNELS: dict[str, st.SearchStrategy[Kernel]] = {
    "conv2d": _conv2d(),
    "pointwise": st.builds(
        Pointwise, st.integers(1, 12), _CHANNELS | st.integers(1, 40), _CHANNELS | st.integers(1, 40)
    ),
    "depthwise": _depthwise(),
    "average_pool": _spatial().map(lambda geometry: AveragePool(*geometry)),
    "max_pool": _spatial().map(lambda geometry: MaxPool(*geometry)),
    "mean": st.builds(Mean, st.integers(1, 30), st.integers(1, 20)),
    "add": st.builds(Add, st.integers(1, 60)),
    "lookup": st.builds(Lookup, st.integers(1, 60)),
    "pad": _pad(),
    "concat": st.builds(
        Concat, st.integers(1, 5), st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
    ),
    "softmax": st.builds(Softmax, st.integers(1, 4), st.integers(2, 20)),
}
"""A strategy for each kind of kernel."""
