"""The files of Zephyr, Arduino and PlatformIO projects, read by those tools' own parsers where there are any."""

from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgekit.boards.catalog import get_board
from edgekit.boards.kernels import Engine, KernelLibrary, engine_of
from edgekit.boards.profile import Framework
from edgekit.codegen.frameworks import FRAMEWORKS, Application, frameworks_of
from edgekit.codegen.frameworks import zephyr as zephyr_module
from edgekit.codegen.frameworks.arduino import ARDUINO_BOARDS, SKETCH, forwarding_headers
from edgekit.codegen.frameworks.platformio import PLATFORMIO_BOARDS
from edgekit.codegen.frameworks.zephyr import TFLM_REVISION, ZEPHYR_VERSION

DATA = Path(__file__).parents[1] / "data"
ZEPHYR = (
    "nano33ble",
    "nrf5340dk",
    "stm32f746g-disco",
    "nucleo-h743zi",
    "nucleo-l4r5zi",
    "nucleo-u575zi",
    "teensy41",
    "ek-ra6m4",
    "ek-ra8d1",
)
GENERATED = frozenset(
    f"src/{path}"
    for path in (
        "main.c",
        "core/ek_bench.c",
        "core/ek_bench.h",
        "model/model.h",
        "model/settings.c",
        "ports/ek_port.h",
    )
)
ENGINE_SOURCES = {"aot": "src/engine/ek_engine_aot.c", "tflm": "src/engine/ek_engine_tflm.cc"}


def rendered(framework: Framework, name: str, kernels: KernelLibrary | None = None) -> dict[str, str]:
    board = get_board(name)
    kernels = kernels or board.kernels_of("aot")[0]
    application = Application(board, kernels, None, GENERATED | {ENGINE_SOURCES[engine_of(kernels)]})
    return FRAMEWORKS[framework].render(application)


def table(name: str) -> list[dict[str, str]]:
    with (DATA / name).open() as file:
        return list(csv.DictReader(file))


# Zephyr


