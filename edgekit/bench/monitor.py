"""Showing what comes from a line, as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import serial

from edgekit.bench.line import SerialPort, lost_line
from edgekit.wire.declaration import COMMAND_END

_PRINTABLE: Final = frozenset((*range(0x20, 0x7F), 0x09, 0x0A))
_CR: Final = 0x0D


def printable(data: bytes) -> str:
    """Return ``data`` as text that does no harm to a terminal: other bytes in hexadecimal, a CR left out."""
    return "".join(chr(byte) if byte in _PRINTABLE else f"\\x{byte:02x}" for byte in data if byte != _CR)


def watch(
    port: SerialPort,
    name: str,
    show: Callable[[str], None],
    commands: tuple[str, ...] = (),
    seconds: float | None = None,
) -> None:
    """Send ``commands`` and show all that comes, for ``seconds`` or until Ctrl-C.

    Raises
    ------
    TaskError
        If the line is gone.
    """
    end = None if seconds is None else time.monotonic() + seconds
    try:
        for command in commands:
            port.write(command.encode("ascii", "replace") + bytes([COMMAND_END]))
        while end is None or time.monotonic() < end:
            data = port.read(port.in_waiting or 1)
            if data:
                show(printable(data))
    except (OSError, serial.SerialException, TypeError) as error:
        raise lost_line(name, error) from error
