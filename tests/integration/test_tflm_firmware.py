"""Firmware with TFLite Micro itself on an emulated Cortex-M4F; skipped unless its library is at hand."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from edgekit.bench.client import Client
from edgekit.bench.line import open_line
from edgekit.boards.cores import get_core
from edgekit.boards.kernels import KernelLibrary
from edgekit.build.project import build_project
from edgekit.build.tflm import TFLM_VARIABLE, find_tflm
from edgekit.cli.main import run
from edgekit.codegen.golden import load_golden
from edgekit.codegen.record import load_project
from edgekit.errors import InputError
from edgekit.flash.board import emulated_board
from edgekit.flash.emulated import emulated
from edgekit.flash.emulator import get_machine
from edgekit.tflite.reader import read_graph, schema_enum

BOARD = "mps2-an386"
KERNELS: tuple[KernelLibrary, ...] = ("reference", "cmsis_nn_dsp")
INSTRUCTIONS = {"reference": 101e6, "cmsis_nn_dsp": 24.3e6}
"""The most that an inference of VWW may take."""


@pytest.fixture(params=KERNELS)
def kernels(request: pytest.FixtureRequest) -> KernelLibrary:
    """A kernel library whose TFLite Micro is there."""
    if not os.environ.get(TFLM_VARIABLE):
        pytest.skip(f"TFLite Micro is not at hand (set {TFLM_VARIABLE})")
    chosen: KernelLibrary = request.param
    try:
        find_tflm(None, chosen, get_core("cortex-m4f"))
    except InputError as error:
        pytest.skip(error.message)
    return chosen


def export_folder(model: Path, folder: Path, kernels: KernelLibrary) -> Path:
    args = ("--board", BOARD, "--engine", "tflm", "--kernels", kernels, "-o", str(folder))
    assert run(["export", str(model), *args]) == 0
    return folder


@pytest.mark.parametrize("name", ["vww_96_int8", "kws_ref_model", "ad01_int8"])
def test_trained_models_are_bit_exact_with_the_arena_that_was_predicted(
    name: str,
    kernels: KernelLibrary,
    shared_models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = export_folder(shared_models / f"{name}.tflite", tmp_path / "build", kernels)
    assert run(["build", "--build", str(folder), "--tflm", os.environ[TFLM_VARIABLE]]) == 0
    built = json.loads((folder / "build.json").read_text())
    assert "warning:" not in (folder / "build.log").read_text()
    assert built["ok"] and built["ram"]["arena_measured"] == load_project(folder).arena_bytes
    assert re.fullmatch("[0-9a-f]{64}", built["tflm"]["sha256"]) and "arm-none-eabi-g++" in built["tools"]
    # What is built needs TFLite Micro no more.
    monkeypatch.delenv(TFLM_VARIABLE)
    assert run(["bench", "--build", str(folder), "--port", "qemu", "--inputs", "20"]) == 0
    record = json.loads((folder / "bench.json").read_text())
    assert (record["board"], record["engine"], record["kernels"]) == (BOARD, "tflm", kernels)
    assert record["outputs"] == {"compared": 20, "mismatched": 0}
    assert record["arena"]["measured"] == record["arena"]["predicted"] == load_project(folder).arena.total
    if name == "vww_96_int8":
        assert record["latency"]["unit"] == "instructions"
        assert 0.9 * INSTRUCTIONS[kernels] < record["latency"]["median"] <= INSTRUCTIONS[kernels]


def test_the_profile_has_every_operator_and_the_self_test_passes(
    kernels: KernelLibrary, tiny_model: bytes, tmp_path: Path
) -> None:
    (tmp_path / "tiny.tflite").write_bytes(tiny_model)
    folder = export_folder(tmp_path / "tiny.tflite", tmp_path / "build", kernels)
    inputs, outputs = load_golden(folder)
    with emulated_board(folder) as port:
        line = open_line(port)
        client = Client(line)
        client.connect()
        assert client.selftest().passed == len(inputs)
        profiled = client.profile(inputs[0].tobytes())
        ran = client.run(inputs[0].tobytes(), runs=3, warmup=1)
        line.close()
    assert profiled is not None and ran.output == outputs[0].tobytes()
    graph, ops = read_graph(tiny_model), profiled.ops
    kinds = [schema_enum("BuiltinOperator", op.kind) for op in graph.ops]
    assert [(op.index, op.builtin) for op in ops] == list(enumerate(kinds))
    # Operators are what an inference consists of; the hook between them takes its share of a network this small.
    assert min(op.ticks for op in ops) > 0
    assert 0.8 < sum(op.ticks for op in ops) / float(np.median(ran.ticks)) < 1.2


def test_an_arena_that_is_too_small_is_told_at_boot(
    kernels: KernelLibrary, shared_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = export_folder(shared_models / "vww_96_int8.tflite", tmp_path / "build", kernels)
    header = folder / "src" / "model" / "model.h"
    text, project = header.read_text(), load_project(folder)
    define = f"#define EK_MODEL_ARENA_BYTES {project.arena_bytes}\n"
    assert define in text
    header.write_text(text.replace(define, "#define EK_MODEL_ARENA_BYTES 80000\n"))
    record = build_project(folder)
    with emulated(get_machine(BOARD), folder / record.image.file, tmp_path / "log") as started:
        (said,) = [line for line in started.boot if line.startswith("e-[")]
        assert re.fullmatch(
            rf"e-\[AllocateTensors failed in an arena of 80000 bytes \({project.arena.total} predicted\): "
            rf"Failed to .+ Requested: {project.arena.head}, available \d+, missing: \d+\]",
            said,
        )
        line = open_line(started.port)
        assert Client(line).connect().identity.arena_used == 0
        line.close()
    assert run(["bench", "--build", str(folder), "--port", "qemu"]) == 1
    assert f"The device says: {said}" in capsys.readouterr().err
