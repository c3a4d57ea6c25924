"""Teensy boards, by PJRC's command-line loader.

The options are those of its README: ``-w`` waits for the boot loader, ``-s`` asks a board whose firmware has
Teensyduino's USB serial port to start it, which works on Linux only, ``-v`` says what goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

from edgekit.boards.profile import BoardProfile
from edgekit.build.tools import need_tool
from edgekit.errors import TaskError
from edgekit.flash.flasher import Job
from edgekit.flash.methods.method import Order, not_flashed
from edgekit.flash.steps import Run, ToolFailed

_TOOL: Final = "teensy_loader_cli"
_NAMES: Final[Mapping[str, str]] = {"teensy41": "TEENSY41", "teensy40": "TEENSY40"}


class Teensy:
    """teensy_loader_cli."""

    title = "teensy_loader_cli"
    urls = False
    bauds = False

    def wants_port(self, board: BoardProfile) -> bool:
        """Return that it need not be told: it looks for the board itself."""
        return False

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether the loader's name for it is known."""
        return board.name in _NAMES

    def check(self, job: Job, board: BoardProfile) -> None:
        """Find the loader."""
        need_tool(_TOOL)

    def steps(self, order: Order) -> list[Run]:
        """Return one command; it waits for the button where nothing else starts the boot loader."""
        own = order.board.flash_target if order.board.flash_method == "teensy_loader" else None
        name = own or _NAMES.get(order.board.name)
        if name is None:
            raise TaskError(
                f"What {_TOOL} calls {order.board.name} is not known.",
                "Name it in the board's file: flash_target.",
            )
        soft = order.port is not None and sys.platform == "linux"
        if not soft:
            order.job.told.says(self.manual(order.board))
        return [Run((_TOOL, f"--mcu={name}", "-v", "-w", *(("-s",) if soft else ()), str(order.file("hex"))))]

    def manual(self, board: BoardProfile) -> str:
        """Return which button starts the boot loader."""
        return "Press the white button on the board."

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error for what the loader said."""
        if "Unable to open device" in failed.said or "permission" in failed.said.lower():
            return not_flashed(
                order.board,
                failed,
                "you may not open the USB device",
                "Install PJRC's udev rule, see docs/flashing.md, and plug the board in again.",
            )
        return not_flashed(order.board, failed, "", f"{self.manual(order.board)} Then flash it again.")
