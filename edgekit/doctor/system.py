"""What the checks look at of a computer: its files below one root, and who is asking.

Only Linux says all of this; elsewhere the files are missing, and the checks find nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edgekit.boards.profile import BoardProfile

_RULES: Final = ("usr/lib/udev/rules.d", "lib/udev/rules.d", "run/udev/rules.d", "etc/udev/rules.d")
"""Where udev reads its rules, a later folder before an earlier one: man 7 udev."""
_FAT: Final = (b"vfat", b"msdos", b"fuseblk")
_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")
"""A byte of a path in the table of mounts that would be taken for something else there: man 5 fstab."""


def _groups() -> frozenset[int]:
    return frozenset({os.getegid(), *os.getgroups()}) if hasattr(os, "getgroups") else frozenset()


@dataclass(frozen=True)
class System:
    """A computer, or a folder that looks like one.

    Attributes
    ----------
    root:
        What ``/sys``, ``/proc``, ``/dev``, ``/etc`` and ``/run`` lie in.
    uid, gids:
        Who is asking.
    pid:
        The process that asks, which is not in its own way.
    platform:
        As ``sys.platform`` has it.
    """

    root: Path = Path("/")
    uid: int = field(default_factory=lambda: os.geteuid() if hasattr(os, "geteuid") else 0)
    gids: frozenset[int] = field(default_factory=_groups)
    pid: int = field(default_factory=os.getpid)
    platform: str = sys.platform

    def path(self, path: str) -> Path:
        """Return where the absolute ``path`` lies."""
        return self.root / path.lstrip("/")

    def text(self, path: str) -> str:
        """Return the text of a small file; empty if it cannot be read."""
        return read_text(self.path(path))

    def device(self, port: str) -> Path:
        """Return the device that ``port`` is or points to, as ``/dev/serial/by-id/...`` does."""
        path = self.path(port)
        with contextlib.suppress(OSError):
            return path.resolve(strict=True)
        return path

    def may_use(self, path: Path) -> bool:
        """Return whether the one who asks may read and write ``path``."""
        if self.root == Path("/"):  # knows of access control lists, which udev's uaccess sets
            return os.access(path, os.R_OK | os.W_OK)
        status = path.stat()
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid in self.gids else 0
        return self.uid == 0 or (status.st_mode >> shift) & 0o6 == 0o6

    def group(self, gid: int) -> tuple[str, tuple[str, ...]]:
        """Return the name of a group and its members by ``/etc/group``."""
        for line in self.text("/etc/group").splitlines():
            name, _, rest = line.partition(":")
            fields = rest.split(":")
            if len(fields) == 3 and fields[1] == str(gid):
                return name, tuple(member for member in fields[2].split(",") if member)
        return str(gid), ()

    def user(self) -> str:
        """Return the name of the one who asks by ``/etc/passwd``; the number if it has none."""
        for line in self.text("/etc/passwd").splitlines():
            fields = line.split(":")
            if len(fields) > 2 and fields[2] == str(self.uid):
                return fields[0]
        return str(self.uid)

    def processes(self) -> Iterator[tuple[int, str]]:
        """Yield number and name of every process that can be seen."""
        for folder in _folders(self.path("/proc")):
            if folder.name.isdigit():
                name = read_text(folder / "comm").strip()
                if name:
                    yield int(folder.name), name

    def running(self, name: str) -> int | None:
        """Return the process called ``name``, or ``None``; the kernel keeps 15 characters of a name."""
        return next((pid for pid, found in self.processes() if found == name[:15]), None)

    def open_files(self, pid: int) -> list[str] | None:
        """Return what a process has open; ``None`` if that may not be seen."""
        folder = self.path(f"/proc/{pid}/fd")
        try:
            entries = list(folder.iterdir())
        except PermissionError:
            return None
        except OSError:
            return []
        targets = []
        for entry in entries:
            with contextlib.suppress(OSError):
                targets.append(os.readlink(entry))
        return targets

    def drives(self) -> Iterator[str]:
        """Yield where FAT drives are mounted, as those of UF2 boot loaders are."""
        if self.platform == "darwin":
            yield from (f"/Volumes/{folder.name}" for folder in _folders(self.path("/Volumes")))
        elif self.platform == "win32":
            yield from (f"{letter}:\\" for letter in "DEFGHIJKLMNOPQRSTUVWXYZ")
        else:
            yield from self._mounts()

    def _mounts(self) -> Iterator[str]:
        try:
            table = self.path("/proc/mounts").read_bytes()
        except OSError:
            return
        # Only these bytes are between fields and lines; of characters there are many blanks.
        for line in table.split(b"\n"):
            fields = line.split(b" ")
            if len(fields) > 2 and fields[2] in _FAT:
                place = _ESCAPED.sub(lambda code: bytes([int(code[1], 8) & 0xFF]), fields[1])
                yield place.decode(errors="replace")

    def rules(self) -> dict[str, str]:
        """Return the udev rules that apply: file name to text; one in ``/etc`` replaces its namesake elsewhere."""
        found: dict[str, str] = {}
        for folder in _RULES:
            place = self.path(folder)
            for path in sorted(place.glob("*.rules")) if place.is_dir() else ():
                found[path.name] = read_text(path)
        return found


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A device at the USB, by ``/sys/bus/usb/devices``.

    Attributes
    ----------
    path:
        Its folder there.
    usb_id:
        ``VID:PID`` in hexadecimal capitals.
    product:
        What it calls itself.
    ttys:
        Its serial ports: ``"ttyACM0"``.
    drivers:
        Kernel drivers of its interfaces; empty where there is none.
    node:
        Its raw device below ``/dev/bus/usb``.
    """

    path: Path
    usb_id: str
    product: str
    ttys: tuple[str, ...]
    drivers: tuple[str, ...]
    node: str

    @property
    def title(self) -> str:
        """Id and name, for people."""
        return f"{self.usb_id} {self.product}".strip()


