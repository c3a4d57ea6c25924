"""From an operator of a graph to the kernel that does it: geometry alone, no weights are looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Final

from edgekit.aot import problems as check
from edgekit.aot import tables
from edgekit.aot.kernels.conv import Conv2d, Pointwise
from edgekit.aot.kernels.copy import Concat, Pad
from edgekit.aot.kernels.depthwise import Depthwise
from edgekit.aot.kernels.elementwise import Add, Lookup
from edgekit.aot.kernels.geometry import Kernel, Shape, Window
from edgekit.aot.kernels.pool import AveragePool, MaxPool, Mean
from edgekit.aot.kernels.softmax import Softmax
from edgekit.aot.problems import Refused, wants
from edgekit.tflite.graph import Graph, Op, Tensor

ALIASES: Final = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
"""Operators that change a shape and no value: the output is the input's memory."""

_MEAN_AXES: Final = {1, 2}
_STEPS: Final = 255
_ACCUMULATOR: Final = 1 << 31
_PAD_DIMENSIONS: Final = 4
_SOFTMAX_OUTPUT: Final = (1 / 256, -128)


def lower_op(graph: Graph, op: Op) -> Kernel | None:
    """Return the kernel call that does ``op``, or ``None`` where nothing is to be done.

    Raises
    ------
    Refused
        If the engine does not do it.
    """
    if op.kind in ALIASES:
        _alias(graph, op)
        return None
    lowering = _LOWERINGS.get(op.kind)
    if lowering is None:
        raise Refused(f"The aot engine has no kernel for it; it has {', '.join(SUPPORTED_KINDS)}.")
    return lowering(graph, op)


def activation_inputs(graph: Graph, op: Op) -> tuple[int, ...]:
    """Return the tensors that ``op`` reads and that are no constants, in order."""
    if op.kind in ALIASES:
        return op.inputs[:1]
    return tuple(i for i in op.inputs if i >= 0 and not graph.tensors[i].constant)


def _alias(graph: Graph, op: Op) -> None:
    (source, _), target = check.operands(graph, op, 1, 1)
    assert source is not None
    check.activation(source, "input", quantized=False)
    check.activation(target, "output", quantized=False)
    wants(
        source.elements == target.elements,
        f"It makes {target.elements} elements of {source.elements}.",
        "Convert the model again.",
    )


def _conv_2d(graph: Graph, op: Op) -> Kernel:
    shape, out, filters, bias = _convolution(graph, op)
    channels, kernel_h, kernel_w, depth = filters.shape
    wants(
        depth == shape.c,
        f"It is grouped: its weights read {depth} of {shape.c} input channels.",
        f"{check.TFLM}, or split it into plain convolutions.",
    )
    _weights_match(channels, out)
    check.weights(filters, 0, channels)
    check.bias(bias, channels)
    check.fused(op)
    window = _window(op, shape, out, kernel_h, kernel_w)
    if (kernel_h, kernel_w, window.stride_h, window.stride_w) == (1, 1, 1, 1):
        return Pointwise(shape.h * shape.w, shape.c, out.c)
    return Conv2d(shape, out, window)


def _depthwise(graph: Graph, op: Op) -> Kernel:
    shape, out, filters, bias = _convolution(graph, op)
    first, kernel_h, kernel_w, channels = filters.shape
    wants(
        first == 1, f"Its weights have {first} instead of 1 as first dimension.", "Convert the model again."
    )
    _weights_match(channels, out)
    multiplier = out.c // shape.c
    said = op.options.get("depth_multiplier", 0) or multiplier
    wants(
        multiplier * shape.c == out.c and said == multiplier,
        f"It makes {out.c} channels of {shape.c} with a multiplier of {said}.",
        "Convert the model again.",
    )
    check.weights(filters, 3, channels)
    check.bias(bias, channels)
    check.fused(op)
    return Depthwise(shape, out, _window(op, shape, out, kernel_h, kernel_w), multiplier)


def _convolution(graph: Graph, op: Op) -> tuple[Shape, Shape, Tensor, Tensor | None]:
    """Return the shapes of input and output, the weights [four dimensions], and the bias if there is one."""
    (source, filters, bias), target = check.operands(graph, op, 2, 1)
    assert source is not None and filters is not None
    shape, out = Shape(*check.spatial(source, "input")), Shape(*check.spatial(target, "output"))
    wants(len(filters.shape) == 4, f"Its weights have {len(filters.shape)} dimensions instead of four.")
    return shape, out, filters, bias


