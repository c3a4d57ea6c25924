"""Projects for the Pico SDK: CMake takes them with a stub of the SDK, and every source compiles for its core."""

from __future__ import annotations

from pathlib import Path

import pytest
from rendering import run
from sdk_projects import (
    STRICT,
    STUBS,
    TFLM_STUBS,
    compile_commands,
    compile_source,
    configure,
    lines,
    project_spec,
    sources_on_disk,
    write_project,
)

from edgekit.boards.catalog import get_board
from edgekit.boards.kernels import Engine
from edgekit.codegen.frameworks import frameworks_of
from edgekit.codegen.project import render_project

SDK = f"-DPICO_SDK_PATH={STUBS / 'pico_sdk'}"
BOARDS = ("rp2040", "rp2350")
ENGINES: tuple[Engine, ...] = ("tflm", "aot")
TFLM_FOLDERS = (
    "flatbuffers/include",
    "gemmlowp",
    "kissfft",
    "ruy",
    "cmsis_nn/Include",
    "cmsis/CMSIS/Core/Include",
)


@pytest.fixture
def tflm(tmp_path: Path) -> Path:
    """A folder like pico-tflmicro's, with the stubs of TFLite Micro's headers and one source."""
    source = tmp_path / "pico-tflmicro" / "src"
    source.mkdir(parents=True)
    (source / "tensorflow").symlink_to(TFLM_STUBS / "tensorflow")
    (source / "library.cpp").write_text("int library;\n")
    for name in TFLM_FOLDERS:
        (source / "third_party" / name).mkdir(parents=True)
    return source.parent


def compile_all(folder: Path) -> None:
    """Compile what CMake compiles, with its own commands and warnings as errors."""
    for source, command in compile_commands(folder).items():
        compile_source(folder, source, [*command, *STRICT])


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_project_is_configured_and_compiles_for_its_chip(
    name: str, engine: Engine, tflm: Path, tmp_path: Path
) -> None:
    folder = write_project(project_spec(name, engine), tmp_path / "project")
    done = configure(folder, SDK, f"-DPICO_TFLMICRO_PATH={tflm}")
    assert done.returncode == 0, done.stderr
    commands = compile_commands(folder)
    library = [str(tflm / "src" / "library.cpp")] if engine == "tflm" else []
    assert sorted(commands) == sorted([*library, *sources_on_disk(folder / "src")])
    port = commands[str(folder / "src/ports/pico_sdk/port.c")]
    assert f"-DSYS_CLK_KHZ={get_board(name).clock_mhz * 1000}" in port
    assert ("-DPICO_RP2350=1" in port) == (name == "rp2350") and "-DEK_LINE_UART=1" not in port
    resolver = commands.get(str(folder / "src/model/op_resolver.cc"), ["-DCMSIS_NN"])
    assert "-DCMSIS_NN" in resolver
    assert lines(folder, "asked.txt") == ["usb 1", "uart 0", "outputs firmware"]
    compile_all(folder)


def defined_symbols(folder: Path, source: str, command: list[str]) -> set[str]:
    """Return the symbols that a source's object file defines."""
    output = folder / "object.o"
    run(*command, "-c", source, "-o", str(output))
    listed = run("arm-none-eabi-nm", "--defined-only", "--extern-only", str(output)).stdout
    return {line.split()[-1] for line in listed.splitlines()}


@pytest.mark.parametrize("name", BOARDS)
def test_the_main_program_and_the_log_are_there_although_headers_ask_for_arduino(
    name: str, tflm: Path, tmp_path: Path
) -> None:
    folder = write_project(project_spec(name, "tflm"), tmp_path / "project")
    assert configure(folder, SDK, f"-DPICO_TFLMICRO_PATH={tflm}").returncode == 0
    commands = compile_commands(folder)
    for source, wanted in (
        (str(folder / "src/main.c"), {"main"}),
        (str(folder / "src/engine/ek_engine_tflm.cc"), {"DebugLog", "DebugVsnprintf"}),
    ):
        assert "-DARDUINO" in commands[source]
        assert wanted <= defined_symbols(tmp_path, source, commands[source])


