"""The aot firmware on every emulated machine over a pseudo-terminal: 20 inputs bit-exact, a changed weight found."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aot_networks import random_network
from elftools.elf.elffile import ELFFile
from firmware_folder import BOARDS, export_folder, processes_with

from edgekit.build.elf import Elf
from edgekit.cli.main import run
from edgekit.flash.emulated import emulated
from edgekit.flash.emulator import get_machine
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.writer import write_model

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")

INPUTS = 20
CONTROLS = 3


@pytest.fixture(params=["made here", "trained"])
def model(request: pytest.FixtureRequest) -> bytes:
    """A MobileNet with random weights, and VWW where it is at hand."""
    if request.param == "trained":
        models: Path = request.getfixturevalue("shared_models")
        return (models / "vww_96_int8.tflite").read_bytes()
    return write_model(random_network(NetworkSpec("mobilenet_v1", 0.25, 32, 3, 10), seed=3))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert not processes_with(tmp_path)


def bench(folder: Path, inputs: int, *extra: str) -> tuple[int, dict[str, Any]]:
    count = str(inputs)
    status = run(["bench", "--build", str(folder), "--runs", count, "--inputs", count, *extra])
    return status, json.loads((folder / "bench.json").read_text())


def with_a_changed_weight(image: bytes) -> bytes:
    """Return the image with another sign of one weight of the first operator."""
    place = Elf(image).address("ek_weights_0")
    (segment,) = (
        segment
        for segment in ELFFile(io.BytesIO(image)).iter_segments("PT_LOAD")
        if segment["p_vaddr"] <= place < segment["p_vaddr"] + segment["p_filesz"]
    )
    at = place - segment["p_vaddr"] + segment["p_offset"]
    return image[:at] + bytes([image[at] ^ 0x80]) + image[at + 1 :]


@pytest.mark.parametrize("board", BOARDS)
def test_every_output_equals_the_hosts_and_a_changed_weight_is_found(
    board: str, model: bytes, place: Path
) -> None:
    folder = export_folder(model, place / "edgekit-build", board)
    assert run(["flash", "--build", str(folder)]) == 0
    status, record = bench(folder, INPUTS)
    assert run(["flash", "--stop", "--build", str(folder)]) == 0
    assert status == 0 and record["ok"]
    assert record["outputs"] == {"compared": INPUTS, "mismatched": 0}
    assert record["board"] == board and record["latency"]["unit"] == "instructions"
    assert record["arena"]["measured"] == record["arena"]["predicted"]

    changed = place / "changed.elf"
    changed.write_bytes(with_a_changed_weight((folder / "out" / "firmware.elf").read_bytes()))
    with emulated(get_machine(board), changed, place / "emulator.log") as started:
        status, record = bench(folder, CONTROLS, "--port", started.port)
    assert status == 1 and not record["ok"]
    assert record["outputs"]["compared"] == CONTROLS and record["outputs"]["mismatched"] > 0
