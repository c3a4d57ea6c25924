"""Estimating how long an inference takes, from the operators of its graph.

A plain model: every class of operators has a cost a Mult-Add, an output and a call, for each kernel library
on each core. One figure of cycles per Mult-Add for a whole network would be off by up to 4 times, since
pointwise, depthwise and first convolutions differ by 10 times among themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekit.boards.kernels import KernelLibrary
from edgekit.latency.tables import CostTable, cost_table
from edgekit.latency.work import OpClass, OpWork, op_work
from edgekit.tflite.graph import Graph


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
        Estimate and bounds, in ms. The bounds add up those of the operators: errors of a table go the same
        way.
    basis:
        Always ``"estimated"`` here; a bench run has ``"measured"``.
    note:
        How good the figures are, and where they are from.
    ops:
        The same for every operator.
    """

    estimate_ms: float
    low_ms: float
    high_ms: float
    basis: Literal["estimated", "measured"]
    note: str
    ops: tuple[OpLatency, ...] = ()


def estimate_latency(graph: Graph, kernels: KernelLibrary, core: str, clock_mhz: float) -> Latency:
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

    Raises
    ------
    InputError
        If nothing is known of ``kernels``.
    ValueError
        If ``clock_mhz`` is not positive.
    """
    if clock_mhz <= 0:
        raise ValueError(f"a clock of {clock_mhz} MHz is not possible")
    table = cost_table(kernels, core)
    ops = tuple(_op_latency(table, op.index, op.label, op_work(graph, op)) for op in graph.ops)
    per_ms = clock_mhz * 1000
    return Latency(
        estimate_ms=sum(op.cycles for op in ops) / per_ms,
        low_ms=sum(op.low_cycles for op in ops) / per_ms,
        high_ms=sum(op.high_cycles for op in ops) / per_ms,
        basis="estimated",
        note=_note(table, core),
        ops=ops,
    )


def estimate_instructions(graph: Graph, kernels: KernelLibrary, core: str) -> int | None:
    """Return the instructions of one inference of ``graph``, or ``None`` where none were counted for the core.

    Raises
    ------
    InputError
        If nothing is known of ``kernels``.
    """
    table = cost_table(kernels, core)
    if table.cycles_per_instruction is None or not table.exact:
        return None
    cycles = sum(_op_latency(table, op.index, op.label, op_work(graph, op)).cycles for op in graph.ops)
    return round(cycles / table.cycles_per_instruction)


def _op_latency(table: CostTable, index: int, op: str, work: OpWork) -> OpLatency:
    cost = table.ops[work.op_class]
    cycles = cost.call + cost.mac * work.steps + cost.output * work.outputs
    return OpLatency(index, op, work.op_class, cycles, cycles * cost.low, cycles * cost.high)


def _note(table: CostTable, core: str) -> str:
    what = f"{table.kernels} on {table.core}: {table.basis}; {table.source}"
    return what if table.exact else f"nothing is known of {core}; {what}"
