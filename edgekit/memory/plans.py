"""Memory plans for TFLite Micro: what each is called, and the graph with the plan in it.

The plan is part of the model (:mod:`edgekit.tflite.offline`): tensors lie where it says, and TFLite Micro puts the
kernels' scratch into the gaps or on top. A plan is taken only where the arena that results is smaller than without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal, get_args

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory.arena import tflm_plan
from edgekit.memory.lifetimes import Buffer, head_buffers
from edgekit.memory.overlap import Dead, Overlap
from edgekit.memory.plan_check import check_plan
from edgekit.memory.releases import VERIFIED_RELEASE, Abi, TflmRelease
from edgekit.memory.scratch import scratch_requests
from edgekit.memory.static_plan import plan_static
from edgekit.memory.tflm_leads import dead_parts, overlaps_of
from edgekit.tflite.graph import Graph
from edgekit.tflite.offline import OFFLINE_PLAN, ONLINE, offline_offsets, with_offsets
from edgekit.tflite.support import Problem

TensorPlan = Literal["greedy", "offline", "overlap"]
"""Where tensors lie: by TFLite Micro's greedy planner, by a plan that lets none overlap, or by one that does."""
TENSOR_PLANS: Final[tuple[TensorPlan, ...]] = get_args(TensorPlan)

Plan = Literal[TensorPlan, "bands"]
"""How a network's memory is planned: ``bands`` are a change of the network too, planned as far as its kernels allow."""
PLANS: Final[tuple[Plan, ...]] = get_args(Plan)


def with_plan(
    graph: Graph,
    plan: TensorPlan,
    kernels: KernelLibrary,
    abi: Abi = "arm32",
    release: TflmRelease = VERIFIED_RELEASE,
) -> Graph:
    """Return ``graph`` with the least plan up to ``plan``: ``overlap`` stands for the best of all three.

    Parameters
    ----------
    graph:
        A model of one subgraph; a plan that it has is left out.
    kernels:
        Kernel library of TFLite Micro, whose scratch and leads count.
    abi, release:
        Of the target; pointers take part in some scratch.

    Returns
    -------
    Graph
        Without a plan where TFLite Micro's own needs no more.
    """
    best = with_offsets(graph, None)
    if plan == "greedy":
        return best
    scratch = scratch_requests(graph, kernels, abi, release)
    buffers = head_buffers(graph, scratch)
    least = tflm_plan(best, scratch).peak
    dead = dead_parts(graph, buffers)
    candidates = [_offsets(graph, buffers, plan_static(buffers, (), dead).offsets)]
    if plan == "overlap":
        candidates.append(_overlapped(graph, buffers, dead, kernels))
    for offsets in candidates:
        found = with_offsets(graph, offsets)
        peak = tflm_plan(found, scratch).peak
        if peak < least:
            best, least = found, peak
    return best


def plan_name(graph: Graph) -> TensorPlan:
    """Return what the plan in ``graph`` is: ``overlap`` where tensors that live together share memory."""
    if graph.metadata.get(OFFLINE_PLAN) is None:
        return "greedy"
    plan = tflm_plan(graph, ())
    return "overlap" if check_plan(plan, (), dead_parts(graph, plan.buffers)) else "offline"


def plan_problems(graph: Graph, kernels: KernelLibrary) -> list[Problem]:
    """Return what is wrong with the plan in ``graph`` when it runs with ``kernels``; empty without a plan."""
    try:
        if offline_offsets(graph) is None:
            return []
    except ValueError as error:
        return [_problem(f"Its memory plan cannot be loaded: {error}.")]
    plan = tflm_plan(graph, scratch_requests(graph, kernels))
    overlaps, dead = overlaps_of(graph, plan.buffers, kernels), dead_parts(graph, plan.buffers)
    wrong = check_plan(plan, overlaps, dead)
    if not wrong:
        return []
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return [_problem(f"Its memory plan gives wrong results with {kernels} kernels: {wrong[0]}{more}.")]


def _problem(text: str) -> Problem:
    return Problem(
        None,
        "model",
        text,
        "Make a plan for these kernels with `edgekit plan`, or leave it out: `--plan greedy`.",
    )


def _overlapped(
    graph: Graph, buffers: Sequence[Buffer], dead: Sequence[Dead], kernels: KernelLibrary
) -> list[int]:
    """Return the offset of every tensor in a plan with overlap, in which a RESHAPE works in place."""
    overlaps = overlaps_of(graph, buffers, kernels)
    owner = list(range(len(buffers)))
    merged = list(buffers)
    for overlap in overlaps:
        if overlap.only:
            root = owner[overlap.input]
            owner = [root if o == overlap.output else o for o in owner]
            merged[root] = replace(
                merged[root],
                size=max(merged[root].size, buffers[overlap.output].size),
                last=buffers[overlap.output].last,
            )
    kept = sorted(set(owner))
    place = {index: k for k, index in enumerate(kept)}
    shared = [Overlap(place[owner[o.input]], place[owner[o.output]], o.lead) for o in overlaps if not o.only]
    gone = [replace(part, buffer=place[part.buffer]) for part in dead if part.buffer in place]
    found = plan_static([merged[index] for index in kept], shared, gone)
    return _offsets(graph, buffers, [found.offsets[place[owner[k]]] for k in range(len(buffers))])


def _offsets(graph: Graph, buffers: Sequence[Buffer], offsets: Sequence[int]) -> list[int]:
    """Return the offset of every tensor, constants and scratch left to TFLite Micro."""
    of_tensor = [ONLINE] * len(graph.tensors)
    for buffer, offset in zip(buffers, offsets, strict=True):
        if buffer.tensor >= 0:
            of_tensor[buffer.tensor] = offset
    return of_tensor
