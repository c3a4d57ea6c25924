"""The Pico SDK: a CMake project for Raspberry Pi's RP2040 and RP2350 (its Arm cores)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from edgekit.boards.kernels import Engine
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.environment import render
from edgekit.codegen.firmware import include_folders, kernel_defines, port_sources, to_compile
from edgekit.codegen.frameworks.framework import Application, ProjectFramework

PORT_FOLDER: Final = "pico_sdk"

PICO_BOARDS: Final[Mapping[str, str]] = {"RP2040": "pico", "RP2350A": "pico2"}
"""What the SDK calls the board (``PICO_BOARD``), by the name of the microcontroller in board profiles."""

_PACKAGE: Final = re.compile(r"raspberrypi/pico-tflmicro@([0-9a-f]+)")
"""How a board's profile names Raspberry Pi's TFLite Micro, with the commit."""

_TEMPLATES: Final = ("CMakeLists.txt", "pico_sdk_import.cmake")


def supports(board: BoardProfile, engine: Engine) -> bool:
    """Tell whether there is a project for ``board``: with tflm its profile must name pico-tflmicro."""
    known = engine == "aot" or _PACKAGE.fullmatch(board.sdk.tflm_package) is not None
    return board.mcu in PICO_BOARDS and engine in board.engines and known


def render_pico_sdk(application: Application) -> dict[str, str]:
    """Return the port and the files of a project of the Pico SDK."""
    board = application.board
    files = port_sources(PORT_FOLDER)
    paths = {*application.generated, *files}
    package = _PACKAGE.fullmatch(board.sdk.tflm_package)
    context = {
        "title": board.title,
        "pico_board": PICO_BOARDS[board.mcu],
        "clock_khz": board.clock_mhz * 1000,
        "engine": application.engine,
        "reference": application.kernels == "reference",
        "commit": package[1] if package else "",
        "sources": to_compile(paths),
        "include": include_folders(paths),
        "defines": kernel_defines(board, application.kernels),
    }
    return files | {name: render(f"project/pico_sdk/{name}.j2", context) for name in _TEMPLATES}


FRAMEWORK: Final = ProjectFramework("the Pico SDK", supports, render_pico_sdk)
