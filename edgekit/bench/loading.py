"""Sending an input: DATA frames one behind the other without waiting, and again those that got lost.

The device's ACKs name what has come. The line keeps the order of what it carries, so a frame is lost as soon
as one that was sent after it has come; only the last frames of all need a timeout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from edgekit.bench.line import Line, unpack
from edgekit.errors import TaskError
from edgekit.wire.declaration import (
    BOOT_LINES,
    DATA_BYTES,
    MESSAGE_MAX,
    WINDOW,
    Ack,
    Code,
    Data,
    Error,
    Load,
    Type,
)
from edgekit.wire.frames import Frame

_SLACK_S: Final = 0.3
"""Turn-around beyond the time that a window takes on the line: drivers, USB, the device's own work."""
_STRIKES: Final = 8
"""So many timeouts in a row without a frame getting through end the load."""


class Sender:
    """One load of one input.

    Parameters
    ----------
    line:
        The open line.
    request:
        Id of this load, of no other before.
    load:
        What is announced.
    data:
        The input.
    """

    def __init__(self, line: Line, request: int, load: Load, data: bytes) -> None:
        self._line = line
        self._request = request
        self._load = load
        self._data = data
        self.frames = -(-len(data) // DATA_BYTES)
        self._next = 0
        self._come: set[int] = set()
        self._stamp = 0
        self._sent: dict[int, int] = {}
        self._lost: list[int] = []
        self._acknowledged = False
        self.resent = 0

    def run(self, advance: Callable[[int, int], None] | None = None) -> Error | None:
        """Send everything; return ``None`` when the device has it all, or why it refused.

        Raises
        ------
        TaskError
            If the device stops answering, or the line is gone.
        """
        patience = WINDOW * MESSAGE_MAX / self._line.bytes_per_second + _SLACK_S
        self._announce()
        strikes = 0
        deadline = self._line.clock() + patience
        while self._next < self.frames:
            sequence = self._to_send()
            if sequence is not None:
                self._send(sequence)
                deadline = self._line.clock() + patience
            received = self._line.receive(self._line.clock() if sequence is not None else deadline)
            if received == BOOT_LINES[-2]:
                return Error(Code.NO_LOAD, Type.LOAD, 0)
            if isinstance(received, Frame) and received.request == self._request:
                if received.type == Type.ERROR:
                    return unpack(Error, received.payload)
                if received.type == Type.ACK and self._acknowledge(unpack(Ack, received.payload)):
                    strikes = 0
                    deadline = self._line.clock() + patience
                    if advance is not None:
                        advance(self._next, self.frames)
            if sequence is None and self._line.clock() >= deadline:
                strikes += 1
                self._strike(strikes)
        return None

    def _to_send(self) -> int | None:
        """Return the frame to send next, or ``None`` when the window is full."""
        while self._lost:
            sequence = self._lost.pop(0)
            if sequence >= self._next and sequence not in self._come:
                self.resent += 1
                return sequence
        fresh = len(self._sent)
        return fresh if fresh < min(self.frames, self._next + WINDOW) else None

    def _announce(self) -> None:
        self._line.send_frame(Type.LOAD, self._request, self._load.pack())

    def _send(self, sequence: int) -> None:
        self._stamp += 1
        self._sent[sequence] = self._stamp
        part = self._data[sequence * DATA_BYTES : (sequence + 1) * DATA_BYTES]
        self._line.send_frame(Type.DATA, self._request, Data(sequence).pack() + part)

    def _strike(self, strikes: int) -> None:
        if strikes > _STRIKES:
            raise TaskError(
                f"{self._line.name} stopped taking the input after {self._next} of {self.frames} frames.",
                "Reset the board and repeat; check the cable, and that no other program uses the port.",
            )
        if not self._acknowledged:
            self._announce()
        # Nothing came through for a whole window's time: many frames have a better chance than one.
        self._lost = [s for s in range(self._next, len(self._sent)) if s not in self._come] or [self._next]

    def _acknowledge(self, ack: Ack) -> bool:
        """Note what has come and find what is lost; return whether anything new has come."""
        self._acknowledged = True
        if not self._next <= ack.next <= self.frames:
            return False
        before = self._next + len(self._come)
        self._next = ack.next
        self._come = {s for s in self._come if s > ack.next}
        self._come |= {ack.next + 1 + bit for bit in range(32) if ack.mask >> bit & 1}
        newest = max((self._sent.get(s, 0) for s in (*self._come, self._next - 1)), default=0)
        waiting = set(self._lost)
        self._lost += [
            s
            for s in range(self._next, min(len(self._sent), self._next + WINDOW))
            if s not in self._come and s not in waiting and self._sent[s] < newest
        ]
        return self._next + len(self._come) > before
