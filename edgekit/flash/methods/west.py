"""Zephyr's boards, by ``west flash``, which drives the tool that the board has a runner for.

The options are those of Zephyr 4.2's extension of west (scripts/west_commands/run_common.py and runners/bossac.py).
The runners are those of Zephyr's ``boards/*/*/board.cmake``, its own choice first; the first whose program is here is
taken, because Zephyr's own choice for ST's boards is a program that has to be got from ST.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edgekit.boards.profile import BoardProfile
from edgekit.build.record import OUT_FOLDER
from edgekit.build.tools import TOOLS, has_file, in_home, missing, need_tool
from edgekit.errors import TaskError
from edgekit.flash.flasher import Job
from edgekit.flash.methods.method import Order, not_flashed
from edgekit.flash.steps import Run, ToolFailed

_ST: Final = ("stm32cubeprogrammer", "openocd")
_RUNNERS: Final[Mapping[str, tuple[str, ...]]] = {
    "stm32f746g-disco": (*_ST, "jlink"),
    "nucleo-h743zi": (*_ST, "pyocd", "jlink"),
    "nucleo-l4r5zi": (*_ST, "jlink"),
    "nucleo-u575zi": (*_ST, "pyocd", "jlink"),
    "nrf5340dk": ("nrfutil", "nrfjprog", "jlink"),
    "nano33ble": ("bossac", "pyocd"),
    "teensy41": ("teensy",),
    "ek-ra6m4": ("jlink", "pyocd"),
    "ek-ra8d1": ("jlink", "pyocd"),
}
_PROGRAMS: Final[Mapping[str, str]] = {
    "stm32cubeprogrammer": "STM32_Programmer_CLI",
    "openocd": "openocd",
    "pyocd": "pyocd",
    "jlink": "JLinkExe",
    "nrfutil": "nrfutil",
    "nrfjprog": "nrfjprog",
    "bossac": "bossac",
    "teensy": "teensy_loader_cli",
}
_CUBE: Final = "~/STMicroelectronics/STM32Cube/STM32CubeProgrammer/bin"
"""Where ST installs its program; Zephyr's runner looks there too."""
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
        return self._runner(board, needed=False) == "bossac"

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether it is a project of Zephyr's."""
        return job.project.framework == "zephyr"

    def check(self, job: Job, board: BoardProfile) -> None:
        """Find west, Zephyr, and a program that one of the board's runners drives."""
        from edgekit.build.drivers.zephyr import find_zephyr

        need_tool("west")
        if find_zephyr(job.folder) is None:
            raise missing(TOOLS["zephyr"])
        self._runner(board, needed=True)

    def steps(self, order: Order) -> list[Run]:
        """Return one command; it does not build again."""
        runner = self._runner(order.board, needed=False)
        command = ["west", "flash", "--build-dir", str(order.job.folder / OUT_FOLDER), "--skip-rebuild"]
        if runner is not None:
            command += ["--runner", runner]
        if runner == "bossac":
            command += ["--bossac-port", order.known_port]
        return [Run(tuple(command), environment=_environment(order.job.folder))]

    def manual(self, board: BoardProfile) -> str:
        """Return what to press for the runner that is taken."""
        return _MANUAL.get(self._runner(board, needed=False) or "", "")

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error for what west said."""
        if "required program" in failed.said or "MissingProgram" in failed.said:
            return not_flashed(
                order.board, failed, "the program that it drives is missing", _tools(order.board)
            )
        hint = self.manual(order.board)
        return not_flashed(order.board, failed, "", f"{hint} Then flash it again." if hint else "")

    def _runner(self, board: BoardProfile, *, needed: bool) -> str | None:
        """Return the first runner of ``board`` whose program is here; ``None`` for Zephyr's choice.

        Raises
        ------
        TaskError
            If none is, and one is ``needed``.
        """
        runners = _RUNNERS.get(board.name, ())
        for runner in runners:
            program = _PROGRAMS[runner]
            if shutil.which(program) or (
                runner == "stm32cubeprogrammer" and has_file(in_home(_CUBE), program)
            ):
                return runner
        if runners and needed:
            names = " or ".join(_PROGRAMS[runner] for runner in runners)
            raise TaskError(f"{names} is needed to flash {board.name}, and is not installed.", _tools(board))
        return runners[0] if runners else None


def _environment(folder: Path) -> dict[str, str]:
    """Return what west has to be told so that it finds Zephyr from any folder; nothing if it is told already."""
    from edgekit.build.drivers.zephyr import find_zephyr, west_environment

    base = find_zephyr(folder)
    variables = west_environment(base) if base is not None else {}
    return {name: value for name, value in variables.items() if os.environ.get(name) != value}


def _tools(board: BoardProfile) -> str:
    """Return how to install one that is free."""
    for runner in _RUNNERS.get(board.name, ()):
        if (info := TOOLS.get(_PROGRAMS[runner])) is not None:
            return info.hint
    return "See the board's page in Zephyr's documentation, under Programming and Debugging."
