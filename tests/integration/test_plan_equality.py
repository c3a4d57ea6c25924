"""Memory plans in real TFLite Micro: the same outputs bit for bit in the arena that was predicted, to the byte.

``EDGEKIT_PLAN_INPUTS``, ``EDGEKIT_PLAN_GRAPHS`` and ``EDGEKIT_PLAN_GRID=paper`` set the inputs of each model, the
random graphs and the networks; without them there are few, so that the file takes some seconds. `make prove` sets them.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from aot_networks import random_inputs, random_network
from mobilenet_v2 import mobilenet_v2
from random_graphs import random_graph
from wheel_runs import WheelRun, run_wheel

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory.arena import predict_wheel_arena, tflm_plan
from edgekit.memory.lifetimes import head_buffers
from edgekit.memory.plan_names import PLANS
from edgekit.memory.plans import plan_name, plan_problems
from edgekit.memory.releases import TFLM_WHEEL
from edgekit.memory.rewrite import plan_model
from edgekit.memory.scratch import scratch_requests
from edgekit.memory.static_plan import plan_lower_bound
from edgekit.memory.tflm_leads import dead_parts, overlaps_of
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.search.space import search_space
from edgekit.tflite.graph import Graph
from edgekit.tflite.offline import offline_offsets, with_offsets
from edgekit.tflite.reader import read_graph
from edgekit.tflite.tflm import tflm_available
from edgekit.tflite.writer import write_model

INPUTS = int(os.environ.get("EDGEKIT_PLAN_INPUTS", "3"))
GRAPHS = int(os.environ.get("EDGEKIT_PLAN_GRAPHS", "24"))
FULL = os.environ.get("EDGEKIT_PLAN_GRID") == "paper"

CONTROLS = 4
"""Spoilt plans that are tried of each model, with as many inputs as a case has, but eight at most."""
STEP = 16
_CMSIS_NN: tuple[KernelLibrary, ...] = ("cmsis_nn", "cmsis_nn_mve")
_SPOILT_INPUTS = min(INPUTS, 8)

pytestmark = pytest.mark.skipif(not tflm_available(), reason="the tflite-micro wheel is not installed")


@dataclass(frozen=True)
class Case:
    """A model with its plans.

    Attributes
    ----------
    model, graph:
        As it was given.
    planned:
        Written anew, by what the plan is called.
    spoilt:
        Plans with one offset changed by a step, so that they are not safe any more.
    """

    model: bytes
    graph: Graph
    planned: Mapping[str, Graph]
    spoilt: Sequence[Graph]

    @classmethod
    def of(cls, graph: Graph, model: bytes | None = None) -> Case:
        """Plan ``graph``: for the wheel, and as for CMSIS-NN, whose overlap the reference kernels allow too."""
        planned = {plan: plan_model(graph, plan, "reference", "lp64", TFLM_WHEEL).graph for plan in PLANS}
        for kernels in _CMSIS_NN:
            planned[kernels] = plan_model(graph, "overlap", kernels).graph
        spoilt = [*_spoilt(planned["overlap"], "reference"), *_spoilt(planned["offline"], "reference")]
        return cls(model or write_model(graph), graph, planned, spoilt[:CONTROLS])

    @property
    def models(self) -> list[bytes]:
        """The file as it was given, then the planned ones."""
        return [self.model, *map(write_model, self.planned.values())]

    def check(self, runs: Sequence[WheelRun], spoilt: Sequence[WheelRun]) -> bool | None:
        """Check every plan; return whether a spoilt one changed an output, or ``None`` where there was none."""
        stock, *planned = runs
        assert len({output.tobytes() for output in stock.outputs}) > 1 or INPUTS == 1
        for (name, graph), run in zip(self.planned.items(), planned, strict=True):
            arena = predict_wheel_arena(graph)
            assert (arena.head + arena.scratch, arena.total) == (run.head, run.total), name
            assert run.differing(stock) == 0, name
            # The plan for CMSIS-NN leaves room for scratch that the reference kernels do not ask for.
            assert run.total <= stock.total or name in _CMSIS_NN, name
            _check_static(graph, next((kernels for kernels in _CMSIS_NN if kernels == name), "reference"))
        for graph in self.spoilt:
            assert plan_problems(graph, "reference")
        expected = replace(stock, outputs=stock.outputs[:_SPOILT_INPUTS])
        return any(run.differing(expected) for run in spoilt) if spoilt else None


def _check_static(graph: Graph, kernels: KernelLibrary) -> None:
    """Check what can be said of a plan without running it."""
    assert plan_problems(graph, kernels) == []
    scratch = scratch_requests(graph, kernels)
    buffers = head_buffers(graph, scratch)
    overlaps = overlaps_of(graph, buffers, kernels) if plan_name(graph) == "overlap" else ()
    bound = plan_lower_bound(buffers, overlaps, dead_parts(graph, buffers))
    assert tflm_plan(graph, scratch).peak >= bound
    if plan_name(graph) == "overlap":
        assert plan_problems(graph, "esp_nn")


def _spoilt(graph: Graph, kernels: KernelLibrary) -> Iterator[Graph]:
    """Yield ``graph`` with an offset moved by one step to where it overlaps what it must not, most bytes first."""
    offsets = offline_offsets(graph)
    if offsets is None:
        return
    sizes = {t.index: t.nbytes for t in graph.tensors}
    for index in sorted(range(len(offsets)), key=lambda i: -sizes[i]):
        for moved in (offsets[index] - STEP, offsets[index] + STEP):
            if offsets[index] >= 0 and moved >= 0:
                changed = with_offsets(graph, [*offsets[:index], moved, *offsets[index + 1 :]])
                if plan_problems(changed, kernels):
                    yield changed


def _check(cases: Sequence[Case]) -> list[bool]:
    """Run all of ``cases`` in TFLite Micro; return for each that has a control whether it was noticed."""
    inputs = [random_inputs(case.graph.input.shape, INPUTS, seed) for seed, case in enumerate(cases)]
    spoilt = [[*map(write_model, case.spoilt)] for case in cases]
    few = [values[:_SPOILT_INPUTS] for values in inputs]
    runs = run_wheel([*(case.models for case in cases), *spoilt], [*inputs, *few])
    half = len(cases)
    verdicts = [c.check(r, s) for c, r, s in zip(cases, runs[:half], runs[half:], strict=True)]
    return [noticed for noticed in verdicts if noticed is not None]


def test_random_graphs() -> None:
    noticed = _check([Case.of(random_graph(seed)) for seed in range(GRAPHS)])
    # Of a graph whose branch leads nowhere, or that saturates, not every byte tells in an output.
    assert len(noticed) > GRAPHS // 2
    assert sum(noticed) >= 0.9 * len(noticed), noticed


@pytest.mark.parametrize("resolution", [96, 160] if FULL else [96])
def test_mobilenet_v2(resolution: int) -> None:
    assert _check([Case.of(mobilenet_v2(0.35, resolution))]) == [True]


@pytest.mark.parametrize("name", ["vww_96_int8", "kws_ref_model", "ad01_int8"])
def test_trained_models(shared_models: Path, name: str) -> None:
    model = (shared_models / f"{name}.tflite").read_bytes()
    assert all(_check([Case.of(read_graph(model), model)]))


_POINTS = [(spec.alpha, spec.resolution) for spec in search_space("paper", "mobilenet_v1", 3, 2)]


@pytest.mark.parametrize(("alpha", "resolution"), _POINTS if FULL else [(0.25, 96), (0.5, 96)])
def test_the_paper_grid(alpha: float, resolution: int) -> None:
    graph = random_network(NetworkSpec("mobilenet_v1", alpha, resolution, 3, 10), seed=1)
    assert _check([Case.of(graph)]) == [True]


@pytest.mark.parametrize("plan", PLANS)
def test_a_written_file_is_a_valid_model(plan: str) -> None:
    graph = random_network(NetworkSpec("mobilenet_v1", 0.25, 96, 3, 2), seed=2)
    model = write_model(Case.of(graph).planned[plan])
    assert model[4:8] == b"TFL3"
    again = read_graph(model)
    assert plan_problems(again, "reference") == []
    for tensor in again.tensors:
        if tensor.data is not None:
            # numpy's view of the file tells where the values lie.
            start = tensor.data.__array_interface__["data"][0]
            base = _address(model)
            assert (start - base) % STEP == 0


def _address(model: bytes) -> int:
    return int(np.frombuffer(model, np.uint8).__array_interface__["data"][0])


def test_a_plan_for_another_number_of_tensors_is_refused_by_tflm_and_by_edgekit() -> None:
    graph = Case.of(random_graph(3)).planned["overlap"]
    name, data = next(iter(graph.metadata.items()))
    wrong = struct.pack("<i", len(graph.tensors) + 1)
    broken = Graph(
        graph.tensors, graph.ops, graph.inputs, graph.outputs, 1, {name: data[:8] + wrong + data[12:]}
    )
    (problem,) = plan_problems(broken, "reference")
    assert "cannot be loaded" in problem.problem
    with pytest.raises(AssertionError):
        run_wheel([[write_model(broken)]], [random_inputs(graph.input.shape, 1, 0)])
