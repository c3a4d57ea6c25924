"""The figures of one network with one kernel library on one board. Nothing is converted or run here."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from edgekit.aot.plan import AotPlan, plan_program
from edgekit.aot.program import Program, lower
from edgekit.aot.sizes import program_sizes
from edgekit.boards.kernels import KernelLibrary, engine_of
from edgekit.boards.profile import BoardProfile, MemoryRegion
from edgekit.latency.calibration import Calibration, calibrate
from edgekit.latency.estimate import Place, estimate_latency
from edgekit.latency.store import find
from edgekit.latency.tables import cost_table
from edgekit.memory.arena import Arena, predict_arena, release_margin
from edgekit.memory.greedy import MemoryPlan
from edgekit.search.budget import Budget
from edgekit.search.code_size import aot_code_bytes, code_bytes
from edgekit.search.records import ArenaFigures, Binding, FlashFigures, LatencyFigures, LimitName
from edgekit.tflite.graph import Graph
from edgekit.units import format_ms, format_size

DEFAULT_CORE: Final = "cortex-m4f"
"""The core whose rules apply when no board is named."""


@dataclass(frozen=True)
class MemoryFigures:
    """Arena and flash of one network, and the plan behind the arena.

    Attributes
    ----------
    plan:
        Activations and scratch. Its time is 0 before the first operator runs, operator ``i`` runs at ``i + 1``.
    """

    arena: ArenaFigures
    flash: FlashFigures
    plan: MemoryPlan


def memory_figures(
    graph: Graph, kernels: KernelLibrary, board: BoardProfile | None, file_bytes: int
) -> MemoryFigures:
    """Return what ``graph`` takes with ``kernels``.

    Parameters
    ----------
    graph:
        The network; values of constants are not needed.
    board:
        The board, whose core and SDK count; without one, a Cortex-M4F and the engine's code alone.
    file_bytes:
        Size of the .tflite file, which TFLite Micro keeps in flash as it is.

    Raises
    ------
    InputError
        If ``kernels`` are those of the aot engine and it cannot run the graph.
    """
    if engine_of(kernels) == "aot":
        return program_figures(lower(graph), kernels, board)
    arena = predict_arena(graph, kernels, board.core if board else DEFAULT_CORE)
    code = code_bytes(board, kernels, graph.input.nbytes)
    flash = FlashFigures(model=file_bytes, code=code, total=file_bytes + code, basis="estimated")
    return MemoryFigures(tflm_figures(arena, board), flash, arena.plan)


def program_figures(program: Program, kernels: KernelLibrary, board: BoardProfile | None) -> MemoryFigures:
    """Return what ``program`` takes with ``kernels`` of the aot engine; ``board`` as in :func:`memory_figures`."""
    plan = plan_program(program)
    return MemoryFigures(_aot_arena(plan), _aot_flash(program, kernels, board), plan.plan)


def latency_figures(
    graph: Graph, board: BoardProfile, kernels: KernelLibrary, calibration: Calibration | None = None
) -> LatencyFigures:
    """Return the estimated latency of ``graph`` on ``board``; ``calibration`` is what was measured on it."""
    latency = estimate_latency(
        graph, kernels, board.core, board.clock_mhz, Place.on(board), calibration, detail=False
    )
    return LatencyFigures(
        estimate=latency.estimate_ms,
        low=latency.low_ms,
        high=latency.high_ms,
        basis="estimated",
        grounds=latency.grounds,
        measured_on=latency.measured_on,
    )


def stored_calibration(board: BoardProfile, kernels: KernelLibrary) -> Calibration | None:
    """Return what the user measured on ``board`` with ``kernels``; ``None`` for nothing, and for emulated boards.

    An emulator counts instructions, which say nothing of time.

    Raises
    ------
    InputError
        If what is kept is damaged.
    """
    return None if board.emulated else _stored(board, kernels)


def counted_calibration(board: BoardProfile, kernels: KernelLibrary) -> Calibration | None:
    """Return what the user counted on the emulated ``board``, for estimates of instructions; ``None`` for nothing.

    Raises
    ------
    InputError
        If what is kept is damaged.
    """
    return _stored(board, kernels) if board.emulated else None


def _stored(board: BoardProfile, kernels: KernelLibrary) -> Calibration | None:
    record = find(board, kernels)
    return calibrate(record, cost_table(kernels, board.core), board.flash_region.cache) if record else None


def bindings(
    arena: ArenaFigures, flash: FlashFigures, latency: LatencyFigures, budget: Budget, board: BoardProfile
) -> tuple[Binding, ...]:
    """Return the limits that these figures break, each with what would unlock it on ``board``."""
    rows: tuple[tuple[LimitName, float, float], ...] = (
        ("ram", arena.need, budget.ram_bytes),
        ("flash", flash.total, budget.flash_bytes),
        ("latency", latency.high if budget.strict else latency.estimate, budget.latency_ms),
    )
    return tuple(
        Binding(limit=limit, need=need, have=have, unlock=_unlock(limit, need, board))
        for limit, need, have in rows
        if need > have
    )


def on_board(limit: LimitName, need: float, board: BoardProfile) -> bool:
    """Return whether ``board`` has what is needed, so that raising the limit is enough."""
    return limit == "latency" or need <= _region(limit, board).available


def _unlock(limit: LimitName, need: float, board: BoardProfile) -> str:
    if limit == "latency":
        # Rounded up, and without a space: what is shown can be typed, and then it fits.
        return f"--max-latency {ceil(need)}ms ({format_ms(need)})"
    size = format_size(int(need))
    if on_board(limit, need, board):
        return f"--{limit} {int(need)} ({size})"
    region = _region(limit, board)
    what = "RAM" if limit == "ram" else "flash"
    return f"{size} of {what} ({region.name} has {format_size(region.available)})"


def _region(limit: LimitName, board: BoardProfile) -> MemoryRegion:
    return board.arena_region if limit == "ram" else board.flash_region


def tflm_figures(arena: Arena, board: BoardProfile | None) -> ArenaFigures:
    """Return an arena's figures with the margin for the TFLite Micro that the board's SDK ships."""
    return ArenaFigures(
        head=arena.head,
        tail=arena.tail,
        scratch=arena.scratch,
        total=arena.total,
        required=arena.required,
        margin=release_margin(arena.tail, board) if board else 0,
        basis=arena.basis,
    )


def _aot_arena(plan: AotPlan) -> ArenaFigures:
    """Return the arena of the aot engine: activations and scratch, known when the C is written, and nothing else."""
    return ArenaFigures(
        head=plan.activations,
        tail=0,
        scratch=plan.scratch,
        total=plan.total,
        required=plan.total,
        margin=0,
        basis="exact",
    )


def _aot_flash(program: Program, kernels: KernelLibrary, board: BoardProfile | None) -> FlashFigures:
    sizes = program_sizes(program)
    code = aot_code_bytes(board, kernels, sizes.functions, len(program.calls), program.graph.input.nbytes)
    return FlashFigures(model=sizes.total, code=code, total=sizes.total + code, basis="estimated")
