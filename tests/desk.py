"""A desk with simulated boards: USB ports that come and go, each a pseudo-terminal with a device behind it, or none."""

from __future__ import annotations

import contextlib
import os
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_lines import PtyDevice

from edgekit.device import Engine
from edgekit.flash import ports, uf2
from edgekit.flash.ports import PortInfo


class Desk:
    """What `list_ports` and `mount_points` see.

    A board has a name of its own, as /dev/ttyACM0 has, that leads to its pseudo-terminal.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder / "dev"
        self._folder.mkdir()
        self._boards: dict[str, tuple[PortInfo, PtyDevice | None]] = {}
        self.drives: list[Path] = []
        self._silent: list[int] = []
        self._later: list[Callable[[], None]] = []
        monkeypatch.setattr(ports, "list_ports", self._list)
        monkeypatch.setattr(uf2, "mount_points", self._mounts)

    def plug(
        self, name: str, usb_id: str, serial_number: str | None = None, engine: Engine | None = None
    ) -> str:
        """Plug a board in; one without engine stays silent. Returns its port."""
        device = self._folder / name
        board = PtyDevice(engine) if engine is not None else None
        if board is not None:
            board.__enter__()
            os.symlink(board.path, device)
        else:
            self._silent += os.openpty()
            os.symlink(os.ttyname(self._silent[-1]), device)
        self._boards[name] = (PortInfo(str(device), usb_id, serial_number), board)
        return str(device)

    def unplug(self, name: str) -> None:
        """Pull the plug."""
        _, board = self._boards.pop(name)
        (self._folder / name).unlink()
        if board is not None:
            board.unplug()

    def baud(self, name: str) -> int:
        """Return at which rate a port was last opened, as termios has it."""
        with (self._folder / name).open("rb", buffering=0) as port:
            return int(termios.tcgetattr(port)[5])

    def later(self, *steps: Callable[[], None]) -> None:
        """Do each of ``steps`` at one of the next looks at the desk."""
        self._later += steps

    def close(self) -> None:
        for name in list(self._boards):
            with contextlib.suppress(OSError):
                self.unplug(name)
        for descriptor in self._silent:
            os.close(descriptor)

    def _list(self) -> tuple[PortInfo, ...]:
        if self._later:
            self._later.pop(0)()
        return tuple(info for info, _ in self._boards.values())

    def _mounts(self) -> list[Path]:
        if self._later:
            self._later.pop(0)()
        return self.drives


def boot_drive(folder: Path, board_id: str = "RPI-RP2") -> Path:
    """Make the drive of a Pico in its boot loader, and return where it is mounted."""
    folder.mkdir(parents=True)
    text = f"UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: {board_id}\r\n"
    (folder / uf2.INFO_FILE).write_text(text)
    return folder
