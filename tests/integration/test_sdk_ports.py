"""Projects for Zephyr, Arduino and PlatformIO: compiled against stubs for the cores of boards, and run on this host."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import serial
from firmware_folder import export_folder
from firmware_posix import SANITIZED, run, running
from sdk_stub_firmware import (
    build_arduino,
    build_zephyr,
    compile_arduino,
    configure_zephyr,
    zephyr_config,
)

from edgekit.bench.client import Client
from edgekit.bench.line import open_line
from edgekit.boards.catalog import get_board
from edgekit.boards.kernels import Engine
from edgekit.boards.profile import Framework
from edgekit.cli.main import run as edgekit
from edgekit.codegen.frameworks import FRAMEWORKS
from edgekit.codegen.record import load_project

TINY = Path(__file__).parents[1] / "golden" / "tiny.tflite"
ENGINES: tuple[Engine, ...] = ("aot", "tflm")

ARDUINO_DEFINES = {
    "nano33ble": ("-DARDUINO_ARCH_MBED", "-DARDUINO_ARCH_NRF52840"),
    "teensy41": ("-DTEENSYDUINO=159",),
    "rp2040": ("-DARDUINO_ARCH_RP2040",),
    "esp32s3": ("-DARDUINO_ARCH_ESP32",),
}


def cases(framework: Framework) -> list[tuple[str, Engine]]:
    """Return the boards of ``framework`` whose sources differ, with the engines that it has a project for."""
    supports = FRAMEWORKS[framework].supports
    names = {
        "zephyr": ("nano33ble", "nrf5340dk", "nucleo-l4r5zi", "teensy41", "ek-ra8d1"),
        "arduino": tuple(ARDUINO_DEFINES),
        "platformio": ("nano33ble",),
    }[framework]
    return [(name, engine) for name in names for engine in ENGINES if supports(get_board(name), engine)]


def export(folder: Path, board: str, engine: Engine, framework: Framework) -> Path:
    return export_folder(TINY.read_bytes(), folder, board, "--framework", framework, "--engine", engine)


@pytest.mark.parametrize(("board", "engine"), cases("zephyr"))
def test_a_zephyr_project_configures_and_compiles(board: str, engine: Engine, tmp_path: Path) -> None:
    folder = export(tmp_path / "project", board, engine, "zephyr")
    build = configure_zephyr(folder, board, *zephyr_config(board))
    run("ninja", "-C", build, "app")
    made = {path.name for path in build.rglob("*.obj")}
    wanted = {f"{path.name}.obj" for path in (folder / "src").rglob("*.c*")}
    assert made == wanted
    if engine == "tflm":
        # Zephyr's module does not compile with the macro, and one side alone would take other structs for the same.
        commands = (build / "build.ninja").read_text()
        assert "-DNDEBUG" in commands and "TF_LITE_STATIC_MEMORY" not in commands
        symbols = run_text("arm-none-eabi-nm", "-S", *build.rglob("ek_engine_tflm.cc.obj"))
        assert "T __wrap_DebugLog" in symbols and "T __wrap_DebugVsnprintf" in symbols
        assert not re.search(r"[TU] DebugLog", symbols)
        # 12 bytes more for each of the model's operators, 32 for each of 16 tensors.
        arena = re.search(r" ([0-9a-f]+) B ek_arena$", symbols, re.MULTILINE)
        assert arena is not None
        assert int(arena[1], 16) == load_project(folder).arena_bytes + 12 * 6 + 32 * 16


def test_what_is_wrong_in_a_source_stops_the_compilation(tmp_path: Path) -> None:
    folder = export(tmp_path / "project", "nucleo-l4r5zi", "aot", "zephyr")
    port = folder / "src/ports/zephyr/port.c"
    port.write_text(port.read_text() + "\nstatic int unused(void) { return 0; }\n")
    build = configure_zephyr(folder, "nucleo-l4r5zi", *zephyr_config("nucleo-l4r5zi"))
    done = subprocess.run(["ninja", "-C", build, "app"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "-Werror=unused-function" in done.stdout


@pytest.mark.parametrize(("board", "engine"), cases("arduino"))
def test_an_arduino_library_compiles(board: str, engine: Engine, tmp_path: Path) -> None:
    folder = export(tmp_path / "project", board, engine, "arduino")
    (tmp_path / "TensorFlowLite.h").write_text("")
    include = (folder / "src", tmp_path)
    objects = compile_arduino(folder, tmp_path, ARDUINO_DEFINES[board], board=board, include=include)
    assert any(path.name.endswith(".ino.o") for path in objects)
    nm = "nm" if board == "esp32s3" else "arm-none-eabi-nm"
    symbols = run_text(nm, *objects)
    # Arduino's core has the main program; the sketch has what it calls, once.
    assert not re.search(r"T main$", symbols, re.MULTILINE)
    assert len(re.findall(r"T _Z5setupv$", symbols, re.MULTILINE)) == 1


@pytest.mark.parametrize(("board", "engine"), cases("platformio"))
def test_a_platformio_project_compiles(board: str, engine: Engine, tmp_path: Path) -> None:
    from platformio.project.config import ProjectConfig

    folder = export(tmp_path / "project", board, engine, "platformio")
    (tmp_path / "TensorFlowLite.h").write_text("")
    flags = ProjectConfig(str(folder / "platformio.ini")).get(f"env:{board}", "build_flags")
    include = [folder / flag[2:] for flag in flags if flag.startswith("-I")]
    defines = [flag for flag in flags if flag.startswith("-D")]
    # One source of each folder: what they are compiled with elsewhere is said by the flags.
    only = ("sketch.cpp", "port.cpp", "ek_bench.c", "settings.c", "model.c", "op_resolver.cc", "ek_add.c")
    only += ("ek_engine_aot.c", "ek_engine_tflm.cc", "ek_log.c", "main.c")
    objects = compile_arduino(
        folder,
        tmp_path,
        [*defines, *ARDUINO_DEFINES[board]],
        board=board,
        include=[*include, tmp_path],
        only=only,
    )
    assert any(path.name.endswith("sketch.cpp.o") for path in objects)


def test_on_a_teensy_the_model_stays_in_flash_and_the_arena_is_in_the_second_ram(tmp_path: Path) -> None:
    only = ("model.c", "settings.c")
    folder = export(tmp_path / "project", "teensy41", "aot", "arduino")
    objects = compile_arduino(folder, tmp_path, ARDUINO_DEFINES["teensy41"], board="teensy41", only=only)
    symbols = run_text("arm-none-eabi-objdump", "-t", *objects)
    for name, section in (
        ("ek_weights_0", r"\.progmem\.edgekit"),
        ("ek_arena", r"\.dmabuffers"),
        ("golden_inputs", r"\.progmem\.edgekit_golden"),
    ):
        assert re.search(rf"{section}\s.*\b{name}$", symbols, re.MULTILINE), symbols
    objects = compile_arduino(folder, tmp_path, ARDUINO_DEFINES["rp2040"], board="rp2040", only=only)
    assert "progmem" not in run_text("arm-none-eabi-objdump", "-h", *objects)


def test_kernels_of_an_arduino_library_are_optimized_for_speed(tmp_path: Path) -> None:
    folder = export(tmp_path / "project", "rp2350", "aot", "arduino")
    place = folder / "src/engine/aot/ek_place.h"
    sizes = []
    for text in (place.read_text(), place.read_text().replace("#pragma GCC", "//")):
        place.write_text(text)
        (kernel,) = compile_arduino(folder, tmp_path, (), board="rp2350", only=["ek_depthwise.c"])
        sizes.append(int(run_text("arm-none-eabi-size", kernel).splitlines()[1].split()[0]))
    assert sizes[0] > 1.2 * sizes[1]  # -O2 inlines and unrolls what -Os, which Arduino's cores have, does not


@pytest.fixture(scope="module")
def zephyr_firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = export(tmp_path_factory.mktemp("zephyr") / "project", "nucleo-h743zi", "aot", "zephyr")
    build_zephyr(folder, *SANITIZED)
    return folder


@pytest.fixture(scope="module")
def arduino_firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = export(tmp_path_factory.mktemp("arduino") / "project", "rp2040", "aot", "arduino")
    build_arduino(folder, *SANITIZED)
    return folder


@pytest.mark.parametrize("port", ["zephyr", "arduino"])
def test_the_firmware_is_benched_bit_exact(port: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(f"{port}_firmware")
    with running(folder / "firmware") as device:
        for extra in ([], ["--mlperf"]):
            command = [
                "bench",
                "--port",
                device.port,
                "--build",
                str(folder),
                "--runs",
                "20",
                "--inputs",
                "10",
            ]
            assert edgekit([*command, *extra]) == 0
            record = json.loads((folder / "bench.json").read_text())
            assert record["ok"] is True and record["outputs"] == {"compared": 10, "mismatched": 0}
        identity = Client(open_line(device.port), seed=1).connect().identity
    assert identity.reset_reason == (4 if port == "zephyr" else 0)
    assert identity.clock_hz == (1_000_000_000 if port == "zephyr" else 0)


@pytest.mark.parametrize("port", ["zephyr", "arduino"])
def test_the_counter_goes_on_when_its_32_bits_wrap(port: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(f"{port}_firmware")
    with running(folder / "firmware") as device, serial.Serial(device.port, timeout=5) as line:
        line.write(b"name%")
        assert line.read_until(b"m-name-dut-[edgekit]\r\nm-ready\r\n").endswith(b"m-ready\r\n")
        times = []
        while not times or times[-1] - times[0] < 200_000:
            line.write(b"timestamp%")
            answer = line.read_until(b"m-ready\r\n")
            times.append(int(answer.removeprefix(b"m-lap-us-").split()[0]))
    # Both stubs begin a tenth of a second before the wrap, and the self-test and the answers take some of it.
    wrap = 2**32 // (1000 if port == "zephyr" else 1)
    assert times[0] < wrap < times[-1] and times == sorted(times)


@pytest.mark.parametrize("port", ["zephyr", "arduino"])
def test_a_message_longer_than_any_buffer_is_survived(port: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(f"{port}_firmware")
    with running(folder / "firmware") as device, serial.Serial(device.port, timeout=5) as line:
        line.write(b"x" * 6000 + b"%")
        assert b"e-[Command too long]" in line.read_until(b"Command too long]")
        line.reset_input_buffer()
        line.write(b"name%")
        assert b"m-name-dut-[edgekit]" in line.read_until(b"m-name-dut-[edgekit]")


def test_without_a_choice_the_line_is_the_consoles(zephyr_firmware: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zephyr_firmware, tmp_path / "project"))
    program = build_zephyr(folder, "-DSTUB_NO_LINE")
    # The stub's console is never ready, so the port panics instead of going on without a line.
    done = subprocess.run([program], capture_output=True, timeout=20, check=False)
    assert done.returncode < 0


def run_text(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
