"""The agent on a terminal line: a UART of the board's, or the gadget end of its USB port."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Final

import serial

from edgekit.device.agent.session import TAKEN, Session
from edgekit.errors import InputError, TaskError

if TYPE_CHECKING:
    from edgekit.device.engine import Engine

_STALLED_S: Final = 10.0
"""What nobody reads is thrown away after so long, as a UART does at once."""


def open_terminal(path: str, baud: int) -> serial.Serial:
    """Open a terminal for the agent alone, raw, at ``baud``.

    Raises
    ------
    InputError
        If there is none, or it may not be opened.
    TaskError
        If something else uses it.
    """
    try:
        return serial.Serial(path, baudrate=baud, timeout=0, exclusive=True)
    except serial.SerialException as error:
        if "exclusively lock" in str(error):
            raise TaskError(
                f"{path} is in use by another program.",
                "End the login or console on it: `systemctl disable --now serial-getty@NAME`.",
            ) from error
        raise InputError(
            f"{path} cannot be opened as a serial line: {error}.",
            "Give the board's UART or USB gadget, such as /dev/serial0 or /dev/ttyGS0.",
        ) from error
    except ValueError as error:
        raise InputError(f"{path} does not run at {baud} baud: {error}.", "Give another --baud.") from error


def serve_terminal(engine: Engine, port: serial.Serial, stop: int | None = None) -> None:
    """Serve whoever is at the other end, until descriptor ``stop`` can be read or an exception ends it.

    Raises
    ------
    TaskError
        If the line is gone.
    """
    line = port.fileno()
    session = Session(engine)
    more = True
    while True:
        reads = [line] if session.wants_more else []
        if stop is not None:
            reads.append(stop)
        wait = 0.0 if more and not session.blocked else _STALLED_S if session.outbound else None
        ready, writable, _ = select.select(reads, [line] if session.outbound else [], [], wait)
        if stop is not None and stop in ready:
            return
        try:
            if line in ready:
                data = os.read(line, TAKEN)
                if not data:
                    raise OSError("it was closed at the other end")
                session.take(data)
            if line in writable:
                session.sent(os.write(line, session.outbound))
        except BlockingIOError:
            pass
        except OSError as error:
            raise TaskError(
                f"The line {port.port} is gone: {error.strerror or error}.",
                "Plug it in again, and start the agent again.",
            ) from error
        if session.stalled_s >= _STALLED_S:
            session.sent(len(session.outbound))
        more = session.turn()
