"""TFLite Micro's online memory planner (greedy_memory_planner.cc), to the byte.

Buffers are placed largest first, each into the first gap, in address order, between the already placed buffers that
are alive with it. *Buffers of equal size are placed in reverse order of their index*: the planner fills its sort array
from the tail and then sorts it stably. A planner that keeps forward order on ties gives other, wrong peaks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from edgekit.memory.lifetimes import Buffer

_NONE_FIXED: Final[Mapping[int, int]] = MappingProxyType({})


@dataclass(frozen=True)
class MemoryPlan:
    """Offsets of the head's buffers.

    Attributes
    ----------
    buffers:
        What was placed.
    offsets:
        Offset of each buffer from the start of the arena, bytes.
    """

    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]

    @property
    def peak(self) -> int:
        """Bytes of the head: the highest end of any buffer."""
        return max((o + b.size for o, b in zip(self.offsets, self.buffers, strict=True)), default=0)


def plan_greedy(buffers: Sequence[Buffer], fixed: Mapping[int, int] = _NONE_FIXED) -> MemoryPlan:
    """Return the plan that TFLite Micro's default planner makes for ``buffers``, given in its order.

    Parameters
    ----------
    buffers:
        What is to be placed.
    fixed:
        Index of a buffer to its offset, for those that a plan in the model places (:mod:`edgekit.tflite.offline`).
        They come first, where they are wanted, and the others go into the gaps that they leave.
    """
    largest_first = sorted(reversed(range(len(buffers))), key=lambda i: -buffers[i].size)
    order = [*sorted(fixed), *(i for i in largest_first if i not in fixed)]
    offsets = [0] * len(buffers)
    placed_offsets: list[int] = []
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last; in address order
    for index in order:
        buffer = buffers[index]
        first, last, size = buffer.first, buffer.last, buffer.size
        offset = fixed.get(index, 0)
        for other_offset, other_end, other_first, other_last in () if index in fixed else placed:
            if other_first > last or first > other_last:
                continue
            if other_offset - offset >= size:
                break
            if other_end > offset:
                offset = other_end
        offsets[index] = offset
        place = bisect_right(placed_offsets, offset)
        placed_offsets.insert(place, offset)
        placed.insert(place, (offset, offset + size, first, last))
    return MemoryPlan(tuple(buffers), tuple(offsets))
