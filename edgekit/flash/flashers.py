"""Which flasher puts an image onto which board."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edgekit.boards.catalog import get_board
from edgekit.codegen.record import FirmwareProject
from edgekit.errors import InputError
from edgekit.flash.device import DeviceFlasher
from edgekit.flash.emulator import MACHINES
from edgekit.flash.flasher import Flasher
from edgekit.flash.linux import LinuxFlasher
from edgekit.flash.methods.esptool import Esptool
from edgekit.flash.methods.method import Method
from edgekit.flash.methods.nano import Bossac, Nrfutil
from edgekit.flash.methods.picotool import Picotool
from edgekit.flash.methods.platformio import Platformio
from edgekit.flash.methods.probes import JLINK, OPENOCD, PYOCD
from edgekit.flash.methods.teensy import Teensy
from edgekit.flash.methods.uf2 import Uf2
from edgekit.flash.methods.west import West
from edgekit.flash.qemu import EmulatorFlasher

_METHODS: Final[Mapping[str, Method]] = {
    "esptool": Esptool(),
    "picotool": Picotool(),
    "uf2": Uf2(),
    "west": West(),
    "platformio": Platformio(),
    "pyocd": PYOCD,
    "openocd": OPENOCD,
    "jlink": JLINK,
    "bossac": Bossac(),
    "nrfutil": Nrfutil(),
    "teensy_loader": Teensy(),
}

FLASHERS: Final[Mapping[str, Flasher]] = {
    "qemu": EmulatorFlasher(),
    "ssh": LinuxFlasher(),
    **{name: DeviceFlasher(name, method) for name, method in _METHODS.items()},
}
"""By method, which is that of a board's profile (:data:`~edgekit.boards.profile.FlashMethod`) or of a framework."""

_OF_FRAMEWORK: Final[Mapping[str, str]] = {"zephyr": "west", "platformio": "platformio"}
"""Frameworks that flash in a way of their own, whatever the board."""


def method_of(project: FirmwareProject) -> str:
    """Return how an image gets onto the board of ``project``: a key of :data:`FLASHERS`, or what there should be.

    Raises
    ------
    InputError
        If its board is not known here.
    """
    if project.board in MACHINES:
        return "qemu"
    return _OF_FRAMEWORK.get(project.framework) or get_board(project.board).flash_method


def flasher_of(project: FirmwareProject, method: str | None = None) -> Flasher:
    """Return what puts an image onto the board of ``project``, by ``method`` or else the board's own.

    Raises
    ------
    InputError
        If its board is not known here, or there is no such method.
    """
    name = method or method_of(project)
    if name not in FLASHERS:
        raise InputError(
            f"{name} is no way of flashing.",
            f"There are {', '.join(FLASHERS)}; most boards have one of their own.",
        )
    return FLASHERS[name]
