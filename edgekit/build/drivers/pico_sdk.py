"""Pico SDK: CMake with the SDK from ``PICO_SDK_PATH`` or where it is usually installed, and a compiler for Arm."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from edgekit.boards.catalog import get_board
from edgekit.boards.cores import COMPILERS, Core, get_core
from edgekit.build.drivers.cmake import cmake_commands
from edgekit.build.drivers.driver import Plan, Products, Request, check_files, refuse_tflm, versions
from edgekit.build.drivers.products import beside, only_elf
from edgekit.build.process import Tool, version_line
from edgekit.build.record import TflmRecord
from edgekit.build.tflm import find_tflm, folder_commit
from edgekit.build.toolchain import find_gcc
from edgekit.build.tools import TOOLS, check_version, in_home, missing, need_tool, version_key
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
    return next((path for path in places if os.path.isfile(path / _MARK)), None)


def pico_sdk_version(path: Path) -> str:
    """Return the version of the SDK in ``path``; empty if it does not say."""
    try:
        parts = dict(_VERSION_PART.findall((path / "pico_sdk_version.cmake").read_text()))
    except (OSError, UnicodeDecodeError):
        return ""
    return ".".join(parts[name] for name in ("MAJOR", "MINOR", "REVISION") if name in parts)


def has_usb(path: Path) -> bool:
    """Return whether the SDK in ``path`` has TinyUSB, which is a submodule of it."""
    return os.path.isfile(path / "lib/tinyusb/src/tusb.h")


def _placed() -> Iterator[Path]:
    found = in_home(_EXTENSION).glob("*")
    yield from sorted(found, key=lambda path: version_key(pico_sdk_version(path)), reverse=True)
    yield from (in_home(place) for place in _PLACES)


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
        check_files(request, ("CMakeLists.txt",))
        info = TOOLS["pico-sdk"]
        sdk = find_pico_sdk()
        if sdk is None:
            raise missing(info)
        version = pico_sdk_version(sdk)
        check_version(info, version)
        _check_usb(request.folder, sdk)
        tflm, record = _tflm(request)
        variables: dict[str, str | Path] = {SDK_VARIABLE: sdk.resolve(), **tflm}
        cmake, generator = need_tool("cmake"), need_tool("ninja")
        compiler = find_pico_compiler()
        tools = (cmake, generator, Tool(compiler.stem, compiler, version_line(compiler)))
        return Plan(
            commands=cmake_commands(request.folder, cmake, generator, variables),
            tools={"pico-sdk": version, **versions(tools)},
            tflm=record,
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


def find_pico_compiler() -> Path:
    """Return the compiler that the SDK will take: one in the folder that the environment names, or one on the path.

    Raises
    ------
    TaskError
        If there is none; the hint names the packages.
    """
    folder = os.environ.get(TOOLCHAIN_VARIABLE)
    places = f"{folder}{os.pathsep}{Path(folder, 'bin')}" if folder else ""
    named = shutil.which(COMPILERS["arm"].cxx, path=places) if places else None
    return Path(named) if named else find_gcc(COMPILERS["arm"], "the RP2040 and the RP2350", cxx=True)


def _check_usb(folder: Path, sdk: Path) -> None:
    if _USB.search((folder / "CMakeLists.txt").read_text(errors="replace")) is None:
        return
    if not has_usb(sdk):
        raise TaskError(
            f"The Pico SDK in {sdk} has no TinyUSB, which the firmware's line at USB needs.",
            f"`git -C {sdk} submodule update --init lib/tinyusb`.",
        )


def _tflm(request: Request) -> tuple[dict[str, str | Path], TflmRecord | None]:
    """Return what CMake is told about TFLite Micro, and which it is; nothing with the aot engine."""
    project = request.project
    if project.engine != "tflm":
        refuse_tflm(request)
        return {}, None
    board = get_board(project.board)
    if project.kernels == "reference":  # which pico-tflmicro has not
        tflm = find_tflm(request.tflm, project.kernels, _soft_call(get_core(board.core)))
        include = ";".join(map(str, tflm.include))
        return {"TFLM_INCLUDE": include, "TFLM_LIBRARY": tflm.library}, tflm.record
    folder = _pico_tflmicro(request.tflm, board.sdk.tflm_package.partition("@")[2])
    # There is no library yet: the clone's commit says what it will be.
    record = TflmRecord(
        library="CMakeLists.txt",
        sha256=file_sha256(folder / "CMakeLists.txt"),
        commit=folder_commit(folder),
    )
    return {TFLM_VARIABLE: folder.resolve()}, record


def _soft_call(core: Core) -> Core:
    """Return ``core`` with numbers handed over in general registers, as the SDK compiles for an RP2350."""
    flags = tuple(flag.replace("-mfloat-abi=hard", "-mfloat-abi=softfp") for flag in core.flags)
    return replace(core, flags=flags)


def _pico_tflmicro(named: Path | None, commit: str) -> Path:
    variable = os.environ.get(TFLM_VARIABLE)
    folder = named or (Path(variable) if variable else None)
    remedy = (
        f"`git clone https://github.com/raspberrypi/pico-tflmicro`, there `git checkout {commit}`, then"
        f" `edgekit build --tflm CLONE`, or name it in ${TFLM_VARIABLE}."
    )
    if folder is None:
        raise TaskError(
            "pico-tflmicro is needed to build this firmware, and no folder with it is named.", remedy
        )
    if not os.path.isfile(folder / _TFLM_MARK):
        raise InputError(f"{folder} is no clone of pico-tflmicro: it has no {_TFLM_MARK}.", remedy)
    return folder
