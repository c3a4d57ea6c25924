"""The application of an ESP32-C3 as an image: compiled and linked for its core, made and verified by esptool."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rendering import run
from sdk_projects import STUBS, configure, kconfig, lines, project_spec, write_project

from edgekit.boards.cores import get_core

CORE = get_core("rv32imc")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application's binary; the project and the ELF file are beside it."""
    folder = write_project(project_spec("esp32c3", "aot"), tmp_path_factory.mktemp("c3") / "project")
    assert configure(folder, IDF_PATH=str(STUBS / "esp_idf")).returncode == 0
    config = kconfig(folder, "esp32c3")
    flags = [
        *CORE.flags,
        f"--specs={CORE.compiler.specs}",
        "-std=gnu17",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]
    include = [f"-I{path}" for path in (config.parent, STUBS / "esp_idf", *lines(folder, "include.txt"))]
    link = [
        "-nostartfiles",
        f"-T{STUBS / 'esp_idf' / 'image.ld'}",
        "-Wl,--gc-sections",
        "-Wl,--fatal-warnings",
    ]
    sections = ["-ffunction-sections", "-fdata-sections"]
    sources = [*lines(folder, "sources.txt"), str(STUBS / "esp_idf" / "nothing.c")]
    elf = folder / "firmware.elf"
    run(CORE.compiler.program, *flags, *sections, *include, *sources, *link, "-o", elf)
    binary = folder / "firmware.bin"
    settings = ["--flash-mode", "dio", "--flash-freq", "80m", "--flash-size", "4MB"]
    done = esptool("elf2image", *settings, "-o", str(binary), str(elf))
    assert done.returncode == 0, done.stdout + done.stderr
    return binary


def esptool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run esptool for the chip."""
    command = [sys.executable, "-m", "esptool", "--chip", "esp32c3", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_esptool_takes_the_image(image: Path) -> None:
    done = esptool("image-info", str(image))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Checksum: 0x[0-9a-f]+ \(valid\)", done.stdout), done.stdout
    assert re.search(r"Validation hash: [0-9a-f]{64} \(valid\)", done.stdout), done.stdout
    for word in (
        "Flash size: 4MB",
        "Flash freq: 80m",
        "Flash mode: DIO",
        "Project name: firmware",
        "Entry point: 0x4200",
    ):
        assert word in done.stdout, done.stdout
    assert image.stat().st_size < 0x1E0000


def test_weights_and_vectors_are_in_flash_and_the_arena_is_in_ram(image: Path) -> None:
    spec = project_spec("esp32c3", "aot")
    assert spec.golden_inputs.astype(np.int8).tobytes() in image.read_bytes()
    symbols = run(CORE.compiler.program.replace("gcc", "nm"), image.with_suffix(".elf")).stdout
    places = {name: int(address, 16) for address, _, name in (line.split() for line in symbols.splitlines())}
    assert 0x3FC80000 <= places["ek_arena"] < 0x3FCD0000
    assert 0x3C000020 <= places["golden_inputs"] < 0x3C800000
    weights = [address for name, address in places.items() if name.startswith("ek_weights_")]
    assert weights and all(0x3C000020 <= address < 0x3C800000 for address in weights)
    assert "app_main" in places and "printf" not in places and "malloc" not in places


def test_a_changed_byte_is_found(image: Path, tmp_path: Path) -> None:
    data = bytearray(image.read_bytes())
    data[len(data) // 2] ^= 1
    changed = tmp_path / "firmware.bin"
    changed.write_bytes(data)
    said = esptool("image-info", str(changed)).stdout
    assert "invalid" in said


def test_the_compiler_is_there() -> None:
    assert shutil.which(CORE.compiler.program), f"{CORE.compiler.program} is not installed"