def settings(text: str) -> dict[str, str]:
    """Return the assignments of a Kconfig fragment; everything else in it must be a comment."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            assignment = re.fullmatch(r'CONFIG_([A-Z0-9_]+)=(y|n|[0-9]+|"[^"]*")', line)
            assert assignment, line
            assert assignment[1] not in found, line
            found[assignment[1]] = assignment[2]
    return found


@pytest.mark.parametrize("name", ZEPHYR)
@pytest.mark.parametrize("engine", ["aot", "tflm"])
def test_every_symbol_exists_in_zephyr(name: str, engine: Engine) -> None:
    known = {row["symbol"] for row in table("zephyr_symbols.csv")}
    files = rendered("zephyr", name, get_board(name).kernels_of(engine)[0])
    for path, text in files.items():
        if path.endswith(".conf"):
            assert settings(text).keys() <= known, path
    for symbol in re.findall(r"^config (\w+)", files.get("Kconfig", ""), re.MULTILINE):
        assert symbol in known


def test_a_wrong_line_in_a_fragment_is_found() -> None:
    for text in ("CONFIG_FPU = y\n", "CONFIG_FPU=y # comment\n", "FPU=y\n", "CONFIG_FPU=y\nCONFIG_FPU=n\n"):
        with pytest.raises(AssertionError):
            settings(text)


@pytest.mark.parametrize("name", ZEPHYR)
def test_the_line_and_the_console_are_never_one_uart(name: str) -> None:
    files = rendered("zephyr", name)
    for path, overlay in files.items():
        if path.endswith(".overlay"):
            config = settings(files["prj.conf"]) | settings(files[path.replace(".overlay", ".conf")])
            (line,) = re.findall(r"edgekit,line = &(\w+);", overlay)
            console = re.findall(r"zephyr,console = &(\w+);", overlay)
            assert config["CONSOLE"] == config["UART_CONSOLE"] == ("y" if console else "n")
            assert line not in console
            assert (config.get("USB_DEVICE_STACK_NEXT") == "y") == ("zephyr,cdc-acm-uart" in overlay)


def preprocessed_devicetree(board: Mapping[str, str], overlay: str) -> str:
    """Return a devicetree with the labels of ``board``, and ``overlay`` behind it, as Zephyr puts them together."""
    nodes = "".join(
        f'{label}: {label}@{number} {{ reg = <{number}>; status = "okay"; {extra} }};\n'
        for number, label in enumerate(board["labels"].split(), start=1)
        for extra in [
            f"clock-frequency = <DT_FREQ_M({board['mhz']})>;"
            if label == "rcc"
            else "mul-n = <40>; div-m = <4>; div-r = <2>;"
            if label.startswith("pll")
            else ""
        ]
    )
    text = (
        "#define DT_FREQ_M(mhz) ((mhz) * 1000 * 1000)\n/dts-v1/;\n"
        f"/ {{ #address-cells = <1>; #size-cells = <0>; chosen {{ }};\n{nodes} }};\n{overlay}"
    )
    command = ["gcc", "-E", "-P", "-x", "assembler-with-cpp", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def devicetree(board: Mapping[str, str], overlay: str, tmp_path: Path) -> Any:
    from devicetree.dtlib import DT

    path = tmp_path / "board.dts"
    path.write_text(preprocessed_devicetree(board, overlay))
    return DT(str(path))


@pytest.mark.parametrize("name", ZEPHYR)
def test_overlays_refer_to_what_the_board_has(name: str, tmp_path: Path) -> None:
    boards = {
        "_".join(filter(None, (row["board"], row["soc"], row["variant"]))): row
        for row in table("zephyr_boards.csv")
    }
    files = rendered("zephyr", name)
    overlays = {path: text for path, text in files.items() if path.endswith(".overlay")}
    (target,) = re.findall(r"set\(BOARD (\S+)\)", files["CMakeLists.txt"])
    assert f"boards/{target.replace('/', '_')}.overlay" in overlays
    for path, overlay in overlays.items():
        board = boards[Path(path).stem]
        tree = devicetree(board, overlay, tmp_path)
        chosen = tree.get_node("/chosen").props
        line = chosen["edgekit,line"].to_path()
        assert (line.parent.name.startswith("zephyr_udc0@")) == ("compatible" in line.props)
        if "zephyr,console" in chosen:
            assert chosen["zephyr,console"].to_path() is not line
        if board["board"] != "nrf52840dk" and "rcc" in tree.label2node:
            clock = tree.label2node["rcc"].props["clock-frequency"].to_num()
            assert clock == get_board(name).clock_mhz * 1_000_000


def test_the_l4r5s_pll_gives_the_clock_that_is_said(tmp_path: Path) -> None:
    (board,) = (row for row in table("zephyr_boards.csv") if row["board"] == "nucleo_l4r5zi")
    files = rendered("zephyr", "nucleo-l4r5zi")
    tree = devicetree(board, files["boards/nucleo_l4r5zi_stm32l4r5xx.overlay"], tmp_path)
    pll = {key: prop.to_num() for key, prop in tree.label2node["pll"].props.items() if "-" in key}
    vco = 16_000_000 // pll["div-m"] * pll["mul-n"]
    assert 64_000_000 <= vco <= 344_000_000  # RM0432, the range of the PLL's VCO
    assert vco // pll["div-r"] == tree.label2node["rcc"].props["clock-frequency"].to_num()


def test_an_overlay_that_refers_to_what_is_not_there_is_found(tmp_path: Path) -> None:
    from devicetree.dtlib import DTError

    (board,) = (row for row in table("zephyr_boards.csv") if row["board"] == "ek_ra6m4")
    for overlay in ("/ { chosen { edgekit,line = &uart7; }; };", "&uart7 { };", "/ { chosen { };"):
        with pytest.raises(DTError):
            devicetree(board, overlay, tmp_path).get_node("/chosen").props["edgekit,line"].to_path()


@pytest.mark.parametrize("name", ZEPHYR)
@pytest.mark.parametrize("engine", ["aot", "tflm"])
def test_west_reads_the_manifest_and_takes_what_is_needed(name: str, engine: Engine) -> None:
    from west.manifest import Manifest

    # A manifest of Zephyr's form, with a module that nobody asks for.
    modules = (
        "cmsis",
        "cmsis_6",
        "cmsis-dsp",
        "cmsis-nn",
        "hal_nordic",
        "hal_stm32",
        "hal_nxp",
        "hal_renesas",
    )
    projects = "".join(
        f"    - {{name: {module}, url: https://x/{module}}}\n" for module in (*modules, "mbedtls")
    )
    zephyr = f"manifest:\n  projects:\n{projects}"
    kernels = get_board(name).kernels_of(engine)[0]
    text = rendered("zephyr", name, kernels)["west.yml"]
    manifest = Manifest.from_data(text, importer=lambda project, path: zephyr)
    found = {project.name: project for project in manifest.projects if project.name != "manifest"}
    hal = {row.hal for row in zephyr_module._BOARDS[name]}
    wanted = {"zephyr", "cmsis", "cmsis_6", *hal}
    if engine == "tflm":
        wanted |= {"tflite-micro", "cmsis-dsp", "cmsis-nn"}
        assert found["tflite-micro"].revision == TFLM_REVISION
        assert TFLM_REVISION[:7] in get_board("nucleo-h743zi").sdk.tflm_package
    assert found.keys() == wanted
    assert found["zephyr"].revision == ZEPHYR_VERSION
    assert found["zephyr"].url == "https://github.com/zephyrproject-rtos/zephyr"


def test_west_refuses_a_manifest_that_is_none() -> None:
    from west.manifest import MalformedManifest, Manifest

    text = rendered("zephyr", "ek-ra6m4")["west.yml"]
    for wrong in (
        text.replace("remotes:", "remote:"),
        text.replace("remote: zephyrproject", "remote: other"),
    ):
        with pytest.raises(MalformedManifest):
            Manifest.from_data(wrong, importer=lambda project, path: "manifest: {}")


def test_reference_kernels_need_no_cmsis_nn() -> None:
    files = rendered("zephyr", "ek-ra8d1", "reference")
    assert "TENSORFLOW_LITE_MICRO_CMSIS_NN_KERNELS" not in settings(files["prj.conf"])
    assert "cmsis-nn" not in files["west.yml"] and "Kconfig" not in files
    helium = rendered("zephyr", "ek-ra8d1", "cmsis_nn_mve")
    assert "config ARMV8_1_M_MVEI" in helium["Kconfig"]
    assert "Kconfig" not in rendered("zephyr", "ek-ra6m4", "cmsis_nn_dsp")


# Arduino and PlatformIO


def properties(text: str) -> dict[str, str]:
    """Return a library.properties, held to the rules of Arduino's library specification."""
    found = dict(line.split("=", 1) for line in text.splitlines())
    required = ("name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url")
    assert set(required) <= found.keys()
    assert found.keys() <= {*required, "architectures", "includes", "depends"}
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}", found["name"]), found["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", found["version"]), found["version"]
    assert found["category"] in {
        "Display",
        "Communication",
        "Signal Input/Output",
        "Sensors",
        "Device Control",
        "Timing",
        "Data Storage",
        "Data Processing",
        "Other",
    }
    assert len(found["sentence"]) > 10 and "\t" not in text
    return found


