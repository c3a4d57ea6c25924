"""Serial ports: which there are, and which boards may be behind them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.boards.profile import BoardProfile
from edgekit.doctor.system import is_usb_id_of


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial port of this computer.

    Attributes
    ----------
    device:
        What opens it: ``/dev/ttyACM0``, ``COM5``.
    usb_id:
        ``VID:PID`` in hexadecimal capitals; ``None`` where it is not on USB.
    serial_number:
        Of the USB device, where it has one.
    location:
        The place on the bus where it is plugged in, where the system tells.
    product:
        What the device calls itself, or else what the system calls it.
    """

    device: str
    usb_id: str | None = None
    serial_number: str | None = None
    location: str | None = None
    product: str = ""

    def may_be(self, board: BoardProfile) -> bool:
        """Return whether its USB ids are those of ``board``."""
        return self.usb_id is not None and is_usb_id_of(self.usb_id, board)

    def same_device(self, other: PortInfo) -> bool:
        """Return whether it is the device that ``other`` was: by its serial number, else by where it is plugged in."""
        if self.serial_number and other.serial_number:
            return self.serial_number == other.serial_number
        if self.location and other.location:
            # A device with several interfaces has the same place with another number after the colon.
            return self.location.partition(":")[0] == other.location.partition(":")[0]
        return self.device == other.device


def list_ports() -> tuple[PortInfo, ...]:
    """Return the serial ports of this computer, those on USB first, by name; nothing is opened for it."""
    from serial.tools.list_ports import comports

    found = [
        PortInfo(
            device=port.device,
            usb_id=None if port.vid is None else f"{port.vid:04X}:{port.pid:04X}",
            serial_number=port.serial_number or None,
            location=port.location or None,
            product=port.product or (port.description if port.description != "n/a" else "") or "",
        )
        for port in comports()
    ]
    return tuple(sorted(found, key=lambda port: (port.usb_id is None, _natural(port.device))))


def boards_at(port: PortInfo, boards: Iterable[BoardProfile]) -> tuple[str, ...]:
    """Return the names of those of ``boards`` that may be behind ``port``."""
    return tuple(board.name for board in boards if port.may_be(board))


def is_url(port: str) -> bool:
    """Return whether ``port`` is a URL of pyserial's and no port of this computer."""
    return "://" in port


def accessible(device: str) -> bool:
    """Return whether this user may open ``device``; what is no path is not judged."""
    return not Path(device).is_absolute() or os.access(device, os.R_OK | os.W_OK)


def _natural(device: str) -> tuple[str, int, str]:
    """Return a key that has ttyUSB2 before ttyUSB10."""
    digits = device[len(device.rstrip("0123456789")) :]
    return device[: len(device) - len(digits)], int(digits or -1), device