def _fully_connected(graph: Graph, op: Op) -> Kernel:
    (source, filters, bias), target = check.operands(graph, op, 2, 1)
    assert source is not None and filters is not None
    check.activation(source, "input")
    check.activation(target, "output")
    wants(len(filters.shape) == 2, f"Its weights have {len(filters.shape)} dimensions instead of two.")
    wants(op.options.get("weights_format", 0) == 0, "Its weights are shuffled for another processor.")
    channels, depth = filters.shape
    check.limited(channels, depth)
    rows = source.elements // depth
    wants(
        rows * depth == source.elements and target.elements == rows * channels,
        f"Weights {list(filters.shape)} do not take {list(source.shape)} to {list(target.shape)}.",
        "Convert the model again.",
    )
    check.weights(filters, 0, channels)
    check.bias(bias, channels)
    check.fused(op)
    return Pointwise(rows, depth, channels)


def _pool(kernel: Callable[[Shape, Shape, Window], Kernel]) -> Callable[[Graph, Op], Kernel]:
    def lower(graph: Graph, op: Op) -> Kernel:
        (source,), target = check.operands(graph, op, 1)
        assert source is not None
        shape, out = Shape(*check.spatial(source, "input")), Shape(*check.spatial(target, "output"))
        wants(shape.c == out.c, f"It makes {out.c} channels of {shape.c}.", "Convert the model again.")
        check.same_quantization(source, target, "Input and output")
        check.fused(op)
        height, width = op.options.get("filter_height", 0), op.options.get("filter_width", 0)
        return kernel(shape, out, _window(op, shape, out, height, width))

    return lower


def _mean(graph: Graph, op: Op) -> Kernel:
    (source, axes), target = check.operands(graph, op, 2)
    assert source is not None
    height, width, channels = check.spatial(source, "input")
    check.activation(target, "output")
    found = {axis + 4 if axis < 0 else axis for axis in check.integers(axes, "axes")}
    wants(
        found == _MEAN_AXES,
        f"It is taken over the axes {sorted(found)} of four.",
        f"{check.TFLM}, or take it over height and width.",
    )
    wants(target.elements == channels, f"It makes {list(target.shape)} of {list(source.shape)}.")
    with check.takes("It has"):
        shift = tables.mean_multiplier(
            check.quantization_of(source), check.quantization_of(target), height * width
        ).shift
    largest = (_STEPS * height * width) << max(shift, 0)
    wants(
        largest < _ACCUMULATOR, f"Its sum can reach {largest:,}, which 32 bits do not hold.", check.CALIBRATE
    )
    return Mean(height * width, channels)


def _add(graph: Graph, op: Op) -> Kernel:
    (one, other), target = check.operands(graph, op, 2)
    assert one is not None and other is not None
    for tensor, what in ((one, "first input"), (other, "second input"), (target, "output")):
        check.activation(tensor, what)
    wants(
        one.shape == other.shape == target.shape,
        f"It adds {list(one.shape)} and {list(other.shape)}: shapes that differ.",
        f"{check.TFLM}, or give both inputs one shape.",
    )
    check.fused(op)
    with check.takes("It has"):
        tables.add_constants(*map(check.quantization_of, (one, other, target)))
    return Add(target.elements)


def _lookup(graph: Graph, op: Op) -> Kernel:
    (source,), target = check.operands(graph, op, 1)
    assert source is not None
    check.activation(source, "input")
    check.activation(target, "output")
    wants(source.elements == target.elements, f"It makes {list(target.shape)} of {list(source.shape)}.")
    with check.takes("It has"):
        tables.lookup_table(op.kind, *map(check.quantization_of, (source, target)))
    return Lookup(target.elements)


def _pad(graph: Graph, op: Op) -> Kernel:
    (source, edges, value), target = check.operands(graph, op, 2, 1)
    assert source is not None
    check.activation(source, "input")
    check.activation(target, "output")
    check.same_quantization(source, target, "Input and output")
    rank = len(source.shape)
    wants(1 <= rank <= _PAD_DIMENSIONS, f"Its input has {rank} dimensions, more than {_PAD_DIMENSIONS}.")
    counts = check.integers(edges, "paddings")
    fits = len(counts) == 2 * rank and min(counts) >= 0
    padded = tuple(s + sum(counts[2 * i : 2 * i + 2]) for i, s in enumerate(source.shape))
    wants(
        fits and padded == target.shape,
        f"Paddings {list(counts)} do not take {list(source.shape)} to {list(target.shape)}.",
        "Convert the model again.",
    )
    check.limited(*target.shape)
    if value is not None:
        _pads_with_zero_point(value, target)
    missing = _PAD_DIMENSIONS - rank
    ones, zeros = (1,) * missing, (0,) * missing
    return Pad(_four(*ones, *source.shape), _four(*ones, *target.shape), _four(*zeros, *counts[::2]))


def _pads_with_zero_point(value: Tensor, target: Tensor) -> None:
    wants(value.dtype == "int8" and value.elements == 1, "The value to pad with is not one int8.")
    data = value.data
    known = (
        value.constant
        and data is not None
        and int(data.reshape(-1)[0]) == check.quantization_of(target).zero_point
    )
    wants(known, "It pads with another value than the zero point.", f"{check.TFLM}, or pad with zero.")


