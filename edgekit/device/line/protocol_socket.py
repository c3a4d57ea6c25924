"""``socket://HOST:PORT``: pyserial's own handler, that tells how much has come and sends at once.

pyserial's says 1 whenever anything can be read, so that readers go byte by byte, and leaves Nagle's algorithm on, so
that a request waits for the acknowledgement of the one before.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Final

from serial.serialutil import PortNotOpenError
from serial.urlhandler import protocol_socket

_PEEKED: Final = 4096


class Serial(protocol_socket.Serial):  # type: ignore[misc]
    """A line to a serial server, or to an agent, over TCP."""

    _opening = False

    def open(self) -> None:
        """Connect; raises ``SerialException`` as pyserial's does."""
        self._opening = True
        try:
            super().open()
        finally:
            self._opening = False
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def reset_input_buffer(self) -> None:
        """Throw away what has come, except while connecting: an agent that is busy says so, and closes."""
        if not self._opening:
            super().reset_input_buffer()

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once; 1 at the end of the connection, where reading says so."""
        if not self.is_open:
            raise PortNotOpenError()
        if not select.select([self._socket], [], [], 0)[0]:
            return 0
        try:
            return len(self._socket.recv(_PEEKED, socket.MSG_PEEK)) or 1
        except BlockingIOError:
            return 0
        except OSError:
            return 1
