"""Pico SDK: CMake with the SDK from ``PICO_SDK_PATH`` or where it is usually installed, and a compiler for Arm."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edgekit.boards.catalog import get_board
from edgekit.boards.cores import COMPILERS
from edgekit.build.drivers.cmake import cmake_commands
from edgekit.build.drivers.driver import Plan, Products, Request, check_files, versions
from edgekit.build.drivers.products import beside, only_elf
from edgekit.build.process import Tool, version_line
from edgekit.build.record import TflmRecord
from edgekit.build.tflm import folder_commit
from edgekit.build.toolchain import find_program
from edgekit.build.tools import TOOLS, check_version, missing, need_tool
from edgekit.errors import InputError, TaskError
from edgekit.files import file_sha256

SDK_VARIABLE: Final = "PICO_SDK_PATH"
TOOLCHAIN_VARIABLE: Final = "PICO_TOOLCHAIN_PATH"
TFLM_VARIABLE: Final = "PICO_TFLMICRO_PATH"
"""CMake's variable, and the environment's, with a clone of raspberrypi/pico-tflmicro."""

_PLACES: Final = (
    "~/pico-sdk",
    "~/pico/pico-sdk",
    "/opt/pico-sdk",
    "/usr/share/pico-sdk",
    "/usr/local/pico-sdk",
)
_EXTENSION: Final = "~/.pico-sdk/sdk"
"""Where the Pico extension of Visual Studio Code keeps the SDKs it installs, a folder each version."""
_MARK: Final = "pico_sdk_init.cmake"
_VERSION_PART: Final = re.compile(r"^\s*set\(PICO_SDK_VERSION_(MAJOR|MINOR|REVISION) (\d+)\)", re.MULTILINE)
_TFLM_MARK: Final = "src/tensorflow/lite/micro/micro_interpreter.h"
_USB: Final = re.compile(r"pico_enable_stdio_usb\(\s*\S+\s+1\s*\)|tinyusb|pico_stdio_usb")


def find_pico_sdk() -> Path | None:
    """Return the folder of the SDK that the environment names, or else one in the usual places."""
    named = os.environ.get(SDK_VARIABLE)
    places = [Path(named)] if named else _placed()
    return next((path for path in places if (path / _MARK).is_file()), None)


def pico_sdk_version(path: Path) -> str:
    """Return the version of the SDK in ``path``; empty if it does not say."""
    try:
        parts = dict(_VERSION_PART.findall((path / "pico_sdk_version.cmake").read_text()))
    except (OSError, UnicodeDecodeError):
        return ""
    return ".".join(parts[name] for name in ("MAJOR", "MINOR", "REVISION") if name in parts)


def _placed() -> Iterator[Path]:
    yield from sorted(Path(_EXTENSION).expanduser().glob("*"), reverse=True)
    yield from (Path(place).expanduser() for place in _PLACES)


class PicoSdk:
    """The driver."""

    def plan(self, request: Request) -> Plan:
        """Return how ``request`` is built.

        Raises
        ------
        InputError
            If files are missing, or the folder that was named for TFLite Micro has none.
        TaskError
            If the SDK, a tool or TFLite Micro is missing, or too old.
        """
        check_files(request.folder, ("CMakeLists.txt",))
        info = TOOLS["pico-sdk"]
        sdk = find_pico_sdk()
        if sdk is None:
            raise missing(info)
        version = pico_sdk_version(sdk)
        check_version(info, version)
        _check_usb(request.folder, sdk)
        variables: dict[str, str | Path] = {SDK_VARIABLE: sdk.resolve()}
        tflm = _tflm(request)
        if tflm is not None:
            variables[TFLM_VARIABLE] = tflm.resolve()
        cmake, generator = need_tool("cmake"), need_tool("ninja")
        compiler = _compiler()
        tools = (cmake, generator, Tool(compiler.stem, compiler, version_line(compiler)))
        return Plan(
            commands=cmake_commands(request.folder, cmake, generator, variables),
            tools={"pico-sdk": version, **versions(tools)},
            tflm=_tflm_record(tflm) if tflm else None,
        )

    def products(self, request: Request) -> Products:
        """Return the ELF file, and the same image as UF2, hex and bin.

        Raises
        ------
        TaskError
            If there is none.
        """
        image = only_elf(request.folder)
        return Products(image, beside(request.folder, image, ("uf2", "elf", "hex")))


def _compiler() -> Path:
    """Return the compiler that the SDK will take: one in the folder that the environment names, or one on the path."""
    folder = os.environ.get(TOOLCHAIN_VARIABLE)
    places = f"{folder}{os.pathsep}{Path(folder, 'bin')}" if folder else ""
    named = shutil.which(COMPILERS["arm"].cxx, path=places) if places else None
    return Path(named) if named else find_program(COMPILERS["arm"], cxx=True)


def _check_usb(folder: Path, sdk: Path) -> None:
    if _USB.search((folder / "CMakeLists.txt").read_text(errors="replace")) is None:
        return
    if not (sdk / "lib/tinyusb/src/tusb.h").is_file():
        raise TaskError(
            f"The Pico SDK in {sdk} has no TinyUSB, which the firmware's line at USB needs.",
            f"`git -C {sdk} submodule update --init lib/tinyusb`.",
        )


def _tflm(request: Request) -> Path | None:
    """Return the clone of pico-tflmicro for a project with the tflm engine."""
    if request.project.engine != "tflm":
        if request.tflm is not None:
            raise InputError(
                f"A folder with TFLite Micro is named, and the project is for the {request.project.engine} engine.",
                "Leave --tflm out, or make the build folder anew with --engine tflm.",
            )
        return None
    variable = os.environ.get(TFLM_VARIABLE)
    folder = request.tflm or (Path(variable) if variable else None)
    package = get_board(request.project.board).sdk.tflm_package.partition("@")
    remedy = (
        "`git clone https://github.com/raspberrypi/pico-tflmicro`"
        f"{f', there `git checkout {package[2]}`' if package[2] else ''},"
        f" then `edgekit build --tflm CLONE`, or name it in ${TFLM_VARIABLE}."
    )
    if folder is None:
        raise TaskError(
            "pico-tflmicro is needed to build this firmware, and no folder with it is named.", remedy
        )
    if not (folder / _TFLM_MARK).is_file():
        raise InputError(f"{folder} is no clone of pico-tflmicro: it has no {_TFLM_MARK}.", remedy)
    return folder


def _tflm_record(folder: Path) -> TflmRecord:
    # There is no library yet: what stands for it is the list of what it is built from.
    return TflmRecord(
        library="CMakeLists.txt",
        sha256=file_sha256(folder / "CMakeLists.txt"),
        commit=folder_commit(folder),
    )
