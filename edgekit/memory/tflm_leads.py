"""How far TFLite Micro's kernels let an operator's output overlap its input, by kernel library.

Read from the loops of each kernel; the commits are in :mod:`edgekit.memory.releases`. The reference kernels write the
output from front to back, each element after everything that it depends on was read, so that what counts is the lowest
address that is still to be read after each write. A kernel that reads further ahead before it writes is safe with the
same lead, one that goes through the output in another order is not.

``reference``:
    reference_integer_ops and reference_ops, int8. MEAN clears its output before it reads, so it has no lead; copies
    made with memcpy must not overlap, which adds their length.
``cmsis_nn``, ``cmsis_nn_dsp``:
    Convolutions copy the columns of two pixels before they write them (arm_convolve_s8); depthwise convolutions and
    average pools write a pixel, or four of its channels, after reading its window. Convolutions of 1x1 go through the
    output channels outermost (arm_nn_mat_mult_nt_t_s8): no overlap is safe. So do grouped ones with their groups.
``cmsis_nn_mve``:
    Convolutions do four pixels at a time, from copied columns but for 1x1, where each output channel of the four is
    written before the next is computed. Depthwise convolutions go through blocks of 124 channels, one after the other.
``esp_nn*``:
    Not examined: nothing overlaps.

What CMSIS-NN's kernels need was also measured, with its functions compiled for three cores
(tests/golden/leads_cmsis_nn.csv).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import prod
from typing import Final

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory.lead import largest_distance
from edgekit.memory.lifetimes import Buffer
from edgekit.memory.overlap import Dead, Overlap
from edgekit.memory.scratch_cmsis_nn import MVE_DEPTHWISE_BLOCK
from edgekit.memory.window import Window, leading_pad, window_of
from edgekit.tflite.graph import Graph, Op

Leads = tuple[int | None, ...]
"""For each input of an operator the safe lead in bytes; ``None`` where it must not overlap the output.

