"""An independent check of memory plans: it measures memory byte for byte and shares nothing with the planners."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.memory.greedy import MemoryPlan
from edgekit.memory.overlap import Dead, Overlap

_STEP = 16


def check_plan(plan: MemoryPlan, overlaps: Sequence[Overlap] = (), dead: Sequence[Dead] = ()) -> list[str]:
    """Return what is wrong with ``plan``, a line for each violation; empty if it is valid.

    Two buffers with a time in common have no byte in common that is not ``dead`` then, unless ``overlaps`` lets them;
    offsets are multiples of 16 and not negative.
    """
    wrong = []
    if len(plan.offsets) != len(plan.buffers):
        return [f"{len(plan.buffers)} buffers have {len(plan.offsets)} offsets"]
    for index, offset in enumerate(plan.offsets):
        if offset < 0 or offset % _STEP:
            wrong.append(f"buffer {index} lies at {offset}, which is no multiple of {_STEP}")
    for one in range(len(plan.buffers)):
        for other in range(one):
            problem = _conflict(plan, other, one, overlaps, dead)
            if problem:
                wrong.append(problem)
    return wrong


def _alive(plan: MemoryPlan, index: int, time: int, dead: Sequence[Dead]) -> range:
    """Return the addresses of a buffer that hold something which is still read at ``time`` or later."""
    start, size = plan.offsets[index], plan.buffers[index].size
    gone = max((part.nbytes for part in dead if part.buffer == index and part.time <= time), default=0)
    return range(start + gone, start + size)


def _conflict(
    plan: MemoryPlan, one: int, other: int, overlaps: Sequence[Overlap], dead: Sequence[Dead]
) -> str | None:
    a, b = plan.buffers[one], plan.buffers[other]
    a_bytes, b_bytes = (_alive(plan, index, -1, ()) for index in (one, other))
    if a_bytes.stop <= b_bytes.start or b_bytes.stop <= a_bytes.start:
        return None
    meeting = []
    for time in range(max(a.first, b.first), min(a.last, b.last) + 1):
        a_bytes, b_bytes = (_alive(plan, index, time, dead) for index in (one, other))
        common = range(max(a_bytes.start, b_bytes.start), min(a_bytes.stop, b_bytes.stop))
        if len(common):
            meeting.append((time, common))
    if not meeting:
        return None
    time, common = meeting[0]
    where = f"buffers {one} and {other} share bytes {common.start} to {common.stop} at time {time}"
    rules = [o for o in overlaps if {o.input, o.output} == {one, other}]
    if not rules:
        return where
    for rule in rules:
        ends, begins = plan.buffers[rule.input].last, plan.buffers[rule.output].first
        if [time for time, _ in meeting] != [ends] or ends != begins:
            return f"{where}: both are alive before or after it"
        distance = plan.offsets[rule.input] - plan.offsets[rule.output]
        if distance < rule.lead:
            return f"{where}: input {rule.input} leads by {distance}, not {rule.lead}"
        if rule.only and distance != rule.lead:
            return f"{where}: input {rule.input} leads by {distance}, and may by {rule.lead} alone"
    return None
