"""Static plans: exact for chains, never worse than greedy for any graph, valid by a checker that shares no code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgekit.aot.plan import AotPlan, plan_program
from edgekit.aot.program import Call, Program, lower
from edgekit.memory.exact import ExactSearch, least_plan
from edgekit.memory.greedy import MemoryPlan, plan_greedy
from edgekit.memory.lifetimes import Buffer, align, head_buffers, lower_bound
from edgekit.memory.overlap import grid_leads
from edgekit.memory.static_plan import Dead, Overlap, check_plan, plan_lower_bound, plan_static
from edgekit.mobilenet.architecture import Arch, NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.reader import read_graph

STEP = 16
Problem = tuple[list[Buffer], list[Overlap]]


@st.composite
def chains(draw: st.DrawFn, most: int = 30, scratch: bool = True) -> Problem:
    """Return tensors that are each the input of one operator and the output of the one before, and scratch."""
    count = draw(st.integers(2, most))
    sizes = draw(st.lists(st.integers(1, 6), min_size=count, max_size=count))
    kept = draw(st.booleans())
    buffers = [Buffer(STEP * s, k, min(k + 1, count - 1 + kept), tensor=k) for k, s in enumerate(sizes)]
    overlaps = [
        Overlap(k, k + 1, draw(st.integers(-buffers[k].size, buffers[k + 1].size + STEP)))
        for k in range(count - 1)
        if draw(st.integers(0, 4))
    ]
    if scratch:
        buffers += [
            Buffer(STEP * draw(st.integers(1, 3)), k, k, op=k - 1)
            for k in range(1, count)
            if not draw(st.integers(0, 2))
        ]
    return buffers, overlaps


@st.composite
def graphs(draw: st.DrawFn, most: int = 20) -> Problem:
    """Return the buffers of a graph with residuals and branches: an operator reads one or two of the last tensors."""
    count = draw(st.integers(1, most))
    sizes = [STEP * draw(st.integers(1, 20)) for _ in range(count + 1)]
    last = list(range(count + 1))
    reads: list[set[int]] = []
    for time in range(1, count + 1):
        recent = range(max(0, time - 4), time)
        reads.append({time - 1, draw(st.sampled_from(recent))} if draw(st.booleans()) else {time - 1})
        for index in reads[-1]:
            last[index] = time
    buffers = [Buffer(size, k, last[k], tensor=k) for k, size in enumerate(sizes)]
    overlaps = [
        Overlap(index, time, STEP * draw(st.integers(-5, 20)))
        for time, inputs in enumerate(reads, 1)
        for index in sorted(inputs)
        if last[index] == time and draw(st.integers(0, 3))
    ]
    buffers += [
        Buffer(STEP * draw(st.integers(1, 10)), time, time, op=time - 1)
        for time in range(1, count + 1)
        if not draw(st.integers(0, 2))
    ]
    return buffers, overlaps


def least_by_trial(buffers: Sequence[Buffer], overlaps: Sequence[Overlap]) -> int:
    """Return the least peak of all plans on the grid."""

    def fits(arena: int, offsets: tuple[int, ...]) -> bool:
        index = len(offsets)
        if index == len(buffers):
            return True
        for offset in range(0, arena - buffers[index].size + 1, STEP):
            tried = (*offsets, offset)
            known = [o for o in overlaps if max(o.input, o.output) <= index]
            if not check_plan(MemoryPlan(tuple(buffers[: index + 1]), tried), known) and fits(arena, tried):
                return True
        return False

    arena = max(buffer.size for buffer in buffers)
    while not fits(arena, ()):
        arena += STEP
    return arena


def in_order(problem: Problem, order: Sequence[int]) -> Problem:
    buffers, overlaps = problem
    place = {index: k for k, index in enumerate(order)}
    return [buffers[i] for i in order], [
        replace(o, input=place[o.input], output=place[o.output]) for o in overlaps
    ]


@given(chains(most=4))
@settings(deadline=None, max_examples=150)
def test_no_plan_of_a_chain_is_smaller(problem: Problem) -> None:
    buffers, overlaps = problem
    plan = plan_static(buffers, overlaps)
    assert check_plan(plan, overlaps) == []
    assert plan.peak == least_by_trial(
        *in_order(problem, sorted(range(len(buffers)), key=lambda i: buffers[i].first))
    )


@given(chains())
@settings(deadline=None)
def test_a_chain_without_overlap_takes_what_is_alive_at_once(problem: Problem) -> None:
    buffers, overlaps = problem
    plan = plan_static(buffers)
    assert check_plan(plan) == []
    assert plan.peak == lower_bound(buffers)
    assert plan_lower_bound(buffers, overlaps) <= plan_static(buffers, overlaps).peak <= plan.peak


@given(graphs())
@settings(deadline=None)
def test_a_graph_is_valid_and_never_worse_than_greedy(problem: Problem) -> None:
    buffers, overlaps = problem
    apart, shared = plan_static(buffers), plan_static(buffers, overlaps)
    assert check_plan(apart) == [] and check_plan(shared, overlaps) == []
    assert lower_bound(buffers) <= apart.peak <= plan_greedy(buffers).peak
    assert plan_lower_bound(buffers, overlaps) <= shared.peak <= apart.peak


@given(graphs(most=4))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_a_small_graph_gets_the_least_plan_too(problem: Problem) -> None:
    buffers, overlaps = problem
    buffers = [replace(b, size=STEP + b.size % (5 * STEP)) for b in buffers]
    assume(len(buffers) <= 7)
    assert plan_static(buffers, overlaps).peak == least_by_trial(buffers, overlaps)


@given(graphs(most=4))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_branch_and_bound_finds_the_least_plan_and_proves_it(problem: Problem) -> None:
    buffers = [replace(b, size=STEP + b.size % (5 * STEP)) for b in problem[0]]
    overlaps = [replace(o, lead=max(o.lead, 0)) for o in problem[1]]
    assume(len(buffers) <= 7)
    leads = grid_leads(buffers, overlaps)
    least = least_by_trial(buffers, overlaps)
    search = ExactSearch(buffers, leads)
    offsets = search.fit(least)
    assert offsets is not None and check_plan(MemoryPlan(tuple(buffers), tuple(offsets)), overlaps) == []
    assert search.fit(least - STEP) is None
    stacked = [sum(b.size for b in buffers[:k]) for k in range(len(buffers))]
    found, proven = least_plan(buffers, leads, stacked, 0, STEP)
    assert proven and MemoryPlan(tuple(buffers), tuple(found)).peak == least


def test_what_of_a_buffer_is_dead_is_free_for_others() -> None:
    # A quarter of the first is dead when the second is born, half when the third is.
    buffers = (Buffer(64, 0, 3), Buffer(16, 1, 3), Buffer(32, 2, 3))
    dead = [Dead(0, 1, 16), Dead(0, 2, 32)]
    plan = plan_static(buffers, (), dead)
    assert check_plan(plan, (), dead) == [] and check_plan(plan)
    assert plan_lower_bound(buffers, (), dead) == 80 <= plan.peak < plan_static(buffers).peak == 112
    # One step deeper, and bytes that are still read are lost.
    deeper = MemoryPlan(buffers, (0, 16, 64))
    assert "share bytes 16 to 32 at time 1" in check_plan(deeper, (), dead)[0]
    assert check_plan(MemoryPlan(buffers, (0, 0, 64)), (), dead) == []
    assert check_plan(MemoryPlan(buffers, (0, 0, 64)), (), dead[1:])


@given(st.one_of(chains(), graphs(most=10)), st.integers(0, 1000))
@settings(deadline=None, derandomize=True)
def test_the_order_of_the_buffers_does_not_matter(problem: Problem, seed: int) -> None:
    order = list(range(len(problem[0])))
    Random(seed).shuffle(order)
    plan = plan_static(*problem)
    assert plan_static(*problem) == plan
    assert plan_static(*in_order(problem, order)).offsets == tuple(plan.offsets[i] for i in order)


@given(st.one_of(chains(), graphs()))
@settings(deadline=None)
def test_the_checker_sees_an_offset_that_is_one_step_off(problem: Problem) -> None:
    buffers, overlaps = problem
    plan = plan_static(buffers, overlaps)
    leads = {(o.input, o.output): o.lead for o in overlaps}
    for low, high in permutations(range(len(buffers)), 2):
        if not buffers[low].alive_with(buffers[high]) or (low, high) in leads:
            continue
        gap = plan.offsets[high] - plan.offsets[low]
        # They touch, or the input lies as low above the output as it may.
        least = min(align(leads.get((high, low), buffers[low].size)), buffers[low].size)
        if gap == least and gap + buffers[high].size > STEP:
            moved = list(plan.offsets)
            moved[low] += STEP
            assert check_plan(replace(plan, offsets=tuple(moved)), overlaps), (low, high)


def test_the_checker_names_what_is_wrong() -> None:
    buffers = (Buffer(64, 0, 1), Buffer(64, 1, 2), Buffer(32, 2, 2))
    overlap = Overlap(0, 1, 32)
    assert check_plan(MemoryPlan(buffers, (32, 0, 64)), [overlap]) == []
    assert "leads by 16, not 32" in check_plan(MemoryPlan(buffers, (16, 0, 64)), [overlap])[0]
    assert "share bytes 32 to 64 at time 1" in check_plan(MemoryPlan(buffers, (32, 0, 64)))[0]
    assert "multiple of 16" in check_plan(MemoryPlan(buffers, (72, 0, 64)))[0]
    assert "multiple of 16" in check_plan(MemoryPlan(buffers, (96, 0, -16)))[0]
    assert "3 buffers have 2 offsets" in check_plan(MemoryPlan(buffers, (0, 64)))[0]
    longer = (Buffer(64, 0, 2), *buffers[1:])
    assert "before or after" in check_plan(MemoryPlan(longer, (32, 0, 128)), [overlap])[0]


def test_a_lead_of_less_than_the_whole_input_binds_nothing() -> None:
    buffers = (Buffer(1024, 0, 1), Buffer(32, 1, 2))
    assert plan_static(buffers, [Overlap(0, 1, -1024)]).peak == 1024
    assert plan_static(buffers, [Overlap(0, 1, 32)]).peak == 1056


def test_an_output_may_begin_above_its_input_where_the_lead_is_negative() -> None:
    # The last operator needs its input at the bottom, under its scratch; the output comes to lie above the input.
    buffers = (Buffer(64, 0, 1), Buffer(64, 1, 2), Buffer(32, 1, 1))
    plan = plan_static(buffers, [Overlap(0, 1, -16)])
    assert plan.peak == 96
    shifted = MemoryPlan(buffers, (0, 16, 80))
    assert check_plan(shifted, [Overlap(0, 1, -16)]) == []
    assert check_plan(shifted, [Overlap(0, 1, 0)])


def test_an_addition_can_take_the_place_of_one_input() -> None:
    buffers = [Buffer(64, 0, 2, tensor=0), Buffer(64, 1, 2, tensor=1), Buffer(64, 2, 2, tensor=2)]
    assert plan_static(buffers).peak == 192
    plan = plan_static(buffers, [Overlap(0, 2, 0), Overlap(1, 2, 0)])
    assert plan.peak == 128 and plan.offsets[2] in plan.offsets[:2]


def test_tensors_that_no_operator_uses_are_apart_from_each_other_only() -> None:
    plan = plan_static([Buffer(64, 0, 1), Buffer(32, -1, -1), Buffer(48, -1, -1), Buffer(16, 1, 1)])
    assert plan.peak == 80 and check_plan(plan) == []
    assert plan_static([]).peak == 0


def test_sizes_count_rounded_up() -> None:
    plan = plan_static([Buffer(10, 0, 1), Buffer(10, 1, 2), Buffer(3, 1, 1)])
    assert sorted(plan.offsets) == [0, 16, 32]


@pytest.mark.parametrize(("pair"), [(0, 2), (1, 0), (1, 1)])
def test_an_overlap_of_buffers_that_do_not_meet_is_refused(pair: tuple[int, int]) -> None:
    buffers = [Buffer(16, 0, 1), Buffer(16, 1, 2), Buffer(16, 3, 3)]
    with pytest.raises(ValueError, match="do not meet"):
        plan_static(buffers, [Overlap(*pair, 0)])


@pytest.mark.parametrize(
    ("alpha", "resolution", "greedy", "apart", "shared"),
    [
        (0.25, 96, 73_728, 55_296, 36_864),
        (0.25, 224, 401_408, 301_056, 200_704),
        (0.5, 160, 307_200, 307_200, 204_800),
        (1.0, 224, 1_204_224, 1_204_224, 802_816),
    ],
)
def test_plans_of_the_paper_grid(alpha: float, resolution: int, greedy: int, apart: int, shared: int) -> None:
    graph = network_graph(NetworkSpec("mobilenet_v1", alpha, resolution, 3, 2))
    buffers = head_buffers(graph)
    assert (plan_greedy(buffers).peak, plan_static(buffers).peak) == (greedy, apart)
    plan = plan_program(lower(graph))
    assert plan.activations == shared and plan.scratch <= 128
    assert check_plan(plan.plan, plan.overlaps) == []


@pytest.mark.parametrize("arch", ["mobilenet_v1", "conv_mobilenet_v1", "shallow_mobilenet_v1"])
def test_every_network_of_the_family_is_a_chain_with_a_valid_plan(arch: Arch) -> None:
    graph = network_graph(NetworkSpec(arch, 0.25, 96, 3, 2))
    plan = plan_program(lower(graph))
    assert check_plan(plan.plan, plan.overlaps) == []
    assert plan_lower_bound(plan.plan.buffers, plan.overlaps) <= plan.total <= lower_bound(plan.plan.buffers)
    assert plan.total == plan.activations + plan.scratch == plan.plan.peak


@pytest.mark.parametrize(
    ("name", "most"), [("vww_96_int8", 36_880), ("kws_ref_model", 9_600), ("ad01_int8", 1_920)]
)
def test_trained_models_take_less_than_with_tflite_micro(shared_models: Path, name: str, most: int) -> None:
    graph = read_graph((shared_models / f"{name}.tflite").read_bytes())
    plan = plan_program(lower(graph))
    assert check_plan(plan.plan, plan.overlaps) == []
    assert plan.total <= most


@dataclass(frozen=True)
class StubKernel:
    """A kernel that is nothing but its needs."""

    leads: tuple[int | None, ...]
    scratch: int = 0


def program(
    sizes: Sequence[int], calls: Sequence[tuple[tuple[int, ...], StubKernel]], outputs: tuple[int, ...] = ()
) -> Program:
    """Return a program whose call ``k`` writes tensor ``k + 1``; tensor 0 is the model's input."""
    tensors = tuple(Tensor(index, (size,), "int8") for index, size in enumerate(sizes))
    ops = tuple(Op(k, "ADD", inputs, (k + 1,)) for k, (inputs, _) in enumerate(calls))
    graph = Graph(tensors, ops, (0,), outputs or (len(sizes) - 1,))
    return Program(
        graph,
        tuple(Call(k, kernel, inputs, k + 1) for k, (inputs, kernel) in enumerate(calls)),
        {index: index for index in range(len(sizes))},
    )


