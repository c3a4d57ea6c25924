"""A serial wire between a pseudo-terminal, which a host opens, and a device: as fast as its rate and no faster."""

from __future__ import annotations

import os
import select
import socket
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

BITS: Final = 10
"""A byte on the wire: start, eight data bits, stop."""
_SLICE_S: Final = 0.001
_SPEEDS: Final = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[1:].isdigit()}


def as_received(data: bytes, sent: int, received: int) -> bytes:
    """Return what a UART at ``received`` baud makes of bytes that one at ``sent`` baud sends in a row.

    A UART begins with a falling edge, looks at the middle of every bit, and waits for the line to be idle when there is
    no stop bit; such a framing error gives a zero byte, as terminals have it.
    """
    levels = [1, *(bit for byte in data for bit in (0, *(byte >> i & 1 for i in range(8)), 1))]

    def level(bits: float) -> int:
        """The line's level after so many bits of the receiver."""
        index = int(bits * sent / received)
        return levels[index] if index < len(levels) else 1

    out = bytearray()
    end = len(levels) * received / sent
    at = 0.0
    step = min(1.0, received / sent) / 16
    while at < end:
        if level(at):
            at += step
            continue
        value = sum(level(at + 1.5 + bit) << bit for bit in range(8))
        stop = level(at + 9.5)
        out.append(value if stop else 0)
        at += 9.5
        while at < end and not level(at):
            at += step
    return bytes(out)


class _Direction:
    """One direction of the wire."""

    def __init__(self, source: int, target: int, rates: Callable[[], tuple[int, int]]) -> None:
        self._source, self._target, self._rates = source, target, rates
        self._free_at = time.monotonic()

    def carry(self) -> None:
        """Let pass what the wire has had time for since it was last free."""
        now = time.monotonic()
        count = int((now - self._free_at) * self._rates()[0] / BITS)
        if count == 0:
            return
        try:
            data = os.read(self._source, count)
        except BlockingIOError:
            data = b""
        sent, received = self._rates()  # a host that has set its rate meanwhile has sent with that
        # A wire that had nothing to carry does not catch up later.
        self._free_at = now if len(data) < count else self._free_at + len(data) * BITS / sent
        if data and sent != received:
            data = as_received(data, sent, received)
        while data:
            select.select([], [self._target], [], 1.0)
            data = data[os.write(self._target, data) :]


class PacedWire:
    """A wire at ``baud``, the device's rate; what a host at another rate sends comes out garbled, and the other way.

    ``port`` is what the host opens. The wire ends with its device.
    """

    def __init__(self, device: str, baud: int) -> None:
        self._device = _open_device(device)
        self._host, self._end = os.openpty()
        tty.setraw(self._end)
        self.port = os.ttyname(self._end)
        for descriptor in (self._device, self._host):
            os.set_blocking(descriptor, False)
        self._down = _Direction(self._host, self._device, lambda: (self._host_baud(), baud))
        self._up = _Direction(self._device, self._host, lambda: (baud, self._host_baud()))
        self._going = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Pull the plug."""
        self._going = False
        self._thread.join()
        for descriptor in (self._device, self._host, self._end):
            os.close(descriptor)

    def _host_baud(self) -> int:
        return _SPEEDS[termios.tcgetattr(self._host)[5]]

    def _run(self) -> None:
        while self._going:
            try:
                self._down.carry()
                self._up.carry()
            except OSError:
                return
            time.sleep(_SLICE_S)


def _open_device(device: str) -> int:
    if device.startswith("socket://"):
        host, _, port = device.removeprefix("socket://").partition(":")
        return socket.create_connection((host, int(port))).detach()
    return os.open(device, os.O_RDWR | os.O_NOCTTY)


@contextmanager
def paced_wire(device: str, baud: int) -> Iterator[PacedWire]:
    """Put a wire in front of a device's port for the length of a block."""
    wire = PacedWire(device, baud)
    try:
        yield wire
    finally:
        wire.close()
