"""A device in this process, on a line of its own: a thread takes bytes in and gives bytes back."""

from __future__ import annotations

import threading
from typing import Final

from edgekit.device.engine import Engine
from edgekit.device.machine import Device

_CHUNK: Final = 64
"""Bytes that the device takes at a time, like a UART's buffer: messages arrive in pieces."""


class InProcessDevice:
    """A device that runs in a thread until :meth:`close`.

    Parameters
    ----------
    engine:
        The model; used by the thread alone.
    """

    def __init__(self, engine: Engine) -> None:
        self._changed = threading.Condition()
        self._inbound = bytearray()
        self._outbound = bytearray()
        self._closing = False
        self._stopped = False
        self._device = Device(engine, self._emit)
        self._thread = threading.Thread(target=self._run, name="edgekit-device", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the device still runs."""
        return not self._stopped

    @property
    def waiting(self) -> int:
        """Bytes that have come from the device and were not read."""
        with self._changed:
            return len(self._outbound)

    def write(self, data: bytes) -> None:
        """Send bytes to the device."""
        with self._changed:
            self._inbound += data
            self._changed.notify_all()

    def read(self, size: int, timeout: float | None) -> bytes:
        """Return up to ``size`` bytes, waiting ``timeout`` seconds (``None``: for ever) for all of them."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._outbound) >= size or self._stopped, timeout)
            data = bytes(self._outbound[:size])
            del self._outbound[:size]
            return data

    def discard_outbound(self) -> None:
        """Throw away what has come from the device."""
        with self._changed:
            self._outbound.clear()

    def discard_inbound(self) -> None:
        """Throw away what the device has not taken yet."""
        with self._changed:
            self._inbound.clear()

    def close(self) -> None:
        """Stop the device after the inference under way."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _emit(self, data: bytes) -> None:
        with self._changed:
            self._outbound += data
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            self._device.boot()
            busy = False
            while True:
                with self._changed:
                    if not busy:
                        self._changed.wait_for(lambda: self._inbound or self._closing)
                    if self._closing:
                        return
                    chunk = bytes(self._inbound[:_CHUNK])
                    del self._inbound[:_CHUNK]
                self._device.feed(chunk)
                busy = self._device.poll()
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
