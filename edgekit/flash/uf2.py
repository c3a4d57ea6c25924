"""UF2 files, and the drives that boards take them from: whose family a file is for, and which drive is there.

A UF2 file is a sequence of blocks of 512 bytes, each with magic numbers, the address that its payload goes to, and the
number of the chip's family (github.com/microsoft/uf2, README.md).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgekit.doctor.boot import INFO_FILE
from edgekit.doctor.system import System, usb_devices
from edgekit.errors import InputError

FAMILIES: Final[Mapping[int, str]] = {0xE48BFF56: "RP2040", 0xE48BFF59: "RP2350", 0xE48BFF5A: "RP2350"}
"""Family to chip (raspberrypi/pico-sdk, src/common/boot_uf2_headers): RP2040, RP2350 with Arm cores, with RISC-V."""
_USB_IDS: Final[Mapping[str, str]] = {"2E8A:0003": "RP2040", "2E8A:000F": "RP2350"}
"""USB id of a boot loader to chip (raspberrypi/usb-pid, Readme.md)."""
_ABSOLUTE: Final = 0xE48BFF57
"""Family of blocks that go to an absolute address: a workaround for an erratum of the RP2350 puts one in front."""
_BLOCK: Final = 512
_HEADER: Final = struct.Struct("<8I")
_MAGIC: Final = (0x0A324655, 0x9E5D5157)
_END: Final = struct.pack("<I", 0x0AB16F30)
_FAMILY_FLAG: Final = 0x2000
_BOARD_ID: Final = re.compile(r"^Board-ID:\s*(\S+)", re.MULTILINE)
_BOARDS: Final[Mapping[str, str]] = {"RPI-RP2": "RP2040", "RP2350": "RP2350"}


@dataclass(frozen=True, slots=True)
class Drive:
    """The drive of a board in its UF2 boot loader; ``chip`` is that of :data:`FAMILIES`, or what the drive says."""

    path: Path
    chip: str


def chip_of(path: Path) -> str:
    """Return the chip that the UF2 file ``path`` is for.

    Raises
    ------
    InputError
        If it is no whole UF2 file, or for a family that is not known.
    """
    content = path.read_bytes()
    if not content or len(content) % _BLOCK:
        raise InputError(f"{path} is no UF2 file: it has {len(content):,} bytes.", "Build it again.")
    found = set()
    for start in range(0, len(content), _BLOCK):
        first, second, flags, _, size, _, _, family = _HEADER.unpack_from(content, start)
        if (first, second) != _MAGIC or content[start + _BLOCK - 4 : start + _BLOCK] != _END or size > 476:
            raise InputError(f"{path} is no UF2 file: block {start // _BLOCK} is damaged.", "Build it again.")
        if flags & _FAMILY_FLAG and family != _ABSOLUTE:
            found.add(FAMILIES.get(family, f"family {family:#010x}"))
    if len(found) != 1:
        raise InputError(f"{path} is for {' and '.join(sorted(found)) or 'no chip'}.", "Build it again.")
    return found.pop()


def find_drives(chip: str | None = None) -> tuple[Drive, ...]:
    """Return the drives of boards in their UF2 boot loader, of ``chip`` or of all."""
    found = []
    for mount in mount_points():
        try:
            text = (mount / INFO_FILE).read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        board = _BOARD_ID.search(text)
        name = board[1] if board else "unknown"
        found.append(Drive(mount, _BOARDS.get(name, name)))
    return tuple(drive for drive in found if chip in (None, drive.chip))


def on_usb(chip: str) -> bool:
    """Return whether an ``chip`` in its boot loader is on USB, mounted or not; only Linux tells."""
    return any(_USB_IDS.get(device.usb_id) == chip for device in usb_devices(System()))


def mount_points() -> Iterator[Path]:
    """Yield where FAT drives are mounted."""
    yield from map(Path, System().drives())
