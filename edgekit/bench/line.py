"""The host's end of a line: opens any pyserial URL and splits what comes into lines of text and frames."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

import serial

from edgekit.device.line import register
from edgekit.doctor.explain import as_details, explain_port
from edgekit.errors import EdgekitError, InputError, TaskError
from edgekit.wire.declaration import BAUD, BUSY_LINE, COMMAND_END, FRAME_MARK, LINE_END, MESSAGE_MAX, Type
from edgekit.wire.frames import Frame, FrameError, decode, encode
from edgekit.wire.layout import Message

_SLICE_S: Final = 0.05
"""Longest single read: how promptly a deadline is noticed."""
_WRITE_TIMEOUT_S: Final = 10.0
_NO_WRITE_TIMEOUT: Final = "rfc2217:"
"""What pyserial has no time limit of writing for, and refuses to open with one."""
_NETWORK: Final = ("socket://", "rfc2217://")
_LINE_MAX: Final = 4 * MESSAGE_MAX
"""What comes without an end is dropped past this: noise, or the wrong speed."""


class SerialPort(Protocol):
    """The part of pyserial's ``Serial`` that is used."""

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        ...

    def read(self, size: int = 1, /) -> bytes:
        """Return up to ``size`` bytes, after :data:`_SLICE_S` at the latest."""
        ...

    def write(self, data: bytes, /) -> Any:
        """Send bytes."""
        ...

    def close(self) -> None:
        """Close the port."""
        ...


class DamagedFrame:
    """A frame that came but cannot be read."""


Received = str | Frame | DamagedFrame


class Line:
    """An open line to a device.

    Parameters
    ----------
    port:
        An open port.
    name:
        What to call it in messages.
    clock:
        Seconds, never going back; every deadline is on this clock.
    bytes_per_second:
        What the line carries, for deadlines that depend on the amount sent.
    """

    def __init__(
        self,
        port: SerialPort,
        name: str,
        clock: Callable[[], float] = time.monotonic,
        bytes_per_second: float = BAUD / 10,
    ) -> None:
        self._port = port
        self.name = name
        self.clock = clock
        self.bytes_per_second = bytes_per_second
        self._partial = bytearray()
        self._received: deque[Received] = deque()
        self._refused = False
        self.sent_bytes = 0
        self.received_bytes = 0

    def send_text(self, command: str) -> None:
        """Send a text command.

        Raises
        ------
        TaskError
            If the line is gone.
        """
        self._write(command.encode("ascii") + bytes([COMMAND_END]))

    def send_frame(self, type_: Type, request: int, payload: bytes) -> None:
        """Send a binary request; raises as :meth:`send_text`."""
        self._write(encode(type_, request, payload, COMMAND_END) + bytes([COMMAND_END]))

    def receive(self, deadline: float) -> Received | None:
        """Return the next line of text or frame, or ``None`` if none has come by ``deadline`` (on the clock).

        Raises
        ------
        TaskError
            If the line is gone.
        """
        while not self._received:
            remaining = deadline - self.clock()
            self._read(blocking=remaining > 0)
            if not self._received and remaining <= 0:
                return None
        return self._received.popleft()

    def drain(self, quiet: float, limit: float) -> list[Received]:
        """Take what comes until it is quiet for ``quiet`` seconds, or for ``limit`` seconds in all, and return it."""
        end = self.clock() + limit
        drained: list[Received] = []
        while self.clock() < end and (received := self.receive(min(end, self.clock() + quiet))) is not None:
            drained.append(received)
        self._partial.clear()
        return drained

    def close(self) -> None:
        """Close the port; nothing is raised, even if it is gone."""
        with contextlib.suppress(OSError, serial.SerialException):
            self._port.close()

    def _read(self, blocking: bool) -> None:
        try:
            waiting = self._port.in_waiting
            data = self._port.read(waiting or 1) if waiting or blocking else b""
        except (OSError, serial.SerialException, TypeError) as error:
            raise self._lost(error) from error
        self.received_bytes += len(data)
        self._partial += data
        while (end := self._partial.find(LINE_END)) >= 0:
            received = _parse(bytes(self._partial[:end]))
            self._received.append(received)
            self._refused |= received == BUSY_LINE
            del self._partial[: end + 1]
        if len(self._partial) > _LINE_MAX:
            self._partial.clear()

    def _lost(self, error: Exception) -> TaskError:
        if self._refused:
            return TaskError(
                f"{self.name} is in use by another host.",
                "Wait until it is done, or end the session that has it.",
            )
        return lost_line(self.name, error)

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise TaskError(
                f"{self.name} does not take data: nothing could be sent for {_WRITE_TIMEOUT_S:.0f} s.",
                "Reset the board, unplug and replug it, and check that flow control is off.",
            ) from error
        except (OSError, serial.SerialException, TypeError) as error:
            # Why may have come before: an agent that serves another host says so, and closes.
            with contextlib.suppress(TaskError):
                self._read(blocking=False)
            raise self._lost(error) from error
        self.sent_bytes += len(data)


def lost_line(name: str, error: Exception) -> TaskError:
    """Return the error for a line that is gone."""
    return TaskError(
        f"The connection to {name} was lost: {error}.",
        "Plug the board in again, check cable and power, and repeat; no results were kept.",
    )


