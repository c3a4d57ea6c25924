"""The files of projects for SDKs against committed text; ``pytest --update-golden`` writes that text anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rendering import aot_variant, make_board

from edgekit.boards.profile import MemoryRegion
from edgekit.codegen.project import ProjectSpec, render_project

EXPECTED = Path(__file__).parent / "expected" / "sdk"

SRAM = MemoryRegion(name="sram", kind="sram", total=262144, source="x", arena=True)
PSRAM = MemoryRegion(name="psram", kind="psram", total=2 << 20, source="x")
FLASH = MemoryRegion(
    name="flash", kind="flash", total=4 << 20, reserved=1 << 20, reserved_why="x", source="x"
)
ESP = {"framework": "esp_idf", "tflm_package": "espressif/esp-tflite-micro 1.2.3"}
PICO = {"framework": "pico_sdk", "tflm_package": "raspberrypi/pico-tflmicro@0123abc"}


def variant(spec: ProjectSpec, name: str) -> ProjectSpec:
    """Return the specification of a committed project: a chip, and the engine."""
    mcu, _, engine = name.partition(" ")
    core = {
        "ESP32-S3": "xtensa-lx7",
        "ESP32-P4": "rv32imafc",
        "RP2040": "cortex-m0+",
        "RP2350A": "cortex-m33",
    }
    memory = (SRAM, PSRAM, FLASH) if mcu == "ESP32-S3" else (SRAM, FLASH)
    sdk = dict(ESP if mcu.startswith("ESP") else PICO)
    board = make_board(mcu=mcu, core=core[mcu], memory=memory, sdk=sdk, clock_mhz=360 if "P4" in mcu else 150)
    spec = replace(spec, board=board)
    if engine == "aot":
        return replace(aot_variant(spec), kernels="portable")
    return replace(spec, kernels=engine)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "ESP32-S3 esp_nn_s3",
        "ESP32-P4 aot",
        "ESP32-P4 reference",
        "RP2040 aot",
        "RP2350A cmsis_nn_dsp",
        "RP2040 reference",
    ],
)
def test_the_files_of_an_sdk_equal_the_committed_ones(
    name: str, tiny_spec: ProjectSpec, pytestconfig: pytest.Config
) -> None:
    files = render_project(variant(tiny_spec, name))
    assert files == render_project(replace(variant(tiny_spec, name)))
    own = ("labels.txt", "project.json")
    texts = {
        path: text
        for path, text in files.items()
        if isinstance(text, str) and not path.startswith("src/") and path not in own
    }
    folder = EXPECTED / name.lower().replace(" ", "_")
    if pytestconfig.getoption("--update-golden"):
        for old in [path for path in folder.rglob("*") if path.is_file()]:
            old.unlink()
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())
    committed = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    assert sorted(texts) == sorted(committed), "other files; see --update-golden"
    for path, text in texts.items():
        assert text == committed[path], f"{path} differs; see --update-golden"
        assert text.endswith("\n") and not text.endswith("\n\n") and "\t" not in text and " \n" not in text, (
            path
        )
