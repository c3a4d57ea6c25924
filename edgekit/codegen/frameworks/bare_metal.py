"""Bare metal: a CMake project without any SDK, for the machines that edgekit has a port of its own to."""

from __future__ import annotations

from typing import Final

from edgekit.boards.cores import get_core
from edgekit.boards.kernels import Engine
from edgekit.boards.ports import PORTS, get_port
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.environment import render
from edgekit.codegen.firmware import (
    include_folders,
    kernel_defines,
    port_sources,
    to_compile,
    with_suffix,
)
from edgekit.codegen.frameworks.framework import Application, ProjectFramework
from edgekit.codegen.record import SOURCE_FOLDER

CMAKE_FILE: Final = "CMakeLists.txt"
TOOLCHAIN_FILE: Final = "toolchain.cmake"


def supports(board: BoardProfile, engine: Engine) -> bool:
    """Tell whether ``board`` is a machine that there is a port to; ports have both engines."""
    return board.sdk.framework == "bare_metal" and board.name in PORTS and engine in board.engines


def render_bare_metal(application: Application) -> dict[str, str]:
    """Return the port to the board, and the files that CMake builds the firmware by.

    Raises
    ------
    InputError
        If there is no port to the board.
    """
    port = get_port(application.board.name)
    files = port_sources(port.folder)
    paths = {*application.generated, *files}
    port_folder = f"{SOURCE_FOLDER}/ports/{port.folder}"
    context = {
        "title": application.board.title,
        "engine": application.engine,
        "sources": to_compile(paths),
        "include": include_folders(paths),
        "defines": (*port.defines, *kernel_defines(application.board, application.kernels)),
        "scripts": [path for path in with_suffix(paths, ".ld") if path.startswith(f"{port_folder}/")],
        "port_folder": port_folder,
        "script": port.script,
    }
    files[CMAKE_FILE] = render(f"project/bare_metal/{CMAKE_FILE}.j2", context)
    files[TOOLCHAIN_FILE] = render(
        f"project/bare_metal/{TOOLCHAIN_FILE}.j2",
        {"core": get_core(port.core), "engine": context["engine"]},
    )
    return files


FRAMEWORK: Final = ProjectFramework("bare metal", supports, render_bare_metal)
