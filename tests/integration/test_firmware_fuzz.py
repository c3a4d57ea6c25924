"""The firmware in C takes whatever bytes come: libFuzzer under the sanitizers; ``make fuzz`` goes on for longer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from firmware_folder import export_folder
from fuzzing import build_fuzzer, crashes, fuzz_command

SECONDS = int(os.environ.get("EDGEKIT_FUZZ_SECONDS", "60"))


def fuzz(program: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    command = fuzz_command(program, folder, SECONDS)
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def program(tiny_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_fuzzer(export_folder(tiny_model, tmp_path_factory.mktemp("fuzz") / "build"))


def test_no_bytes_do_harm(program: Path, tmp_path: Path) -> None:
    done = fuzz(program, tmp_path / "found")
    found = crashes(tmp_path / "found")
    repeat = "".join(f"\n{program} {path}: {path.read_bytes().hex()}" for path in found)
    assert done.returncode == 0 and not found, f"{done.stderr[-5000:]}{repeat}"
    assert "stat::number_of_executed_units" in done.stderr


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("ek_bench.c", "message.size < sizeof message.bytes", "message.size <= sizeof message.bytes"),
        ("ek_binary.c", "wanted.offset > size", "wanted.offset > size + 8"),
    ],
)
def test_a_bound_that_is_off_is_found(
    name: str, right: str, wrong: str, program: Path, tiny_model: bytes, tmp_path: Path
) -> None:
    folder = export_folder(tiny_model, tmp_path / "build")
    source = folder / "src" / "core" / name
    text = source.read_text()
    assert text.count(right) == 1
    source.write_text(text.replace(right, wrong))
    faulty = build_fuzzer(folder)
    assert fuzz(faulty, tmp_path / "found").returncode != 0
    found = crashes(tmp_path / "found")
    assert len(found) == 1
    assert subprocess.run([faulty, found[0]], capture_output=True, check=False).returncode != 0
    assert subprocess.run([program, found[0]], capture_output=True, check=False).returncode == 0
