"""The firmware in a build folder: what every firmware shares, and for a bare-metal board its port and CMake's files.

With them the folder is all that a build needs.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from edgekit.boards.cores import get_core
from edgekit.boards.kernels import Engine, KernelLibrary, engine_of
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

TFLM_DEFINES: Final = ("TF_LITE_STATIC_MEMORY", "NDEBUG")
"""What TFLite Micro's headers must be compiled with, as its library was."""

_KINDS: Final = (".c", ".cc", ".h", ".ld")


def bare_metal_port(board: BoardProfile) -> Port | None:
    """Return the port that the firmware for ``board`` is built with, or ``None`` if edgekit builds none."""
    return PORTS.get(board.name) if board.sdk.framework == "bare_metal" else None


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
    context = {
        "title": board.title,
        "engine": engine_of(kernels),
        "sources": _with_suffix(paths, ".c", ".cc"),
        "include": sorted({str(PurePosixPath(path).parent) for path in _with_suffix(paths, ".h")}),
        "defines": (*port.defines, *_kernel_defines(board, kernels)),
        "scripts": [path for path in _with_suffix(paths, ".ld") if path.startswith(f"{port_folder}/")],
        "port_folder": port_folder,
        "script": port.script,
    }
    files[CMAKE_FILE] = render(f"project/bare_metal/{CMAKE_FILE}.j2", context)
    files[TOOLCHAIN_FILE] = render(
        f"project/bare_metal/{TOOLCHAIN_FILE}.j2",
        {"core": get_core(port.core), "engine": context["engine"]},
    )
    return files


def _kernel_defines(board: BoardProfile, kernels: KernelLibrary) -> tuple[str, ...]:
    """Return what selects ``kernels`` where the sources are compiled."""
    if engine_of(kernels) == "tflm":
        return TFLM_DEFINES + (("CMSIS_NN",) if kernels.startswith("cmsis_nn") else ())
    return ("EK_PORTABLE",) if kernels == "portable" and "dsp" in board.kernels_of("aot") else ()


@cache
def _texts(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.glob("*") if path.suffix in _KINDS)
    return {path.name: path.read_bytes().decode() for path in paths}


def port_sources(port: Port) -> dict[str, str]:
    """Return the sources of a port by path in the build folder."""
    return _placed(f"ports/{port.folder}")


def firmware_sources(engine: Engine) -> dict[str, str]:
    """Return the sources that all firmware with ``engine`` shares, by path in the build folder.

    They are the main program, the bench runner with the protocol's header, the interface of the ports, the engine,
    and what makes it one of the bench runner's.
    """
    files = _placed(".") | _placed("core") | _placed("ports") | _placed(f"engine/{engine}")
    adapters = _placed("engine")
    files |= {
        path: text for path, text in adapters.items() if PurePosixPath(path).stem == f"ek_engine_{engine}"
    }
    files[f"{SOURCE_FOLDER}/core/{PROTOCOL_HEADER}"] = render(
        f"protocol/{PROTOCOL_HEADER}.j2", header_context()
    )
    return files


def _placed(folder: str) -> dict[str, str]:
    texts = _texts(resource_dir("firmware") / folder)
    return {str(PurePosixPath(SOURCE_FOLDER, folder, name)): text for name, text in texts.items()}


def _with_suffix(paths: Collection[str], *suffixes: str) -> list[str]:
    return [path for path in paths if path.startswith(f"{SOURCE_FOLDER}/") and path.endswith(suffixes)]
