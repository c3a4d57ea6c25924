"""Which buffers may share memory, and how: the rules that a static plan obeys, on the grid of the arena's alignment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgekit.memory.lifetimes import ALIGNMENT, Buffer, align


@dataclass(frozen=True, slots=True)
class Overlap:
    """Leave for an operator's output to grow into an input that dies there.

    Attributes
    ----------
    input, output:
        Indices of the two buffers. They are alive together during one operator only: ``input`` dies in it, ``output``
        is born in it.
    lead:
        Bytes. The two may share memory where ``offset[input] - offset[output] >= lead``. It may be negative: the
        output may then begin above the start of the input. At ``-(bytes of the input)`` nothing binds the two.
    only:
        Whether they may share memory at exactly ``lead`` alone, as for a copy that does nothing in place.
    """

    input: int
    output: int
    lead: int
    only: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """The beginning of a buffer that nobody reads any more: ``nbytes`` from ``time`` on, though the rest is alive."""

    buffer: int
    time: int
    nbytes: int


Leads = Mapping[tuple[int, int], int]
"""Safe lead of (input, output), a multiple of the alignment, at most the output's size (which is no overlap)."""


def grid_leads(buffers: Sequence[Buffer], overlaps: Iterable[Overlap]) -> dict[tuple[int, int], int]:
    """Return the leads of ``overlaps`` rounded up to the alignment; of several for one pair the largest holds.

    Raises
    ------
    ValueError
        If two buffers are alive together at other times than the one at which the first dies and the second is born.
    """
    leads: dict[tuple[int, int], int] = {}
    for overlap in overlaps:
        pair = (overlap.input, overlap.output)
        dies, born = buffers[overlap.input], buffers[overlap.output]
        if overlap.input == overlap.output or dies.last != born.first:
            raise ValueError(f"buffers {pair} do not meet in one operator: {dies}, {born}")
        lead = min(align(overlap.lead), align(born.size))
        leads[pair] = max(lead, leads.get(pair, lead))
    return leads


def prefix_leads(buffers: Sequence[Buffer], dead: Iterable[Dead]) -> dict[tuple[int, int], int]:
    """Return the leads that follow from what is ``dead`` of buffers when others are born.

    A buffer of n bytes may end where d dead bytes of another end: that other's offset is at least n - d above its own.
    """
    leads: dict[tuple[int, int], int] = {}
    for part in dead:
        whole, free = buffers[part.buffer], part.nbytes // ALIGNMENT * ALIGNMENT
        for index, born in enumerate(buffers):
            if index != part.buffer and part.time <= born.first <= whole.last and free:
                pair = (part.buffer, index)
                lead = align(born.size) - free
                leads[pair] = min(lead, leads.get(pair, lead))
    return leads


def least_union(dies: int, born: int, lead: int) -> int:
    """Return the bytes that an input of ``dies`` and an output of ``born`` bytes take at least, placed ideally."""
    return min(dies + born, max(born, max(lead, 0) + dies))


def least_peak(buffers: Sequence[Buffer], leads: Leads, dead: Sequence[Dead] = ()) -> int:
    """Return bytes that no plan can stay below: at every time, what is alive then, overlapped as far as allowed.

    ``leads`` are those of operators; what is ``dead`` of a buffer does not count.

    It is reached for a chain without overlap, and by the single operator in any case; leads of successive operators
    can ask for more.
    """
    live: dict[int, int] = defaultdict(int)
    shared: dict[int, int] = defaultdict(int)
    times = {buffer.first for buffer in buffers}
    for time in times:
        live[time] = sum(align(b.size) for b in buffers if b.first <= time <= b.last)
        gone: dict[int, int] = defaultdict(int)
        for part in dead:
            if part.time <= time <= buffers[part.buffer].last:
                gone[part.buffer] = max(gone[part.buffer], part.nbytes // ALIGNMENT * ALIGNMENT)
        live[time] -= sum(gone.values())
    of_output: dict[int, int] = defaultdict(int)
    for (dies, born), lead in leads.items():
        one, other = align(buffers[dies].size), align(buffers[born].size)
        of_output[born] += one + other - least_union(one, other, lead)
    for born, saved in of_output.items():
        shared[buffers[born].first] += min(saved, align(buffers[born].size))
    return max((live[time] - shared[time] for time in times), default=0)


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a buffer may lie: up to ``below`` bytes above the offset of ``other``, or from ``above`` bytes on."""

    other: int
    below: int
    above: int


def pair_rules(buffers: Sequence[Buffer], leads: Leads) -> tuple[tuple[Rule, ...], ...]:
    """Return, for each buffer, the rules that bind it to the others; pairs that nothing binds are left out."""
    rules: list[list[Rule]] = [[] for _ in buffers]
    order = sorted(range(len(buffers)), key=lambda i: buffers[i].first)
    alive: list[int] = []
    for one in order:
        alive = [i for i in alive if buffers[i].last >= buffers[one].first]
        for other in alive:
            size, other_size = align(buffers[one].size), align(buffers[other].size)
            below, above = -size, other_size
            if (other, one) in leads:
                below = -leads[other, one]
            elif (one, other) in leads:
                above = leads[one, other]
            if above - below > ALIGNMENT:
                rules[one].append(Rule(other, below, above))
                rules[other].append(Rule(one, -above, -below))
        alive.append(one)
    return tuple(map(tuple, rules))


def taken_ranges(rules: Iterable[Rule], offsets: Sequence[int]) -> list[tuple[int, int]]:
    """Return the open ranges in which a buffer with ``rules`` must not lie, ascending; -1 is what has no offset yet."""
    return sorted(
        (offsets[rule.other] + rule.below, offsets[rule.other] + rule.above)
        for rule in rules
        if offsets[rule.other] >= 0
    )


def lowest_offset(rules: Iterable[Rule], offsets: Sequence[int], start: int = 0) -> int:
    """Return the lowest offset from ``start`` on where a buffer with ``rules`` may lie."""
    for low, high in taken_ranges(rules, offsets):
        if start <= low:
            break
        start = max(start, high)
    return start
