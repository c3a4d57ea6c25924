"""The exact plan of a chain: every operator reads one tensor and writes the next, beside its scratch.

For an arena of a given size, the offsets at which each tensor can lie follow from those of the tensor before it: a few
intervals, of which only the ends matter. An arena is large enough if the last tensor has an offset left; the least one
is found by bisection from the bound that the largest operator sets, which is nearly always it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgekit.memory.lifetimes import ALIGNMENT, Buffer, align
from edgekit.memory.overlap import Leads, least_union

_Intervals = list[tuple[int, int]]
"""Offsets, both ends included, ascending and apart."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """A time at which one tensor is alive, or two, and buffers that live for it only, planned as one block."""

    scratch: int = 0
    members: tuple[tuple[int, int], ...] = ()  # index of the buffer, its bytes


@dataclass(frozen=True, slots=True)
class _Link:
    """The operator between two tensors: sizes, the safe lead (the output's size: none), scratch."""

    dies: int
    born: int
    lead: int
    during: _Moment


@dataclass(frozen=True, slots=True)
class Chain:
    """Tensors in order, the links between them, and moments at which only one of them is alive.

    Attributes
    ----------
    tensors:
        Indices of the buffers.
    sizes:
        Their bytes, aligned.
    links:
        Operators, one fewer than tensors.
    alone:
        For each tensor, the moments it shares with no other tensor but with scratch.
    """

    tensors: tuple[int, ...]
    sizes: tuple[int, ...]
    links: tuple[_Link, ...]
    alone: tuple[tuple[_Moment, ...], ...]

    @property
    def bound(self) -> int:
        """Bytes of the largest operator on its own: no plan is smaller."""
        links = (least_union(k.dies, k.born, k.lead) + k.during.scratch for k in self.links)
        alone = (
            size + max((m.scratch for m in moments), default=0)
            for size, moments in zip(self.sizes, self.alone, strict=True)
        )
        return max((*links, *alone), default=0)

    @property
    def enough(self) -> int:
        """Bytes in which a plan without overlap fits, each tensor at the other end than the one before it."""
        links = (k.dies + k.born + k.during.scratch for k in self.links)
        return max((self.bound, *links))


def find_chain(buffers: Sequence[Buffer], leads: Leads) -> Chain | None:
    """Return ``buffers`` as a chain, or ``None`` if they are none."""
    tensors = sorted((i for i, b in enumerate(buffers) if b.first < b.last), key=lambda i: buffers[i].first)
    brief: dict[int, list[int]] = defaultdict(list)
    for index, buffer in enumerate(buffers):
        if buffer.first == buffer.last:
            brief[buffer.first].append(index)
    if not tensors:
        return None
    end = buffers[tensors[-1]].last
    if brief[end]:
        # What the last operator writes is alive for one time, as scratch is; without a lead they are alike.
        output = max(brief[end], key=lambda i: ((tensors[-1], i) in leads, buffers[i].size, -i))
        brief[end].remove(output)
        tensors.append(output)
    pairs = list(pairwise(tensors))
    if any(buffers[one].last != buffers[other].first for one, other in pairs) or leads.keys() - set(pairs):
        return None
    sizes = [align(buffers[i].size) for i in tensors]

    def moment(time: int) -> _Moment:
        members = tuple((i, align(buffers[i].size)) for i in brief.pop(time, ()))
        return _Moment(sum(size for _, size in members), members)

    links = [
        _Link(sizes[k], sizes[k + 1], leads.get(pair, sizes[k + 1]), moment(buffers[pair[1]].first))
        for k, pair in enumerate(pairs)
    ]
    alone = [
        tuple(moment(time) for time in sorted(brief) if buffers[i].first <= time <= buffers[i].last)
        for i in tensors
    ]
    if any(brief.values()):
        return None
    return Chain(tuple(tensors), tuple(sizes), tuple(links), tuple(alone))


def plan_chain(chain: Chain) -> list[int]:
    """Return the offset of every buffer of ``chain`` in the least arena that holds it.

    It is the least of all plans where no operator has more than one scratch buffer; several are kept side by side.
    """
    arena = chain.bound
    reach = _reach(chain, arena)
    if reach is None:
        arena = _bisect(chain)
        reach = _reach(chain, arena)
        assert reach is not None
    return _choose(chain, reach, arena)


def _bisect(chain: Chain) -> int:
    """Return the least arena above the bound, which is known to be too small."""
    low, high = chain.bound, chain.enough
    while high - low > ALIGNMENT:
        middle = align((low + high) // 2)
        if _reach(chain, middle) is None:
            low = middle
        else:
            high = middle
    return high


def _reach(chain: Chain, arena: int) -> list[_Intervals] | None:
    """Return the offsets that each tensor can have after those before it, or ``None`` if one has none."""
    offsets = _beside([(0, arena - chain.sizes[0])], chain.sizes[0], chain.alone[0], arena)
    reach = [offsets]
    for link, size, moments in zip(chain.links, chain.sizes[1:], chain.alone[1:], strict=True):
        if not offsets:
            return None
        offsets = _after(offsets, link, arena)
        if moments:
            offsets = _beside(offsets, size, moments, arena)
        reach.append(offsets)
    return reach if offsets else None


def _beside(offsets: _Intervals, size: int, moments: Sequence[_Moment], arena: int) -> _Intervals:
    """Return the offsets that leave room below or above for the scratch of every moment."""
    scratch = max((moment.scratch for moment in moments), default=0)
    if not scratch:
        return [(low, high) for low, high in offsets if low <= high]
    room = _merged([(0, arena - scratch - size), (scratch, arena - size)])
    return [
        (max(low, start), min(high, end))
        for low, high in offsets
        for start, end in room
        if max(low, start) <= min(high, end)
    ]


def _after(offsets: _Intervals, link: _Link, arena: int) -> _Intervals:
    """Return the offsets of the output for those of the input."""
    least, most, scratch = offsets[0][0], offsets[-1][1], link.during.scratch
    top = arena - link.born
    if not scratch:
        return _merged([(0, min(most - link.lead, top)), (least + link.dies, top)])
    cases = [
        # Scratch between the two.
        (0, most - link.born - scratch),
        (least + link.dies + scratch, top),
    ]
    raised = next((max(low, scratch) for low, high in offsets if high >= scratch), None)
    if raised is not None:  # Scratch below both.
        cases += [(scratch, min(most - link.lead, top)), (raised + link.dies, top)]
    ceiling = arena - scratch - link.dies
    lowered = next((min(high, ceiling) for low, high in reversed(offsets) if low <= ceiling), None)
    if lowered is not None:  # Scratch above both.
        cases += [(0, min(lowered - link.lead, top - scratch)), (least + link.dies, top - scratch)]
    return _merged(cases)


def _merged(intervals: _Intervals) -> _Intervals:
    merged: _Intervals = []
    for low, high in sorted(intervals):
        if low > high:
            continue
        if merged and low <= merged[-1][1] + ALIGNMENT:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _choose(chain: Chain, reach: list[_Intervals], arena: int) -> list[int]:
    """Walk back from the last tensor, as low as it can lie; tensors overlap only where they must."""
    offset = reach[-1][0][0]
    chosen = [offset]
    for link, offsets in zip(reversed(chain.links), reversed(reach[:-1]), strict=True):
        offset = _before(offset, link, offsets, arena)
        chosen.append(offset)
    chosen.reverse()
    plan = dict(zip(chain.tensors, chosen, strict=True))
    for link, one, other in zip(chain.links, chosen[:-1], chosen[1:], strict=True):
        _place(plan, link.during, ((one, one + link.dies), (other, other + link.born)))
    for offset, size, moments in zip(chosen, chain.sizes, chain.alone, strict=True):
        for moment in moments:
            _place(plan, moment, ((offset, offset + size),))
    return [plan[index] for index in range(len(plan))]


def _before(offset: int, link: _Link, offsets: _Intervals, arena: int) -> int:
    """Return an offset of the input, of those within reach, for the ``offset`` of the output."""
    scratch, end = link.during.scratch, offset + link.born
    top = arena - link.dies
    below = [(0, offset - link.dies - scratch)]
    above = [(end + scratch, top)]
    overlapped: _Intervals = []
    if offset >= scratch:  # Scratch below both.
        below.append((scratch, offset - link.dies))
        above.append((end, top))
        overlapped.append((max(offset + link.lead, scratch), top))
    if end + scratch <= arena:  # Scratch above both.
        below.append((0, offset - link.dies))
        above.append((end, top - scratch))
        overlapped.append((offset + link.lead, top - scratch))
    for start, stop in below:
        low = next((max(low, start) for low, high in offsets if high >= start), None)
        if low is not None and low <= stop:
            return low
    for start, stop in (*above, *overlapped):
        high = next((min(high, stop) for low, high in reversed(offsets) if low <= stop), None)
        if high is not None and high >= start:
            return high
    raise AssertionError("every offset within reach has one before it")


def _place(plan: dict[int, int], moment: _Moment, taken: Sequence[tuple[int, int]]) -> None:
    """Put the members of ``moment`` into the first gap of the ranges that are ``taken``, or above them."""
    start = 0
    for low, high in sorted(taken):
        if low - start >= moment.scratch:
            break
        start = max(start, high)
    for index, size in moment.members:
        plan[index] = start
        start += size
