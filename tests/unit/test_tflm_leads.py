"""The leads of TFLite Micro's kernels against the order in which their loops read and write, step by step.

The loops here are written out from the sources of the kernels and share nothing with the formulas. That the kernels do
this, and that a step less breaks them, is tested with TFLite Micro itself (tests/integration/test_plan_equality.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
from graphs import convolution, fully_connected, one_op, tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.boards.kernels import KERNEL_LIBRARIES, KernelLibrary
from edgekit.memory.lifetimes import head_buffers
from edgekit.memory.overlap import Dead
from edgekit.memory.tflm_leads import dead_parts, op_leads, overlaps_of
from edgekit.memory.window import leading_pad
from edgekit.tflite.graph import Graph

Step = tuple[Sequence[int], Sequence[int]]
"""Addresses of the input that are read, then addresses of the output that are written."""

_QUICK = settings(max_examples=150, deadline=None)
_SIDES, _CHANNELS = st.integers(1, 6), st.sampled_from((1, 2, 3, 4, 6))


def needed(steps: Sequence[Step]) -> int:
    """Return the least lead with which no byte is overwritten before it is read for the last time."""
    lead = -(10**6)
    lowest = 10**6
    for reads, writes in reversed(steps):
        if writes and lowest < 10**6:
            lead = max(lead, max(writes) - lowest + 1)
        lowest = min((lowest, *reads))
    return lead


def needed_by_copies(copies: Sequence[tuple[int, int, int]]) -> int:
    """Return the least lead for runs copied by memcpy, which must not overlap their copies: source, target, length."""
    steps = [(range(s, s + n), range(t, t + n)) for s, t, n in copies]
    return max(needed(steps), *(target - source + n for source, target, n in copies))


def windows(graph: Graph, depthwise: bool, pool: bool = False) -> Iterator[Step]:
    """Return the steps of a convolution or pool: row, column, channel."""
    op = graph.ops[0]
    _, in_h, in_w, in_c = graph.input.shape
    _, out_h, out_w, out_c = graph.output.shape
    if pool:
        kernel = op.options["filter_height"], op.options["filter_width"]
    else:
        kernel = graph.tensors[op.inputs[1]].shape[1:3]
    strides = op.options["stride_h"], op.options["stride_w"]
    padding = op.options["padding"]
    pads = [
        leading_pad(size, k, s, 1, padding) for size, k, s in zip((in_h, in_w), kernel, strides, strict=True)
    ]
    for y, x, c in product(range(out_h), range(out_w), range(out_c)):
        rows = [y * strides[0] - pads[0] + k for k in range(kernel[0])]
        columns = [x * strides[1] - pads[1] + k for k in range(kernel[1])]
        channels = [c // (out_c // in_c)] if depthwise or pool else range(in_c)
        reads = [
            (row * in_w + column) * in_c + channel
            for row, column, channel in product(rows, columns, channels)
            if 0 <= row < in_h and 0 <= column < in_w
        ]
        yield reads, [(y * out_w + x) * out_c + c]


@st.composite
def convolutions(draw: st.DrawFn, depthwise: bool) -> Graph:
    height, width, depth = draw(_SIDES), draw(_SIDES), draw(_CHANNELS)
    kernel = draw(st.sampled_from(((1, 1), (3, 3), (3, 1), (1, 3), (5, 2))))
    strides = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    fits = kernel[0] <= height and kernel[1] <= width
    padding = draw(st.sampled_from(("SAME", "VALID"))) if fits else "SAME"
    channels = depth * draw(st.integers(1, 3)) if depthwise else draw(_CHANNELS)
    sizes = [
        -(-size // s) if padding == "SAME" else (size - k) // s + 1
        for size, k, s in zip((height, width), kernel, strides, strict=True)
    ]
    return convolution(
        tensor(1, height, width, depth),
        kernel,
        tensor(1, *sizes, channels),
        kind="DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        padding=padding,
        stride_h=strides[0],
        stride_w=strides[1],
    )


def lead_of(graph: Graph, kernels: KernelLibrary = "reference", which: int = 0) -> int | None:
    return op_leads(graph, graph.ops[0], kernels)[which]


@given(convolutions(depthwise=False))
@_QUICK
def test_a_convolution_reads_a_pixels_window_for_every_channel(graph: Graph) -> None:
    lead = lead_of(graph)
    assert lead is not None
    least = needed(list(windows(graph, depthwise=False)))
    assert lead >= least
    if graph.output.shape[3] > 1:
        assert lead == least


@given(convolutions(depthwise=True))
@_QUICK
def test_a_depthwise_convolution_reads_a_channels_window_for_it_alone(graph: Graph) -> None:
    lead = lead_of(graph)
    assert lead is not None
    least = needed(list(windows(graph, depthwise=True)))
    assert lead >= least
    if graph.output.shape[3] > 1 and graph.output.elements > graph.output.shape[3]:
        assert lead == max(least, 0)


@given(st.integers(1, 6), st.integers(1, 6), _CHANNELS, st.integers(1, 3), st.integers(1, 2))
@_QUICK
def test_a_pool_reads_as_a_depthwise_convolution_does(
    h: int, w: int, c: int, kernel: int, stride: int
) -> None:
    options = {"padding": "SAME", "stride_h": stride, "stride_w": stride}
    options |= {"filter_height": kernel, "filter_width": kernel, "activation": "NONE"}
    graph = one_op(
        "MAX_POOL_2D", [tensor(1, h, w, c)], tensor(1, -(-h // stride), -(-w // stride), c), options=options
    )
    lead = lead_of(graph)
    assert lead is not None and lead >= needed(list(windows(graph, depthwise=True, pool=True)))


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
@_QUICK
def test_a_fully_connected_layer_reads_its_row_for_every_output(rows: int, depth: int, outputs: int) -> None:
    graph = fully_connected(tensor(rows, depth), tensor(rows, outputs))
    steps = [
        (range(row * depth, (row + 1) * depth), [row * outputs + column])
        for row, column in product(range(rows), range(outputs))
    ]
    lead = lead_of(graph)
    assert lead is not None and lead >= needed(steps)
    if outputs > 1:
        assert lead == needed(steps)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=4))
@_QUICK
def test_a_pad_writes_one_element_after_the_other(sides: list[tuple[int, int, int]]) -> None:
    x, y = [size for _, size, _ in sides], [sum(side) for side in sides]
    edges = tensor(values=[edge for before, _, after in sides for edge in (before, after)])
    assert edges.data is not None
    edges = replace(edges, shape=(len(sides), 2), data=edges.data.reshape(-1, 2))
    graph = one_op("PAD", [tensor(*x), edges], tensor(*y))
    inside = np.full(y, -1)
    inside[tuple(slice(b, b + n) for b, n, _ in sides)] = np.arange(prod(x)).reshape(x)
    steps = [([i] if i >= 0 else [], [k]) for k, i in enumerate(inside.reshape(-1).tolist())]
    assert lead_of(graph) == max(needed(steps), 0)


@given(
    st.integers(1, 3), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 2), st.booleans()
)
@_QUICK
def test_a_concatenation_copies_runs_that_must_not_overlap_their_copies(
    outer: int, sizes: list[int], inner: int, last: bool
) -> None:
    shapes = [(outer, size, inner) for size in sizes]
    graph = one_op(
        "CONCATENATION",
        [tensor(*shape) for shape in shapes],
        tensor(outer, sum(sizes), inner),
        options={"axis": -2 if last else 1, "activation": "NONE"},
    )
    runs = [size * inner for size in sizes]
    for which, run in enumerate(runs):
        copies, others, position = [], [], 0
        for k in range(outer):
            for turn, length in enumerate(runs):
                if turn == which:
                    copies.append((k * run, position, run))
                    others.append((range(k * run, (k + 1) * run), range(position, position + length)))
                else:
                    others.append(((), range(position, position + length)))
                position += length
        least = max(needed(others), *(target - source + n for source, target, n in copies))
        assert lead_of(graph, which=which) == least


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=4))
@_QUICK
def test_a_slice_copies_runs_of_the_last_dimension(sides: list[tuple[int, int, int]]) -> None:
    graph = cut_out(sides)
    x, y = graph.input.shape, graph.output.shape
    index = np.arange(prod(x)).reshape(x)[tuple(slice(b, b + n) for b, n, _ in sides)]
    starts = index.reshape(-1, y[-1])[:, 0].tolist()
    copies = [(start, k * y[-1], y[-1]) for k, start in enumerate(starts)]
    assert lead_of(graph) == needed_by_copies(copies)


def cut_out(sides: Sequence[tuple[int, int, int]]) -> Graph:
    """Return a STRIDED_SLICE that leaves out so many before and after in each dimension."""
    begins = tensor(values=[before for before, _, _ in sides])
    ends = tensor(values=[before + size for before, size, _ in sides])
    strides = tensor(values=[1] * len(sides))
    x, y = tensor(*(sum(side) for side in sides)), tensor(*(size for _, size, _ in sides))
    return one_op("STRIDED_SLICE", [x, begins, ends, strides], y)


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
def test_of_two_inputs_both_may_lie_under_the_output_if_neither_is_repeated(kind: str) -> None:
    alike = one_op(kind, [tensor(1, 4, 4, 2), tensor(1, 4, 4, 2)], tensor(1, 4, 4, 2))
    assert op_leads(alike, alike.ops[0], "reference") == (0, 0)
    repeated = one_op(kind, [tensor(1, 4, 4, 2), tensor(1, 1, 1, 2)], tensor(1, 4, 4, 2))
    assert op_leads(repeated, repeated.ops[0], "reference") == (None, None)


def test_mean_clears_its_output_first_and_so_overlaps_nothing() -> None:
    graph = one_op("MEAN", [tensor(1, 4, 4, 2), tensor(values=[1, 2])], tensor(1, 1, 1, 2))
    assert op_leads(graph, graph.ops[0], "reference") == (None, None)


def test_only_int8_has_leads() -> None:
    graph = convolution(tensor(1, 4, 4, 2, dtype="float32"), (3, 3), tensor(1, 4, 4, 2, dtype="float32"))
    assert set(op_leads(graph, graph.ops[0], "reference")) == {None}


@pytest.mark.parametrize("kernels", KERNEL_LIBRARIES)
def test_a_library_without_proof_has_no_leads(kernels: KernelLibrary) -> None:
    pointwise = convolution(tensor(1, 4, 4, 8), (1, 1), tensor(1, 4, 4, 4))
    grouped = convolution(tensor(1, 4, 4, 8), (3, 3), tensor(1, 4, 4, 8), filter_channels=4)
    full = convolution(tensor(1, 4, 4, 8), (3, 3), tensor(1, 4, 4, 4))
    known = {
        name: lead_of(graph, kernels) is not None
        for name, graph in (("pointwise", pointwise), ("grouped", grouped), ("full", full))
    }
    if kernels == "cmsis_nn_mve":
        assert known == {"pointwise": True, "grouped": False, "full": True}
    elif kernels == "reference":
        assert known == {"pointwise": True, "grouped": True, "full": True}
    elif kernels in ("cmsis_nn", "cmsis_nn_dsp"):
        assert known == {"pointwise": False, "grouped": False, "full": True}
    else:
        assert not any(known.values())


def test_a_reshape_is_in_place_or_apart() -> None:
    graph = one_op("RESHAPE", [tensor(1, 2, 2, 8), tensor(values=[1, 32])], tensor(1, 32))
    graph = replace(
        graph, ops=(*graph.ops, replace(graph.ops[0], index=1, kind="SOFTMAX", inputs=(2,), outputs=(3,)))
    )
    graph = replace(graph, tensors=(*graph.tensors, replace(graph.tensors[2], index=3)), outputs=(3,))
    (first, second) = overlaps_of(graph, head_buffers(graph), "reference")
    assert (first.lead, first.only, second.lead, second.only) == (0, True, 0, False)
    assert overlaps_of(graph, head_buffers(graph), "esp_nn_s3") == ()


def test_what_was_cut_out_for_the_last_time_is_dead() -> None:
    whole = tensor(1, 8, 2, 2)
    first, second = (
        cut_out([(0, 1, 0), (0, 3, 5), (0, 2, 0), (0, 2, 0)]),
        cut_out([(0, 1, 0), (2, 3, 3), (0, 2, 0), (0, 2, 0)]),
    )
    parts = [replace(whole, index=0)]
    ops = []
    for k, graph in enumerate((first, second)):
        parts += [replace(t, index=len(parts) + n) for n, t in enumerate(graph.tensors[1:])]
        base = 1 + 4 * k
        ops.append(replace(graph.ops[0], index=k, inputs=(0, base, base + 1, base + 2), outputs=(base + 3,)))
    graph = Graph(tuple(parts), tuple(ops), (0,), (4, 8))
    # The second begins with row 2, of 4 bytes each; before it has run the first reads from 0 on.
    assert dead_parts(graph, head_buffers(graph)) == (Dead(0, 2, 8),)
    assert dead_parts(replace(graph, outputs=(0, 4, 8)), head_buffers(graph)) == ()
