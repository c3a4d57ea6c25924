"""Plans inside a model: what they cost, what they are safe with, how they are read; PADs and bands."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from aot_graphs import GraphBuilder
from graphs import convolution, followed_by, tensor
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import chain_with_residuals, random_graph

from edgekit.bench.job import check_kernels
from edgekit.errors import InputError, TaskError
from edgekit.memory.arena import ArenaLimit, predict_arena, predict_wheel_arena, tflm_plan
from edgekit.memory.band_choice import band_choices, with_bands
from edgekit.memory.bands import band_layers, banded, cut
from edgekit.memory.fold_pad import fold_pads
from edgekit.memory.greedy import plan_greedy
from edgekit.memory.lifetimes import Buffer, head_buffers
from edgekit.memory.plan_names import PLANS, TENSOR_PLANS
from edgekit.memory.plans import plan_name, plan_problems, with_plan
from edgekit.memory.releases import TFLM_WHEEL
from edgekit.memory.rewrite import plan_graph, plan_model, variants
from edgekit.memory.scratch import scratch_requests
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.macs import graph_mult_adds
from edgekit.tflite.offline import OFFLINE_PLAN, offline_offsets, with_offsets
from edgekit.tflite.writer import write_model

SEEDS = st.integers(0, 400)


def network(alpha: float, resolution: int, classes: int = 2) -> Graph:
    return network_graph(NetworkSpec("mobilenet_v1", alpha, resolution, 3, classes))


# --- the numbers that plans are made for ---


@pytest.mark.parametrize(
    ("alpha", "resolution", "greedy", "offline", "overlap"),
    [
        (0.25, 96, 73_728, 55_296, 36_880),
        (0.25, 224, 401_408, 301_056, 200_720),
        (0.5, 160, 307_200, 307_200, 204_816),
        (1.0, 224, 1_204_224, 1_204_224, 802_848),
    ],
)
def test_heads_of_the_paper_grid(
    alpha: float, resolution: int, greedy: int, offline: int, overlap: int
) -> None:
    graph = network(alpha, resolution)
    heads = [
        predict_arena(with_plan(graph, plan, "reference"), "reference", "cortex-m4f").head
        for plan in TENSOR_PLANS
    ]
    assert heads == [greedy, offline, overlap]


@pytest.mark.parametrize(
    ("alpha", "resolution", "most"), [(0.25, 224, 246_480), (0.5, 160, 249_952), (1.0, 96, 252_240)]
)
def test_arenas_in_bands_without_overlap(alpha: float, resolution: int, most: int) -> None:
    # ESP-NN's kernels without vectors ask for no scratch and let nothing overlap: safe with every kernel.
    found = with_bands(network(alpha, resolution), "esp_nn", "lp64", TFLM_WHEEL)
    assert found is not None
    assert plan_name(found[0]) == "offline"
    assert predict_wheel_arena(found[0]).total <= most


def test_plans_leave_room_for_the_kernels_scratch() -> None:
    graph = network(0.25, 96)
    for kernels in ("esp_nn_s3", "cmsis_nn_dsp", "cmsis_nn_mve"):
        greedy, offline = (
            predict_arena(with_plan(graph, plan, kernels), kernels, "cortex-m55")
            for plan in ("greedy", "offline")
        )
        assert offline.head + offline.scratch < greedy.head + greedy.scratch


# --- plans of any graph ---


@given(SEEDS, st.sampled_from(("reference", "cmsis_nn_dsp", "esp_nn_s3")))
@settings(max_examples=12, deadline=None)
def test_no_plan_is_larger_than_the_one_before_it(seed: int, kernels: str) -> None:
    graph = random_graph(seed)
    planned = [plan_model(graph, plan, kernels) for plan in PLANS]  # type: ignore[arg-type]
    needs = [each.arena.required for each in planned]
    stock = predict_arena(graph, kernels, "cortex-m4f").required  # type: ignore[arg-type]
    assert [stock, *needs] == sorted([stock, *needs], reverse=True)
    for each in planned:
        assert plan_problems(each.graph, kernels) == []  # type: ignore[arg-type]
        assert each.arena == predict_arena(each.graph, kernels, "cortex-m4f")  # type: ignore[arg-type]


def test_an_offline_plan_is_safe_with_every_library_and_an_overlapping_one_with_its_own() -> None:
    graph = network(0.25, 96)
    offline, overlap = (with_plan(graph, plan, "reference") for plan in ("offline", "overlap"))
    for kernels in (
        "reference",
        "cmsis_nn",
        "cmsis_nn_dsp",
        "cmsis_nn_mve",
        "esp_nn",
        "esp_nn_s3",
        "esp_nn_p4",
    ):
        assert plan_problems(offline, kernels) == []  # type: ignore[arg-type]
        wrong = plan_problems(overlap, kernels)  # type: ignore[arg-type]
        assert bool(wrong) == (kernels != "reference")
    assert (plan_name(graph), plan_name(offline), plan_name(overlap)) == ("greedy", "offline", "overlap")


def test_a_bench_refuses_a_device_with_other_kernels_than_the_plan_is_for() -> None:
    model = write_model(with_plan(network(0.25, 96), "overlap", "reference"))
    check_kernels("reference", model)
    check_kernels("dsp", model)
    with pytest.raises(TaskError, match="has cmsis_nn kernels"):
        check_kernels("cmsis_nn", model)
    check_kernels("cmsis_nn", write_model(with_plan(network(0.25, 96), "offline", "cmsis_nn")))


def test_the_planner_works_around_what_is_fixed() -> None:
    buffers = [Buffer(64, 0, 1), Buffer(32, 1, 2), Buffer(16, 1, 1), Buffer(48, 0, 2)]
    plan = plan_greedy(buffers, {0: 16, 3: 16})
    # The fixed ones overlap, as they were told; the small one fits below them, the other goes on top.
    assert plan.offsets == (16, 80, 0, 16)
    assert plan_greedy(buffers, {}) == plan_greedy(buffers)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((0, 2), "version"),
        ((1, 1), "subgraph"),
        ((2, 3), "offsets for"),
        ((3, -2), "negative"),
    ],
)
def test_a_plan_that_is_none_of_this_graph(change: tuple[int, int], words: str) -> None:
    graph = convolution(tensor(1, 8, 8, 4), (3, 3), tensor(1, 8, 8, 4))
    planned = with_offsets(graph, [0, -1, -1, 256])
    assert offline_offsets(planned) == (0, -1, -1, 256)
    values = np.frombuffer(planned.metadata[OFFLINE_PLAN], "<i4").copy()
    values[change[0]] = change[1]
    broken = replace(planned, metadata={OFFLINE_PLAN: values.tobytes()})
    with pytest.raises(ValueError, match=words):
        offline_offsets(broken)
    assert "cannot be loaded" in plan_problems(broken, "reference")[0].problem
    assert tflm_plan(broken, ()) == tflm_plan(graph, ())
    with pytest.raises(ValueError, match="2 offsets for 4 tensors"):
        with_offsets(graph, [0, 0])


# --- PADs ---


def strided(size: int, before: int, after: int, stride: int = 2, depthwise: bool = False) -> Graph:
    b = GraphBuilder((1, size, size, 4), seed=size)
    padded = b.pad(b.input, [(0, 0), (before, after), (before, after), (0, 0)])
    return b.graph(b.conv(padded, 4, (3, 3), (stride, stride), padding="VALID", depthwise=depthwise))


@pytest.mark.parametrize(
    ("size", "before", "after", "stride", "folds"),
    [
        (8, 0, 1, 2, True),
        (9, 1, 1, 2, True),
        (8, 1, 1, 1, True),
        (8, 1, 1, 2, False),
        (9, 0, 1, 2, False),
        (8, 0, 2, 2, True),
        (8, 0, 3, 2, False),
        (8, 1, 0, 1, False),
    ],
)
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_pad_is_folded_where_the_result_is_the_same(
    size: int, before: int, after: int, stride: int, folds: bool, depthwise: bool
) -> None:
    graph = strided(size, before, after, stride, depthwise)
    folded = fold_pads(graph)
    assert ("PAD" not in folded.op_kinds) == folds
    if folds:
        one = np.random.default_rng(0).integers(-128, 128, graph.input.shape, np.int8)
        outputs = [HostInterpreter(write_model(each)).run([one])[0] for each in (graph, variants(graph)[0])]
        assert np.array_equal(*outputs)
        assert len(variants(graph)) == 2


def test_a_pad_stays_that_another_operator_reads_or_that_is_no_zero() -> None:
    graph = strided(8, 0, 1)
    read = followed_by(replace(graph, outputs=(graph.ops[0].outputs[0],)), "RELU")
    assert fold_pads(replace(read, outputs=(*graph.outputs, *read.outputs))).op_kinds[0] == "PAD"
    assert fold_pads(replace(graph, outputs=(*graph.outputs, graph.ops[0].outputs[0]))).op_kinds[0] == "PAD"
    other = replace(graph.tensors[graph.ops[0].outputs[0]], quantization=None)
    tensors = [other if t.index == other.index else t for t in graph.tensors]
    assert fold_pads(replace(graph, tensors=tuple(tensors))).op_kinds[0] == "PAD"


def test_a_model_that_is_not_understood_stays_as_it_is() -> None:
    graph = convolution(tensor(1, 8, 8, 4), (3, 3), tensor(1, 8, 8, 4))
    with pytest.raises(InputError, match="values of tensor"):
        variants(graph)
    known = replace(
        graph, tensors=tuple(replace(t, data=t.values()) if t.constant else t for t in graph.tensors)
    )
    assert variants(known)[0].ops == known.ops
    for broken, words in (
        (replace(known, subgraphs=2), "2 subgraphs"),
        (replace(known, ops=(replace(known.ops[0], kind="CUSTOM", custom_code="Mine"),)), "Mine"),
        (replace(known, tensors=(replace(known.tensors[0], variable=True), *known.tensors[1:])), "tensor 0"),
    ):
        with pytest.raises(InputError, match=words):
            variants(broken)


# --- bands ---


@given(
    st.integers(5, 40),
    st.lists(
        st.tuples(st.sampled_from((1, 3, 5)), st.sampled_from((1, 2)), st.booleans()), min_size=1, max_size=4
    ),
    st.integers(2, 6),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_bands_give_the_same_bytes(
    size: int, layers: list[tuple[int, int, bool]], count: int, seed: int
) -> None:
    b = GraphBuilder((1, size, 6, 2), seed=seed)
    x = b.input
    for kernel, stride, same in layers:
        fits = b.shape(x)[1] >= kernel and b.shape(x)[2] >= kernel
        x = b.conv(x, 3, (kernel, kernel), (stride, stride), padding="SAME" if same or not fits else "VALID")
    graph = b.graph(x)
    found = banded(graph, len(layers), count)
    if found is None:
        return
    rows = [op for op in found.ops if op.kind == "CONCATENATION"]
    assert [len(op.inputs) for op in rows] == [count]
    one = np.random.default_rng(seed).integers(-128, 128, graph.input.shape, np.int8)
    outputs = [HostInterpreter(write_model(each)).run([one])[0] for each in (graph, found)]
    assert np.array_equal(*outputs)


def test_bands_that_lack_a_row_are_noticed() -> None:
    graph = GraphBuilder((1, 16, 8, 2), seed=1)
    graph.conv(graph.conv(graph.input, 4), 4)
    whole = graph.graph(graph.last)
    layers = tuple(layer.rows for layer in band_layers(whole))
    bands = cut(layers, 2)
    assert bands is not None
    # The first band sees two rows of the second, and gives them up again.
    assert (bands[0].start, bands[0].stop, bands[0].heights[-1], bands[0].keep) == (0, 10, 10, (0, 8))
    assert (bands[1].start, bands[1].stop, bands[1].keep) == (6, 16, (2, 10))
    one = np.random.default_rng(0).integers(-128, 128, whole.input.shape, np.int8)
    right, found = (HostInterpreter(write_model(g)).run([one])[0] for g in (whole, banded(whole, 2, 2)) if g)
    assert np.array_equal(right, found)
    spoilt = banded(whole, 2, 2)
    assert spoilt is not None
    first = next(op for op in spoilt.ops if op.kind == "STRIDED_SLICE" and op.inputs[0] != whole.inputs[0])
    begin = spoilt.tensors[first.inputs[1]]
    end = spoilt.tensors[first.inputs[2]]
    moved = {t.index: replace(t, data=t.values() + np.array([0, 1, 0, 0], np.int32)) for t in (begin, end)}
    tensors = tuple(moved.get(t.index, t) for t in spoilt.tensors)
    assert not np.array_equal(
        right, HostInterpreter(write_model(replace(spoilt, tensors=tensors))).run([one])[0]
    )


def test_the_estimate_of_a_choice_is_near_what_it_comes_to() -> None:
    graph = network(0.25, 224)
    found = with_bands(graph, "reference", limit=None)
    assert found is not None
    planned, choice = found
    arena = predict_arena(planned, "reference", "cortex-m4f")
    assert choice.arena == arena.required
    assert graph_mult_adds(planned) == graph_mult_adds(graph) + choice.mult_adds
    tail = predict_arena(graph, "esp_nn", "cortex-m4f").tail
    assert "notes" in (banded(replace(graph, metadata={"notes": b""}), 4, 4) or graph).metadata
    for estimate in sorted(band_choices(graph, tail), key=lambda c: c.arena)[:5]:
        cut_graph = banded(graph, estimate.depth, estimate.count)
        assert cut_graph is not None
        exact = predict_arena(with_plan(cut_graph, "offline", "esp_nn"), "esp_nn", "cortex-m4f").total
        assert abs(exact - estimate.arena) < 0.04 * exact


def test_a_limit_is_reached_with_as_few_more_mult_adds_as_possible() -> None:
    graph = network(0.5, 160)
    least = with_bands(graph, "reference")
    enough = with_bands(graph, "reference", limit=ArenaLimit(240_000))
    assert least is not None and enough is not None
    assert enough[1].arena <= 240_000 and enough[1].mult_adds < least[1].mult_adds
    whole = plan_graph(graph, "bands", "reference", limit=ArenaLimit(260_000))
    assert (whole.plan, whole.bands) == ("overlap", None), "it fits without bands"


def test_no_bands_where_the_beginning_is_no_chain_of_convolutions() -> None:
    b = GraphBuilder((1, 8, 8, 4), seed=3)
    y = b.conv(b.input, 4)
    graph = b.graph(b.add(b.input, y, (0.05, 3)))
    assert band_layers(graph) == () and with_bands(graph, "reference") is None
    assert banded(network(0.25, 96), 40, 4) is None


# --- size ---


def test_a_graph_of_two_hundred_operators_is_planned() -> None:
    graph = chain_with_residuals(200)
    start = time.perf_counter()
    planned = with_plan(graph, "overlap", "reference")
    # No limit on a machine that others use; `make bench` has it.
    assert time.perf_counter() - start < 60
    assert plan_problems(planned, "reference") == []
    buffers = head_buffers(planned, scratch_requests(planned, "reference"))
    assert tflm_plan(planned, ()).peak <= plan_greedy(buffers).peak


def test_a_plan_whose_offsets_would_not_fit_into_the_file_is_not_made() -> None:
    tensors = tuple(replace(tensor(1, 1 << 15, 1 << 15), index=index) for index in range(4))
    steps = (("RELU", 0, 1), ("RELU", 0, 2), ("TANH", 2, 3))
    ops = tuple(Op(k, kind, (x,), (y,)) for k, (kind, x, y) in enumerate(steps))
    graph = Graph(tensors, ops, (0,), (0, 1, 3))
    for plan in PLANS:
        planned = plan_model(graph, plan, "reference")
        assert planned.plan == "greedy" and planned.arena.head == 4 << 30
