"""Memory plans for TFLite Micro: what each is called, and the graph with the plan in it.

The plan is part of the model (:mod:`edgekit.tflite.offline`): tensors lie where it says, and TFLite Micro puts the
kernels' scratch into the gaps or on top. A plan is taken only where the arena that results is smaller than without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory.arena import tflm_plan
from edgekit.memory.lifetimes import Buffer, head_buffers
from edgekit.memory.overlap import Dead, Overlap
from edgekit.memory.plan_check import check_plan
from edgekit.memory.plan_names import TENSOR_PLANS, TensorPlan
from edgekit.memory.releases import VERIFIED_RELEASE, Abi, TflmRelease
from edgekit.memory.scratch import scratch_requests
from edgekit.memory.static_plan import plan_lower_bound, plan_static
from edgekit.memory.tflm_leads import dead_parts, overlaps_of
from edgekit.tflite.form import MAX_TENSOR_BYTES, disorder
from edgekit.tflite.graph import Graph
from edgekit.tflite.offline import OFFLINE_PLAN, ONLINE, offline_offsets, with_offsets
from edgekit.tflite.support import Problem


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
    stages = plan_stages(graph, kernels, abi, release)
    return next(found for name, found in stages if name == plan)


def plan_stages(
    graph: Graph, kernels: KernelLibrary, abi: Abi = "arm32", release: TflmRelease = VERIFIED_RELEASE
) -> Iterator[tuple[TensorPlan, Graph]]:
    """Yield what :func:`with_plan` returns for each plan in turn; the same graph where a plan brings nothing more."""
    best = with_offsets(graph, None)
    yield "greedy", best
    scratch = scratch_requests(graph, kernels, abi, release)
    buffers = head_buffers(graph, scratch)
    dead = dead_parts(graph, buffers)
    least = tflm_plan(best, scratch).peak
    for name in TENSOR_PLANS[1:]:
        overlaps = overlaps_of(graph, buffers, kernels) if name == "overlap" else ()
        if (name == "offline" or overlaps) and MAX_TENSOR_BYTES > least > plan_lower_bound(
            buffers, overlaps, dead
        ):
            found = with_offsets(graph, _planned(graph, buffers, overlaps, dead))
            peak = tflm_plan(found, scratch).peak
            if peak < least:
                best, least = found, peak
        yield name, best


def plan_name(graph: Graph) -> TensorPlan:
    """Return what the plan in ``graph`` is: ``overlap`` where tensors that live together share memory."""
    if graph.metadata.get(OFFLINE_PLAN) is None:
        return "greedy"
    plan = tflm_plan(graph, ())
    return "overlap" if check_plan(plan, (), dead_parts(graph, plan.buffers)) else "offline"


def plan_problems(graph: Graph, kernels: KernelLibrary) -> list[Problem]:
    """Return what is wrong with the plan in ``graph`` when it runs with ``kernels``; empty without a plan.

    Of a graph that cannot run as it is, its plan is not looked at.
    """
    if disorder(graph) is not None:
        return []
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


def _planned(
    graph: Graph, buffers: Sequence[Buffer], overlaps: Sequence[Overlap], dead: Sequence[Dead]
) -> list[int]:
    """Return the offset of every tensor, constants and scratch left to TFLite Micro; a RESHAPE works in place."""
    owner = list(range(len(buffers)))
    merged = list(buffers)
    for overlap in overlaps:
        if overlap.only:
            root, output = owner[overlap.input], buffers[overlap.output]
            owner = [root if o == overlap.output else o for o in owner]
            size = max(merged[root].size, output.size)
            merged[root] = replace(merged[root], size=size, last=output.last)
    place = {index: k for k, index in enumerate(sorted(set(owner)))}
    found = plan_static(
        [merged[index] for index in place],
        [Overlap(place[owner[o.input]], place[owner[o.output]], o.lead) for o in overlaps if not o.only],
        [replace(part, buffer=place[part.buffer]) for part in dead if part.buffer in place],
    )
    offsets = [ONLINE] * len(graph.tensors)
    for index, buffer in enumerate(buffers):
        if buffer.tensor >= 0:
            offsets[buffer.tensor] = found.offsets[place[owner[index]]]
    return offsets
