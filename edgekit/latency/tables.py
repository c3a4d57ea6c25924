"""Costs of operators by kernel library and core, read once from ``op_cycles.toml``, which ``make calibrate`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, cast

from edgekit.boards.kernels import KernelLibrary
from edgekit.errors import InputError
from edgekit.latency.work import OP_CLASSES, OpClass, OpWork
from edgekit.tomlfile import load_toml

TABLE_FILE: Final = Path(__file__).with_name("op_cycles.toml")
_UNLISTED_CORE: Final = 1.0
"""What is added to the half-widths of the bounds where a core is in no table of its library."""

_SAME_CORE: Final[Mapping[str, str]] = {"cortex-m0": "cortex-m0+", "cortex-m4": "cortex-m4f"}
"""Cores that run integer code like another one."""

CostBasis = Literal["measured", "fitted", "derived", "counted", "prior"]
"""What stands behind a table.

``measured``: single operators were timed on this core with this library. ``fitted``: whole networks were. ``derived``:
the library was timed on another core. ``counted``: its instructions were counted in an emulator, and it was never
timed. ``prior``: of this library nothing is known.
"""


@dataclass(frozen=True, slots=True)
class OpCost:
    """Cost of one class of operators: ``call + mac * steps + output * outputs + pixel * pixels`` cycles.

    Attributes
    ----------
    mac, output, pixel, call:
        Cycles a Mult-Add (pooling: an element read), an output element, a pixel of a convolution's output, a call.
    spread:
        Half-width of the bounds that is the class's own, as a share of its cycles; 1 at most.
    """

    mac: float
    output: float
    pixel: float
    call: float
    spread: float

    def cycles(self, work: OpWork) -> float:
        """Return the cycles of ``work``, with weights and activations in memory of the chip."""
        return self.call + self.mac * work.steps + self.output * work.outputs + self.pixel * work.pixels


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
        How they were got, and from what.
    exact:
        Whether the core that was asked for is in the table.
    below, above:
        Half-widths of the bounds that all classes have in common, as a share of the whole.
    stream:
        Cycles a Mult-Add on top where weights are larger than the cache that they are read through.
    cycles_per_instruction:
        Where instructions were counted; ``None`` elsewhere.
    ops:
        Costs by class.
    """

    kernels: KernelLibrary
    core: str
    basis: CostBasis
    source: str
    exact: bool
    below: float
    above: float
    stream: float
    cycles_per_instruction: float | None
    ops: Mapping[OpClass, OpCost]

    def cycles(self, work: OpWork, cache: int = 0) -> float:
        """Return the cycles of ``work`` with weights that are read through a cache of ``cache`` bytes, or directly."""
        streamed = self.stream * work.steps if cache and work.weights > cache else 0.0
        return self.ops[work.op_class].cycles(work) + streamed


@dataclass(frozen=True, slots=True)
class BoardFactor:
    """How a board was found to differ from the table of its core.

    Attributes
    ----------
    factor:
        Times the table's cycles.
    below, above:
        Take the place of the table's half-widths.
    source:
        What was measured on it.
    """

    factor: float
    below: float
    above: float
    source: str


@cache
def cost_table(kernels: KernelLibrary, core: str) -> CostTable:
    """Return the costs of ``kernels`` on ``core``, or on the nearest core with wider bounds.

    Raises
    ------
    InputError
        If nothing is known of ``kernels``.
    """
    tables = [table for table in _content()["table"] if table["kernels"] == kernels]
    listed = _SAME_CORE.get(core, core)
    for table in tables:
        if table["core"] == listed:
            return parse_table(table)
    for table in tables:
        if table.get("fallback"):
            near = parse_table(table)
            return replace(
                near, exact=False, below=near.below + _UNLISTED_CORE, above=near.above + _UNLISTED_CORE
            )
    raise InputError(
        f"Nothing is known of the speed of the kernel library {kernels!r}.",
        "Choose another one with --kernels.",
    )


def table_keys() -> tuple[tuple[KernelLibrary, str], ...]:
    """Return kernel library and core of every table."""
    return tuple((table["kernels"], table["core"]) for table in _content()["table"])


@cache
def board_factor(kernels: KernelLibrary, board: str) -> BoardFactor | None:
    """Return what is known of ``board`` itself with ``kernels``; ``None`` if nothing was measured on it."""
    for row in _content()["board"]:
        if row["name"] == board and row["kernels"] == kernels:
            return BoardFactor(row["factor"], row["below"], row["above"], row["source"])
    return None


def external_factor() -> float:
    """Return how many times as long operators take whose activations lie in RAM outside the chip."""
    return float(_content()["external"]["factor"])


def external_spread() -> float:
    """Return the half-width of the bounds of :func:`external_factor`."""
    return float(_content()["external"]["spread"])


def parse_table(table: Mapping[str, Any]) -> CostTable:
    """Return one ``[[table]]`` of the file."""
    ops = {name: OpCost(**table["ops"][name]) for name in OP_CLASSES}
    return CostTable(
        kernels=cast(KernelLibrary, table["kernels"]),
        core=table["core"],
        basis=table["basis"],
        source=table["source"],
        exact=True,
        below=table["below"],
        above=table["above"],
        stream=table["stream"],
        cycles_per_instruction=table.get("cycles_per_instruction"),
        ops=ops,
    )


@cache
def _content() -> Mapping[str, Any]:
    return load_toml(TABLE_FILE, "latency table")
