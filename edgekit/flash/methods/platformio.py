"""Projects of PlatformIO's, by ``pio run --target upload``.

The options are those of PlatformIO Core 6.2 (``pio run --help``); the target ``nobuild`` keeps it from building again.
"""

from __future__ import annotations

from typing import Final

from edgekit.boards.profile import BoardProfile
from edgekit.build.tools import need_tool
from edgekit.errors import TaskError
from edgekit.flash.flasher import Job
from edgekit.flash.methods.method import Order, not_flashed
from edgekit.flash.steps import Run, ToolFailed

_SERIAL: Final = ("esptool", "bossac", "picotool", "uf2", "nrfutil", "teensy_loader")
"""Methods of boards that PlatformIO reaches at their serial port; elsewhere an upload port is something else."""


class Platformio:
    """pio."""

    title = "PlatformIO"
    urls = False
    bauds = False

    def wants_port(self, board: BoardProfile) -> bool:
        """Return that it need not be told: it looks for the board itself."""
        return False

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether it is a project of PlatformIO's."""
        return job.project.framework == "platformio"

    def check(self, job: Job, board: BoardProfile) -> None:
        """Find PlatformIO."""
        need_tool("pio")

    def steps(self, order: Order) -> list[Run]:
        """Return one command."""
        command = [
            "pio",
            "run",
            "--project-dir",
            str(order.job.folder),
            "--target",
            "nobuild",
            "--target",
            "upload",
        ]
        if order.port is not None and order.board.flash_method in _SERIAL:
            command += ["--upload-port", order.port]
        return [Run(tuple(command))]

    def manual(self, board: BoardProfile) -> str:
        """Return nothing: PlatformIO says it itself."""
        return ""

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error for what PlatformIO said."""
        errors = [line for line in failed.lines if "Error" in line or "error:" in line]
        return not_flashed(order.board, failed, errors[0].strip().rstrip(".")[:120] if errors else "")
