"""Boards behind an RFC 2217 server, which has what a pseudo-terminal has not: DTR and RTS that the board sees.

Also behind a plain socket, where nothing but bytes goes through.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import serial.rfc2217

from edgekit.device import Device, Engine


class Lines:
    """The modem lines and settings that a client has set; stands for pyserial's ``Serial`` in its ``PortManager``."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.baudrate = 115200
        self.bytesize, self.parity, self.stopbits = 8, "N", 1
        self.xonxoff = self.rtscts = self.break_condition = False
        self.cts = self.dsr = self.cd = True
        self.ri = False
        self._dtr = self._rts = False

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._dtr = bool(value)
        self._changed()

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, value: bool) -> None:
        self._rts = bool(value)
        self._changed()

    def reset_input_buffer(self) -> None:
        pass

    def reset_output_buffer(self) -> None:
        pass


class Rfc2217Board:
    """A board at ``rfc2217://`` or ``socket://``: one client at a time; a subclass says what it makes of what comes."""

    def __init__(self, scheme: str = "rfc2217") -> None:
        self.scheme = scheme
        self.lines = Lines(self.lines_changed)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._out = bytearray()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.clients = 0

    @property
    def url(self) -> str:
        """What opens it."""
        return f"{self.scheme}://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._server.close()

    def say(self, data: bytes) -> None:
        """Send to the client; lost if there is none."""
        self._out += data

    def lines_changed(self) -> None:
        """Take notice of DTR and RTS."""

    def connected(self) -> None:
        """Take notice of a client that has come."""

    def disconnected(self) -> None:
        """Take notice of a client that has gone."""

    def heard(self, data: bytes) -> None:
        """Take what the client has sent."""

    def poll(self) -> bool:
        """Do a piece of work; return whether there is more at once."""
        return False

    def _serve(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._server], [], [], 0.05)[0]:
                self.poll()
                continue
            client, _ = self._server.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client, contextlib.suppress(ConnectionError):
                self.clients += 1
                self._talk(client)
            self.disconnected()

    def _talk(self, client: socket.socket) -> None:
        self._out.clear()
        telnet = self.scheme == "rfc2217"
        manager = serial.rfc2217.PortManager(self.lines, _Writer(client)) if telnet else None
        self.connected()
        busy = False
        while not self._stop.is_set():
            if select.select([client], [], [], 0 if busy else 0.01)[0]:
                data = client.recv(65536)
                if not data:
                    return
                self.heard(b"".join(manager.filter(data)) if manager else data)
            busy = self.poll()
            if self._out:
                out, self._out = bytes(self._out), bytearray()
                client.sendall(b"".join(manager.escape(out)) if manager else out)


class _Writer:
    """What ``PortManager`` writes its own answers to."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def write(self, data: bytes) -> None:
        self._client.sendall(data)


class FirmwareBoard(Rfc2217Board):
    """A board with firmware that starts anew when a client comes, and says nothing as long as DTR is low."""

    def __init__(
        self, engine: Callable[[], Engine], *, resets_on_open: bool = True, needs_dtr: bool = True
    ) -> None:
        super().__init__()
        self._engine = engine
        self._resets_on_open = resets_on_open
        self._needs_dtr = needs_dtr
        self.starts = 0
        self._start()

    def connected(self) -> None:
        if self._resets_on_open:
            self._start()

    def heard(self, data: bytes) -> None:
        self._device.feed(data)

    def poll(self) -> bool:
        return self._device.poll()

    def say(self, data: bytes) -> None:
        if self.lines.dtr or not self._needs_dtr:
            super().say(data)

    def _start(self) -> None:
        self.starts += 1
        self._device = Device(self._engine(), self.say)
        self._device.boot()


def now() -> float:
    """Return seconds that never go back."""
    return time.monotonic()
