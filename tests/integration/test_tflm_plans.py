"""Memory plans with TFLite Micro's own kernels on emulated Cortex-M cores; skipped unless its library is at hand."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from aot_networks import random_network
from random_graphs import random_graph

from edgekit.boards.catalog import get_board
from edgekit.boards.cores import get_core
from edgekit.boards.kernels import KernelLibrary
from edgekit.build.project import build_project
from edgekit.build.tflm import TFLM_VARIABLE, find_tflm
from edgekit.cli.main import run
from edgekit.codegen.record import load_project
from edgekit.errors import InputError
from edgekit.flash.emulated import emulated
from edgekit.flash.emulator import get_machine
from edgekit.memory.plan_names import Plan
from edgekit.memory.plans import plan_name
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.reader import read_graph
from edgekit.tflite.writer import write_model


class Target(NamedTuple):
    """A board with one of its kernel libraries."""

    board: str
    kernels: KernelLibrary


TARGETS = (
    Target("mps2-an386", "reference"),
    Target("mps2-an386", "cmsis_nn_dsp"),
    Target("mps2-an385", "cmsis_nn"),
    Target("mps3-an547", "cmsis_nn_mve"),
)
GIVES: Mapping[tuple[KernelLibrary, Plan], Plan] = {
    ("reference", "bands"): "overlap",
    ("cmsis_nn", "overlap"): "offline",
    ("cmsis_nn_dsp", "overlap"): "offline",
    ("cmsis_nn_mve", "bands"): "overlap",
}
"""What a plan comes to where it is not itself: MobileNet needs no bands with an overlap, and has none with CMSIS-NN."""


@pytest.fixture(params=TARGETS, ids="-".join)
def target(request: pytest.FixtureRequest) -> Target:
    """A board and a kernel library whose TFLite Micro is there."""
    chosen: Target = request.param
    if not os.environ.get(TFLM_VARIABLE):
        pytest.skip(f"TFLite Micro is not at hand (set {TFLM_VARIABLE})")
    try:
        find_tflm(None, chosen.kernels, get_core(get_board(chosen.board).core))
    except InputError as error:
        pytest.skip(error.message)
    return chosen


def check_firmware(folder: Path, target: Target) -> None:
    project = load_project(folder)
    assert run(["build", "--build", str(folder), "--tflm", os.environ[TFLM_VARIABLE]]) == 0
    assert run(["bench", "--build", str(folder), "--port", "qemu", "--inputs", "20"]) == 0
    record = json.loads((folder / "bench.json").read_text())
    assert (record["board"], record["kernels"], record["plan"]) == (*target, project.plan)
    assert record["outputs"] == {"compared": 20, "mismatched": 0}
    assert record["arena"]["measured"] == record["arena"]["predicted"] == project.arena.total
    assert record["selftest"] == "passed"


@pytest.mark.parametrize("plan", ["offline", "overlap", "bands"])
def test_a_planned_model_is_bit_exact_in_the_arena_that_was_predicted(
    target: Target, plan: Plan, tmp_path: Path
) -> None:
    model, folder = tmp_path / "model.tflite", tmp_path / "build"
    model.write_bytes(write_model(random_network(NetworkSpec("mobilenet_v1", 0.25, 96, 3, 10), seed=4)))
    # Bands are taken only where nothing else stays within the limit.
    limit = ("--ram", "76KB") if plan == "bands" else ()
    args = ("--board", target.board, "--kernels", target.kernels, "--plan", plan, *limit, "-o", str(folder))
    assert run(["export", str(model), *args]) == 0
    project = load_project(folder)
    assert project.plan == GIVES.get((target.kernels, plan), plan)
    assert plan_name(read_graph((folder / project.model.file).read_bytes())) != "greedy"
    check_firmware(folder, target)


@pytest.mark.parametrize("seed", [20, 23])
def test_an_overlap_is_bit_exact_in_a_graph_with_residuals(target: Target, seed: int, tmp_path: Path) -> None:
    """Convolutions, depthwise too, additions and pools in graphs where an overlap brings something with CMSIS-NN."""
    model, folder = tmp_path / "model.tflite", tmp_path / "build"
    model.write_bytes(write_model(random_graph(seed)))
    args = ("--board", target.board, "--kernels", target.kernels, "--plan", "overlap", "-o", str(folder))
    assert run(["export", str(model), *args]) == 0
    assert load_project(folder).plan == "overlap"
    check_firmware(folder, target)


@pytest.mark.parametrize("target", TARGETS[1:], ids="-".join, indirect=True)
def test_an_overlap_for_the_reference_kernels_is_wrong_with_cmsis_nn(target: Target, tmp_path: Path) -> None:
    """What `export` refuses, put into the folder past it: the outputs are wrong, and the self-test finds it."""
    model = tmp_path / "model.tflite"
    model.write_bytes(write_model(random_network(NetworkSpec("mobilenet_v1", 0.25, 96, 3, 10), seed=4)))
    made, folder = tmp_path / "reference", tmp_path / "build"
    args = ["export", str(model), "--board", target.board, "--kernels"]
    assert run([*args, "reference", "--plan", "overlap", "-o", str(made)]) == 0
    assert run([*args, target.kernels, "--plan", "offline", "-o", str(folder)]) == 0
    args[1] = str(made / "model.tflite")
    assert run([*args, target.kernels, "-o", str(tmp_path / "refused")]) == 2
    data = Path("src", "model", "model_data.cc")
    shutil.copy(made / data, folder / data)
    record = build_project(folder, Path(os.environ[TFLM_VARIABLE]))
    with emulated(get_machine(target.board), folder / record.image.file, tmp_path / "log") as started:
        assert started.complaints == ("e-[Self-test failed]",)
