"""Projects for ESP-IDF: Espressif's own tools take their files, and every source compiles for the chip's core."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from esp_idf_defs import PartitionTable
from idf_component_tools.manager import ManifestManager
from rendering import run
from sdk_projects import (
    STRICT,
    STUBS,
    TFLM_STUBS,
    compile_source,
    configure,
    kconfig,
    lines,
    not_taken,
    project_spec,
    sources_on_disk,
    write_project,
)

from edgekit.boards.catalog import get_board
from edgekit.boards.cores import get_core
from edgekit.boards.kernels import Engine
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.frameworks import frameworks_of
from edgekit.codegen.frameworks.esp_idf import CHIPS, ESP_NN_VERSION
from edgekit.codegen.project import ProjectSpec, render_project
from edgekit.errors import InputError

BOARDS = ("esp32", "esp32s3", "esp32c3", "esp32p4")
ENGINES: tuple[Engine, ...] = ("tflm", "aot")
PSRAM = "sdkconfig.psram"
UART = "CONFIG_EDGEKIT_LINE_UART=y\n"


def compiler(board: BoardProfile) -> tuple[list[str], list[str]]:
    """Return the commands that compile C and C++ for a board: this computer's compilers stand in for Xtensa's."""
    if board.core.startswith("xtensa"):
        return ["gcc", "-std=gnu17"], ["g++", "-std=gnu++17"]
    core = get_core(board.core)
    options = [*core.flags, f"--specs={core.compiler.specs}"]
    cxx = ["-std=gnu++17", "-isystem", str(STUBS / "freestanding")]
    return [core.compiler.program, "-std=gnu17", *options], [core.compiler.cxx, *cxx, *options]


def compile_project(folder: Path, board: BoardProfile, config: Path) -> None:
    """Compile what CMake says is compiled, configured by the sdkconfig.h beside ``config``."""
    include = [config.parent, *lines(folder, "include.txt")]
    flags = [*STRICT, "-DTF_LITE_STATIC_MEMORY", "-DNDEBUG"]
    flags += [f"-I{path}" for path in include]
    flags += ["-isystem", str(STUBS / "esp_idf"), "-isystem", str(TFLM_STUBS)]
    flags += [f"-D{text}" for text in lines(folder, "definitions.txt")]
    c, cxx = compiler(board)
    for source in lines(folder, "sources.txt"):
        compile_source(folder, source, [*(c if source.endswith(".c") else cxx), *flags])


def cmake(folder: Path, *options: str) -> None:
    done = configure(folder, *options, IDF_PATH=str(STUBS / "esp_idf"))
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_project_is_configured_and_compiles_for_its_chip(name: str, engine: Engine, tmp_path: Path) -> None:
    board, target = get_board(name), CHIPS[get_board(name).mcu].target
    folder = write_project(project_spec(name, engine), tmp_path / "project")
    cmake(folder)
    named = lines(folder, "sources.txt")
    assert sorted(named) == sources_on_disk(folder) and len(set(named)) == len(named)
    config = kconfig(folder, target)
    assert not_taken(folder, config, target) == []
    text = config.read_text()
    assert f"CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ={board.clock_mhz}\n" in text
    assert ("CONFIG_EDGEKIT_LINE_USB_SERIAL_JTAG=y" in text) == (target != "esp32")
    assert "CONFIG_EDGEKIT_ARENA_PSRAM=y" not in text
    compile_project(folder, board, config)


@pytest.mark.parametrize("name", ["esp32s3", "esp32c3", "esp32p4"])
def test_the_other_line_is_a_choice(name: str, tmp_path: Path) -> None:
    board, target = get_board(name), CHIPS[get_board(name).mcu].target
    folder = write_project(project_spec(name, "aot"), tmp_path / "project")
    (folder / "sdkconfig.own").write_text(UART)
    cmake(folder)
    config = kconfig(folder, target, "sdkconfig.own")
    assert not_taken(folder, config, target, "sdkconfig.own") == []
    header = (config.parent / "sdkconfig.h").read_text()
    chip = CHIPS[board.mcu]
    assert f"#define CONFIG_EDGEKIT_UART_TX_GPIO {chip.uart_tx}\n" in header
    assert f"#define CONFIG_EDGEKIT_UART_RX_GPIO {chip.uart_rx}\n" in header
    compile_project(folder, board, config)


@pytest.mark.parametrize("name", ["esp32", "esp32s3", "esp32p4"])
def test_psram_holds_the_arena_when_it_is_asked_for(name: str, tmp_path: Path) -> None:
    target = CHIPS[get_board(name).mcu].target
    folder = write_project(project_spec(name, "aot"), tmp_path / "project")
    config = kconfig(folder, target, PSRAM)
    assert not_taken(folder, config, target, PSRAM) == []
    assert "CONFIG_SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY=y" in config.read_text()
    cmake(folder, "-DEK_STUB_SDKCONFIG=CONFIG_EDGEKIT_ARENA_PSRAM")
    (definition,) = lines(folder, "definitions.txt")
    model = folder / "src/model/model.c"
    command = ["gcc", "-O1", f"-I{folder}/src/engine/aot", f"-D{definition}", "-S", str(model), "-o", "-"]
    assert ".ext_ram.bss.edgekit" in run(*command).stdout
    cmake(folder)
    assert lines(folder, "definitions.txt") == []


def test_a_chip_without_psram_is_not_offered_any(tmp_path: Path) -> None:
    files = render_project(project_spec("esp32c3", "aot"))
    assert PSRAM not in files and "PSRAM" not in str(files["main/Kconfig.projbuild"])


@pytest.mark.parametrize(
    ("file", "wrong"),
    [
        ("sdkconfig.defaults.esp32s3", "CONFIG_ESP32S3_DATA_CACHE_64K=y"),
        ("sdkconfig.defaults", "CONFIG_ESP_TASK_WDT_TIMEOUT_S=61"),
        ("sdkconfig.defaults.esp32s3", "CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ_360=y"),
    ],
)
def test_a_setting_that_esp_idf_does_not_take_is_found(file: str, wrong: str, tmp_path: Path) -> None:
    folder = write_project(project_spec("esp32s3", "aot"), tmp_path / "project")
    with (folder / file).open("a") as stream:
        stream.write(f"{wrong}\n")
    try:
        config = kconfig(folder, "esp32s3")
    except AssertionError as error:
        assert "unknown kconfig symbol" in str(error)
    else:
        assert wrong in not_taken(folder, config, "esp32s3")


def test_a_source_that_cmake_does_not_name_is_found(tmp_path: Path) -> None:
    folder = write_project(project_spec("esp32c3", "aot"), tmp_path / "project")
    (folder / "src/core/more.c").write_text("int more;\n")
    cmake(folder)
    assert sorted(lines(folder, "sources.txt")) != sources_on_disk(folder)
    (folder / "src/core/ek_crc.c").unlink()
    assert "There is no" in configure(folder, IDF_PATH=str(STUBS / "esp_idf")).stderr


@pytest.mark.parametrize("name", BOARDS)
def test_espressif_s_component_manager_takes_the_manifest(name: str, tmp_path: Path) -> None:
    folder = write_project(project_spec(name, "tflm"), tmp_path / "tflm")
    manifest = ManifestManager(str(folder / "main"), "main").load()
    found = {item.name: item.version for item in manifest.requirements}
    assert found["espressif/esp-tflite-micro"] == "1.4.0" == get_board(name).sdk.tflm_package.split()[1]
    assert found["espressif/esp-nn"] == ESP_NN_VERSION
    assert found["idf"] == f">={CHIPS[get_board(name).mcu].idf}"
    aot = write_project(project_spec(name, "aot"), tmp_path / "aot")
    manifest = ManifestManager(str(aot / "main"), "main").load()
    assert [item.name for item in manifest.requirements] == ["idf"]


def test_a_damaged_manifest_is_found(tmp_path: Path) -> None:
    folder = write_project(project_spec("esp32", "tflm"), tmp_path / "project")
    path = folder / "main/idf_component.yml"
    path.write_text(path.read_text().replace("version:", "vers1on:"))
    with pytest.raises(Exception, match="not valid"):
        ManifestManager(str(folder / "main"), "main").load()


def partitions(spec: ProjectSpec) -> PartitionTable:
    """Return the checked partition table of a project."""
    files = render_project(spec)
    defaults = str(files["sdkconfig.defaults"])
    offset = re.search(r"CONFIG_PARTITION_TABLE_OFFSET=(0x[0-9a-f]+)", defaults)
    assert offset is not None
    table = PartitionTable.from_csv(str(files["partitions.csv"]), partition_table_offset=int(offset[1], 16))
    table.verify()
    size = re.search(r"CONFIG_ESPTOOLPY_FLASHSIZE_(\d+)MB=y", defaults)
    assert size is not None
    table.verify_size_fits(int(size[1]) << 20)
    assert PartitionTable.from_binary(table.to_binary()) == table
    return table


def with_image(spec: ProjectSpec, size: int) -> ProjectSpec:
    """Return ``spec`` with a predicted image of ``size`` bytes."""
    assert spec.flash is not None
    return replace(spec, flash=spec.flash.model_copy(update={"total": size}))


@pytest.mark.parametrize("name", BOARDS)
def test_the_partition_table_holds_the_image(name: str) -> None:
    board = get_board(name)
    spec = project_spec(name, "aot")
    table = partitions(spec)
    assert [part.name for part in table] == ["nvs", *(["phy_init"] if name != "esp32p4" else []), "factory"]
    assert table[-1].offset == 0x10000 and table[-1].size >= board.flash_bytes
    larger = partitions(with_image(spec, 3_000_000))[-1]
    assert larger.size >= 3_300_000 and larger.size % 0x10000 == 0
    most = partitions(with_image(spec, board.flash_region.total))[-1]
    assert most.offset + most.size == board.flash_region.total


def test_a_partition_outside_of_the_flash_is_found() -> None:
    files = render_project(project_spec("esp32", "aot"))
    text = str(files["partitions.csv"]).replace("0x1e0000", "0x400000")
    table = PartitionTable.from_csv(text)
    with pytest.raises(Exception, match="4"):
        table.verify_size_fits(4 << 20)


def test_the_reference_kernels_take_the_place_of_esp_nn_s(tmp_path: Path) -> None:
    component = tmp_path / "component"
    kernels = component / "tensorflow/lite/micro/kernels"
    for path in ("esp_nn/conv.cc", "esp_nn/add.cc", "conv.cc", "add.cc", "pad.cc"):
        (kernels / path).parent.mkdir(parents=True, exist_ok=True)
        (kernels / path).write_text("int x;\n")
    (component / "tensorflow/lite/micro/micro_log.cc").write_text("int x;\n")
    folder = write_project(project_spec("esp32s3", "tflm", "reference"), tmp_path / "project")
    show = 'get_target_property(all __idf_tflm SOURCES)\nmessage(STATUS "ALL ${all}")\n'
    with (folder / "CMakeLists.txt").open("a") as stream:
        stream.write(show)
    done = configure(folder, f"-DEK_STUB_TFLM={component}", IDF_PATH=str(STUBS / "esp_idf"))
    assert done.returncode == 0, done.stderr
    found = re.search(r"-- ALL (.*)", done.stdout)
    assert found is not None
    names = sorted(path.removeprefix(f"{component}/tensorflow/lite/micro/") for path in found[1].split(";"))
    assert names == ["kernels/add.cc", "kernels/conv.cc", "micro_log.cc"]
    assert "esp_nn" not in str(render_project(project_spec("esp32s3", "tflm"))["CMakeLists.txt"])


def test_boards_of_other_makers_and_unknown_components_have_no_project() -> None:
    board = get_board("esp32s3")
    assert frameworks_of(board, "tflm")[0] == frameworks_of(board, "aot")[0] == "esp_idf"
    sdk = board.sdk.model_copy(update={"tflm_package": "my own"})
    own = board.model_copy(update={"name": "mine", "sdk": sdk})
    assert "esp_idf" not in frameworks_of(own, "tflm") and "esp_idf" in frameworks_of(own, "aot")
    assert "esp_idf" not in frameworks_of(get_board("rp2040"), "aot")


def test_a_flash_of_an_unknown_size_is_refused() -> None:
    board = get_board("esp32c3")
    memory = tuple(
        region.model_copy(update={"total": 3 << 20}) if region.kind == "flash" else region
        for region in board.memory
    )
    fields = {name: getattr(board, name) for name in BoardProfile.model_fields}
    own = BoardProfile(**(fields | {"memory": memory}))
    with pytest.raises(InputError, match="ESP-IDF does not know"):
        render_project(replace(project_spec("esp32c3", "aot"), board=own))
