"""Bare metal: CMake with a cross compiler, and TFLite Micro's library where its engine is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edgekit.boards.cores import Core, get_core
from edgekit.boards.kernels import Engine
from edgekit.boards.ports import PORTS
from edgekit.build.drivers.cmake import cmake_commands
from edgekit.build.drivers.driver import Plan, Products, Request, check_files, refuse_tflm, versions
from edgekit.build.drivers.products import flash_file, nothing_left
from edgekit.build.process import Tool, version_line
from edgekit.build.record import OUT_FOLDER
from edgekit.build.tflm import Tflm, find_tflm
from edgekit.build.toolchain import find_compiler, find_cxx_compiler
from edgekit.build.tools import need_tool
from edgekit.codegen.frameworks.bare_metal import CMAKE_FILE, TOOLCHAIN_FILE
from edgekit.codegen.record import FirmwareProject
from edgekit.errors import TaskError

IMAGE_FILE: Final = f"{OUT_FOLDER}/firmware.elf"
_TIMEOUT_S: Final = 600.0


class BareMetal:
    """The driver."""

    def plan(self, request: Request) -> Plan:
        """Return how ``request`` is built.

        Raises
        ------
        InputError
            If files are missing, or the folder that was named has no TFLite Micro for the board.
        TaskError
            If there is no port to the board, a tool is missing, or TFLite Micro was not named.
        """
        core = _core_of(request.project)
        check_files(request, (CMAKE_FILE, TOOLCHAIN_FILE))
        tflm = _tflm(request, core)
        cmake, generator = need_tool("cmake"), need_tool("ninja")
        tools = (cmake, generator, *_compilers(core, request.project.engine))
        variables: dict[str, str | Path] = {"CMAKE_TOOLCHAIN_FILE": request.folder.resolve() / TOOLCHAIN_FILE}
        if tflm is not None:
            variables["TFLM_INCLUDE"] = ";".join(map(str, tflm.include))
            variables["TFLM_LIBRARY"] = tflm.library
        return Plan(
            commands=cmake_commands(request.folder, cmake, generator, variables),
            tools=versions(tools),
            tflm=tflm.record if tflm else None,
            timeout_s=_TIMEOUT_S,
        )

    def products(self, request: Request) -> Products:
        """Return the image.

        Raises
        ------
        TaskError
            If it is not there.
        """
        if not (request.folder / IMAGE_FILE).is_file():
            raise nothing_left(request.folder, f"no {IMAGE_FILE}")
        return Products(IMAGE_FILE, (flash_file(request.folder, request.folder / IMAGE_FILE),))


def _core_of(project: FirmwareProject) -> Core:
    port = PORTS.get(project.board)
    if port is None:
        raise TaskError(
            f"edgekit has no port to {project.board}, so it cannot build for it.",
            f"It has ports to {', '.join(PORTS)}.",
        )
    return get_core(port.core)


def _compilers(core: Core, engine: Engine) -> list[Tool]:
    paths = [find_compiler(core)]
    if engine == "tflm":
        paths.append(find_cxx_compiler(core))
    return [Tool(path.stem, path, version_line(path)) for path in paths]


def _tflm(request: Request, core: Core) -> Tflm | None:
    if request.project.engine == "tflm":
        return find_tflm(request.tflm, request.project.kernels, core)
    refuse_tflm(request)
    return None