@pytest.mark.parametrize("name", ARDUINO_BOARDS)
def test_a_library_has_what_arduino_asks_for(name: str) -> None:
    files = rendered("arduino", name)
    found = properties(files["library.properties"])
    vendor, architecture, board = ARDUINO_BOARDS[name].fqbn.split(":")[:3]
    assert found["architectures"] == architecture and vendor and board
    assert ARDUINO_BOARDS[name].fqbn in found["paragraph"]
    # The header that an IDE puts into a sketch is one that is there, and the sketch is named like its folder.
    assert f"src/{found['includes']}" in files
    assert Path(SKETCH).stem == Path(SKETCH).parent.name
    assert f"#include <{found['includes']}>" in files[SKETCH]


def test_wrong_properties_are_found() -> None:
    text = rendered("arduino", "rp2040")["library.properties"]
    for wrong in (
        text.replace("Data Processing", "Data"),
        text.replace("version=", "version=x"),
        text.replace("name=", "name=-"),
        text.replace("paragraph", "paragraf"),
    ):
        with pytest.raises(AssertionError):
            properties(wrong)


def test_every_header_is_found_from_src_alone() -> None:
    paths = ("src/core/ek_bench.h", "src/model/model.h", "src/ports/arduino/edgekit.h")
    assert forwarding_headers((*paths, "src/core/ek_bench.c")) == {
        f"src/{Path(path).name}": (
            "// An Arduino library has only src/ on its include path. Generated by edgekit.\n"
            f'#include "{path.removeprefix("src/")}"\n'
        )
        for path in paths
    }
    with pytest.raises(ValueError, match=r"two headers model\.h"):
        forwarding_headers(("src/core/model.h", "src/model/model.h"))


