"""Memory plans made ahead of time, with or without overlap of an operator's input and output.

A chain of operators, as MobileNet V1 is one, gets the least plan there is. Any other graph gets the best of several
heuristics; TFLite Micro's own plan is among them, so that none is worse. Where it is small and they do not reach the
lower bound, branch and bound looks whether there is a smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgekit.memory.chain import find_chain, plan_chain
from edgekit.memory.exact import MOST_BUFFERS, least_plan
from edgekit.memory.greedy import MemoryPlan, plan_greedy
from edgekit.memory.lifetimes import ALIGNMENT, Buffer, align
from edgekit.memory.overlap import Dead, Leads, Overlap, grid_leads, least_peak, prefix_leads
from edgekit.memory.placement import Placement
from edgekit.memory.plan_check import check_plan

__all__ = ["Dead", "Overlap", "check_plan", "plan_lower_bound", "plan_static"]


def plan_static(
    buffers: Sequence[Buffer], overlaps: Sequence[Overlap] = (), dead: Sequence[Dead] = ()
) -> MemoryPlan:
    """Return the least plan that can be found for ``buffers``; offsets are multiples of 16.

    Parameters
    ----------
    buffers:
        What is to be placed; sizes count rounded up to 16.
    overlaps:
        Inputs that outputs may grow into. Scratch is in none of them.
    dead:
        Parts of buffers that others may lie in.

    Returns
    -------
    MemoryPlan
        Never larger than :func:`plan_greedy`'s, nor than the one without overlap. For chains it is the least of all:
        without overlap its peak is :func:`lower_bound`.

    Raises
    ------
    ValueError
        If an overlap is between buffers that do not meet in one operator.
    """
    leads = grid_leads(buffers, overlaps)
    for pair, lead in prefix_leads(buffers, dead).items():
        leads[pair] = min(lead, leads.get(pair, lead))
    aligned = [b if b.size == align(b.size) else replace(b, size=align(b.size)) for b in buffers]
    offsets = [0] * len(buffers)
    exact = True
    for members in _components(buffers):
        place = {index: k for k, index in enumerate(members)}
        part = [aligned[index] for index in members]
        part_leads = {(place[i], place[o]): lead for (i, o), lead in leads.items() if i in place}
        chain = find_chain(part, part_leads)
        exact = exact and chain is not None
        bound = 0
        if chain is None:
            met = [
                replace(o, input=place[o.input], output=place[o.output]) for o in overlaps if o.input in place
            ]
            gone = [replace(d, buffer=place[d.buffer]) for d in dead if d.buffer in place]
            bound = least_peak(part, grid_leads(part, met), gone)
        for index, offset in enumerate(plan_chain(chain) if chain else _plan_graph(part, part_leads, bound)):
            offsets[members[index]] = offset
    if not exact:
        # Its peak depends on the order of ties, so that it is made in the order given.
        greedy = plan_greedy(aligned)
        if greedy.peak < MemoryPlan(tuple(aligned), tuple(offsets)).peak:
            offsets = list(greedy.offsets)
    return MemoryPlan(tuple(buffers), tuple(offsets))


def plan_lower_bound(
    buffers: Sequence[Buffer], overlaps: Sequence[Overlap] = (), dead: Sequence[Dead] = ()
) -> int:
    """Return bytes that no plan of ``buffers`` with ``overlaps`` and ``dead`` parts can be below."""
    return least_peak(buffers, grid_leads(buffers, overlaps), dead)


def _components(buffers: Sequence[Buffer]) -> list[list[int]]:
    """Return the buffers in groups that no time connects, each in an order that does not depend on the given one."""
    groups: list[list[int]] = []
    end = None
    for index in sorted(range(len(buffers)), key=lambda i: _rank(buffers[i])):
        buffer = buffers[index]
        if end is None or buffer.first > end:
            groups.append([])
            end = buffer.last
        groups[-1].append(index)
        end = max(end, buffer.last)
    return groups


def _rank(buffer: Buffer) -> tuple[int, ...]:
    return (buffer.first, buffer.last, -buffer.size, buffer.tensor, buffer.op)


def _plan_graph(buffers: Sequence[Buffer], leads: Leads, bound: int) -> Sequence[int]:
    """Return offsets for a graph that is no chain; with overlap, never more than without."""
    placement = Placement(buffers, leads, plan_greedy(buffers).offsets, bound)
    placement.search()
    if leads and not placement.done:
        placement.offer(_plan_graph(buffers, {}, least_peak(buffers, {})))
    if not placement.done and len(buffers) <= MOST_BUFFERS:
        placement.offer(least_plan(buffers, leads, placement.offsets, bound, ALIGNMENT)[0])
    return placement.offsets
