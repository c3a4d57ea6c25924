"""``edgekit build`` with SDKs: what their tools are told, what is made of what they leave, what is said of failures.

The tools are stand-ins that record and leave what the real ones leave; the images are really compiled.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import fake_tools
import pytest
from command_line import refused
from firmware_folder import export_folder

from edgekit.boards.profile import Framework
from edgekit.build.drivers.esp_idf import find_idf
from edgekit.build.elf import Elf
from edgekit.build.memory_map import memory_at
from edgekit.build.record import load_build
from edgekit.cli.main import run

ARENA = 4096


@dataclass
class Case:
    """A board of an SDK, and what its project needs to have for the driver."""

    board: str
    core: str
    script: str
    files: dict[str, str]


CASES = {
    "esp_idf": Case(
        "esp32c3",
        "rv32imc",
        fake_tools.C3_SCRIPT,
        {"CMakeLists.txt": "project(firmware)\n", "main/CMakeLists.txt": "", "sdkconfig.defaults": ""},
    ),
    "zephyr": Case(
        "nrf5340dk",
        "cortex-m33",
        fake_tools.ARM_SCRIPT,
        {
            "CMakeLists.txt": "if(NOT DEFINED BOARD)\n  set(BOARD nrf5340dk/nrf5340/cpuapp)\nendif()\n",
            "prj.conf": "",
            "west.yml": "manifest:\n  projects:\n    - name: zephyr\n      remote: x\n      revision: v4.3.0\n",
        },
    ),
    "platformio": Case(
        "nano33ble",
        "cortex-m4f",
        fake_tools.ARM_SCRIPT,
        {"platformio.ini": "[env:nano33ble]\nplatform = nordicnrf52\nboard = nano33ble\n"},
    ),
    "arduino": Case(
        "nano33ble",
        "cortex-m4f",
        fake_tools.ARM_SCRIPT,
        {
            "library.properties": "name=edgekit\nparagraph=Sources; compile for arduino:mbed_nano:nano33ble.\n",
            "examples/edgekit_bench/edgekit_bench.ino": "",
        },
    ),
}
PICO_PROJECT = """cmake_minimum_required(VERSION 3.13)
include(${PICO_SDK_PATH}/pico_sdk_init.cmake)
project(firmware C)
set(CMAKE_EXECUTABLE_SUFFIX .elf)
add_executable(firmware firmware.c)
target_compile_options(firmware PRIVATE -mcpu=cortex-m0plus -mthumb -O2 -ffreestanding -DARENA=4096)
target_link_options(firmware PRIVATE -mcpu=cortex-m0plus -mthumb -nostdlib -nostartfiles
  -T${CMAKE_SOURCE_DIR}/firmware.ld -Wl,--no-warn-rwx-segments)
add_custom_command(TARGET firmware POST_BUILD COMMAND ${CMAKE_COMMAND} -E copy firmware.elf firmware.uf2)
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All tools on the path, an empty home, and nothing of this computer's own SDKs."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in (
        "IDF_PATH",
        "ZEPHYR_BASE",
        "PICO_SDK_PATH",
        "PICO_TFLMICRO_PATH",
        "ZEPHYR_TOOLCHAIN_VARIANT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("ZEPHYR_SDK_INSTALL_DIR", raising=False)
    folder = fake_tools.make_tools(tmp_path / "bin", "west", "pio", "arduino-cli")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    return folder


def project(
    name: str, tmp_path: Path, model: bytes, monkeypatch: pytest.MonkeyPatch, arena: int = ARENA
) -> Path:
    """Return a build folder for an SDK, and have its tools leave an image that was compiled for its core."""
    case = CASES[name]
    folder = export_folder(model, tmp_path / "project")
    record = json.loads((folder / "project.json").read_text())
    record |= {
        "board": case.board,
        "framework": name,
        "files": record["files"] | dict.fromkeys(case.files, "0" * 64),
        "budget": {"ram_bytes": 65536, "ram_reserved": 4096, "flash_bytes": 65536},
    }
    (folder / "project.json").write_text(json.dumps(record))
    (folder / "toolchain.cmake").unlink()
    for path, text in case.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    image = fake_tools.compile_image(tmp_path / "image", case.core, case.script, arena)
    monkeypatch.setenv("FAKE_IMAGE", str(image))
    return folder


