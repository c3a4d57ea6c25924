"""The build files of bare-metal firmware: every source is named, nothing else, and the same text each time."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath

import pytest

from edgekit.boards.catalog import get_board
from edgekit.boards.cores import get_core
from edgekit.boards.kernels import KernelLibrary
from edgekit.boards.ports import PORTS, get_port
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.frameworks import Application, frameworks_of
from edgekit.codegen.frameworks.bare_metal import render_bare_metal
from edgekit.flash.emulator import MACHINES

GENERATED = ("src/engine/aot/ek_add.c", "src/engine/aot/ek_aot.h", "src/model/model.c", "src/model/model.h")
TFLM_SOURCE = "src/engine/ek_engine_tflm.cc"
OTHERS = ("model.tflite", "golden.npz", "main.c")


def board(name: str) -> BoardProfile:
    """Return the profile of ``name``; the RISC-V machine, which has none, is like the others but for its core."""
    if name in ("rv32-virt", "mps2-an505"):
        return get_board("mps2-an386").model_copy(update={"name": name, "core": PORTS[name].core})
    return get_board(name)


def rendered(name: str, kernels: KernelLibrary, generated: Collection[str] = GENERATED) -> dict[str, str]:
    return render_bare_metal(Application(board(name), kernels, None, frozenset(generated)))


def block(cmake: str, start: str) -> list[str]:
    """Return the lines of a command of CMake's."""
    return [line.strip() for line in cmake.partition(start)[2].partition("\n)")[0].splitlines()[1:]]


@pytest.mark.parametrize("name", PORTS)
def test_every_c_source_is_named_once_and_in_order(name: str) -> None:
    port = get_port(name)
    files = rendered(name, "portable", (*GENERATED, *OTHERS))
    cmake = files["CMakeLists.txt"]
    wanted = sorted(path for path in (*GENERATED, *files) if path.startswith("src/") and path.endswith(".c"))
    assert block(cmake, "add_executable(firmware") == wanted
    assert f"src/ports/{port.folder}/port.c" in wanted
    headers = {str(PurePosixPath(path).parent) for path in (*GENERATED, *files) if path.endswith(".h")}
    assert block(cmake, "target_include_directories(firmware PRIVATE") == sorted(headers)
    assert f"src/ports/{port.folder}/{port.script}" in files and f"/{port.script}" in cmake
    other = {PORTS[machine].folder for machine in PORTS} - {port.folder}
    assert not [path for path in files for folder in other if f"/{folder}/" in path]


@pytest.mark.parametrize("name", PORTS)
def test_the_toolchain_file_has_the_cores_flags(name: str) -> None:
    text = rendered(name, "portable")["toolchain.cmake"]
    core = get_core(PORTS[name].core)
    assert f'set(CMAKE_C_FLAGS_INIT "{" ".join(core.flags)}")' in text
    assert core.compiler.program in text
    assert ("picolibc.specs" in text) == (core.family == "riscv")


@pytest.mark.parametrize(
    ("name", "kernels", "portable"),
    [
        ("mps2-an386", "dsp", False),
        ("mps2-an386", "portable", True),
        ("mps2-an385", "portable", False),  # there is nothing else to compile for that core
        ("mps3-an547", "portable", True),
    ],
)
def test_the_kernel_set_is_a_definition_where_the_core_has_both(
    name: str, kernels: KernelLibrary, portable: bool
) -> None:
    cmake = rendered(name, kernels)["CMakeLists.txt"]
    wanted = [*get_port(name).defines, *(["EK_PORTABLE"] if portable else [])]
    assert block(cmake, "target_compile_definitions(firmware PRIVATE") == wanted


@pytest.mark.parametrize(("kernels", "more"), [("reference", []), ("cmsis_nn_dsp", ["CMSIS_NN"])])
def test_tflm_is_compiled_as_its_library_was(kernels: KernelLibrary, more: list[str]) -> None:
    files = rendered("mps2-an386", kernels, (*GENERATED, TFLM_SOURCE))
    cmake, toolchain = files["CMakeLists.txt"], files["toolchain.cmake"]
    assert block(cmake, "target_compile_definitions(firmware PRIVATE") == [
        "TF_LITE_STATIC_MEMORY",
        "NDEBUG",
        *more,
    ]
    assert TFLM_SOURCE in block(cmake, "add_executable(firmware") and "project(firmware C CXX)" in cmake
    assert "set(CMAKE_CXX_COMPILER arm-none-eabi-g++)" in toolchain
    aot = rendered("mps2-an386", "dsp")
    assert not re.search("CXX|TFLM", aot["CMakeLists.txt"] + aot["toolchain.cmake"])


def test_only_boards_with_a_port_get_firmware() -> None:
    assert frameworks_of(get_board("mps2-an386"), "aot") == ("bare_metal",)
    assert "bare_metal" not in frameworks_of(get_board("esp32s3"), "aot")
    own = get_board("mps2-an386").model_copy(update={"name": "my-board"})
    assert "bare_metal" not in frameworks_of(own, "aot")


def test_every_emulated_board_has_a_port_and_a_machine_with_its_core() -> None:
    for name in ("mps2-an385", "mps2-an386", "mps2-an500", "mps3-an547"):
        assert PORTS[name].core == get_board(name).core and name in MACHINES