def placed(result: AotPlan) -> None:
    """Check that the calls' offsets are those of the plan."""
    assert check_plan(result.plan, result.overlaps) == []
    assert result.total == result.plan.peak and result.total % 16 == 0
    by_tensor = dict(zip((b.tensor for b in result.plan.buffers), result.plan.offsets, strict=True))
    assert all(by_tensor[index] == offset for index, offset in result.offset_of.items())


def test_scratch_lies_beside_the_tensors_of_its_call_and_counts_apart() -> None:
    result = plan_program(program([64, 64, 30], [((0,), StubKernel((0,), 40)), ((1,), StubKernel((None,)))]))
    placed(result)
    first, second = result.calls
    assert (result.activations, result.scratch, result.total) == (96, 16, 112)
    assert first.inputs == (first.output,) and second.inputs == (first.output,)
    assert first.scratch is not None and second.scratch is None


def test_an_input_that_is_read_again_is_not_overwritten() -> None:
    in_place = StubKernel((0,))
    again = plan_program(program([64, 64, 64], [((0,), in_place), ((0, 1), StubKernel((0, 0)))]))
    placed(again)
    assert again.total == 128
    assert plan_program(program([64, 64, 64], [((0,), in_place), ((1,), in_place)])).total == 64


def test_a_tensor_that_is_both_inputs_obeys_both_leads() -> None:
    one = plan_program(program([64, 64], [((0, 0), StubKernel((0, 32)))]))
    assert (one.total, one.calls[0].inputs) == (96, (32, 32))
    assert plan_program(program([64, 64], [((0, 0), StubKernel((0, None)))])).total == 128


def test_the_models_output_lives_to_the_end() -> None:
    in_place = StubKernel((0,))
    result = plan_program(program([64, 64, 64], [((0,), in_place), ((1,), in_place)], outputs=(1,)))
    placed(result)
    assert result.total == 128


def test_a_reshape_has_no_memory_of_its_own() -> None:
    tensors = (Tensor(0, (8, 8), "int8"), Tensor(1, (64,), "int8"), Tensor(2, (64,), "int8"))
    ops = (Op(0, "RESHAPE", (0,), (1,)), Op(1, "RELU", (1,), (2,)))
    call = Call(1, StubKernel((0,)), (0,), 2)
    result = plan_program(Program(Graph(tensors, ops, (0,), (2,)), (call,), {0: 0, 1: 0, 2: 2}))
    placed(result)
    assert result.total == 64
    # The time of the call is that of its operator in the graph.
    assert [(b.tensor, b.first, b.last) for b in result.plan.buffers] == [(0, 0, 2), (2, 2, 2)]
