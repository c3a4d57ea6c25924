"""Estimating how long an inference takes, from the operators of its graph.

Every class of operators has a cost a Mult-Add, an output and a call, for each kernel library on each core. One figure
of cycles per Mult-Add for a whole network would be off by up to 4 times, since pointwise, depthwise and first
convolutions differ by 10 times among themselves. ``docs/latency.md`` tells where the costs and the bounds are from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final, Literal

from edgekit.boards.kernels import KernelLibrary
from edgekit.boards.profile import BoardProfile, RegionKind
from edgekit.latency.calibration import Calibration
from edgekit.latency.tables import CostTable, board_factor, cost_table, external_factor, external_spread
from edgekit.latency.work import OpClass, OpWork, graph_work
from edgekit.tflite.graph import Graph

COVERAGE: Final = 0.8
"""Share of measurements that the bounds are meant to hold."""

Grounds = Literal["calibration", "board", "core", "library", "counted", "prior"]
"""What an estimate rests on, the best first.

``calibration``: the user's own measurements on the board. ``board``, ``core``: published timings of the library on
this board, or on others with its core. ``library``: such timings on other cores alone. ``counted``: instructions in an
emulator. ``prior``: nothing was measured; the core's speed is that of its kind.
"""

EXTERNAL_KINDS: Final[tuple[RegionKind, ...]] = ("psram", "sdram")
"""RAM outside the chip."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model runs, beside its core.

    Attributes
    ----------
    board:
        Name of the board; empty for any.
    cache:
        Bytes of the cache that weights are read through; 0 where they are read directly.
    activations:
        What the region of the arena is made of.
    """

    board: str = ""
    cache: int = 0
    activations: RegionKind = "sram"

    @classmethod
    def on(cls, board: BoardProfile) -> Place:
        """Return the place that ``board`` is, with the arena in its own region for it."""
        return cls(board.name, board.flash_region.cache, board.arena_region.kind)


@dataclass(frozen=True, slots=True)
class OpLatency:
    """Estimate for one operator.

    Attributes
    ----------
    index, op:
        Place and name of the operator.
    op_class:
        The class whose cost applies.
    cycles, low_cycles, high_cycles:
        Estimate and bounds, in cycles of the core.
    """

    index: int
    op: str
    op_class: OpClass
    cycles: float
    low_cycles: float
    high_cycles: float


@dataclass(frozen=True)
class Latency:
    """Estimate for one inference.

    Attributes
    ----------
    estimate_ms, low_ms, high_ms:
        Estimate and bounds with a coverage of :data:`COVERAGE`, in ms.
    basis:
        Always ``"estimated"`` here; a bench run has ``"measured"``.
    grounds:
        What it rests on.
    note:
        How good the figures are, and where they are from.
    ops:
        The same for every operator; empty if it was not asked for.
    measured_on:
        Day of the measurements on the board that the estimate uses; ``None`` without any.
    """

    estimate_ms: float
    low_ms: float
    high_ms: float
    basis: Literal["estimated", "measured"]
    grounds: Grounds
    note: str
    ops: tuple[OpLatency, ...] = ()
    measured_on: str | None = None


@dataclass(frozen=True)
class Model:
    """A cost table as it applies at one place: what estimates are made with.

    Attributes
    ----------
    table:
        Costs.
    cache:
        As in :class:`Place`.
    factor:
        Times the table's cycles.
    below, above:
        Half-widths of the bounds that all operators share.
    calibration:
        Measurements on the board, if there are any; they replace what is published of the board.
    """

    table: CostTable
    cache: int = 0
    factor: float = 1.0
    below: float = 0.0
    above: float = 0.0
    calibration: Calibration | None = None

    def cycles(self, work: OpWork) -> float:
        """Return the cycles of one operator."""
        cycles = self.factor * self.table.cycles(work, self.cache)
        return cycles * self.calibration.factors[work.op_class] if self.calibration else cycles

    def spread(self, op_class: OpClass) -> float:
        """Return the half-width that is the class's own."""
        if self.calibration:
            return self.calibration.spreads[op_class]
        return self.table.ops[op_class].spread

    def bounds(self, cycles: Sequence[tuple[OpClass, float]]) -> tuple[float, float, float]:
        """Return estimate, low and high of operators together.

        What all have in common counts in full, what is a class's own as independent of the other classes. The upper
        half-width is ``N = |(above * total, spread_k * cycles_k, ...)|``, so the bound ``total + N`` grows with every
        operator's cycles; the lower bound is as many times smaller than the estimate, ``total^2 / (total + N)``.
        """
        by_class: dict[OpClass, float] = {}
        for op_class, amount in cycles:
            by_class[op_class] = by_class.get(op_class, 0.0) + amount
        total = sum(by_class.values())
        own = [self.spread(op_class) * amount for op_class, amount in by_class.items()]
        low, high = (total + hypot(share * total, *own) for share in (self.below, self.above))
        return total, total * total / low if low else 0.0, high


