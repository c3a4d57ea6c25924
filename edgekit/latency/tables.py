"""Costs of operators by kernel library and core, read once from ``op_cycles.toml`` beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from edgekit.boards.kernels import KernelLibrary
from edgekit.errors import InputError
from edgekit.latency.work import OP_CLASSES, OpClass
from edgekit.tomlfile import load_toml

_FILE: Final = Path(__file__).with_name("op_cycles.toml")
_UNLISTED_CORE: Final = 2.0
"""How much wider the bounds are where a core is in no table of its library."""


@dataclass(frozen=True, slots=True)
class OpCost:
    """Cost of one class of operators: ``call + mac * steps + output * outputs`` cycles.

    Attributes
    ----------
    mac, output, call:
        Cycles a Mult-Add (pooling: an element read), an output element, a call.
    low, high:
        The true figure lies between ``low`` and ``high`` times the estimate.
    basis:
        ``"measured"``, ``"fitted"`` or ``"derived"``; the data file explains them.
    source:
        Where the figures are from.
    """

    mac: float
    output: float
    call: float
    low: float
    high: float
    basis: str
    source: str


@dataclass(frozen=True)
class CostTable:
    """Costs of all classes for one kernel library on one core.

    Attributes
    ----------
    kernels:
        The library.
    core:
        The core that the figures are for.
    basis, source:
        Of the table as a whole.
    cycles_per_instruction:
        What an instruction was taken to cost where instructions were counted; ``None`` elsewhere.
    exact:
        Whether the core that was asked for is in the table.
    ops:
        Costs by class, with the bounds that hold for the core that was asked for.
    """

    kernels: KernelLibrary
    core: str
    basis: str
    source: str
    cycles_per_instruction: float | None
    exact: bool
    ops: Mapping[OpClass, OpCost]


@cache
def cost_table(kernels: KernelLibrary, core: str) -> CostTable:
    """Return the costs of ``kernels`` on ``core``, or on the nearest core with bounds twice as wide.

    Raises
    ------
    InputError
        If nothing is known of ``kernels``.
    """
    tables = [table for table in _tables() if table["kernels"] == kernels]
    for table in tables:
        if core in table["cores"]:
            return _table(table, 1.0)
    for table in tables:
        if table.get("fallback"):
            return _table(table, _UNLISTED_CORE)
    raise InputError(
        f"Nothing is known of the speed of the kernel library {kernels!r}.",
        "Choose another one with --kernels.",
    )


@cache
def _tables() -> tuple[Mapping[str, Any], ...]:
    return tuple(load_toml(_FILE, "latency table")["table"])


def _table(table: Mapping[str, Any], widen: float) -> CostTable:
    inherited = {key: table[key] for key in ("low", "high", "basis", "source")}
    ops: dict[OpClass, OpCost] = {}
    for op_class in OP_CLASSES:
        cost = OpCost(**{**inherited, **table["ops"][op_class]})
        ops[op_class] = OpCost(
            cost.mac, cost.output, cost.call, cost.low / widen, cost.high * widen, cost.basis, cost.source
        )
    return CostTable(
        kernels=cast(KernelLibrary, table["kernels"]),
        core=table["cores"][0],
        basis=table["basis"],
        source=table["source"],
        cycles_per_instruction=table.get("cycles_per_instruction"),
        exact=widen == 1.0,
        ops=ops,
    )
