"""The programs that put images onto boards, where they are looked for in other places than the path alone.

Zephyr's runners are those of its ``boards/*/*/board.cmake``, its own choice first; the first whose program is here is
taken, because Zephyr's own choice for ST's boards is a program that has to be got from ST.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from edgekit.build.tools import TOOLS, check_version, find_program, in_home, missing
from edgekit.errors import TaskError

_ESPTOOL: Final = "esptool"
_BOSSAC: Final = "bossac"
_ARDUINO: Final = (
    f"~/.arduino15/packages/arduino/tools/{_BOSSAC}",
    f"~/Library/Arduino15/packages/arduino/tools/{_BOSSAC}",
)
"""Where arduino-cli keeps its tools."""
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


@dataclass(frozen=True, slots=True)
class FlashTool:
    """A program that was found: the words that call it, and its version where it tells one."""

    command: tuple[str, ...]
    version: str = ""


def find_esptool() -> FlashTool:
    """Return esptool: the program on the path, else the module beside edgekit.

    Raises
    ------
    TaskError
        If it is missing or too old.
    """
    info = TOOLS[_ESPTOOL]
    here = find_spec(_ESPTOOL) is not None
    program = shutil.which(_ESPTOOL)
    if here and program is not None and Path(program).parent == Path(sys.executable).parent:
        # Of the same environment: its version is known without starting it, which takes as long as all the rest.
        check_version(info, version := metadata.version(_ESPTOOL))
        return FlashTool((_ESPTOOL,), version)
    try:
        tool = find_program(info)
    except TaskError:
        if not here:
            raise
        return FlashTool((sys.executable, "-m", _ESPTOOL), metadata.version(_ESPTOOL))
    return FlashTool((tool.name,), tool.version)


def find_bossac() -> FlashTool:
    """Return Arduino's bossac: the one that its board package has brought, else the one on the path.

    Raises
    ------
    TaskError
        If there is none.
    """
    for place in _ARDUINO:
        found = sorted(in_home(place).glob(f"*/{_BOSSAC}"))
        if found:
            return FlashTool((str(found[-1]),))
    if shutil.which(_BOSSAC) is None:
        raise missing(TOOLS[_BOSSAC])
    return FlashTool((_BOSSAC,))


def runner_of(board: str) -> str | None:
    """Return which of its runners Zephyr is told to take for ``board``: one whose program is here, else its own choice.

    ``None`` for a board whose runners are not known.
    """
    runners = _RUNNERS.get(board, ())
    return next((runner for runner in runners if _is_here(runner)), runners[0] if runners else None)


def need_runner(board: str) -> str:
    """Return the program of the runner that Zephyr is told to take for ``board``; empty where that is not known.

    Raises
    ------
    TaskError
        If the program of none is here.
    """
    runner = runner_of(board)
    if runner is None:
        return ""
    if not _is_here(runner):
        names = " or ".join(_PROGRAMS[name] for name in _RUNNERS[board])
        raise TaskError(
            f"{names} is needed to flash {board}, and is not installed.", how_to_install_runner(board)
        )
    return _PROGRAMS[runner]


def how_to_install_runner(board: str) -> str:
    """Return how to install a program that is free and that a runner of ``board`` drives."""
    for runner in _RUNNERS.get(board, ()):
        if (info := TOOLS.get(_PROGRAMS[runner])) is not None:
            return info.hint
    return "See the board's page in Zephyr's documentation, under Programming and Debugging."


def _is_here(runner: str) -> bool:
    program = _PROGRAMS[runner]
    in_place = runner == "stm32cubeprogrammer" and os.path.isfile(in_home(_CUBE) / program)
    return in_place or shutil.which(program) is not None