def model_at(
    kernels: KernelLibrary, core: str, place: Place | None = None, calibration: Calibration | None = None
) -> Model:
    """Return what estimates for ``kernels`` on ``core`` at ``place`` are made with.

    Raises
    ------
    InputError
        If nothing is known of ``kernels``.
    """
    place = place or Place()
    table = cost_table(kernels, core)
    known = board_factor(kernels, place.board) if place.board else None
    if calibration is not None:
        # Its factors are to the core's table, as measured on the board: what is published of that is in them.
        factor, below, above = 1.0, calibration.level, calibration.level
    elif known is not None:
        factor, below, above = known.factor, known.below, known.above
    else:
        factor, below, above = 1.0, table.below, table.above
    if place.activations in EXTERNAL_KINDS:
        factor *= external_factor()
        below, above = (hypot(width, external_spread()) for width in (below, above))
    return Model(table, place.cache, factor, below, above, calibration)


def estimate_latency(
    graph: Graph,
    kernels: KernelLibrary,
    core: str,
    clock_mhz: float,
    place: Place | None = None,
    calibration: Calibration | None = None,
    detail: bool = True,
) -> Latency:
    """Return how long one inference of ``graph`` takes with ``kernels`` on ``core``.

    Parameters
    ----------
    graph:
        The model.
    kernels:
        Kernel library.
    core:
        As in :class:`~edgekit.boards.profile.BoardProfile`: ``"cortex-m4f"``.
    clock_mhz:
        Clock of the core, in MHz.
    place:
        The board and its memory; without one, any board of the core with everything in memory of the chip.
    calibration:
        What was measured on the board.
    detail:
        Whether single operators are wanted too.

    Raises
    ------
    InputError
        If nothing is known of ``kernels``.
    ValueError
        If ``clock_mhz`` is not positive.
    """
    if clock_mhz <= 0:
        raise ValueError(f"a clock of {clock_mhz} MHz is not possible")
    model = model_at(kernels, core, place, calibration)
    works = graph_work(graph)
    cycles = [(work.op_class, model.cycles(work)) for work in works]
    total, low, high = model.bounds(cycles)
    per_ms = clock_mhz * 1000
    ops = tuple(
        OpLatency(op.index, op.label, op_class, *model.bounds([(op_class, amount)]))
        for op, (op_class, amount) in zip(graph.ops if detail else (), cycles, strict=detail)
    )
    return Latency(
        estimate_ms=total / per_ms,
        low_ms=low / per_ms,
        high_ms=high / per_ms,
        basis="estimated",
        grounds=_grounds(model.table, place, calibration),
        note=_note(model.table, core, place, calibration),
        ops=ops,
        measured_on=calibration.date if calibration else None,
    )


def estimate_instructions(
    graph: Graph, kernels: KernelLibrary, core: str, calibration: Calibration | None = None
) -> int | None:
    """Return the instructions of one inference of ``graph``, or ``None`` where none were counted for the core.

    ``calibration`` is what was counted on the emulated board.

    Raises
    ------
    InputError
        If nothing is known of ``kernels``.
    """
    table = cost_table(kernels, core)
    if table.cycles_per_instruction is None or not table.exact:
        return None
    model = Model(table, calibration=calibration)
    return round(sum(map(model.cycles, graph_work(graph))) / table.cycles_per_instruction)


def _grounds(table: CostTable, place: Place | None, calibration: Calibration | None) -> Grounds:
    if calibration is not None:
        return "calibration"
    if place and place.board and board_factor(table.kernels, place.board):
        return "board"
    if not table.exact or table.basis == "prior":
        return "prior"
    if table.basis in ("derived", "counted"):
        return "library" if table.basis == "derived" else "counted"
    return "core"


def _note(table: CostTable, core: str, place: Place | None, calibration: Calibration | None) -> str:
    if calibration is not None:
        return f"measured on {calibration.date}: {calibration.operators} operators on this board"
    known = board_factor(table.kernels, place.board) if place and place.board else None
    what = f"{table.kernels} on {table.core}: {table.basis}; {known.source if known else table.source}"
    return what if table.exact else f"nothing is known of {core}; {what}"
