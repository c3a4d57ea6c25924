"""Hypothesis strategies for graphs of one operator, and of a few: shapes, strides, paddings, zero points, scales."""

from __future__ import annotations

from aot_graphs import RELU6, GraphBuilder
from hypothesis import strategies as st

SCALES = st.floats(-9, 0).map(lambda exponent: 2.0**exponent)
ZEROS = st.one_of(st.sampled_from((-128, 0, 127)), st.integers(-128, 127))
AFFINES = st.tuples(SCALES, ZEROS)
SIDES, CHANNELS = st.integers(1, 9), st.sampled_from((1, 2, 3, 4, 5, 8, 9, 16, 19))
KERNELS = st.one_of(st.just((3, 3)), st.just((1, 1)), st.tuples(st.integers(1, 5), st.integers(1, 5)))
STRIDES = st.one_of(st.just((1, 1)), st.just((2, 2)), st.tuples(st.integers(1, 3), st.integers(1, 3)))
FUSED = st.sampled_from(("NONE", "RELU", "RELU6", "RELU_N1_TO_1"))
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def images(draw: st.DrawFn) -> GraphBuilder:
    """A graph with an image as input."""
    shape = (1, draw(SIDES), draw(SIDES), draw(CHANNELS))
    return GraphBuilder(shape, draw(AFFINES), draw(SEEDS))


@st.composite
def windows(draw: st.DrawFn, b: GraphBuilder) -> tuple[tuple[int, int], tuple[int, int], str]:
    """A window that fits the input of ``b``: kernel, stride, padding."""
    kernel = draw(KERNELS)
    fits = all(k <= size for k, size in zip(kernel, b.shape(b.input)[1:3], strict=True))
    return kernel, draw(STRIDES), draw(st.sampled_from(("SAME", "VALID"))) if fits else "SAME"


@st.composite
def convolutions(draw: st.DrawFn, depthwise: bool) -> GraphBuilder:
    b = draw(images())
    kernel, stride, padding = draw(windows(b))
    channels = b.shape(b.input)[3] * draw(st.sampled_from((1, 1, 2, 3))) if depthwise else draw(CHANNELS)
    b.conv(
        b.input,
        channels,
        kernel,
        stride,
        draw(AFFINES),
        padding=padding,
        activation=draw(FUSED),
        depthwise=depthwise,
        largest=draw(st.sampled_from((127, 127, 12, 1))),
        spread=draw(st.sampled_from((40, 90, 400))),
        per_tensor=draw(st.booleans()),
        bias=not depthwise or draw(st.booleans()),  # The reference wants one for CONV_2D.
        heavy=draw(st.sampled_from((False, False, False, True))),
    )
    return b


@st.composite
def layers(draw: st.DrawFn) -> GraphBuilder:
    """FULLY_CONNECTED over rows."""
    b = GraphBuilder((draw(st.integers(1, 5)), draw(st.integers(1, 70))), draw(AFFINES), draw(SEEDS))
    b.fully_connected(
        b.input,
        draw(st.integers(1, 20)),
        draw(AFFINES),
        keep=draw(st.booleans()),
        activation=draw(FUSED),
        largest=draw(st.sampled_from((127, 127, 1))),
        spread=draw(st.sampled_from((40, 90, 400))),
        per_tensor=draw(st.booleans()),
        bias=draw(st.booleans()),
    )
    return b


@st.composite
def pools(draw: st.DrawFn, kind: str) -> GraphBuilder:
    b = draw(images())
    kernel, stride, padding = draw(windows(b))
    b.pool(b.input, kernel, stride, kind, padding, draw(FUSED))
    return b


@st.composite
def means(draw: st.DrawFn) -> GraphBuilder:
    b = draw(images())
    axes = draw(st.sampled_from(((1, 2), (2, 1), (-2, -3), (1, -2))))
    scale, _ = b.affine(b.input)
    out = (scale * draw(st.floats(0.05, 2)), draw(ZEROS))
    b.mean(b.input, draw(st.sampled_from((out, b.affine(b.input)))), axes, draw(st.booleans()))
    return b


@st.composite
def sums(draw: st.DrawFn) -> GraphBuilder:
    b = draw(images())
    scale, _ = b.affine(b.input)
    other = (scale * draw(st.floats(0.02, 50)), draw(ZEROS))
    y = b.conv(b.input, b.shape(b.input)[3], (1, 1), quantization=other, activation="NONE")
    pair = draw(st.sampled_from(((b.input, y), (y, b.input), (b.input, b.input))))
    largest = max(b.affine(i)[0] for i in pair)
    b.add(*pair, (largest * draw(st.floats(0.3, 3)), draw(ZEROS)), draw(FUSED))
    return b