def is_usb_id_of(usb_id: str, board: BoardProfile) -> bool:
    """Return whether ``board`` or its probe may have ``usb_id``, by its profile: ``VID:*`` is all of a vendor's."""
    return usb_id in board.usb_ids or f"{usb_id.partition(':')[0]}:*" in board.usb_ids


def usb_devices(system: System) -> list[UsbDevice]:
    """Return what is connected, in the order of the names that the kernel gives."""
    return [
        device
        for folder in _folders(system.path("/sys/bus/usb/devices"))
        if (device := _usb_device(folder)) is not None
    ]


def usb_device_of(system: System, port: str) -> UsbDevice | None:
    """Return the USB device whose serial port ``port`` is, or ``None``."""
    name = system.device(port).name
    return next((device for device in usb_devices(system) if name in device.ttys), None)


def _usb_device(folder: Path) -> UsbDevice | None:
    vendor, product = read_text(folder / "idVendor").strip(), read_text(folder / "idProduct").strip()
    if not vendor or not product:
        return None  # an interface
    interfaces = [path for path in _folders(folder) if path.name.startswith(f"{folder.name}:")]
    drivers = [path / "driver" for path in interfaces]
    bus, number = read_text(folder / "busnum").strip(), read_text(folder / "devnum").strip()
    return UsbDevice(
        path=folder,
        usb_id=f"{vendor}:{product}".upper(),
        product=read_text(folder / "product").strip(),
        ttys=tuple(name for interface in interfaces for name in _ttys(interface)),
        drivers=tuple(os.path.basename(os.readlink(path)) for path in drivers if path.is_symlink()),
        node=f"/dev/bus/usb/{bus:0>3}/{number:0>3}" if bus and number else "",
    )


def _ttys(interface: Path) -> Sequence[str]:
    """Return the serial ports of an interface: below ``tty/`` for CDC ACM, as a folder of its own for bridges."""
    names = [path.name for path in _folders(interface / "tty")]
    return names + [
        path.name for path in _folders(interface) if path.name.startswith("tty") and path.name != "tty"
    ]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def read_text(path: Path) -> str:
    """Return the text of a small file; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