def test_tflm_on_arduino_is_for_the_board_that_its_library_is_for() -> None:
    for name in ARDUINO_BOARDS:
        with_tflm = [f for f in ("arduino", "platformio") if f in frameworks_of(get_board(name), "tflm")]
        assert with_tflm == (["arduino", "platformio"] if name == "nano33ble" else [])
    files = rendered("arduino", "nano33ble", "cmsis_nn_dsp")
    assert properties(files["library.properties"])["depends"] == "Arduino_TensorFlowLite"
    assert files[SKETCH].count("#include <TensorFlowLite.h>") == 1
    assert "depends" not in properties(rendered("arduino", "nano33ble")["library.properties"])


def test_portable_kernels_can_be_asked_for_where_no_flag_can_be_given() -> None:
    assert rendered("arduino", "nano33ble", "portable")["src/edgekit_options.h"] == "#define EK_PORTABLE\n"
    assert "src/edgekit_options.h" not in rendered("arduino", "nano33ble", "dsp")
    assert "src/edgekit_options.h" not in rendered("arduino", "rp2040", "portable")
    assert "-DEK_PORTABLE" in rendered("platformio", "nano33ble", "portable")["platformio.ini"]


@pytest.mark.parametrize("name", PLATFORMIO_BOARDS)
def test_platformio_reads_the_project(name: str, tmp_path: Path) -> None:
    from platformio.project.config import ProjectConfig

    path = tmp_path / "platformio.ini"
    path.write_text(rendered("platformio", name)["platformio.ini"])
    config = ProjectConfig(str(path))
    assert config.validate()
    assert config.warnings == [] and config.envs() == [name] == config.get("platformio", "default_envs")
    platform = config.get(f"env:{name}", "platform")
    assert re.fullmatch(r"platformio/\w+@\d+\.\d+\.\d+|https://\S+\.git#[0-9a-f]{40}", platform), platform
    assert config.get(f"env:{name}", "board") == PLATFORMIO_BOARDS[name].board
    assert config.get(f"env:{name}", "framework") == ["arduino"]
    flags = config.get(f"env:{name}", "build_flags")
    assert "-O2" in flags and config.get(f"env:{name}", "build_unflags") == ["-Os"]
    assert {"-Isrc/core", "-Isrc/model", "-Isrc/ports", "-Isrc/ports/arduino"} <= set(flags)


def test_platformio_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    from platformio.project.config import ProjectConfig
    from platformio.project.exception import ProjectOptionValueError, UnknownEnvNamesError

    text = rendered("platformio", "rp2040")["platformio.ini"]
    path = tmp_path / "platformio.ini"
    path.write_text(text.replace("default_envs = rp2040", "default_envs = other"))
    with pytest.raises(UnknownEnvNamesError):
        ProjectConfig(str(path)).validate()
    path.write_text(text.replace("monitor_speed = 115200", "monitor_speed = fast"))
    with pytest.raises((ProjectOptionValueError, ValueError)):
        ProjectConfig(str(path)).get("env:rp2040", "monitor_speed")
    path.write_text(text.replace("framework", "frame_work"))
    config = ProjectConfig(str(path))
    config.validate()
    assert config.warnings


# All


@pytest.mark.parametrize("framework", ["zephyr", "arduino", "platformio"])
def test_rendering_again_gives_the_same_text(framework: Framework) -> None:
    name = "nano33ble"
    assert rendered(framework, name) == rendered(framework, name)
    for path, text in rendered(framework, name).items():
        assert text.endswith("\n") and not text.endswith("\n\n") and " \n" not in text, path


def test_what_a_boards_own_framework_is_ends_in_a_project() -> None:
    for name in {*ZEPHYR, *ARDUINO_BOARDS}:
        board = get_board(name)
        if board.sdk.framework in ("zephyr", "arduino", "platformio"):
            for engine in board.engines:
                assert frameworks_of(board, engine)[0] == board.sdk.framework, (name, engine)


def test_a_board_that_no_framework_knows_has_no_project() -> None:
    own = get_board("nucleo-h743zi").model_copy(update={"name": "my-board"})
    assert frameworks_of(own, "aot") == ()
    assert "zephyr" not in frameworks_of(get_board("esp32"), "aot")