Input and output may share memory when ``input offset - output offset >= lead``.
"""

_Rule = Callable[[Graph, Op], Leads]


def op_leads(graph: Graph, op: Op, kernels: KernelLibrary) -> Leads:
    """Return the safe leads of ``op`` with ``kernels``; without proof there are none.

    Only int8 activations have any, and RESHAPE has none: its memcpy works in place or apart (:func:`in_place`).
    """
    nothing: Leads = (None,) * len(op.inputs)
    rule = _RULES.get(kernels, {}).get(op.kind)
    if rule is None or len(op.outputs) != 1 or graph.tensors[op.outputs[0]].dtype != "int8":
        return nothing
    return tuple(
        lead if index >= 0 and graph.tensors[index].dtype == "int8" else None
        for index, lead in zip(op.inputs, rule(graph, op), strict=True)
    )


def in_place(graph: Graph, op: Op, kernels: KernelLibrary) -> bool:
    """Whether ``op`` does nothing when its output lies where its first input does: RESHAPE, with any type."""
    return kernels in _RULES and op.kind == "RESHAPE"


def may_overlap(kernels: KernelLibrary) -> bool:
    """Whether any kernel of ``kernels`` has a lead."""
    return kernels in _RULES


def overlaps_of(graph: Graph, buffers: Sequence[Buffer], kernels: KernelLibrary) -> tuple[Overlap, ...]:
    """Return which of the ``buffers`` of ``graph`` may share memory, as :func:`op_leads` allows.

    Parameters
    ----------
    buffers:
        The head's, as :func:`edgekit.memory.lifetimes.head_buffers` returns them.
    """
    place = {buffer.tensor: k for k, buffer in enumerate(buffers) if buffer.tensor >= 0}
    found = []
    for op in graph.ops:
        if len(op.outputs) != 1 or op.outputs[0] not in place:
            continue
        output = op.outputs[0]
        leads: dict[int, int | None] = {}
        for index, lead in zip(op.inputs, op_leads(graph, op, kernels), strict=True):
            known = leads.setdefault(index, lead)
            # One tensor may be two inputs; then both leads hold.
            leads[index] = None if lead is None or known is None else max(lead, known)
        if in_place(graph, op, kernels):
            leads[op.inputs[0]] = 0
        for index, lead in leads.items():
            if lead is not None and _meet(graph, op, index, buffers, place):
                found.append(Overlap(place[index], place[output], lead, only=op.kind == "RESHAPE"))
    return tuple(found)


def dead_parts(graph: Graph, buffers: Sequence[Buffer]) -> tuple[Dead, ...]:
    """Return what of the ``buffers`` of ``graph`` is not read any more while the rest of them is.

    That is so where all that is left to read a tensor are STRIDED_SLICEs from further behind. It holds with every
    kernel library: none has a STRIDED_SLICE of its own.
    """
    lowest: dict[int, list[tuple[int, int]]] = {}
    for op in graph.ops:
        for index in {*op.inputs}:
            lowest.setdefault(index, []).append((op.index + 1, _lowest_read(graph, op, index)))
    found = []
    for k, buffer in enumerate(buffers):
        reads = [] if buffer.tensor in graph.outputs else lowest.get(buffer.tensor, [])
        for turn in range(len(reads)):
            free = min(address for _, address in reads[turn:])
            if free:
                found.append(Dead(k, reads[turn - 1][0] + 1 if turn else buffer.first, free))
    return tuple(found)


def _lowest_read(graph: Graph, op: Op, index: int) -> int:
    """Return the lowest address of tensor ``index`` that ``op`` reads, in bytes; 0 unless it is known better."""
    tensor = graph.tensors[index]
    if op.kind != "STRIDED_SLICE" or index in op.inputs[1:]:
        return 0
    begins = slice_begins(graph, op)
    if begins is None or not tensor.elements:
        return 0
    return _place(begins, tensor.shape) * (tensor.nbytes // tensor.elements)


def _place(position: Sequence[int], shape: Sequence[int]) -> int:
    """Return the index of an element of a tensor of ``shape`` when it is laid out row by row."""
    place = 0
    for at, size in zip(position, shape, strict=True):
        place = place * size + at
    return place


def _meet(graph: Graph, op: Op, index: int, buffers: Sequence[Buffer], place: Mapping[int, int]) -> bool:
    """Whether input ``index`` dies in ``op`` and its output is born there."""
    if index not in place or index in (*graph.outputs, *op.outputs):
        return False
    time = op.index + 1
    return buffers[place[index]].last == time == buffers[place[op.outputs[0]]].first


def _conv(graph: Graph, op: Op) -> Leads:
    """Return the lead of a CONV_2D: a pixel's window is read for every channel, the last one included."""
    window = window_of(graph, op)
    within = window.out_c - 1
    return (_pixels(window) + within, *_rest(op))


def _cmsis_conv(graph: Graph, op: Op) -> Leads:
    w = window_of(graph, op)
    if w.kernel_h == w.kernel_w == 1 or w.filter_c != w.in_c:
        return (None,) * len(op.inputs)
    return _conv(graph, op)


def _mve_conv(graph: Graph, op: Op) -> Leads:
    w = window_of(graph, op)
    nothing: Leads = (None,) * len(op.inputs)
    pointwise = w.kernel_h == w.kernel_w == 1
    # Convolutions along one row have a kernel of their own, which reads most of them without copying.
    if w.filter_c != w.in_c or w.batch != 1 or (w.in_h == 1 and not pointwise):
        return nothing
    if not pointwise:
        return _conv(graph, op)
    if w.stride_h != 1 or w.stride_w != 1:
        return nothing
    growth, blocks, rest = w.out_c - w.in_c, *divmod(w.out_h * w.out_w, _MVE_PIXELS)
    leads = [
        (first * growth, pixels * w.out_c)
        for first, pixels in ((0, _MVE_PIXELS), (_MVE_PIXELS * (blocks - 1), _MVE_PIXELS))
        if blocks
    ]
    leads += [((_MVE_PIXELS * blocks + pixel) * growth, w.out_c) for pixel in {0, rest - 1} if rest]
    return (max(ahead + written for ahead, written in leads) - 1, *_rest(op))


