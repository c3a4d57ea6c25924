"""Rendered projects compiled against stubs of the SDKs' headers, for a board's core or for this computer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from firmware_posix import run

from edgekit.boards.catalog import get_board
from edgekit.boards.cores import CORES

STUBS = Path(__file__).parent / "sdk_stubs"
TFLM_STUBS = Path(__file__).parent / "golden" / "stubs"
STRICT = ("-Wall", "-Wextra", "-Werror")


def core_flags(board: str) -> tuple[str, ...]:
    """Return what selects the core of ``board``; empty for cores whose compiler is not at hand."""
    core = get_board(board).core
    if core == "cortex-m85":  # GCC 12 knows the Cortex-M55, whose instructions are the same
        core = "cortex-m55"
    if core not in CORES or CORES[core].family != "arm":
        return ()
    return CORES[core].flags


def configure_zephyr(folder: Path, board: str, *options: str) -> Path:
    """Let CMake read a Zephyr project with a stub of Zephyr's package; return the folder of the build."""
    build = folder / "build"
    flags = " ".join(core_flags(board))
    compiler = "arm-none-eabi-"
    assert shutil.which(f"{compiler}gcc"), "arm-none-eabi-gcc is not installed"
    command = [
        "cmake",
        "-GNinja",
        f"-S{folder}",
        f"-B{build}",
        f"-DCMAKE_C_COMPILER={compiler}gcc",
        f"-DCMAKE_CXX_COMPILER={compiler}g++",
        "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY",
        "-DCMAKE_SYSTEM_NAME=Generic",
        f"-DCMAKE_C_FLAGS={flags}",
        f"-DCMAKE_CXX_FLAGS={flags} -std=gnu++17 -fno-exceptions -fno-rtti -isystem{TFLM_STUBS}",
        f"-DSTUB_OPTIONS={';'.join(options)}",
    ]
    previous = os.environ.get("ZEPHYR_BASE")
    os.environ["ZEPHYR_BASE"] = str(STUBS / "zephyr")
    try:
        run(*command)
    finally:
        os.environ.pop("ZEPHYR_BASE")
        if previous is not None:
            os.environ["ZEPHYR_BASE"] = previous
    return build


def zephyr_config(board: str) -> list[str]:
    """Return Zephyr's configuration, as far as the port reads it."""
    if board == "nano33ble":
        return ["-DCONFIG_NRF_RTC_TIMER=1", "-DCONFIG_SYS_CLOCK_HW_CYCLES_PER_SEC=32768"]
    if board == "nrf5340dk":
        return [*zephyr_config("nano33ble"), "-DCONFIG_SOC_NRF5340_CPUAPP=1"]
    return [
        "-DCONFIG_TIMER_HAS_64BIT_CYCLE_COUNTER=1",
        f"-DCONFIG_SYS_CLOCK_HW_CYCLES_PER_SEC={get_board(board).clock_mhz}000000",
    ]


def build_zephyr(folder: Path, *flags: str) -> Path:
    """Build an aot project with the stub of Zephyr that runs on this computer; return the program."""
    source = folder / "src"
    stubs = STUBS / "zephyr"
    include = [f"-I{path}" for path in (*_header_folders(source), stubs)]
    program = folder / "firmware"
    clock = "-DCONFIG_SYS_CLOCK_HW_CYCLES_PER_SEC=1000000000"
    files = [*sorted(source.rglob("*.c")), stubs / "zephyr.c"]
    run("gcc", "-std=gnu11", *STRICT, "-O1", clock, *flags, *include, *files, "-lpthread", "-o", program)
    return program


def compile_arduino(
    folder: Path,
    out: Path,
    defines: Sequence[str],
    *,
    board: str = "",
    include: Sequence[Path] = (),
    only: Sequence[str] = (),
) -> list[Path]:
    """Compile a library and its sketch as Arduino's tools do, with only ``src/`` to be searched; return the objects.

    ``board`` says which core it is compiled for; this computer's own when there is no compiler. ``only`` names files.
    """
    flags = core_flags(board) if board else ()
    prefix = "arm-none-eabi-" if flags else ""
    common = [*STRICT, *flags, "-Os", "-ffunction-sections", "-fdata-sections", "-DARDUINO=10819", *defines]
    search = [f"-I{path}" for path in (*(include or [folder / "src"]), STUBS / "arduino")]
    search.append(f"-isystem{TFLM_STUBS}")
    sketches = (
        [path for path in (folder / "examples").rglob("*.ino")] if (folder / "examples").is_dir() else []
    )
    objects = []
    for path in [*sorted((folder / "src").rglob("*")), *sketches]:
        if path.suffix not in (".c", ".cc", ".cpp", ".ino") or (only and path.name not in only):
            continue
        target = out / f"{len(objects):02d}.{path.name}.o"
        if path.suffix == ".c":
            run(f"{prefix}gcc", "-std=gnu11", *common, *search, "-c", path, "-o", target)
        else:
            options = ["-std=gnu++14", "-fno-exceptions", "-fno-rtti"]
            run(f"{prefix}g++", *options, *common, *search, "-x", "c++", "-c", path, "-o", target)
        objects.append(target)
    return objects


def build_arduino(folder: Path, *flags: str) -> Path:
    """Build an Arduino library and its sketch with the stub that runs on this computer; return the program."""
    out = folder / "objects"
    out.mkdir()
    objects = compile_arduino(folder, out, flags)
    program = folder / "firmware"
    stub = STUBS / "arduino" / "arduino.cpp"
    run("g++", *STRICT, *flags, f"-I{STUBS / 'arduino'}", stub, *objects, "-o", program)
    return program


def _header_folders(source: Path) -> list[Path]:
    return sorted({path.parent for path in source.rglob("*.h")})
