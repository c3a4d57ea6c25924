"""What the doctor sees in images that were really compiled and linked, right ones and wrong ones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import fake_tools
import pytest
from firmware_folder import export_folder

from edgekit.build.elf import Elf
from edgekit.codegen.record import FirmwareProject, load_project
from edgekit.doctor.evidence import Compilation, compilations
from edgekit.doctor.finding import Finding
from edgekit.doctor.firmware import (
    Image,
    check_alignment,
    check_arena,
    check_float_printf,
    check_kernels,
    check_optimization,
    check_static_memory,
    load_image,
)

SOURCE = """
#include <stdint.h>
_Alignas(ALIGN) uint8_t ek_arena[256];
_Alignas(ALIGN) const uint8_t PAD[1] = {1};
const uint8_t MODEL[64] __attribute__((aligned(ALIGN))) = {1};
int KERNEL(int x) { return x * 3; }
int main(void) { return KERNEL(MODEL[ek_arena[0]]) + PAD[0]; }
"""
MODEL = "_ZN7edgekit12g_model_dataE"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_model: bytes) -> FirmwareProject:
    """The record of a project with the tflm engine and CMSIS-NN, of a Nano 33 BLE."""
    folder = export_folder(tiny_model, tmp_path_factory.mktemp("doctor") / "build")
    changed = {"board": "nano33ble", "engine": "tflm", "kernels": "cmsis_nn_dsp"}
    return load_project(folder).model_copy(update=changed)


Compile = Callable[..., bytes]


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    """Returns an image with a kernel, a model and an arena."""

    def make(
        kernel: str = "arm_convolve_s8", align: int = 16, script: str = fake_tools.ARM_SCRIPT, **flags: str
    ) -> bytes:
        text = f"#define ALIGN {align}\n" + SOURCE.replace("MODEL", MODEL).replace("KERNEL", kernel)
        return fake_tools.compile_image(tmp_path, "cortex-m4f", script, 0, text, *flags.values()).read_bytes()

    return make


def image(
    project: FirmwareProject, content: bytes, compiled: tuple[Compilation, ...] = (), **changed: str
) -> Image:
    return Image(project.model_copy(update=changed), Elf(content), compiled)


def by(*options: str, file: str = "/x/src/main.c") -> Compilation:
    return Compilation(file, options, "compile_commands.json")


def said(finding: Finding | None, level: str) -> str:
    """Check the level and that what is wrong has evidence and a fix; return the text."""
    assert finding is not None and finding.level == level, finding
    assert level == "ok" or (finding.evidence and finding.fix)
    return f"{finding.what} {finding.evidence} {finding.fix}"


@pytest.mark.parametrize(
    ("options", "level"),
    [
        (("-O2", "-g"), "ok"),
        (("-Os", "-O2"), "ok"),  # the last one counts
        (("-O3",), "ok"),
        (("-Ofast",), "ok"),
        (("-O2", "-Os"), "warning"),
        (("-Og",), "problem"),
        (("-O0",), "problem"),
        (("-g",), "problem"),  # none is -O0
    ],
)
def test_the_level_of_optimization_is_judged(
    options: tuple[str, ...], level: str, project: FirmwareProject, compiled: Compile
) -> None:
    said(check_optimization(image(project, compiled(), (by(*options),))), level)


def test_kernels_of_the_library_count_and_other_files_of_the_sdk_do_not(
    project: FirmwareProject, compiled: Compile
) -> None:
    main, other = by("-O2"), by("-Os", file="/sdk/drivers/uart.c")
    conv = by("-Os", file="/sdk/tflite-micro/tensorflow/lite/micro/kernels/cmsis_nn/conv.cc")
    said(check_optimization(image(project, compiled(), (main, other))), "ok")
    text = said(check_optimization(image(project, compiled(), (main, other, conv))), "warning")
    assert "compiled for size and not for speed in 1 of 2 sources." in text and "conv.cc with -Os" in text


def test_the_fix_for_optimization_is_that_of_the_framework(
    project: FirmwareProject, compiled: Compile
) -> None:
    for framework, words in (
        ("esp_idf", "CONFIG_COMPILER_OPTIMIZATION_PERF"),
        ("zephyr", "CONFIG_SPEED_OPTIMIZATIONS"),
        ("platformio", "build_unflags"),
    ):
        subject = image(project, compiled(), (by("-Og"),), framework=framework)
        assert words in said(check_optimization(subject), "problem")


def test_options_are_read_from_the_image_itself_where_nothing_else_tells(
    project: FirmwareProject, compiled: Compile, tmp_path: Path
) -> None:
    for level, wanted in (("-O2", "ok"), ("-Os", "warning"), ("-O0", "problem")):
        content = compiled(g="-g", o=level)
        found = compilations(tmp_path, content)
        assert [(one.name, one.optimization, one.source) for one in found] == [("firmware.c", level, "DWARF")]
        named = project.model_copy(update={"files": {"src/firmware.c": "0" * 64}})
        said(check_optimization(Image(named, Elf(content), found)), wanted)
    content = compiled(g="-g0")
    assert compilations(tmp_path, content) == []
    assert check_optimization(image(project, content)).level == "note"


def test_compile_commands_are_read_in_both_forms(tmp_path: Path, compiled: Compile) -> None:
    entries = [
        {"directory": "/x", "file": "/x/a.c", "command": "gcc -O2 -DNAME=1 '-DOTHER=a b' -c a.c"},
        {"directory": "/x", "file": "/x/b.c", "arguments": ["gcc", "-Os", "-c", "b.c"]},
    ]
    for place in ("out", "out/arduino"):
        folder = tmp_path / place.replace("/", "-")
        path = folder / place / "compile_commands.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(entries))
        a, b = compilations(folder, compiled())
        assert (a.optimization, b.optimization) == ("-O2", "-Os")
        assert a.defines("NAME") and a.defines("OTHER") and not a.defines("NAM") and not b.defines("NAME")
        path.write_text("[{]")
        assert compilations(folder, b"no ELF file") == []


@pytest.mark.parametrize(
    ("kernels", "function", "level"),
    [
        ("cmsis_nn_dsp", "arm_convolve_s8", "ok"),
        ("cmsis_nn", "arm_depthwise_conv_s8_opt", "ok"),
        ("cmsis_nn_dsp", "arm_fill_q15", "problem"),
        ("cmsis_nn", "reference_conv", "problem"),
        ("reference", "reference_conv", "ok"),
        ("reference", "arm_convolve_s8", "warning"),
        ("esp_nn", "esp_nn_conv_s8_opt", "ok"),
        ("esp_nn", "reference_conv", "problem"),
        ("esp_nn_s3", "esp_nn_conv_s8_esp32s3", "ok"),
        ("esp_nn_s3", "esp_nn_conv_s8_ansi", "problem"),
        ("esp_nn_p4", "esp_nn_conv_s8_esp32p4", "ok"),
        ("esp_nn_p4", "esp_nn_conv_s8_opt", "problem"),
    ],
)
def test_kernels_are_known_by_their_functions(
    kernels: str, function: str, level: str, project: FirmwareProject, compiled: Compile
) -> None:
    said(check_kernels(image(project, compiled(function), kernels=kernels)), level)


def test_the_aot_engines_kernels_are_told_apart_by_their_definition(
    project: FirmwareProject, compiled: Compile
) -> None:
    content = compiled("ek_conv2d")
    for kernels, options, level in (
        ("dsp", ("-O2",), "ok"),
        ("dsp", ("-O2", "-DEK_PORTABLE"), "problem"),
        ("portable", ("-O2", "-DEK_PORTABLE"), "ok"),
    ):
        said(check_kernels(image(project, content, (by(*options),), engine="aot", kernels=kernels)), level)


def test_float_printf_is_found_in_a_program_that_has_it(project: FirmwareProject, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(
        '#include <stdio.h>\nint main(int n, char **v) { printf("%d", n); return !v; }\n'
    )
    levels = []
    for more in ([], ["-u", "_printf_float"]):
        command = [
            "arm-none-eabi-gcc",
            "-mcpu=cortex-m4",
            "-mthumb",
            "--specs=nano.specs",
            "--specs=nosys.specs",
        ]
        subprocess.run([*command, *more, "a.c", "-o", "a.elf"], cwd=tmp_path, check=True, capture_output=True)
        finding = check_float_printf(image(project, (tmp_path / "a.elf").read_bytes()))
        levels.append(finding.level)
    assert levels == ["ok", "warning"]
    assert "_printf_float" in finding.evidence and "of flash" in finding.what


def test_alignment_of_model_and_arena(project: FirmwareProject, compiled: Compile) -> None:
    said(check_alignment(image(project, compiled())), "ok")
    subject = image(project, compiled(align=1))
    assert subject.elf.address("g_model_data") == subject.elf.address(MODEL) is not None
    assert subject.elf.address("model_data") is None
    assert "g_model_data at" in said(check_alignment(subject), "problem")
    assert check_alignment(image(project, compiled(align=1), engine="aot")) is None


def test_the_arenas_place(project: FirmwareProject, compiled: Compile) -> None:
    content = compiled()
    said(check_arena(image(project, content)), "ok")  # 0x20000000 is the Nano's SRAM
    assert "in dtcm and not in sram" in said(
        check_arena(image(project, content, board="stm32f746g-disco")), "warning"
    )
    moved = compiled(script=fake_tools.ARM_SCRIPT.replace("0x20000000", "0x3F800000"))
    assert "PSRAM" in said(check_arena(image(project, moved, board="esp32")), "warning")
    assert check_arena(image(project, content, board="mine")) is None


def test_both_sides_have_to_agree_on_tflite_micros_structs(
    project: FirmwareProject, compiled: Compile
) -> None:
    content = compiled()
    define, kernel = "-DTF_LITE_STATIC_MEMORY", "/t/tensorflow/lite/micro/kernels/add.cc"
    engine = "/x/src/engine/ek_engine_tflm.cc"
    both = (by(define, file=engine), by(f"{define}=1", file=kernel))
    said(check_static_memory(image(project, content, both)), "ok")
    one = (by(define, file=engine), by("-O2", file=kernel))
    assert "add.cc" in said(check_static_memory(image(project, content, one)), "problem")
    assert check_static_memory(image(project, content, one[:1])) is None


def test_a_real_build_is_in_order_and_a_spoilt_one_is_not(tiny_model: bytes, tmp_path: Path) -> None:
    from edgekit.build.project import build_project
    from edgekit.doctor.examine import examine_build

    folder = export_folder(tiny_model, tmp_path / "build")
    assert [finding.check for finding in examine_build(folder)] == ["build.there"]
    build_project(folder)
    findings = {finding.check: finding.level for finding in examine_build(folder)}
    assert findings == {
        "firmware.optimization": "ok",
        "firmware.kernels": "ok",
        "firmware.float_printf": "ok",
    }
    cmake = folder / "CMakeLists.txt"
    assert "-O2" in cmake.read_text()
    cmake.write_text(cmake.read_text().replace("-O2", "-O0"))
    assert {f.check: f.level for f in examine_build(folder)}["build.current"] == "note"
    build_project(folder)
    assert {f.check: f.level for f in examine_build(folder)}["firmware.optimization"] == "problem"
    (folder / "out/firmware.elf").write_bytes(b"no ELF file")
    assert [(f.check, f.level) for f in examine_build(folder)] == [("build.image", "problem")]


def test_the_image_is_read_from_its_folder(
    project: FirmwareProject, compiled: Compile, tmp_path: Path
) -> None:
    (tmp_path / "a.elf").write_bytes(compiled())
    assert load_image(tmp_path, "a.elf", project).elf.functions.keys() >= {"arm_convolve_s8"}
