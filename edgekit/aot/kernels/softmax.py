"""SOFTMAX over the last dimension (``ek_softmax.c``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Softmax:
    """``rows`` rows of ``depth`` scores."""

    rows: int
    depth: int

    @property
    def leads(self) -> tuple[int, ...]:
        """A row's outputs are written in its last pass, each after the input of the same index was read."""
        return (0,)

    @property
    def scratch(self) -> int:
        """None."""
        return 0
