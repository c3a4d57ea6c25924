"""Raspberry Pi's Picos, by picotool; and where that is not installed, by copying onto the boot loader's drive.

The options are those of picotool 2.3 (``picotool help load``): ``-v`` verifies, ``-x`` starts what was loaded, ``-f``
restarts a board into its boot loader that runs a firmware and listens for that, ``--ser`` picks one of several.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Final

from edgekit.boards.profile import BoardProfile
from edgekit.build.tools import need_tool
from edgekit.errors import TaskError
from edgekit.flash import ports
from edgekit.flash.flasher import Job
from edgekit.flash.methods.method import Order, not_flashed
from edgekit.flash.methods.uf2 import Uf2
from edgekit.flash.steps import Run, Step, ToolFailed

_NAME: Final = "picotool"
_VENDOR: Final = "2E8A:"
_REASONS: Final = (
    (
        "without USB support",
        "it was built without libusb",
        "Take `edgekit flash --method uf2`, or install a picotool that has USB; the SDK builds one without for itself.",
    ),
    (
        "unable to connect",
        "you may not open the USB device",
        "Install the udev rule of picotool, see docs/flashing.md, and plug the board in again.",
    ),
    (
        "No accessible RP",
        "no board is in its boot loader or listens for picotool",
        "{manual} Then flash it again.",
    ),
    (
        "requires a single RP",
        "several boards are connected",
        "Name the one to flash with --port, or unplug the others.",
    ),
)


class Picotool:
    """picotool, or else the drive."""

    title = "picotool"
    urls = False
    bauds = False

    def __init__(self) -> None:
        self._drive = Uf2()

    def wants_port(self, board: BoardProfile) -> bool:
        """Return that it need not be told: it looks for the board itself."""
        return False

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether it is an RP2040 or RP2350."""
        return self._drive.suits(job, board)

    def check(self, job: Job, board: BoardProfile) -> None:
        """Check picotool where it is to be used: it must run."""
        if _installed() or job.wishes.method == _NAME:
            need_tool(_NAME)

    def steps(self, order: Order) -> Sequence[Step]:
        """Return one command; without picotool what copies onto the drive."""
        if not _installed() and order.job.wishes.method != _NAME:
            return self._drive.steps(order)
        command = [_NAME, "load", "-v", "-x", str(order.file("uf2", "elf")), "-f"]
        here = [
            port for port in ports.list_ports() if port.usb_id is not None and port.usb_id.startswith(_VENDOR)
        ]
        serial = next((one.serial_number for one in here if one.device == order.port), None)
        if serial is not None and len(here) > 1:
            command += ["--ser", serial]
        return [Run(tuple(command))]

    def manual(self, board: BoardProfile) -> str:
        """Return which button starts the boot loader."""
        return self._drive.manual(board)

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error for what picotool said."""
        for words, why, hint in _REASONS:
            if words in failed.said:
                return not_flashed(order.board, failed, why, hint.format(manual=self.manual(order.board)))
        return not_flashed(order.board, failed)


def _installed() -> bool:
    return shutil.which(_NAME) is not None
