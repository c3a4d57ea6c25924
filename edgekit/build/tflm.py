"""TFLite Micro as the user provides it: its headers and its library, found in a folder and checked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from edgekit.boards.cores import Core
from edgekit.boards.kernels import KernelLibrary
from edgekit.build.elf import Elf
from edgekit.build.record import TflmRecord
from edgekit.build.toolchain import compile_nothing, find_binutil
from edgekit.errors import InputError, TaskError
from edgekit.files import file_sha256

TFLM_VARIABLE: Final = "EDGEKIT_TFLM_DIR"
"""Environment variable with the folder, where no option names it."""
LIBRARY: Final = "libtensorflow-microlite.a"

_HEADERS: Final = (
    "tensorflow/lite/micro/micro_interpreter.h",
    "flatbuffers/flatbuffers.h",
    "fixedpoint/fixedpoint.h",
    "ruy/profiler/instrumentation.h",
)
"""A header of TFLite Micro's and one of each library that its headers include."""
_CMSIS_NN_MEMBER: Final = "arm_convolve_s8"
_LOGS: Final = "release_with_logs"
_TIMEOUT_S: Final = 30

_ARCHITECTURE: Final[Mapping[str, str]] = {
    "cortex-m0+": "cortex-m0plus",
    "cortex-m4f": "cortex-m4+fp",
    "cortex-m7": "cortex-m7+fp",
}
"""What TFLite Micro's Makefile calls a core where its name is another."""


@dataclass(frozen=True, slots=True)
class Tflm:
    """TFLite Micro for one core and kernel library.

    Attributes
    ----------
    include:
        Folders for the compiler to look for headers in.
    library:
        The library to link.
    record:
        Which it is, for build.json.
    """

    include: tuple[Path, ...]
    library: Path
    record: TflmRecord


def find_tflm(folder: Path | None, kernels: KernelLibrary, core: Core) -> Tflm:
    """Return TFLite Micro for ``core`` with ``kernels`` from ``folder``.

    Parameters
    ----------
    folder:
        A clone of tflite-micro in which make was run, or any folder that has the headers and one or several
        libraries somewhere below it; ``None`` for the one that the environment variable names.
    kernels:
        The kernel library: with CMSIS-NN or without.
    core:
        What the library must have been built for.

    Raises
    ------
    InputError
        If the folder does not have it.
    TaskError
        If no folder is named, or the compiler for ``core`` is missing.
    """
    named = folder or (Path(os.environ[TFLM_VARIABLE]) if os.environ.get(TFLM_VARIABLE) else None)
    if named is None:
        raise TaskError(
            "TFLite Micro is needed to build firmware for the tflm engine, and no folder with it is named.",
            _remedy(kernels, core),
        )
    include = find_headers(named, _remedy(kernels, core))
    library = _choose(named, kernels, core)
    record = TflmRecord(
        library=library.relative_to(named).as_posix(),
        sha256=file_sha256(library),
        commit=folder_commit(named),
    )
    return Tflm(include, library.resolve(), record)


def find_headers(folder: Path, remedy: str) -> tuple[Path, ...]:
    """Return the folders below ``folder`` that TFLite Micro's headers and those they need are included from.

    Parameters
    ----------
    folder:
        Where to look; of several places the one with the shortest path is taken.
    remedy:
        What to do when they are not there, as a sentence.

    Raises
    ------
    InputError
        If a header is missing.
    """
    found: dict[str, Path] = {}
    for name, folders, files in os.walk(folder):
        folders.sort()
        for header in _HEADERS:
            path = Path(name, PurePosixPath(header).name)
            if path.name in files and path.as_posix().endswith(f"/{header}"):
                root = path.parents[header.count("/")]
                if header not in found or len(root.parts) < len(found[header].parts):
                    found[header] = root
    missing = [header for header in _HEADERS if header not in found]
    if missing:
        raise InputError(f"{folder} is no folder with TFLite Micro: there is no {missing[0]} in it.", remedy)
    return tuple(found[header].resolve() for header in _HEADERS)


def _choose(folder: Path, kernels: KernelLibrary, core: Core) -> Path:
    libraries = sorted(folder.rglob(LIBRARY))
    wanted = Elf(compile_nothing(core)).architecture
    cmsis_nn = kernels.startswith("cmsis_nn")
    fitting = [path for path in libraries if _content(path, core) == (cmsis_nn, wanted)]
    # Of upstream's builds for one core, the one without debug checks and with logs is the one to take.
    best = [path for path in fitting if _LOGS in path.as_posix()] or fitting
    if len(best) == 1:
        return best[0]
    what = f"{LIBRARY} for the {core.name} with {'CMSIS-NN' if cmsis_nn else 'reference'} kernels"
    if best:
        raise InputError(
            f"{folder} has {len(best)} times {what}.",
            "Name the folder of one of them.",
            [str(path) for path in best],
        )
    raise InputError(
        f"{folder} has no {what}.", _remedy(kernels, core), [f"not that: {path}" for path in libraries]
    )


def _content(library: Path, core: Core) -> tuple[bool, Mapping[str, int]] | None:
    """Return whether a library has CMSIS-NN, and the architecture it was built for; ``None`` if it cannot be read."""
    ar = str(find_binutil(core, "ar"))
    members = _output(ar, "t", str(library)).decode(errors="replace").splitlines()
    if not members:
        return None
    try:
        architecture = Elf(_output(ar, "p", str(library), members[0])).architecture
    except InputError:
        return None
    return any(name.startswith(_CMSIS_NN_MEMBER) for name in members), architecture


def _remedy(kernels: KernelLibrary, core: Core) -> str:
    architecture = _ARCHITECTURE.get(core.name, core.name)
    optimized = " OPTIMIZED_KERNEL_DIR=cmsis_nn" if kernels.startswith("cmsis_nn") else ""
    return (
        "In a clone of https://github.com/tensorflow/tflite-micro run `make -f"
        f" tensorflow/lite/micro/tools/make/Makefile TARGET=cortex_m_generic TARGET_ARCH={architecture}{optimized}"
        f" BUILD_TYPE={_LOGS} microlite`, then `edgekit build --tflm CLONE` here, or name it in ${TFLM_VARIABLE}."
    )


def folder_commit(folder: Path) -> str | None:
    """Return the commit of a clone; ``None`` for another folder, also for one in a repository of the user's."""
    if not (folder / ".git").exists():
        return None
    return _output("git", "-C", str(folder), "rev-parse", "HEAD").decode().strip() or None


def _output(*command: str) -> bytes:
    """Return what a program writes; nothing when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode == 0 else b""
