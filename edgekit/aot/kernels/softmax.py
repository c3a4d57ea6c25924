"""SOFTMAX over the last dimension (``ek_softmax.c``)."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.aot.kernels.geometry import Kernel


@dataclass(frozen=True, slots=True)
class Softmax(Kernel):
    """``rows`` rows of ``depth`` scores."""

    function = "ek_softmax"

    rows: int
    depth: int

    @property
    def leads(self) -> tuple[int, ...]:
        """A row's outputs are written in its last pass, each after the input of the same index was read."""
        return (0,)
