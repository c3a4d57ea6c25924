"""Whether a plan of a few buffers fits an arena, by branch and bound: the proof that none is smaller.

Push every buffer of a plan down as far as it goes: the plan is no larger, and each buffer now lies at the lowest place
that those below it leave. So it is enough to place buffers one after the other, each at the lowest offset that is not
below the last one's, and none at an offset where another one would still fit below it. What is not placed needs room
too: at every time, above the lowest offset that is left. A set of placed buffers that failed once fails again where the
offsets that still matter are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from edgekit.memory.lifetimes import Buffer
from edgekit.memory.overlap import Leads, least_union, lowest_offset, pair_rules

MOST_BUFFERS: Final = 14
"""Buffers up to which the search is tried."""

_STEPS: Final = 4_000
"""Placements after which it gives up."""


@dataclass(frozen=True, slots=True)
class _Crowd:
    """What is alive at one time: sizes by index, and by the index of an output what its inputs may share with it."""

    sizes: Mapping[int, int]
    shared: Mapping[int, Mapping[int, int]]

    def needs(self, lowest: Mapping[int, int]) -> int:
        """Return the address that those which are left reach at least; ``lowest`` has an offset for each of them."""
        left = [index for index in self.sizes if index in lowest]
        if not left:
            return 0
        saved = sum(
            min(self.sizes[output], sum(saving for index, saving in inputs.items() if index in lowest))
            for output, inputs in self.shared.items()
            if output in lowest
        )
        return min(lowest[index] for index in left) + sum(self.sizes[index] for index in left) - saved


def _crowds(buffers: Sequence[Buffer], leads: Leads) -> list[_Crowd]:
    found = []
    for time in sorted({buffer.first for buffer in buffers}):
        sizes = {i: b.size for i, b in enumerate(buffers) if b.first <= time <= b.last}
        shared: dict[int, dict[int, int]] = {}
        for (dies, born), lead in leads.items():
            if dies in sizes and born in sizes:
                saving = sizes[dies] + sizes[born] - least_union(sizes[dies], sizes[born], lead)
                shared.setdefault(born, {})[dies] = saving
        found.append(_Crowd(sizes, shared))
    return found


class ExactSearch:
    """The search for plans of some buffers.

    Parameters
    ----------
    buffers:
        Sizes are multiples of the alignment.
    leads:
        A negative lead counts as 0: what is pushed down could otherwise come to lie too deep in what is above it.
    """

    def __init__(self, buffers: Sequence[Buffer], leads: Leads) -> None:
        self._sizes = [buffer.size for buffer in buffers]
        self._rules = pair_rules(buffers, {pair: max(lead, 0) for pair, lead in leads.items()})
        self._crowds = _crowds(buffers, leads)
        self._steps = 0
        self._failed: set[tuple[tuple[int, int], ...]] = set()

    def fit(self, arena: int) -> list[int] | None:
        """Return offsets of a plan within ``arena`` bytes, or ``None`` if there is none.

        Raises
        ------
        TimeoutError
            If that is too much to find out.
        """
        self._failed.clear()
        offsets = [-1] * len(self._sizes)
        return offsets if self._place(offsets, 0, arena, len(offsets)) else None

    def _place(self, offsets: list[int], last: int, arena: int, left: int) -> bool:
        if not left:
            return True
        lowest = {
            i: lowest_offset(self._rules[i], offsets, last) for i, offset in enumerate(offsets) if offset < 0
        }
        ends = sorted(offset + self._sizes[i] for i, offset in lowest.items())
        if ends[-1] > arena or any(crowd.needs(lowest) > arena for crowd in self._crowds):
            return False
        state = (
            *((index, offset) for index, offset in enumerate(offsets) if self._matters(index, offsets)),
            (-1, last),
        )
        if state in self._failed:
            return False
        self._steps += 1
        if self._steps > _STEPS:
            raise TimeoutError
        for offset, index in sorted((offset, index) for index, offset in lowest.items()):
            # Its own end is above its offset, so that what is compared with is another one's.
            if offset >= ends[0]:
                break
            offsets[index] = offset
            if self._place(offsets, offset, arena, left - 1):
                return True
            offsets[index] = -1
        self._failed.add(state)
        return False

    def _matters(self, index: int, offsets: Sequence[int]) -> bool:
        """Whether ``index`` is placed and binds one that is not, or is still to be placed itself."""
        return offsets[index] < 0 or any(offsets[rule.other] < 0 for rule in self._rules[index])


def least_plan(
    buffers: Sequence[Buffer], leads: Leads, offsets: Sequence[int], bound: int, step: int
) -> tuple[Sequence[int], bool]:
    """Return a smaller plan than ``offsets`` if there is one, and whether none is smaller than what is returned.

    Parameters
    ----------
    buffers, leads:
        As in :class:`ExactSearch`.
    offsets:
        The best plan known.
    bound:
        Bytes that no plan is below.
    step:
        The grid of offsets and sizes, in bytes.
    """
    search = ExactSearch(buffers, leads)

    def end(plan: Sequence[int]) -> int:
        return max((offset + buffer.size for offset, buffer in zip(plan, buffers, strict=True)), default=0)

    try:
        while end(offsets) > bound:
            found = search.fit(end(offsets) - step)
            if found is None:
                return offsets, True
            offsets = found
    except TimeoutError:
        return offsets, False
    return offsets, True
