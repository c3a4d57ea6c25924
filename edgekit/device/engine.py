"""What a device needs from an inference engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgekit.wire.declaration import Identity, OpTicks, Tensor


class EngineError(Exception):
    """An inference failed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the text commands say about the device."""

    vendor: str = "edgekit"
    profile: str = "edgekit"
    model_id: str = "model"


class Engine(Protocol):
    """A model that is ready to run.

    Attributes
    ----------
    identity:
        Who the device is; ``inputs``, ``outputs`` and ``golden`` count what the attributes below hold. The device
        itself sets ``boot_test``.
    tensors:
        The inputs, then the outputs.
    settings:
        Names for the text commands.
    input:
        All input tensors, one after the other; the device writes here before :meth:`invoke`.
    keeps_input:
        Whether ``input`` is unchanged after :meth:`invoke`. An engine whose input lies in the arena does not
        keep it: the device then needs a new input before the next run.
    golden:
        Pairs of input and output bytes for the self-test.
    """

    @property
    def identity(self) -> Identity:
        """Who the device is."""
        ...

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The inputs, then the outputs."""
        ...

    @property
    def settings(self) -> Settings:
        """Names for the text commands."""
        ...

    @property
    def input(self) -> bytearray:
        """All input tensors, to be written before :meth:`invoke`."""
        ...

    @property
    def keeps_input(self) -> bool:
        """Whether ``input`` is unchanged after :meth:`invoke`."""
        ...

    @property
    def golden(self) -> Sequence[tuple[bytes, bytes]]:
        """Pairs of input and output bytes for the self-test."""
        ...

    def ticks(self) -> int:
        """Return a counter of ``identity.ticks_per_second`` that never goes back (64 bits)."""
        ...

    def invoke(self) -> None:
        """Run one inference.

        Raises
        ------
        EngineError
            If it failed.
        """
        ...

    def output(self) -> bytes:
        """Return all output tensors of the last inference, one after the other."""
        ...

    def profile(self) -> Sequence[OpTicks] | None:
        """Run one inference and return the ticks of every operator; ``None`` if the engine cannot tell."""
        ...