def built(folder: Path) -> dict:
    """Build, and return the record, which holds for what is there now."""
    assert run(["build", "--build", str(folder)]) == 0
    assert load_build(folder) is not None
    return json.loads((folder / "build.json").read_text())


def test_esp_idf_is_entered_where_it_lies_and_told_to_work_in_out(
    tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    idf = fake_tools.make_idf(tmp_path / "home/esp/esp-idf")
    monkeypatch.setenv("SDKCONFIG_DEFAULTS", "mine")  # a user's own, for another project
    folder = project("esp_idf", tmp_path, tiny_model, monkeypatch)
    record = built(folder)
    [(arguments, environment, _)] = fake_tools.told(tmp_path / "log")
    out = folder / "out"
    assert arguments == ["-C", str(folder), "-B", str(out), f"-DSDKCONFIG={out}/sdkconfig", "build"]
    assert environment["FROM_EXPORT"] == "yes" and environment["IDF_PATH"] == str(idf)
    assert "SDKCONFIG_DEFAULTS" not in environment
    assert record["tools"] == {"esp-idf": "5.4.1", "espressif/esp-nn": "1.1.2"}
    assert record["image"]["file"] == "out/firmware.elf"
    assert [(file["kind"], file["file"], file["address"]) for file in record["flash_files"]] == [
        ("elf", "out/firmware.elf", None),
        ("bin", "out/bootloader/bootloader.bin", 0),
        ("bin", "out/partition_table/partition-table.bin", 0x8000),
        ("bin", "out/firmware.bin", 0x10000),
    ]
    assert record["flash_settings"] == {"chip": "esp32c3", "mode": "dio", "freq": "80m", "size": "4MB"}
    assert record["flash"]["measured"] == 5000  # the application's file, which a partition has to hold


def test_ram_that_two_buses_see_counts_once(
    tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tools.make_idf(tmp_path / "home/esp/esp-idf")
    folder = project("esp_idf", tmp_path, tiny_model, monkeypatch)
    record = built(folder)
    elf = Elf((folder / "out/firmware.elf").read_bytes())
    sections = elf.sections
    assert sections[".iram0.text"] == sections[".dram0.dummy"] == 256
    data = 256 + sections[".dram0.data"] + ARENA
    assert record["memories"] == {"diram": data} and record["arena_memory"] == "diram"
    assert record["ram"] == {
        "arena_predicted": record["ram"]["arena_predicted"],
        "arena_measured": ARENA,
        "total": data,
        "budget": 69632,
    }
    assert memory_at("esp32c3", elf.address("fast")) == "diram"


@pytest.mark.parametrize("name", ["on the path", "IDF_PATH", "eim", "elsewhere"])
def test_esp_idf_is_found_in_each_of_its_places(
    name: str, tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "on the path":
        idf = fake_tools.make_idf(tmp_path / "idf")
        monkeypatch.setenv("PATH", f"{idf}/tools:{tools}:/usr/bin:/bin")
    elif name == "IDF_PATH":
        idf = fake_tools.make_idf(tmp_path / "idf")
        monkeypatch.setenv("IDF_PATH", str(idf))
    elif name == "eim":
        fake_tools.make_idf(tmp_path / "home/.espressif/v6.9/esp-idf", "6.9.0")  # not the selected one
        idf = fake_tools.make_idf(tmp_path / "idf")
        script = tmp_path / "home/.espressif/tools/activate_idf_v5.4.1.sh"
        script.parent.mkdir()
        script.write_text((idf / "export.sh").read_text())
        entries = [
            {"id": "a", "path": str(tmp_path / "home/.espressif/v6.9/esp-idf"), "activationScript": "none"},
            {"id": "b", "path": str(idf), "activationScript": str(script)},
        ]
        document = {"idfInstalled": entries, "idfSelectedId": "b", "version": "1.0"}
        (script.parent / "eim_idf.json").write_text(json.dumps(document))
    else:
        # The newest by number, not by name.
        fake_tools.make_idf(tmp_path / "home/esp/v5.10/esp-idf", "5.4.1")
        fake_tools.make_idf(tmp_path / "home/esp/v5.2/esp-idf", "5.2.3")
        fake_tools.make_idf(tmp_path / "home/esp/v5.3/esp-idf", "5.3.0")
    folder = project("esp_idf", tmp_path, tiny_model, monkeypatch)
    assert built(folder)["tools"]["esp-idf"] == "5.4.1"


def test_zephyr_is_told_the_board_and_where_zephyr_is(
    tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = fake_tools.make_zephyr(tmp_path / "home/zephyrproject")
    (tmp_path / "home/zephyr-sdk-0.17.4").symlink_to(base.parent / "zephyr-sdk-0.17.4")
    monkeypatch.setenv("BOARD", "another")
    folder = project("zephyr", tmp_path, tiny_model, monkeypatch)
    record = built(folder)
    [(arguments, environment, _)] = fake_tools.told(tmp_path / "log")
    assert arguments == [
        "build", "--no-sysbuild", "-d", str(folder / "out"), "-b", "nrf5340dk/nrf5340/cpuapp", str(folder),
    ]  # fmt: skip
    assert environment["ZEPHYR_BASE"] == str(base) and "BOARD" not in environment
    assert record["tools"] == {"west": "1.5.0", "zephyr": "4.3.0", "zephyr-sdk": "0.17.4"}
    assert [file["file"] for file in record["flash_files"]] == [
        f"out/zephyr/zephyr.{kind}" for kind in ("hex", "elf", "bin")
    ]
    # The code that runs from RAM takes both.
    elf = Elf((folder / "out/zephyr/zephyr.elf").read_bytes())
    assert record["memories"] == {"sram": elf.sections["datas"] + elf.sections["bss"]}
    assert record["flash"]["measured"] == elf.sections["text"] + elf.sections["datas"]


def test_a_workspace_around_the_project_goes_before_others(
    tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = fake_tools.make_zephyr(tmp_path)
    fake_tools.make_zephyr(tmp_path / "home/zephyrproject", (4, 9, 0))
    monkeypatch.setenv("ZEPHYR_TOOLCHAIN_VARIANT", "gnuarmemb")
    record = built(project("zephyr", tmp_path, tiny_model, monkeypatch))
    assert record["tools"] == {"west": "1.5.0", "zephyr": "4.3.0", "toolchain": "gnuarmemb"}
    assert fake_tools.told(tmp_path / "log")[0][1]["ZEPHYR_BASE"] == str(base)


def test_platformio_works_in_out(
    tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project("platformio", tmp_path, tiny_model, monkeypatch)
    record = built(folder)
    [(arguments, environment, _)] = fake_tools.told(tmp_path / "log")
    assert arguments == ["run", "-d", str(folder)]
    assert environment["PLATFORMIO_BUILD_DIR"] == str(folder / "out")
    assert record["tools"] == {"pio": "6.1.18"}
    assert [file["kind"] for file in record["flash_files"]] == ["elf", "bin", "hex", "zip"]
    assert record["memories"].keys() == {"sram"}


def test_arduino_compiles_the_sketch_with_the_folder_as_its_library(
    tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project("arduino", tmp_path, tiny_model, monkeypatch)
    record = built(folder)
    [(arguments, _, _)] = fake_tools.told(tmp_path / "log")
    assert arguments == [
        "compile", "--fqbn", "arduino:mbed_nano:nano33ble", "--library", str(folder),
        "--build-path", str(folder / "out/arduino"), "--no-color", str(folder / "examples/edgekit_bench"),
    ]  # fmt: skip
    assert record["tools"] == {"arduino-cli": "1.3.1", "arduino:mbed_nano": "4.2.1"}
    assert record["image"]["file"] == "out/arduino/edgekit_bench.ino.elf"


def test_a_pico_project_is_built_by_cmake_with_the_sdk_that_is_named(
    tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    CASES["pico_sdk"] = Case(
        "rp2040", "cortex-m0+", fake_tools.ARM_SCRIPT.replace("org = 0x0,", "org = 0x10000000,"),
        {"CMakeLists.txt": PICO_PROJECT, "firmware.c": fake_tools.FIRMWARE, "firmware.ld": ""},
    )  # fmt: skip
    try:
        folder = project("pico_sdk", tmp_path, tiny_model, monkeypatch)
        (folder / "firmware.ld").write_text(CASES["pico_sdk"].script)
    finally:
        del CASES["pico_sdk"]
    sdk = fake_tools.make_pico_sdk(tmp_path / "sdk")
    monkeypatch.setenv("PICO_SDK_PATH", str(sdk))
    record = built(folder)
    assert record["tools"].keys() == {"pico-sdk", "cmake", "ninja", "arm-none-eabi-g++"}
    assert record["tools"]["pico-sdk"] == "2.2.0"
    assert [file["file"] for file in record["flash_files"]] == ["out/firmware.uf2", "out/firmware.elf"]
    assert record["arena_memory"] == "sram" and record["ram"]["arena_measured"] == ARENA
    assert "-mcpu=cortex-m0plus" in (folder / "out/compile_commands.json").read_text()
    (folder / "firmware.c").write_text("int main(void) { return undeclared; }\n")
    assert run(["build", "--build", str(folder)]) == 1
    assert not (folder / "build.json").exists()


@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [
        ("esp_idf", "ESP-IDF (idf.py)", "docs.espressif.com"),
        ("zephyr", "Zephyr", "west init"),
        ("platformio", "PlatformIO (pio or platformio)", "pip install platformio"),
        ("arduino", "arduino-cli", "arduino.github.io/arduino-cli"),
    ],
)
def test_a_missing_sdk_is_named_with_what_installs_it_and_its_page(
    name: str,
    words: str,
    hint: str,
    tools: Path,
    tmp_path: Path,
    tiny_model: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = project(name, tmp_path, tiny_model, monkeypatch)
    for tool in ("pio", "arduino-cli"):
        (tools / tool).unlink()
    said = refused(
        capsys, "build", "--build", folder, status=1, words=f"{words} is needed, and is not installed"
    )
    assert hint in said and "https://" in said
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())


def test_a_variable_that_leads_nowhere_is_named(
    tools: Path,
    tmp_path: Path,
    tiny_model: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = project("zephyr", tmp_path, tiny_model, monkeypatch)
    long = "/" + 300 * "x"  # which the system refuses to look for
    monkeypatch.setenv("ZEPHYR_BASE", long)
    said = refused(capsys, "build", "--build", folder, status=1, words="Zephyr is needed")
    assert f"$ZEPHYR_BASE is {long}, and there it is not." in said


def test_esp_idf_is_entered_where_a_relative_path_leads(
    tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    idf = fake_tools.make_idf(tmp_path / "idf")
    folder = project("esp_idf", tmp_path, tiny_model, monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IDF_PATH", "idf")
    assert built(folder)["tools"]["esp-idf"] == "5.4.1"
    [(_, environment, _)] = fake_tools.told(tmp_path / "log")
    assert environment["IDF_PATH"] == str(idf)


def test_idf_py_on_the_path_goes_before_a_variable_that_leads_nowhere(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idf = fake_tools.make_idf(tmp_path / "idf")
    monkeypatch.setenv("PATH", f"{idf / 'tools'}:/usr/bin:/bin")
    monkeypatch.setenv("IDF_PATH", str(tmp_path / "gone"))
    found = find_idf()
    assert found is not None and (found.path, found.version) == (idf, "5.4.1")


def test_versions_that_are_too_old_are_refused(
    tools: Path,
    tmp_path: Path,
    tiny_model: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_tools.make_idf(tmp_path / "home/esp/esp-idf", "5.0.7")
    folder = project("esp_idf", tmp_path, tiny_model, monkeypatch)
    refused(capsys, "build", "--build", folder, status=1, words="ESP-IDF 5.0.7 is too old: 5.1")
    fake_tools.make_zephyr(tmp_path / "home/zephyrproject", (4, 2, 1))
    folder = project("zephyr", tmp_path, tiny_model, monkeypatch)
    # The project's own manifest pins 4.3.
    refused(capsys, "build", "--build", folder, status=1, words="Zephyr 4.2.1 is too old: 4.3")
    monkeypatch.setenv("FAKE_CORES", "[]")
    folder = project("arduino", tmp_path, tiny_model, monkeypatch)
    said = refused(capsys, "build", "--build", folder, status=1, words="arduino:mbed_nano is not installed")
    assert "arduino-cli core install arduino:mbed_nano" in said


@pytest.mark.parametrize(
    ("log", "words", "detail"),
    [
        ("src/main.c:3:9: error: 'x' undeclared", "could not be built", "'x' undeclared"),
        (
            "ld: region `dram0_0_seg' overflowed by 12345 bytes",
            "memory dram0_0_seg: it is 12,345 B too large",
            "",
        ),
        (
            "Error: app partition is too small for binary firmware.bin size 0x1e8480:\n"
            "  - Part 'factory' 0/0 @ 0x10000 size 0x100000 (overflow 0xe8480)",
            "The image of 2,000,000 B does not fit into its partition: it is 951,424 B too large",
            "too small for binary",
        ),
        ("Platform Manager: Installing\nHTTPClientError:", "could not be built", "could not be downloaded"),
    ],
)
def test_what_a_tool_says_is_wrong_is_shown(
    log: str,
    words: str,
    detail: str,
    tools: Path,
    tmp_path: Path,
    tiny_model: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_tools.make_idf(tmp_path / "home/esp/esp-idf")
    folder = project("esp_idf", tmp_path, tiny_model, monkeypatch)
    monkeypatch.setenv("FAKE_ERROR", f"[1/2] Building\n{log}\nninja: build stopped")
    assert detail in refused(capsys, "build", "--build", folder, status=1, words=words)
    assert not (folder / "build.json").exists()


def test_an_image_that_the_tool_did_not_leave_is_missed(
    tools: Path,
    tmp_path: Path,
    tiny_model: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = project("platformio", tmp_path, tiny_model, monkeypatch)
    (tools / "pio").write_text("#!/bin/sh\necho PlatformIO Core, version 6.1.18\n")
    refused(capsys, "build", "--build", folder, status=1, words="an image of 0 environments")


def test_limits_hold_for_sdks_too(
    tools: Path,
    tmp_path: Path,
    tiny_model: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = project("platformio", tmp_path, tiny_model, monkeypatch, arena=70_000)
    said = refused(capsys, "build", "--build", folder, status=1, words="The arena takes 70,000 B")
    assert "70,000 B  ek_arena" in said


def test_a_folder_with_sources_alone_is_told_apart_from_a_damaged_one(
    tools: Path,
    tmp_path: Path,
    tiny_model: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = project("platformio", tmp_path, tiny_model, monkeypatch)
    (folder / "platformio.ini").unlink()
    refused(capsys, "build", "--build", folder, words="has no platformio.ini")
    record = json.loads((folder / "project.json").read_text())
    del record["files"]["platformio.ini"]
    (folder / "project.json").write_text(json.dumps(record))
    refused(capsys, "build", "--build", folder, status=1, words="no project of platformio to build")


@pytest.mark.parametrize("name", ["esp_idf", "zephyr", "platformio", "arduino"])
def test_a_folder_with_tflite_micro_is_refused_where_none_is_taken(
    name: str,
    tools: Path,
    tmp_path: Path,
    tiny_model: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = project(name, tmp_path, tiny_model, monkeypatch)
    refused(capsys, "build", "--build", folder, "--tflm", tmp_path, words="is for the aot engine")


def test_a_changed_file_of_the_framework_is_another_build(
    tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project("platformio", tmp_path, tiny_model, monkeypatch)
    built(folder)
    (folder / "notes.txt").write_text("not part of the project")
    assert load_build(folder) is not None
    (folder / "platformio.ini").write_text("[env:nano33ble]\nbuild_flags = -O0\n")
    assert load_build(folder) is None


def test_another_file_on_the_board_is_another_build(
    tools: Path, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_tools.make_idf(tmp_path / "home/esp/esp-idf")
    folder = project("esp_idf", tmp_path, tiny_model, monkeypatch)
    built(folder)
    (folder / "out/partition_table/partition-table.bin").write_bytes(b"another")
    assert load_build(folder) is None


@pytest.mark.parametrize(
    ("name", "board", "words"),
    [
        ("esp_idf", "esp32c3", ["build"]),
        ("zephyr", "nrf5340dk", ["-b", "nrf5340dk/nrf5340/cpuapp"]),
        ("zephyr", "nucleo-h743zi", ["-b", "nucleo_h743zi/stm32h743xx"]),
        ("platformio", "nano33ble", ["run"]),
        ("arduino", "nano33ble", ["--fqbn", "arduino:mbed_nano:nano33ble"]),
        (
            "arduino",
            "nucleo-l4r5zi",
            ["--fqbn", "STMicroelectronics:stm32:Nucleo_144:pnum=NUCLEO_L4R5ZI,opt=o2std"],
        ),
    ],
)
def test_projects_as_edgekit_writes_them_are_what_the_drivers_take(
    name: Framework,
    board: str,
    words: list[str],
    tools: Path,
    tmp_path: Path,
    tiny_model: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_tools.make_idf(tmp_path / "home/esp/esp-idf")
    fake_tools.make_zephyr(tmp_path / "home/zephyrproject", (4, 3, 0))
    monkeypatch.setenv("ZEPHYR_TOOLCHAIN_VARIANT", "gnuarmemb")
    cores = ("arduino:mbed_nano", "STMicroelectronics:stm32")
    monkeypatch.setenv(
        "FAKE_CORES", json.dumps([{"id": core, "installed_version": "1.2.3"} for core in cores])
    )
    case = CASES[name]
    image = fake_tools.compile_image(tmp_path / "image", case.core, case.script, ARENA)
    monkeypatch.setenv("FAKE_IMAGE", str(image))
    folder = export_folder(tiny_model, tmp_path / "project", board, "--framework", name)
    record = built(folder)
    assert record["board"] == board and record["changed"] == []
    [(arguments, _, _)] = fake_tools.told(tmp_path / "log")
    assert " ".join(words) in " ".join(arguments)


@pytest.mark.skipif("PICO_SDK_PATH" not in os.environ, reason="no Pico SDK (set PICO_SDK_PATH)")
@pytest.mark.parametrize(("board", "chip"), [("rp2040", 0xE48BFF56), ("rp2350", 0xE48BFF59)])
def test_the_real_pico_sdk_builds_the_real_project(
    board: str, chip: int, tiny_model: bytes, tmp_path: Path
) -> None:
    folder = export_folder(tiny_model, tmp_path / "build", board)
    record = built(folder)
    assert (
        record["arena_memory"] == "sram"
        and record["ram"]["arena_measured"] == record["ram"]["arena_predicted"]
    )
    files = {file["kind"]: folder / file["file"] for file in record["flash_files"]}
    # UF2: two magic numbers, flags, address; the family at 28 says which chip it is for.
    block = files["uf2"].read_bytes()[-512:]
    assert block[:8] == b"UF2\n" + bytes.fromhex("57515d9e")
    assert int.from_bytes(block[28:32], "little") == chip
    assert record["flash"]["measured"] < files["uf2"].stat().st_size
