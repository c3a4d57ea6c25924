"""Which program a board runs now: its firmware, or the boot loader that waits for another one."""

from __future__ import annotations

import os
import time
from typing import Final, Protocol

from edgekit.boards.profile import BoardProfile
from edgekit.doctor.finding import Finding, note, ok, warning
from edgekit.doctor.system import System, is_usb_id_of, usb_devices

BOOT_LOADERS: Final = {
    "2E8A:0003": "BOOTSEL mode: its drive RPI-RP2 waits for a UF2 file",
    "2E8A:000F": "BOOTSEL mode: its drive RP2350 waits for a UF2 file",
    "2341:005A": "its boot loader, which waits for bossac",
    "2341:015A": "its boot loader, which waits for bossac",
    "16C0:0478": "its boot loader HalfKay, which waits for teensy_loader_cli",
}
"""USB ids that a board has only while its boot loader runs; from the profiles in boards/."""

INFO_FILE: Final = "INFO_UF2.TXT"
"""On the drive of every UF2 boot loader; says which board it is."""
# A request to synchronize: docs.espressif.com, esptool, serial protocol. 0x08 is its command, and 36 bytes follow.
_SYNC: Final = b"\xc0\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20" + 32 * b"\x55" + b"\xc0"
_SYNCED: Final = b"\xc0\x01\x08"
_WAITING: Final = (b"waiting for download", b"DOWNLOAD(")
_LISTEN_S: Final = 0.3


class Line(Protocol):
    """What is needed of a serial line; pyserial's is one, with a time-out."""

    def write(self, data: bytes, /) -> int | None:
        """Send bytes."""

    def read(self, size: int, /) -> bytes:
        """Return what has come, ``size`` bytes at most, or nothing after the line's time-out."""


def check_boot_loaders(system: System, board: BoardProfile | None = None) -> list[Finding]:
    """Look for boards that have told by their USB id that they wait in their boot loader."""
    findings = []
    for device in usb_devices(system):
        mode = BOOT_LOADERS.get(device.usb_id)
        if mode is None or (board is not None and not is_usb_id_of(device.usb_id, board)):
            continue
        findings.append(
            note(
                "boot.mode",
                f"A board is in {mode}.",
                f"{device.title} at {device.path.name}",
                "`edgekit flash` puts firmware onto it; to run what is on it, reset it without holding its button.",
            )
        )
    return findings + [
        note("boot.drive", f"There is a drive that takes UF2 files, {place}.", INFO_FILE)
        for place in uf2_drives(system)
    ]


def uf2_drives(system: System) -> list[str]:
    """Return where drives are mounted that a boot loader makes for UF2 files."""
    return [place for place in system.drives() if os.path.isfile(system.path(place) / INFO_FILE)]


def check_rom_loader(line: Line, port: str) -> Finding:
    """Ask whether an ESP32 at the line waits in its ROM's boot loader.

    Firmware takes the question for noise. The line must be open already, at 115,200 baud.
    """
    check = "boot.mode"
    heard = _hear(line)
    if not any(text in heard for text in _WAITING):
        line.write(_SYNC)
        heard += _hear(line)
    if _SYNCED in heard or any(text in heard for text in _WAITING):
        return warning(
            check,
            f"The chip at {port} waits in its ROM's boot loader and does not run its firmware.",
            "it answers a synchronization" if _SYNCED in heard else "it says: waiting for download",
            "Press its reset button (EN, RST) without holding BOOT. If that does not help, GPIO0 (GPIO9 on an ESP32-C3,"
            " GPIO35 on an ESP32-P4) is held low.",
        )
    return ok(check, f"What is at {port} is not in an ESP32's download mode.")


def _hear(line: Line) -> bytes:
    heard = b""
    deadline = time.monotonic() + _LISTEN_S
    while time.monotonic() < deadline and len(heard) < 4096:
        heard += line.read(256)
    return heard
