"""An independent check of memory plans: it measures memory byte for byte and shares nothing with the planners."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.memory.greedy import MemoryPlan
from edgekit.memory.overlap import Overlap

_STEP = 16


def check_plan(plan: MemoryPlan, overlaps: Sequence[Overlap] = ()) -> list[str]:
    """Return what is wrong with ``plan``, a line for each violation; empty if it is valid.

    Two buffers with a time in common have no byte in common, unless ``overlaps`` lets them; offsets are multiples of
    16 and not negative.
    """
    wrong = []
    if len(plan.offsets) != len(plan.buffers):
        return [f"{len(plan.buffers)} buffers have {len(plan.offsets)} offsets"]
    for index, offset in enumerate(plan.offsets):
        if offset < 0 or offset % _STEP:
            wrong.append(f"buffer {index} lies at {offset}, which is no multiple of {_STEP}")
    for one in range(len(plan.buffers)):
        for other in range(one):
            problem = _conflict(plan, other, one, overlaps)
            if problem:
                wrong.append(problem)
    return wrong


def _conflict(plan: MemoryPlan, one: int, other: int, overlaps: Sequence[Overlap]) -> str | None:
    a, b = plan.buffers[one], plan.buffers[other]
    together = sorted(set(range(a.first, a.last + 1)) & set(range(b.first, b.last + 1)))
    a_bytes = range(plan.offsets[one], plan.offsets[one] + a.size)
    b_bytes = range(plan.offsets[other], plan.offsets[other] + b.size)
    common = range(max(a_bytes.start, b_bytes.start), min(a_bytes.stop, b_bytes.stop))
    if not together or not len(common):
        return None
    where = f"buffers {one} and {other} share bytes {common.start} to {common.stop} at time {together[0]}"
    rules = [o for o in overlaps if {o.input, o.output} == {one, other}]
    if not rules:
        return where
    for rule in rules:
        ends, begins = plan.buffers[rule.input].last, plan.buffers[rule.output].first
        if together != [ends] or ends != begins:
            return f"{where}: both are alive before or after it"
        distance = plan.offsets[rule.input] - plan.offsets[rule.output]
        if distance < rule.lead:
            return f"{where}: input {rule.input} leads by {distance}, not {rule.lead}"
    return None
