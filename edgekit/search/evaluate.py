"""One network on one board, with every kernel library and every memory plan, and whether it fits the budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from edgekit.boards.kernels import Engine, KernelLibrary, engine_of
from edgekit.boards.profile import BoardProfile
from edgekit.memory.arena import ArenaLimit, abi_of_core
from edgekit.memory.band_choice import with_bands
from edgekit.memory.plan_names import Plan
from edgekit.memory.plans import plan_stages
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.mobilenet.published import expected_top1
from edgekit.search.budget import Budget
from edgekit.search.figures import bindings, latency_figures, memory_figures, stored_calibration
from edgekit.search.records import Candidate, LatencyFigures, Top1Figures
from edgekit.tflite.graph import Graph
from edgekit.tflite.macs import graph_mult_adds
from edgekit.tflite.offline import OFFLINE_PLAN
from edgekit.tflite.writer import model_size

Stages = Mapping[Plan, Candidate]
"""A network with one kernel library, by how far a plan may go; the same one where going further brings nothing."""

_SIZES: Final[dict[object, int]] = {}
"""Sizes of files by what they depend on, which no board does: they take longer than all else."""


class Evaluator:
    """Computes candidates for one board and budget.

    The file's size depends on alpha and the shape pattern, the graph on the network alone, so both are kept.
    """

    def __init__(self, board: BoardProfile, budget: Budget, engines: Sequence[Engine]) -> None:
        self._board = board
        self._budget = budget
        self._kernels = tuple(kernels for engine in engines for kernels in candidate_kernels(board, engine))
        self._calibrations = {kernels: stored_calibration(board, kernels) for kernels in self._kernels}
        self._sizes = _SIZES

    def evaluate(self, spec: NetworkSpec) -> tuple[Stages, ...]:
        """Return the candidates of each kernel library of the engines; those of the aot engine overlap."""
        graph = network_graph(spec)
        return tuple(dict(self._stages(spec, graph, kernels)) for kernels in self._kernels)

    def _stages(
        self, spec: NetworkSpec, graph: Graph, kernels: KernelLibrary
    ) -> Iterator[tuple[Plan, Candidate]]:
        board = self._board
        latency = latency_figures(graph, board, kernels, self._calibrations[kernels])
        if engine_of(kernels) == "aot":
            yield "overlap", self._candidate(spec, graph, kernels, "overlap", latency)
            return
        if board.linux:
            yield "greedy", self._candidate(spec, graph, kernels, "greedy", latency)
            return
        found: tuple[Graph, Candidate] | None = None
        for stage, planned in plan_stages(graph, kernels, abi_of_core(board.core)):
            if found is None or planned is not found[0]:
                found = planned, self._candidate(spec, planned, kernels, stage, latency)
            yield stage, found[1]
        assert found is not None
        yield "bands", self._in_bands(spec, graph, found[1])

    def _in_bands(self, spec: NetworkSpec, graph: Graph, whole: Candidate) -> Candidate:
        """Return the network in bands where RAM is all that it lacks, and bands give it; otherwise ``whole``."""
        if [binding.limit for binding in whole.binding] != ["ram"]:
            return whole
        return self._banded(spec, graph, whole, ArenaLimit(self._budget.ram_bytes, self._board))

    def least(self, whole: Candidate) -> Candidate:
        """Return ``whole`` with the bands of the least arena, if that is less: what it would need at least."""
        if whole.plan == "bands" or whole.engine == "aot" or self._board.linux:
            return whole
        return self._banded(whole.spec, network_graph(whole.spec), whole, None)

    def _banded(
        self, spec: NetworkSpec, graph: Graph, whole: Candidate, limit: ArenaLimit | None
    ) -> Candidate:
        kernels, board = whole.kernels, self._board
        cut = with_bands(graph, kernels, abi_of_core(board.core), limit=limit)
        if cut is None:
            return whole
        latency = latency_figures(cut[0], board, kernels, self._calibrations[kernels])
        found = self._candidate(spec, cut[0], kernels, "bands", latency)
        return found if found.arena.need < whole.arena.need else whole

    def _candidate(
        self, spec: NetworkSpec, graph: Graph, kernels: KernelLibrary, plan: Plan, latency: LatencyFigures
    ) -> Candidate:
        board, budget = self._board, self._budget
        memory = memory_figures(graph, kernels, board, self._file_size(spec, graph, plan))
        top1 = expected_top1(spec.arch, spec.alpha, spec.resolution)
        speed = latency.verdict(budget.latency_ms)
        binding = bindings(memory.arena, memory.flash, latency, budget, board)
        return Candidate(
            arch=spec.arch,
            alpha=spec.alpha,
            rho=round(spec.rho, 6),
            resolution=spec.resolution,
            classes=spec.classes,
            channels=spec.channels,
            engine=engine_of(kernels),
            kernels=kernels,
            plan=plan,
            mult_adds=graph_mult_adds(graph) if plan == "bands" else spec.mult_adds,
            params=spec.params,
            arena=memory.arena,
            flash=memory.flash,
            latency_ms=latency,
            top1=Top1Figures(value=top1.value, basis=top1.basis),
            fits=not binding,
            close=speed == "close",
            speed=speed,
            binding=binding,
        )

    def _file_size(self, spec: NetworkSpec, graph: Graph, plan: Plan) -> int:
        if plan == "bands":
            return model_size(graph)
        # Equal shapes are shared in the file; which ones are equal is all that the resolution changes in it.
        shapes = [tensor.shape for tensor in graph.tensors]
        pattern = tuple(map({shape: i for i, shape in enumerate(dict.fromkeys(shapes))}.__getitem__, shapes))
        key = (spec.arch, spec.alpha, spec.channels, spec.classes, OFFLINE_PLAN in graph.metadata, pattern)
        if key not in self._sizes:
            self._sizes[key] = model_size(graph)
        return self._sizes[key]


def candidate_kernels(board: BoardProfile, engine: Engine) -> tuple[KernelLibrary, ...]:
    """Return the kernel libraries of ``engine`` that are a choice on ``board``.

    TFLite Micro's trade speed for scratch. The aot engine's need the same arena, so only the fastest is a candidate.
    """
    kernels = board.kernels_of(engine)
    return kernels if engine == "tflm" else kernels[:1]