@st.composite
def paddings(draw: st.DrawFn) -> GraphBuilder:
    rank = draw(st.integers(1, 4))
    shape = tuple(draw(st.integers(1, 5)) for _ in range(rank))
    b = GraphBuilder(shape, draw(AFFINES), draw(SEEDS))
    edges = [(draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(rank)]
    b.pad(b.input, edges, draw(st.booleans()))
    return b


@st.composite
def functions(draw: st.DrawFn) -> GraphBuilder:
    b = draw(images())
    kind = draw(st.sampled_from(("RELU", "RELU6", "RELU_N1_TO_1", "QUANTIZE")))
    scale, _ = b.affine(b.input)
    b.op(kind, (b.input,), b.shape(b.input), (scale * draw(st.floats(0.1, 8)), draw(ZEROS)))
    return b


@st.composite
def concatenations(draw: st.DrawFn) -> GraphBuilder:
    b = draw(images())
    same, depth = b.affine(b.input), b.shape(b.input)[3]
    axis = draw(st.sampled_from((1, 2, 3, -1, -2)))
    parts = [
        b.input,
        b.conv(b.input, draw(CHANNELS) if axis in (3, -1) else depth, (1, 1), quantization=same),
    ]
    order = draw(st.lists(st.sampled_from(parts), min_size=1, max_size=4))
    b.concat(order, axis)
    return b


@st.composite
def softmaxes(draw: st.DrawFn) -> GraphBuilder:
    b = GraphBuilder((draw(st.integers(1, 4)), draw(st.integers(1, 40))), draw(AFFINES), draw(SEEDS))
    b.softmax(b.input, draw(st.sampled_from((1.0, 1.0, 0.3, 2.0))))
    return b


@st.composite
def shapes(draw: st.DrawFn) -> GraphBuilder:
    """RESHAPE, EXPAND_DIMS or SQUEEZE at the beginning, between two operators, or at the end."""
    height, width, depth = draw(SIDES), draw(SIDES), draw(CHANNELS)
    b = GraphBuilder((1, height, width, depth), draw(AFFINES), draw(SEEDS))
    x = b.input
    if draw(st.booleans()):
        x = b.conv(x, depth)
    kind = draw(st.sampled_from(("RESHAPE", "EXPAND_DIMS", "SQUEEZE")))
    if kind == "RESHAPE":
        x = b.reshape(x, (1, width, height, depth))
    elif kind == "EXPAND_DIMS":
        x = b.op(kind, (x, b.constant((1,))), (1, 1, height, width, depth))
        x = b.reshape(x, (1, height, width, depth))
    else:
        x = b.op(
            kind,
            (b.reshape(x, (1, 1, height * width, depth)),),
            tuple(s for s in (height * width, depth) if s > 1),
        )
        x = b.reshape(x, (1, height, width, depth))
    if draw(st.booleans()):
        b.conv(x, 3)
    return b


OPERATORS: dict[str, tuple[st.SearchStrategy[GraphBuilder], int]] = {
    "conv_2d": (convolutions(depthwise=False), 60),
    "depthwise_conv_2d": (convolutions(depthwise=True), 60),
    "fully_connected": (layers(), 40),
    "average_pool_2d": (pools("AVERAGE_POOL_2D"), 20),
    "max_pool_2d": (pools("MAX_POOL_2D"), 20),
    "mean": (means(), 25),
    "add": (sums(), 30),
    "pad": (paddings(), 20),
    "relu_quantize": (functions(), 25),
    "concatenation": (concatenations(), 20),
    "softmax": (softmaxes(), 25),
    "shapes": (shapes(), 15),
}
"""A strategy for each operator, and how many examples it is worth."""


@st.composite
def networks(draw: st.DrawFn) -> GraphBuilder:
    """A few operators on top of each other, with branches, so that plans have something to choose."""
    shape = (1, draw(st.integers(2, 9)), draw(st.integers(2, 9)), draw(st.integers(1, 12)))
    b = GraphBuilder(shape, draw(AFFINES), draw(SEEDS))
    tensors = [b.input]
    for _ in range(draw(st.integers(2, 7))):
        x = draw(st.sampled_from(tensors[-3:]))
        channels, same = b.shape(x)[3], b.affine(x)
        kind = draw(
            st.sampled_from(("conv", "pointwise", "depthwise", "add", "concat", "pad", "pool", "relu"))
        )
        if kind == "conv":
            y = b.conv(x, draw(CHANNELS), draw(KERNELS), draw(STRIDES))
        elif kind == "pointwise":
            y = b.conv(x, draw(CHANNELS), (1, 1), quantization=(0.05, 3), activation="NONE")
        elif kind == "depthwise":
            y = b.conv(x, channels, stride=draw(STRIDES), depthwise=True)
        elif kind == "add":
            y = b.add(x, b.conv(x, channels, (1, 1), quantization=same), (same[0] * 2, draw(ZEROS)))
        elif kind == "concat":
            y = b.concat((x, b.conv(x, draw(CHANNELS), (1, 1), quantization=same)), 3)
        elif kind == "pad":
            y = b.pad(x, ((0, 0), (1, 0), (0, 1), (0, draw(st.integers(0, 1)))))
        elif kind == "pool":
            y = b.pool(x, (2, 3), (1, 2), "MAX_POOL_2D", "SAME")
        else:
            y = b.op("RELU6", (x,), b.shape(x), RELU6)
        tensors.append(y)
    return b


NETWORKS = networks()
"""Small networks."""
