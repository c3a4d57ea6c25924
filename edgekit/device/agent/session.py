"""One host's conversation with the agent: bytes in, bytes out, both bounded."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from edgekit.device.engine import Engine
from edgekit.device.machine import Device
from edgekit.wire.declaration import COMMAND_END

TAKEN: Final = 4096
"""Bytes that are taken from the line at a time; more wait in the system's buffers, and then in the host's."""

_OUTBOUND: Final = 64 * 1024
"""While so many bytes wait for the host to read them, nothing more is answered. One answer may go beyond."""


class Session:
    """A device that is as after a reset, and what waits on its line in both directions.

    Parameters
    ----------
    engine:
        The model; its input is cleared, so that no host sees another's.
    clock:
        Seconds, never going back.

    Attributes
    ----------
    outbound:
        What is to be sent; whoever sends removes it with :meth:`sent`.
    active:
        When a whole message last came or an inference was last done, on the clock.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._inbound = bytearray()
        self.outbound = bytearray()
        engine.input[:] = bytes(len(engine.input))
        self._device = Device(engine, self._emit)
        self._device.boot()
        self.active = self.moved = clock()

    @property
    def wants_more(self) -> bool:
        """Whether what came is answered, so that more may be taken from the line."""
        return not self._inbound and not self.blocked

    @property
    def blocked(self) -> bool:
        """Whether the host has to read before anything goes on."""
        return len(self.outbound) >= _OUTBOUND

    @property
    def working(self) -> bool:
        """Whether inferences are under way."""
        return self._device.work is not None

    @property
    def stalled_s(self) -> float:
        """Seconds for which the host has not read what waits for it."""
        return self._clock() - self.moved if self.outbound else 0.0

    def take(self, data: bytes) -> None:
        """Take bytes from the line, at most :data:`TAKEN`."""
        self._inbound += data

    def sent(self, count: int) -> None:
        """Note that the first ``count`` bytes of ``outbound`` have been sent."""
        del self.outbound[:count]
        self.moved = self._clock()

    def turn(self) -> bool:
        """Answer the next message, or do the next inference; return whether there is more to do."""
        if self.blocked:
            return False
        if self._inbound:
            end = self._inbound.find(COMMAND_END) + 1
            part = bytes(self._inbound[: end or len(self._inbound)])
            del self._inbound[: len(part)]
            self._device.feed(part)
            if end:
                self.active = self._clock()
        busy = self._device.poll()
        if busy:
            self.active = self._clock()
        return busy or bool(self._inbound)

    def stop(self) -> None:
        """Stop what is under way."""
        self._device.stop()

    def _emit(self, data: bytes) -> None:
        if not self.outbound:
            self.moved = self._clock()
        self.outbound += data
