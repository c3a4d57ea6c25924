"""Plans of graphs that are no chain: first fit in several orders, a search within an arena, a search among orders.

All of it is deterministic: the same buffers get the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

from edgekit.memory.lifetimes import ALIGNMENT, Buffer, align, live_bytes
from edgekit.memory.overlap import Leads, lowest_offset, pair_rules, taken_ranges

_STEPS: Final = 1500
"""Buffers that the search within one arena places before it gives up."""

_ORDERS: Final = 250
"""Orders that the search among orders tries."""

_Offsets = list[int]
_Order = tuple[int, ...]


class Placement:
    """The buffers of a graph, the rules between them, and the best offsets found so far.

    Attributes
    ----------
    bound:
        Bytes below which no plan can be.
    offsets:
        The best plan found.
    peak:
        Its bytes.
    """

    def __init__(self, buffers: Sequence[Buffer], leads: Leads, start: Sequence[int], bound: int) -> None:
        """Begin with the plan ``start``; the sizes of ``buffers`` are multiples of the alignment."""
        self._buffers = tuple(buffers)
        self._sizes = [buffer.size for buffer in buffers]
        self._rules = pair_rules(buffers, leads)
        self._margins = [self._brief_beside(index) for index in range(len(buffers))]
        self.bound = bound
        self.offsets: Sequence[int] = start
        self.peak = self._end(start)

    @property
    def done(self) -> bool:
        """Whether no plan can be better."""
        return self.peak == self.bound

    def search(self) -> None:
        """Look for a better plan until none is possible or the effort is spent."""
        orders = self._orders()
        best = min(orders, key=lambda order: self.offer(self._first_fit(order)))
        along_time = (orders[0], orders[1])
        if not self.done:
            self._fit(self.bound, along_time)
        if not self.done:
            self._vary(best)
        low = self.bound
        while self.peak - low > ALIGNMENT:
            middle = align((low + self.peak) // 2)
            if middle >= self.peak or not self._fit(middle, along_time):
                low = middle

    def _brief_beside(self, index: int) -> tuple[int, ...]:
        """Return the sizes of what is alive only while ``index`` is born or dies: the scratch of those operators."""
        times = {self._buffers[index].first, self._buffers[index].last}
        brief = {
            buffer.size
            for other, buffer in enumerate(self._buffers)
            if other != index and buffer.first == buffer.last and buffer.first in times
        }
        return tuple(sorted(brief))

    def _end(self, offsets: Sequence[int]) -> int:
        return max((o + size for o, size in zip(offsets, self._sizes, strict=True)), default=0)

    def offer(self, offsets: Sequence[int]) -> int:
        """Keep ``offsets`` if they are the best so far; return their peak."""
        peak = self._end(offsets)
        if peak < self.peak:
            self.offsets, self.peak = offsets, peak
        return peak

    def _orders(self) -> list[_Order]:
        """Return orders to place the buffers in: along time, against time, and by size in several ways."""
        buffers = self._buffers
        crowd = {time: live_bytes(buffers, time) for b in buffers for time in (b.first, b.last)}
        worst = max(crowd, key=lambda time: (crowd[time], -time))

        def from_worst(i: int) -> int:
            return max(buffers[i].first - worst, worst - buffers[i].last, 0)

        keys: tuple[Callable[[int], tuple[int, ...]], ...] = (
            lambda i: (buffers[i].first, -buffers[i].size, i),
            lambda i: (-buffers[i].last, -buffers[i].size, i),
            lambda i: (-buffers[i].size, i),
            lambda i: (-buffers[i].size, -i),
            lambda i: (buffers[i].first - buffers[i].last, -buffers[i].size, i),
            lambda i: ((buffers[i].first - buffers[i].last - 1) * buffers[i].size, i),
            lambda i: (-max(crowd[buffers[i].first], crowd[buffers[i].last]), -buffers[i].size, i),
            lambda i: (from_worst(i), -buffers[i].size, i),
        )
        return [tuple(sorted(range(len(buffers)), key=key)) for key in keys]

    def _first_fit(self, order: Sequence[int]) -> _Offsets:
        offsets = [-1] * len(order)
        for index in order:
            offsets[index] = lowest_offset(self._rules[index], offsets)
        return offsets

    def _vary(self, order: _Order) -> None:
        """Change the order of first fit: what ends at the peak, or lies with it, is placed at another turn."""
        random = Random(0)
        current, offsets = list(order), self._first_fit(order)
        for _ in range(_ORDERS):
            peak = self._end(offsets)
            highest = [i for i in order if offsets[i] + self._sizes[i] == peak]
            moved = random.choice(highest)
            rivals = [rule.other for rule in self._rules[moved]]
            if rivals and random.random() < 0.5:
                moved = random.choice(rivals)
            changed = [i for i in current if i != moved]
            changed.insert(random.randrange(len(order)), moved)
            found = self._first_fit(changed)
            if self.offer(found) <= peak:
                current, offsets = changed, found
            if self.done:
                return

    def _fit(self, arena: int, orders: Sequence[_Order]) -> bool:
        """Look for a plan within ``arena`` bytes, buffers placed in each of ``orders``; keep it if there is one."""
        for order in orders:
            offsets = self._search_within(arena, order)
            if offsets is not None:
                self.offer(offsets)
                return True
        return False

    def _search_within(self, arena: int, order: _Order) -> _Offsets | None:
        """Place buffers one by one at the ends of the ranges that are free; go back where one finds no room.

        What is not yet placed depends only on those placed that it has rules with: where their offsets are the same
        again and have failed before, they are not tried again.
        """
        turn = {index: k for k, index in enumerate(order)}
        needed_until = [max((turn[rule.other] for rule in rules), default=-1) for rules in self._rules]
        bordering = [[i for i in order[:k] if needed_until[i] >= k] for k in range(len(order))]
        failed: set[tuple[int, ...]] = set()
        offsets = [-1] * len(order)
        choices: list[Iterator[int]] = []
        steps = 0
        while len(choices) < len(order):
            depth = len(choices)
            state = (depth, *(offsets[i] for i in bordering[depth]))
            choices.append(iter(() if state in failed else self._ends(order[depth], offsets, arena)))
            while (offset := next(choices[-1], None)) is None:
                choices.pop()
                failed.add((len(choices), *(offsets[i] for i in bordering[len(choices)])))
                if not choices:
                    return None
                offsets[order[len(choices) - 1]] = -1
            steps += 1
            if steps > _STEPS:
                return None
            offsets[order[len(choices) - 1]] = offset
        return offsets

    def _ends(self, index: int, offsets: _Offsets, arena: int) -> list[int]:
        """Return offsets to try: the ends of each free range, and those that leave room for one scratch buffer."""
        top = arena - self._sizes[index]
        margins = self._margins[index]
        found: dict[int, None] = {}
        inner: dict[int, None] = {}
        start = 0
        for low, high in (*taken_ranges(self._rules[index], offsets), (top, top + 1)):
            end = min(low, top)
            if start <= end:
                found[start] = found[end] = None
                for margin in margins:
                    if start + margin <= end:
                        inner[start + margin] = inner[end - margin] = None
            start = max(start, high)
        ends = sorted(found)
        return [*ends[:1], *ends[:0:-1], *(i for i in inner if i not in found)]