def open_line(url: str, baud: int = BAUD) -> Line:
    """Open a line to a device; ``url`` and what is raised are :func:`open_port`'s."""
    return Line(open_port(url, baud), url, bytes_per_second=baud / 10)


def open_port(url: str, baud: int = BAUD) -> SerialPort:
    """Open a port: ``/dev/ttyUSB0``, ``COM5``, any URL that pyserial knows, or ``host://MODEL.tflite``.

    Raises
    ------
    InputError
        If there is no such port, it is no port, or it may not be opened.
    TaskError
        If it is in use or does not open for another reason.
    """
    _check_network(url)
    register()
    extra: dict[str, Any] = {} if "://" in url else {"exclusive": True}
    if not url.lower().startswith(_NO_WRITE_TIMEOUT):
        extra["write_timeout"] = _WRITE_TIMEOUT_S
    try:
        port = serial.serial_for_url(url, baudrate=baud, timeout=_SLICE_S, do_not_open=True, **extra)
        # Opening raises both lines at once, and they stay so. Circuits that reset a board want one without the other,
        # and USB stacks on the board itself send nothing to a host whose DTR is low.
        port.dtr = port.rts = True
        port.open()
    except (OSError, serial.SerialException) as error:
        raise _open_error(url, error) from error
    except ValueError as error:
        raise InputError(
            f"{url} is not a port that can be opened at {baud} baud: {error}.",
            "Give a port such as /dev/ttyUSB0, COM5, socket://HOST:PORT or host://MODEL.tflite.",
        ) from error
    opened: SerialPort = port
    return opened


def _check_network(url: str) -> None:
    """Check that a URL of another computer names it and a port there, which pyserial reports in riddles."""
    if not url.lower().startswith(_NETWORK):
        return
    try:
        parts = urlsplit(url)
        complete = bool(parts.hostname and parts.port)
    except ValueError:
        complete = False
    if not complete:
        scheme = url.partition(":")[0].lower()
        raise InputError(
            f"{url} does not name a host and a port there.",
            f"Write {scheme}://HOST:PORT, with a port from 1 to 65535.",
        )


M = TypeVar("M", bound=Message)


def unpack(message: type[M], payload: bytes) -> M:
    """Return the message in a payload whose CRC was right.

    Raises
    ------
    TaskError
        If it is too short all the same: the firmware is another one than it says.
    """
    try:
        return message.unpack(payload)
    except ValueError as error:
        raise TaskError(
            f"The device's answer makes no sense: {error}.", "Flash the firmware again with this edgekit."
        ) from error


def _parse(line: bytes) -> Received:
    if line.endswith(b"\r"):
        line = line[:-1]
    if line.startswith(FRAME_MARK):
        try:
            return decode(line, LINE_END)
        except FrameError:
            return DamagedFrame()
    return line.decode("ascii", "replace")


def _open_error(url: str, error: Exception) -> EdgekitError:
    """Say what an error of pyserial or of the system means for the user, and what is wrong with the port."""
    found = _meaning(url, error)
    # That it is not there has been said; who has it, or whose it is, has not.
    reasons = [finding for finding in explain_port(url) if finding.check != "port.there"]
    return (
        type(found)(found.message, found.hint, (*found.details, *as_details(reasons))) if reasons else found
    )


def _meaning(url: str, error: Exception) -> EdgekitError:
    if isinstance(error.__cause__, EdgekitError):
        return error.__cause__
    number = getattr(error, "errno", None)
    text = str(error)
    if "exclusively lock" in text or number in (errno.EBUSY, errno.EAGAIN):
        return TaskError(
            f"{url} is in use by another program.", "Close the monitor, IDE or other session that has it."
        )
    if number in (errno.EACCES, errno.EPERM) or "PermissionError" in text or "Access is denied" in text:
        return InputError(
            f"You may not open {url}: permission denied.",
            "Add yourself to the group that owns it (on most Linux systems `sudo usermod -aG dialout $USER`) "
            "and log in again; on Windows close the program that has it open.",
        )
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError" in text:
        found = _ports()
        return InputError(
            f"There is no port {url}.",
            f"Plug the board in; ports here: {', '.join(found)}."
            if found
            else "Plug the board in; no port is here now.",
        )
    if number == errno.ENOTTY or "Could not configure port" in text:
        return InputError(
            f"{url} is not a serial port.", "Give a port such as /dev/ttyUSB0, COM5 or socket://HOST:PORT."
        )
    if "waiting for option 'control'" in text:
        return TaskError(
            f"The server at {url} does not answer when it is to set DTR and RTS.",
            f"Go without: {url}{'&' if '?' in url else '?'}ign_set_control.",
        )
    if isinstance(error.__context__, socket.gaierror):
        return TaskError(
            f"The host of {url} is not known: {error.__context__.strerror}.",
            "Check its name, and the network.",
        )
    if "refused" in text:
        return TaskError(f"Nothing listens at {url}.", "Start the emulator or serial server first.")
    return TaskError(
        f"{url} could not be opened: {text.removeprefix(f'Could not open port {url}: ')}.",
        "Check the port's name and that nothing else uses it.",
    )


def _ports() -> list[str]:
    from serial.tools.list_ports import comports

    return sorted(port.device for port in comports())
