"""One candidate on one board, and whether it fits the budget."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.boards.kernels import Engine, KernelLibrary, engine_of
from edgekit.boards.profile import BoardProfile
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.mobilenet.published import expected_top1
from edgekit.search.budget import Budget
from edgekit.search.figures import PLAN_OF, bindings, latency_figures, memory_figures
from edgekit.search.records import Candidate, Top1Figures
from edgekit.tflite.graph import Graph
from edgekit.tflite.writer import model_size


class Evaluator:
    """Computes candidates for one board and budget.

    The file's size depends on alpha and the shape pattern, the graph on the network alone, so both are kept.
    """

    def __init__(self, board: BoardProfile, budget: Budget, engines: Sequence[Engine]) -> None:
        self._board = board
        self._budget = budget
        self._kernels = tuple(kernels for engine in engines for kernels in candidate_kernels(board, engine))
        self._sizes: dict[object, int] = {}

    def evaluate(self, spec: NetworkSpec) -> tuple[Candidate, ...]:
        """Return a candidate for each kernel library of the engines."""
        graph = network_graph(spec)
        file_bytes = self._file_size(spec, graph)
        return tuple(self._candidate(spec, graph, file_bytes, kernels) for kernels in self._kernels)

    def _candidate(
        self, spec: NetworkSpec, graph: Graph, file_bytes: int, kernels: KernelLibrary
    ) -> Candidate:
        board, budget, engine = self._board, self._budget, engine_of(kernels)
        memory = memory_figures(graph, kernels, board, file_bytes)
        latency = latency_figures(graph, board, kernels)
        top1 = expected_top1(spec.arch, spec.alpha, spec.resolution)
        binding = bindings(memory.arena, memory.flash, latency, budget)
        return Candidate(
            arch=spec.arch,
            alpha=spec.alpha,
            rho=round(spec.rho, 6),
            resolution=spec.resolution,
            classes=spec.classes,
            channels=spec.channels,
            engine=engine,
            kernels=kernels,
            plan=PLAN_OF[engine],
            mult_adds=spec.mult_adds,
            params=spec.params,
            arena=memory.arena,
            flash=memory.flash,
            latency_ms=latency,
            top1=Top1Figures(value=top1.value, basis=top1.basis),
            fits=not binding,
            close=latency.low <= budget.latency_ms <= latency.high,
            binding=binding,
        )

    def _file_size(self, spec: NetworkSpec, graph: Graph) -> int:
        # Equal shapes are shared in the file; which ones are equal is all that the resolution changes in it.
        shapes = [tensor.shape for tensor in graph.tensors]
        pattern = tuple(map({shape: i for i, shape in enumerate(dict.fromkeys(shapes))}.__getitem__, shapes))
        key = (spec.arch, spec.alpha, spec.channels, spec.classes, pattern)
        if key not in self._sizes:
            self._sizes[key] = model_size(graph)
        return self._sizes[key]


def candidate_kernels(board: BoardProfile, engine: Engine) -> tuple[KernelLibrary, ...]:
    """Return the kernel libraries of ``engine`` that are a choice on ``board``.

    TFLite Micro's trade speed for scratch. The aot engine's need the same arena, so only the fastest is a candidate.
    """
    kernels = board.kernels_of(engine)
    return kernels if engine == "tflm" else kernels[:1]
