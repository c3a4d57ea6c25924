"""The firmware in a build folder: what every firmware shares, and for a bare-metal board its port and CMake's files.

With them the folder is all that a build needs.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from edgekit.boards.cores import get_core
from edgekit.boards.kernels import Engine, KernelLibrary
from edgekit.boards.ports import PORTS, Port
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.environment import render
from edgekit.resources import resource_dir
from edgekit.wire.declaration import header_context

SOURCE_FOLDER: Final = "src"
"""Where all sources lie in a build folder."""
CMAKE_FILE: Final = "CMakeLists.txt"
TOOLCHAIN_FILE: Final = "toolchain.cmake"
PROTOCOL_HEADER: Final = "ek_protocol.h"

_KINDS: Final = (".c", ".h", ".ld")


def bare_metal_port(board: BoardProfile, engine: Engine) -> Port | None:
    """Return the port that the firmware for ``board`` is built with, or ``None`` if edgekit builds none."""
    if board.sdk.framework != "bare_metal" or engine != "aot":
        return None
    return PORTS.get(board.name)


def render_bare_metal(
    board: BoardProfile, kernels: KernelLibrary, port: Port, generated: Collection[str]
) -> dict[str, str]:
    """Return what the build folder needs beside the model and its engine: relative path to content.

    Parameters
    ----------
    board, kernels:
        What the firmware is for.
    port:
        The port to the board.
    generated:
        Paths of the other sources in the folder: the model's, the engine's, and what all firmware shares.
    """
    files = port_sources(port)
    paths = sorted({*generated, *files})
    port_folder = f"{SOURCE_FOLDER}/ports/{port.folder}"
    portable = kernels == "portable" and "dsp" in board.kernels_of("aot")
    context = {
        "title": board.title,
        "sources": _with_suffix(paths, ".c"),
        "include": sorted({str(PurePosixPath(path).parent) for path in _with_suffix(paths, ".h")}),
        "defines": (*port.defines, *(("EK_PORTABLE",) if portable else ())),
        "scripts": [path for path in _with_suffix(paths, ".ld") if path.startswith(f"{port_folder}/")],
        "port_folder": port_folder,
        "script": port.script,
    }
    files[CMAKE_FILE] = render(f"project/bare_metal/{CMAKE_FILE}.j2", context)
    files[TOOLCHAIN_FILE] = render(f"project/bare_metal/{TOOLCHAIN_FILE}.j2", {"core": get_core(port.core)})
    return files


@cache
def _texts(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.glob("*") if path.suffix in _KINDS)
    return {path.name: path.read_bytes().decode() for path in paths}


def port_sources(port: Port) -> dict[str, str]:
    """Return the sources of a port by path in the build folder."""
    return _placed(f"ports/{port.folder}")


def firmware_sources(engine: Engine) -> dict[str, str]:
    """Return the sources that all firmware with ``engine`` shares, by path in the build folder.

    They are the main program, the bench runner with the protocol's header, the interface of the ports, and what
    makes the engine one of the bench runner's.
    """
    files = _placed(".") | _placed("core") | _placed("ports")
    adapter = f"engine/ek_engine_{engine}.c"
    files[f"{SOURCE_FOLDER}/{adapter}"] = (resource_dir("firmware") / adapter).read_bytes().decode()
    files[f"{SOURCE_FOLDER}/core/{PROTOCOL_HEADER}"] = render(
        f"protocol/{PROTOCOL_HEADER}.j2", header_context()
    )
    return files


def _placed(folder: str) -> dict[str, str]:
    texts = _texts(resource_dir("firmware") / folder)
    return {str(PurePosixPath(SOURCE_FOLDER, folder, name)): text for name, text in texts.items()}


def _with_suffix(paths: Collection[str], suffix: str) -> list[str]:
    return [path for path in paths if path.startswith(f"{SOURCE_FOLDER}/") and path.endswith(suffix)]