def _concatenation(graph: Graph, op: Op) -> Kernel:
    sources, target = check.operands(graph, op, 1, len(op.inputs))
    check.activation(target, "output")
    check.fused(op, ("NONE",))
    rank = len(target.shape)
    axis = op.options.get("axis", 0)
    wants(-rank <= axis < rank, f"Its axis is {axis} of {rank} dimensions.", "Convert the model again.")
    axis %= rank
    runs = []
    for source in sources[: len(op.inputs)]:
        wants(source is not None, "An input is left out.", "Convert the model again.")
        assert source is not None
        check.activation(source, "input")
        check.same_quantization(source, target, "Inputs and output")
        others = (
            source.shape[:axis] == target.shape[:axis]
            and source.shape[axis + 1 :] == target.shape[axis + 1 :]
        )
        wants(
            len(source.shape) == rank and others,
            f"{list(source.shape)} does not fit into {list(target.shape)} along axis {axis}.",
        )
        runs.append(prod(source.shape[axis:]))
    wants(
        sum(runs) == prod(target.shape[axis:]),
        "Its inputs do not add up to its output.",
        "Convert the model again.",
    )
    return Concat(prod(target.shape[:axis]), tuple(runs))


def _softmax(graph: Graph, op: Op) -> Kernel:
    (source,), target = check.operands(graph, op, 1)
    assert source is not None
    check.activation(source, "input")
    check.activation(target, "output")
    wants(bool(source.shape) and source.shape == target.shape, "Input and output have different shapes.")
    scale, zero = check.quantization_of(target)
    wants(
        (scale, zero) == _SOFTMAX_OUTPUT,
        f"Its output has scale {scale:g} and zero point {zero} instead of 1/256 and -128.",
        "Convert the model with `edgekit convert`.",
    )
    beta = op.options.get("beta", 0.0)
    wants(beta > 0, f"Its beta is {beta:g}.", "Convert the model again.")
    depth = source.shape[-1]
    wants(
        depth <= tables.SOFTMAX_MAX_DEPTH,
        f"It has {depth:,} classes; the sum of more than {tables.SOFTMAX_MAX_DEPTH:,} can overflow.",
        f"{check.TFLM}, or leave out the softmax.",
    )
    with check.takes("It is"):
        tables.softmax_table(check.quantization_of(source).scale, beta)
    return Softmax(source.elements // depth, depth)


def _four(*sizes: int) -> tuple[int, int, int, int]:
    a, b, c, d = sizes
    return a, b, c, d


def _weights_match(channels: int, out: Shape) -> None:
    wants(channels == out.c, f"Its weights make {channels} channels, its output has {out.c}.")


def _window(op: Op, shape: Shape, out: Shape, kernel_h: int, kernel_w: int) -> Window:
    """Return the window of ``op``, having checked that the output has the shape that follows from it."""
    options = op.options
    pads = []
    for side, size, out_size, kernel in (("h", shape.h, out.h, kernel_h), ("w", shape.w, out.w, kernel_w)):
        stride, dilation = options.get(f"stride_{side}", 0), options.get(f"dilation_{side}", 1)
        wants(stride >= 1 and kernel >= 1, f"Its window is {kernel_h}x{kernel_w} with a stride of {stride}.")
        check.limited(kernel, stride)
        wants(
            dilation <= 1 or kernel == 1,
            f"It has a dilation of {dilation}.",
            f"{check.TFLM}, or use a larger kernel without dilation.",
        )
        pads.append(_padding(options, size, out_size, kernel, stride))
    return Window(kernel_h, kernel_w, options["stride_h"], options["stride_w"], *pads)


def _padding(options: Mapping[str, Any], size: int, out_size: int, kernel: int, stride: int) -> int:
    """Return what is padded before the first row or column (TFLite's padding.h)."""
    padding = options.get("padding")
    if padding == "SAME":
        expected = -(-size // stride)
    elif padding == "VALID":
        expected = (size - kernel) // stride + 1
    else:
        raise Refused(f"Its padding is {padding}.", "Convert the model again.")
    wants(
        expected == out_size and expected >= 1,
        f"Its output has {out_size} rows or columns where window and {padding} padding give {max(expected, 0)}.",
        "Convert the model again.",
    )
    return max(0, (out_size - 1) * stride + kernel - size) // 2


_LOWERINGS: Final[Mapping[str, Callable[[Graph, Op], Kernel]]] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool(AveragePool),
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _pool(MaxPool),
    "MEAN": _mean,
    "PAD": _pad,
    "PADV2": _pad,
    "QUANTIZE": _lookup,
    "RELU": _lookup,
    "RELU6": _lookup,
    "RELU_N1_TO_1": _lookup,
    "SOFTMAX": _softmax,
}

SUPPORTED_KINDS: Final = tuple(sorted({*_LOWERINGS, *ALIASES}))
"""Operators that the engine has, by their names in the schema."""
