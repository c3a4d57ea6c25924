"""Zephyr's boards, by ``west flash``, which drives the tool that the board has a runner for.

The options are those of Zephyr 4.2's extension of west (scripts/west_commands/run_common.py and runners/bossac.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edgekit.boards.profile import BoardProfile
from edgekit.build.flash_tools import how_to_install_runner, need_runner, runner_of
from edgekit.build.record import OUT_FOLDER
from edgekit.build.tools import TOOLS, missing, need_tool
from edgekit.errors import TaskError
from edgekit.flash.flasher import Job
from edgekit.flash.methods.method import Order, not_flashed
from edgekit.flash.steps import Run, ToolFailed

_MANUAL: Final[Mapping[str, str]] = {
    "bossac": "Press the RESET button twice within half a second: the LED next to USB pulses in the boot loader.",
    "teensy": "Press the white button on the board.",
}


class West:
    """west flash."""

    title = "west flash"
    urls = False
    bauds = False

    def wants_port(self, board: BoardProfile) -> bool:
        """Return whether the runner that is taken has to be told the port: the others look for the board themselves."""
        return runner_of(board.name) == "bossac"

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether it is a project of Zephyr's."""
        return job.project.framework == "zephyr"

    def check(self, job: Job, board: BoardProfile) -> None:
        """Find west, Zephyr, and a program that one of the board's runners drives."""
        from edgekit.build.drivers.zephyr import find_zephyr

        need_tool("west")
        if find_zephyr(job.folder) is None:
            raise missing(TOOLS["zephyr"])
        need_runner(board.name)

    def steps(self, order: Order) -> list[Run]:
        """Return one command; it does not build again."""
        runner = runner_of(order.board.name)
        command = ["west", "flash", "--build-dir", str(order.job.folder / OUT_FOLDER), "--skip-rebuild"]
        if runner is not None:
            command += ["--runner", runner]
        if runner == "bossac":
            command += ["--bossac-port", order.known_port]
        return [Run(tuple(command), environment=_environment(order.job.folder))]

    def manual(self, board: BoardProfile) -> str:
        """Return what to press for the runner that is taken."""
        return _MANUAL.get(runner_of(board.name) or "", "")

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error for what west said."""
        if "required program" in failed.said or "MissingProgram" in failed.said:
            return not_flashed(
                order.board,
                failed,
                "the program that it drives is missing",
                how_to_install_runner(order.board.name),
            )
        hint = self.manual(order.board)
        return not_flashed(order.board, failed, "", f"{hint} Then flash it again." if hint else "")


def _environment(folder: Path) -> dict[str, str]:
    """Return what west has to be told so that it finds Zephyr from any folder; nothing if it is told already."""
    from edgekit.build.drivers.zephyr import find_zephyr, west_environment

    base = find_zephyr(folder)
    variables = west_environment(base) if base is not None else {}
    return {name: value for name, value in variables.items() if os.environ.get(name) != value}
