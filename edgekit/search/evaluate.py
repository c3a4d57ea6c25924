"""The figures of one candidate on one board, and whether it fits. Nothing is converted or run here."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from edgekit.boards.kernels import KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.latency.estimate import estimate_latency
from edgekit.memory.arena import Arena, predict_arena, release_margin
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.mobilenet.published import expected_top1
from edgekit.search.budget import Budget
from edgekit.search.code_size import code_bytes
from edgekit.search.records import (
    ArenaFigures,
    Binding,
    Candidate,
    FlashFigures,
    LatencyFigures,
    LimitName,
    Top1Figures,
)
from edgekit.tflite.graph import Graph
from edgekit.tflite.writer import model_size
from edgekit.units import format_ms, format_size

_Unlock = tuple[LimitName, float, float, Callable[[float], str]]


def arena_figures(arena: Arena, board: BoardProfile | None) -> ArenaFigures:
    """Return the arena's figures with the margin for the TFLite Micro that the board's SDK ships."""
    return ArenaFigures(
        head=arena.head,
        tail=arena.tail,
        scratch=arena.scratch,
        total=arena.total,
        required=arena.required,
        margin=release_margin(arena, board) if board else 0,
        basis=arena.basis,
    )


def flash_figures(
    model_bytes: int, graph: Graph, board: BoardProfile | None, kernels: KernelLibrary
) -> FlashFigures:
    """Return the image's figures: the model is exact, the code an estimate until it is built."""
    code = code_bytes(board, kernels, graph.input.nbytes)
    return FlashFigures(model=model_bytes, code=code, total=model_bytes + code, basis="estimated")


def latency_figures(graph: Graph, board: BoardProfile, kernels: KernelLibrary) -> LatencyFigures:
    """Return the estimated latency of ``graph`` on ``board``."""
    latency = estimate_latency(graph, kernels, board.core, board.clock_mhz)
    return LatencyFigures(
        estimate=latency.estimate_ms, low=latency.low_ms, high=latency.high_ms, basis="estimated"
    )


def bindings(
    arena: ArenaFigures, flash: FlashFigures, latency: LatencyFigures, budget: Budget
) -> tuple[Binding, ...]:
    """Return the limits that these figures break, each with what would unlock it."""
    rows: tuple[_Unlock, ...] = (
        ("ram", arena.need, budget.ram_bytes, lambda need: f"--ram {int(need)} ({format_size(int(need))})"),
        (
            "flash",
            flash.total,
            budget.flash_bytes,
            lambda need: f"--flash {int(need)} ({format_size(int(need))})",
        ),
        (
            "latency",
            latency.estimate,
            budget.latency_ms,
            # Rounded up, and without a space: what is shown can be typed, and then it fits.
            lambda need: f"--max-latency {ceil(need)}ms ({format_ms(need)})",
        ),
    )
    return tuple(
        Binding(limit=limit, need=need, have=have, unlock=unlock(need))
        for limit, need, have, unlock in rows
        if need > have
    )


class Evaluator:
    """Computes candidates for one board and budget.

    The file's size depends on alpha and the shape pattern, the graph on the network alone, so both are kept.
    """

    def __init__(self, board: BoardProfile, budget: Budget) -> None:
        self._board = board
        self._budget = budget
        self._sizes: dict[object, int] = {}

    def evaluate(self, spec: NetworkSpec) -> tuple[Candidate, ...]:
        """Return a candidate for each of the board's kernel libraries."""
        graph = network_graph(spec)
        model_bytes = self._model_size(spec, graph)
        return tuple(self._candidate(spec, graph, model_bytes, kernels) for kernels in self._board.kernels)

    def _candidate(
        self, spec: NetworkSpec, graph: Graph, model_bytes: int, kernels: KernelLibrary
    ) -> Candidate:
        board, budget = self._board, self._budget
        arena = arena_figures(predict_arena(graph, kernels, board.core), board)
        flash = flash_figures(model_bytes, graph, board, kernels)
        latency = latency_figures(graph, board, kernels)
        top1 = expected_top1(spec.arch, spec.alpha, spec.resolution)
        binding = bindings(arena, flash, latency, budget)
        return Candidate(
            arch=spec.arch,
            alpha=spec.alpha,
            rho=round(spec.rho, 6),
            resolution=spec.resolution,
            classes=spec.classes,
            channels=spec.channels,
            engine="tflm",
            kernels=kernels,
            plan="greedy",
            mult_adds=spec.mult_adds,
            params=spec.params,
            arena=arena,
            flash=flash,
            latency_ms=latency,
            top1=Top1Figures(value=top1.value, basis=top1.basis),
            fits=not binding,
            close=latency.low <= budget.latency_ms <= latency.high,
            binding=binding,
        )

    def _model_size(self, spec: NetworkSpec, graph: Graph) -> int:
        # Equal shapes are shared in the file; which ones are equal is all that the resolution changes in it.
        shapes = [tensor.shape for tensor in graph.tensors]
        pattern = tuple(map({shape: i for i, shape in enumerate(dict.fromkeys(shapes))}.__getitem__, shapes))
        key = (spec.arch, spec.alpha, spec.channels, spec.classes, pattern)
        if key not in self._sizes:
            self._sizes[key] = model_size(graph)
        return self._sizes[key]
