"""ADD, and functions of one int8: RELU, RELU6, QUANTIZE (``ek_add.c``, ``ek_lookup.c``)."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.aot.kernels.geometry import Kernel


@dataclass(frozen=True, slots=True)
class Add(Kernel):
    """The sum of two tensors of one shape."""

    function = "ek_add"

    size: int

    @property
    def leads(self) -> tuple[int, ...]:
        """Each output is written after the inputs of the same index were read."""
        return (0, 0)


@dataclass(frozen=True, slots=True)
class Lookup(Kernel):
    """A table of 256 answers, applied to each element."""

    function = "ek_lookup"

    size: int

    @property
    def leads(self) -> tuple[int, ...]:
        """Each output is written after the input of the same index was read."""
        return (0,)
