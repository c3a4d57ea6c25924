"""The aot engine on emulated microcontrollers: its answers are the host interpreter's, bit for bit.

A missing compiler or emulator is a failure here, not a reason to skip: the error says what to install.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from aot_networks import random_inputs, random_network
from aot_target import TargetRun, build_harness, read_report, run_harness
from numpy.typing import NDArray

from edgekit.aot.program import lower
from edgekit.codegen.aot import render_aot
from edgekit.flash.emulator import MACHINES
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.graph import Graph
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.reader import read_graph
from edgekit.tflite.writer import write_model

INPUTS = 20
NETWORKS = {
    "0.25/96": NetworkSpec("mobilenet_v1", 0.25, 96, 3, 2),
    "0.25/128": NetworkSpec("mobilenet_v1", 0.25, 128, 3, 1000),
    "0.25/224": NetworkSpec("mobilenet_v1", 0.25, 224, 3, 10),
    "shallow 0.5/64": NetworkSpec("shallow_mobilenet_v1", 0.5, 64, 1, 10),
    "conv 0.25/48": NetworkSpec("conv_mobilenet_v1", 0.25, 48, 3, 10),
}
TRAINED = ("vww_96_int8", "kws_ref_model", "ad01_int8")
MAIN = ("mps2-an385", "mps2-an386", "rv32-virt")
"""Portable path, DSP path, another instruction set; the other machines run the smaller models only."""
CASES = [
    (name, machine)
    for name in (*NETWORKS, *TRAINED)
    for machine in MACHINES
    if machine in MAIN or name not in ("0.25/128", "0.25/224", "conv 0.25/48")
]


@dataclass(frozen=True)
class Case:
    """A model, inputs for it, and what the host interpreter gives for them: int8 ``[inputs, output bytes]``."""

    graph: Graph
    inputs: NDArray[np.int8]
    outputs: NDArray[np.int8]


def make_case(model: bytes) -> Case:
    graph = read_graph(model)
    host = HostInterpreter(model)
    inputs = random_inputs(graph.input.shape, INPUTS, seed=1)
    outputs = np.stack([host.run([one])[0].reshape(-1) for one in inputs])
    assert len({one.tobytes() for one in outputs}) > INPUTS // 3, (
        "the outputs hardly differ: they prove little"
    )
    return Case(graph, inputs, outputs)


@pytest.fixture(scope="module")
def case_of(request: pytest.FixtureRequest) -> Callable[[str], Case]:
    @cache
    def get(name: str) -> Case:
        if name in NETWORKS:
            return make_case(write_model(random_network(NETWORKS[name], seed=1)))
        folder: Path = request.getfixturevalue("shared_models")
        model = (folder / f"{name}.tflite").read_bytes()
        if name == "ad01_int8" and not HostInterpreter(model).runtime.startswith("tflite-runtime"):
            pytest.skip("a stack of FULLY_CONNECTED, which ai-edge-litert computes unlike TFLite's reference")
        return make_case(model)

    return get


def run_on(machine: str, graph: Graph, inputs: NDArray[np.int8], *defines: str, core: str = "") -> TargetRun:
    texts = render_aot(lower(graph))
    return run_harness(machine, build_harness(machine, texts, *defines, core=core), inputs)


@pytest.mark.parametrize(("name", "machine"), CASES)
def test_outputs_equal_the_host_interpreters(name: str, machine: str, case_of: Callable[[str], Case]) -> None:
    case = case_of(name)
    run = run_on(machine, case.graph, case.inputs)
    np.testing.assert_array_equal(run.outputs, case.outputs)
    assert [op for op, _ in run.ops] == [call.op for call in lower(case.graph).calls]
    assert sum(count for _, count in run.ops) == pytest.approx(np.mean(run.instructions), rel=0.01)
    assert 0 < run.stack < 1024


def test_the_portable_path_gives_the_same_on_a_core_with_the_dsp_extension(
    case_of: Callable[[str], Case],
) -> None:
    case = case_of("0.25/96")
    portable, dsp = (run_on("mps2-an386", case.graph, case.inputs, *d) for d in (("EK_PORTABLE",), ()))
    np.testing.assert_array_equal(portable.outputs, case.outputs)
    assert min(portable.instructions) > max(dsp.instructions), "the DSP path was not taken"


def test_code_for_the_cortex_m0_plus_gives_the_same(case_of: Callable[[str], Case]) -> None:
    """QEMU has no machine with that core; a Cortex-M3 runs its code."""
    case = case_of("0.25/96")
    run = run_on("mps2-an385", case.graph, case.inputs, core="cortex-m0+")
    np.testing.assert_array_equal(run.outputs, case.outputs)


def test_a_report_that_is_cut_off_or_strange_is_not_accepted() -> None:
    whole = b"rate 5 8\noutput 0 16 05ff\nop 3 8\nstack 64\nend 1\n"
    run = read_report(whole, Fraction(5, 8), 1)
    assert (run.outputs.tolist(), run.instructions, run.ops, run.stack) == ([[5, -1]], (10,), ((3, 5),), 64)
    for broken in (whole[:-6], whole[:20], whole.replace(b"op", b"up"), b"\nfault 03\n", b""):
        with pytest.raises(AssertionError):
            read_report(broken, Fraction(5, 8), 1)
    with pytest.raises(AssertionError, match="instructions a tick"):
        read_report(whole, Fraction(1), 1)


@pytest.mark.parametrize("machine", MAIN)
def test_a_flipped_weight_bit_is_seen(machine: str, case_of: Callable[[str], Case]) -> None:
    case = case_of("0.25/96")
    last = [op for op in case.graph.ops if op.kind == "CONV_2D"][-1]
    weights = case.graph.tensors[last.inputs[1]]
    values = weights.values().copy()
    values.reshape(-1)[5] ^= 64
    tensors = list(case.graph.tensors)
    tensors[weights.index] = replace(weights, data=values)
    run = run_on(machine, replace(case.graph, tensors=tuple(tensors)), case.inputs)
    assert (run.outputs != case.outputs).any()
