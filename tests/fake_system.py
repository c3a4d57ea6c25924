"""A folder that looks like a Linux computer, for the checks that look at one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgekit.doctor.system import System

USER, GROUP = 4001, 4020
"""The user who asks, and the group that serial ports belong to; neither is root's."""


@dataclass
class FakeSystem:
    """The folder, and who asks."""

    root: Path
    groups: frozenset[int] = field(default_factory=frozenset)
    ports: int = 0

    def __post_init__(self) -> None:
        self.write("/etc/passwd", f"root:x:0:0::/root:/bin/sh\nann:x:{USER}:{USER}::/home/ann:/bin/sh\n")
        self.write("/etc/group", f"root:x:0:\ndialout:x:{GROUP}:\nann:x:{USER}:\n")
        for folder in ("proc", "dev", "sys/bus/usb/devices", "run/udev/data"):
            (self.root / folder).mkdir(parents=True)

    @property
    def system(self) -> System:
        """The system as the checks take it; its files belong to whoever runs the test, who is not the user."""
        return System(self.root, USER, self.groups, pid=1, platform="linux")

    def write(self, path: str, text: str) -> Path:
        """Write a file."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def process(self, pid: int, name: str, *files: str) -> None:
        """Let a process run that has ``files`` open."""
        self.write(f"/proc/{pid}/comm", f"{name[:15]}\n")
        (self.root / f"proc/{pid}/fd").mkdir()
        for number, file in enumerate(files):
            (self.root / f"proc/{pid}/fd/{number}").symlink_to(file)

    def usb(self, name: str, usb_id: str, product: str, driver: str = "", tty: str = "") -> None:
        """Connect a device, with a serial port where ``tty`` names one."""
        self.ports += 1
        device = f"/sys/bus/usb/devices/{name}"
        vendor, _, number = usb_id.lower().partition(":")
        values = {"idVendor": vendor, "idProduct": number, "product": product, "dev": f"189:{self.ports}"}
        for key, value in {**values, "busnum": "1", "devnum": str(self.ports)}.items():
            self.write(f"{device}/{key}", f"{value}\n")
        interface = self.write(f"{device}/{name}:1.0/bInterfaceNumber", "00\n").parent
        if driver:
            (interface / "driver").symlink_to(f"/sys/bus/usb/drivers/{driver}")
        if tty:
            place = interface / "tty" / tty if tty.startswith("ttyACM") else interface / tty
            place.mkdir(parents=True)
            self.write(f"/sys/class/tty/{tty}/dev", f"166:{self.ports}\n")
            self.node(f"/dev/{tty}")

    def node(self, path: str, mode: int = 0o660) -> Path:
        """Make a device."""
        place = self.write(path, "")
        place.chmod(mode)
        return place