def _mve_depthwise(graph: Graph, op: Op) -> Leads:
    window = window_of(graph, op)
    # One channel is computed as a convolution.
    if not 1 < window.in_c <= MVE_DEPTHWISE_BLOCK or window.batch != 1:
        return (None,) * len(op.inputs)
    return _depthwise(graph, op)


def _depthwise(graph: Graph, op: Op) -> Leads:
    """Return the lead of a DEPTHWISE_CONV_2D: a channel's window is read for its own outputs alone."""
    window = window_of(graph, op)
    last = window.out_c - 1
    return (_pixels(window) + last - last // (window.out_c // window.in_c), *_rest(op))


def _pool(graph: Graph, op: Op) -> Leads:
    batch, in_h, in_w, channels = graph.tensors[op.inputs[0]].shape
    _, out_h, out_w, _ = graph.tensors[op.outputs[0]].shape
    kernel_h, kernel_w = op.options["filter_height"], op.options["filter_width"]
    stride_h, stride_w = op.options["stride_h"], op.options["stride_w"]
    window = Window(
        batch,
        in_h,
        in_w,
        channels,
        kernel_h,
        kernel_w,
        channels,
        out_h,
        out_w,
        channels,
        stride_h,
        stride_w,
        pad_h=leading_pad(in_h, kernel_h, stride_h, 1, op.options["padding"]),
        pad_w=leading_pad(in_w, kernel_w, stride_w, 1, op.options["padding"]),
    )
    return (_pixels(window), *_rest(op))


def _fully_connected(graph: Graph, op: Op) -> Leads:
    """Return the lead of a FULLY_CONNECTED: a row is read for every output of it."""
    outputs, depth = graph.tensors[op.inputs[1]].shape
    rows = graph.tensors[op.outputs[0]].elements // outputs
    return (max(0, (rows - 1) * (outputs - depth)) + outputs - 1, *_rest(op))


def _elementwise(graph: Graph, op: Op) -> Leads:
    """Return 0 for inputs of the output's shape: an element is written after those of the same index were read."""
    shape = graph.tensors[op.outputs[0]].shape
    same = all(i < 0 or graph.tensors[i].shape == shape for i in op.inputs)
    return (0 if same else None,) * len(op.inputs)


def _pad(graph: Graph, op: Op) -> Leads:
    """Return the lead of a PAD, which writes one element after the other: where the last input comes to lie."""
    x, y = graph.tensors[op.inputs[0]].shape, graph.tensors[op.outputs[0]].shape
    edges = graph.tensors[op.inputs[1]]
    if edges.data is None:
        return (None,) * len(op.inputs)
    before = edges.data.reshape(-1, 2)[:, 0].tolist()
    last = _place([start + size - 1 for start, size in zip(before, x, strict=True)], y)
    return (last - (prod(x) - 1), *_rest(op))


def _concatenation(graph: Graph, op: Op) -> Leads:
    """Return the leads of a CONCATENATION, which copies runs of each input in turn; none may overlap its copy."""
    y = graph.tensors[op.outputs[0]].shape
    axis = op.options["axis"] % len(y)
    outer = prod(y[:axis])
    runs = [graph.tensors[i].elements // outer for i in op.inputs]
    width = sum(runs)
    ends = accumulate(runs)
    return tuple((outer - 1) * (width - run) + end for run, end in zip(runs, ends, strict=True))


def _strided_slice(graph: Graph, op: Op) -> Leads:
    """Return the lead of a STRIDED_SLICE that takes whole ranges, with strides of 1, in runs of the last dimension."""
    begins = slice_begins(graph, op)
    nothing: Leads = (None,) * len(op.inputs)
    if begins is None:
        return nothing
    x, y = graph.tensors[op.inputs[0]].shape, graph.tensors[op.outputs[0]].shape
    # The distance from a run to its copy grows from run to run, as the input is the larger one.
    return (y[-1] - _place(begins, x), *_rest(op))


def slice_begins(graph: Graph, op: Op) -> tuple[int, ...] | None:
    """Return where a STRIDED_SLICE begins in each dimension, or ``None`` if it is more than a box cut out."""
    x, y = graph.tensors[op.inputs[0]].shape, graph.tensors[op.outputs[0]].shape
    masks = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset")
    constants = [graph.tensors[i].data if i >= 0 else None for i in op.inputs[1:4]]
    if len(x) != len(y) or any(op.options.get(mask) for mask in masks):
        return None
    values = [None if c is None else c.reshape(-1).tolist() for c in constants]
    if len(values) != 3 or None in values:
        return None
    begins, ends, strides = (v or [] for v in values)
    if not len(begins) == len(ends) == len(x) or any(stride != 1 for stride in strides):
        return None
    inside = all(
        begin >= 0 and begin + size == end <= whole
        for begin, end, size, whole in zip(begins, ends, y, x, strict=True)
    )
    return tuple(begins) if inside else None


def _rest(op: Op) -> Leads:
    return (None,) * (len(op.inputs) - 1)


def _pixels(w: Window) -> int:
    """Return by how much the pixels written are ahead of those still to be read, at most.

    The lowest element that pixel (row, column) reads is the one at ``(row * stride - pad, column * stride - pad)``, or
    at 0 where that is outside.
    """
    in_row, out_row = w.in_w * w.in_c, w.out_w * w.out_c
    rows = largest_distance(0, w.out_h - 1, 1, out_row, w.stride_h, w.pad_h, in_row)
    columns = largest_distance(0, w.out_w - 1, 1, w.out_c, w.stride_w, w.pad_w, w.in_c)
    images = (w.batch - 1) * (w.out_h * out_row - w.in_h * in_row)
    return rows + columns + max(0, images)


_REFERENCE: Final[Mapping[str, _Rule]] = {
    "ADD": _elementwise,
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": _elementwise,
    "LOGISTIC": _elementwise,
    "MAX_POOL_2D": _pool,
    "MUL": _elementwise,
    "PAD": _pad,
    "QUANTIZE": _elementwise,
    "RELU": _elementwise,
    "RELU6": _elementwise,
    "SOFTMAX": _elementwise,
    "STRIDED_SLICE": _strided_slice,
    "TANH": _elementwise,
}
_MVE_PIXELS: Final = 4
"""Pixels that a 1x1 convolution with MVE does at a time."""

_CMSIS_OWN: Final = frozenset({"FULLY_CONNECTED", "MAX_POOL_2D", "MUL", "PAD"})
"""Operators whose kernels CMSIS-NN replaces, and that were not examined there."""

_CMSIS_NN: Final[Mapping[str, _Rule]] = {
    **{kind: rule for kind, rule in _REFERENCE.items() if kind not in _CMSIS_OWN},
    "CONV_2D": _cmsis_conv,
}
_CMSIS_NN_MVE: Final[Mapping[str, _Rule]] = {
    **_CMSIS_NN,
    "CONV_2D": _mve_conv,
    "DEPTHWISE_CONV_2D": _mve_depthwise,
}
_RULES: Final[Mapping[KernelLibrary, Mapping[str, _Rule]]] = {
    "reference": _REFERENCE,
    "cmsis_nn": _CMSIS_NN,
    "cmsis_nn_dsp": _CMSIS_NN,
    "cmsis_nn_mve": _CMSIS_NN_MVE,
}