@pytest.mark.parametrize("name", BOARDS)
def test_line_and_place_are_choices(name: str, tmp_path: Path) -> None:
    folder = write_project(project_spec(name, "aot"), tmp_path / "project")
    done = configure(folder, SDK, "-DEDGEKIT_LINE=uart", "-DEDGEKIT_BINARY_TYPE=copy_to_ram")
    assert done.returncode == 0, done.stderr
    assert lines(folder, "asked.txt") == ["usb 0", "uart 0", "binary copy_to_ram", "outputs firmware"]
    port = str(folder / "src/ports/pico_sdk/port.c")
    command = compile_commands(folder)[port]
    assert "-DEK_LINE_UART=1" in command
    compile_source(folder, port, [*command, *STRICT])
    assert "EDGEKIT_LINE is 'i2c'" in configure(folder, SDK, "-DEDGEKIT_LINE=i2c").stderr


def test_the_kernel_set_is_the_compiler_s_or_the_portable_one(tmp_path: Path) -> None:
    for kernels, portable in (("dsp", False), ("portable", True)):
        spec = project_spec("rp2350", "aot", kernels)  # type: ignore[arg-type]
        folder = write_project(spec, tmp_path / kernels)
        assert configure(folder, SDK).returncode == 0
        commands = compile_commands(folder)
        assert all(("-DEK_PORTABLE" in command) == portable for command in commands.values())


def test_reference_kernels_come_from_a_library_of_the_user_s(tmp_path: Path) -> None:
    folder = write_project(project_spec("rp2040", "tflm", "reference"), tmp_path / "project")
    assert "TFLM_INCLUDE is not set" in configure(folder, SDK).stderr
    library = f"-DTFLM_LIBRARY={tmp_path / 'libtensorflow-microlite.a'}"
    done = configure(folder, SDK, f"-DTFLM_INCLUDE={TFLM_STUBS}", library)
    assert done.returncode == 0, done.stderr
    commands = compile_commands(folder)
    assert sorted(commands) == sources_on_disk(folder / "src")
    assert not any("-DCMSIS_NN" in command for command in commands.values())
    compile_all(folder)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "The Pico SDK is not at PICO_SDK_PATH"),
        (["-DPICO_SDK_PATH=nowhere"], "nowhere"),
        ([SDK], "pico-tflmicro is not at PICO_TFLMICRO_PATH"),
        ([SDK, "-DPICO_TFLMICRO_PATH=nowhere"], "nowhere"),
    ],
)
def test_what_is_missing_is_named(options: list[str], said: str, tmp_path: Path) -> None:
    folder = write_project(project_spec("rp2040", "tflm"), tmp_path / "project")
    done = configure(folder, *options, PICO_SDK_PATH="", PICO_TFLMICRO_PATH="")
    message = " ".join(done.stderr.split())  # CMake breaks its lines anywhere
    assert done.returncode != 0 and said in message and "git clone" in message


def test_paths_may_come_from_the_environment(tflm: Path, tmp_path: Path) -> None:
    folder = write_project(project_spec("rp2040", "tflm"), tmp_path / "project")
    done = configure(folder, PICO_SDK_PATH=str(STUBS / "pico_sdk"), PICO_TFLMICRO_PATH=str(tflm))
    assert done.returncode == 0, done.stderr


def test_the_commit_is_the_profile_s() -> None:
    files = render_project(project_spec("rp2350", "tflm"))
    commit = get_board("rp2350").sdk.tflm_package.partition("@")[2]
    assert commit and f"git checkout {commit}`" in str(files["CMakeLists.txt"])
    board = get_board("rp2350")
    own = board.model_copy(update={"sdk": board.sdk.model_copy(update={"tflm_package": "my own"})})
    assert "pico_sdk" not in frameworks_of(own, "tflm") and "pico_sdk" in frameworks_of(own, "aot")
