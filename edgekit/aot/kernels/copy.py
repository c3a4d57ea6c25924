"""PAD and CONCATENATION (``ek_pad.c``, ``ek_concat.c``)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from edgekit.aot.kernels.geometry import Kernel

Four = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Pad(Kernel):
    """A tensor of four dimensions inside a larger one."""

    function = "ek_pad"

    input: Four
    output: Four
    before: Four

    @property
    def leads(self) -> tuple[int, ...]:
        """The output, written from front to back, is furthest ahead when the last run is read.

        A run is what is contiguous in input and output: a pixel's channels, or a row if channels are not padded.
        """
        _, _, width, run = self.input
        place = [before + size - 1 for before, size in zip(self.before[:3], self.input[:3], strict=True)]
        runs = self.input[0] * self.input[1] * width
        if self.output[3] == run:
            place[2] = self.before[2]
            runs, run = runs // width, run * width
        position = 0
        for at, size in zip((*place, self.before[3]), self.output, strict=True):
            position = position * size + at
        return (position - (runs - 1) * run,)


@dataclass(frozen=True, slots=True)
class Concat(Kernel):
    """Inputs whose runs, ``outer`` of each, lie side by side in the output."""

    function = "ek_concat"

    outer: int
    runs: tuple[int, ...]

    @property
    def leads(self) -> tuple[int, ...]:
        """Inputs are copied one after the other, so all but the first wait until a last run was written."""
        width = sum(self.runs)
        first = max(self.outer - 2, 0) * (width - self.runs[0])
        places = tuple(accumulate(self.runs))[:-1]
        return (first, *((self.outer - 1) * width + before for before in places))
