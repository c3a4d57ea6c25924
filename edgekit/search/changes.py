"""What it would take to run a network that does not fit: changes, and boards that hold it."""

from __future__ import annotations

from typing import Literal

from edgekit.boards.kernels import Engine, KernelLibrary
from edgekit.documents import Part

ChangeKind = Literal["engine", "plan", "psram", "classes", "clock", "latency", "ram", "flash", "board"]
"""``latency``, ``ram`` and ``flash`` raise a limit; ``board`` is memory that this board does not have."""


class Change(Part):
    """One change.

    Attributes
    ----------
    kind:
        What is changed.
    text:
        What to do, as an option of the command line where there is one.
    need, have:
        Bytes, ms, MHz or classes after and before; ``None`` where it is not a number.
    """

    kind: ChangeKind
    text: str
    need: float | None = None
    have: float | None = None


class Unlock(Part):
    """A better network, and the cheapest that would unlock it.

    Attributes
    ----------
    alpha, resolution:
        The network; its architecture and channels are those of the search.
    top1:
        Expected top-1 in percent.
    engine, kernels, plan:
        What would run it.
    changes:
        What has to be done, all of it.
    instead:
        Changes that may take the place of a higher latency limit: a bigger clock.
    boards:
        The smallest boards that hold it as it is, smallest first.
    """

    alpha: float
    resolution: int
    top1: float
    engine: Engine
    kernels: KernelLibrary
    plan: str
    changes: tuple[Change, ...]
    instead: tuple[Change, ...] = ()
    boards: tuple[str, ...] = ()
