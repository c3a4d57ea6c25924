"""The sources that firmware is built from, whatever its framework: engine, bench runner, protocol, ports."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from edgekit.boards.kernels import Engine, KernelLibrary, engine_of
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.environment import render
from edgekit.codegen.record import SOURCE_FOLDER as SOURCE_FOLDER
from edgekit.resources import resource_dir
from edgekit.wire.declaration import header_context

PROTOCOL_HEADER: Final = "ek_protocol.h"

TFLM_DEFINES: Final = ("TF_LITE_STATIC_MEMORY", "NDEBUG")
"""What TFLite Micro's headers must be compiled with, as its library was."""

_KINDS: Final = (".c", ".cc", ".cpp", ".h", ".ld")


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


def port_sources(folder: str) -> dict[str, str]:
    """Return the sources of the port in ``firmware/ports/<folder>``, by path in the build folder."""
    return _placed(f"ports/{folder}")


def kernel_defines(board: BoardProfile, kernels: KernelLibrary) -> tuple[str, ...]:
    """Return the definitions that select ``kernels`` where the sources are compiled."""
    if engine_of(kernels) == "tflm":
        return TFLM_DEFINES + (("CMSIS_NN",) if kernels.startswith("cmsis_nn") else ())
    return ("EK_PORTABLE",) if kernels == "portable" and "dsp" in board.kernels_of("aot") else ()


def to_compile(paths: Collection[str]) -> list[str]:
    """Return those of ``paths`` in a build folder that are compiled, sorted."""
    return with_suffix(paths, ".c", ".cc", ".cpp")


def include_folders(paths: Collection[str]) -> list[str]:
    """Return the folders of the headers among ``paths`` in a build folder, sorted."""
    return sorted({str(PurePosixPath(path).parent) for path in with_suffix(paths, ".h")})


def with_suffix(paths: Collection[str], *suffixes: str) -> list[str]:
    """Return the sources among ``paths`` in a build folder that end in one of ``suffixes``, sorted."""
    return sorted(path for path in paths if path.startswith(f"{SOURCE_FOLDER}/") and path.endswith(suffixes))


@cache
def _texts(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.glob("*") if path.suffix in _KINDS)
    return {path.name: path.read_bytes().decode() for path in paths}


def _placed(folder: str) -> dict[str, str]:
    texts = _texts(resource_dir("firmware") / folder)
    return {str(PurePosixPath(SOURCE_FOLDER, folder, name)): text for name, text in texts.items()}
