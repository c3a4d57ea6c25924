"""Turns a posterior into cost tables with bounds, and into the text of ``op_cycles.toml``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, expm1, sqrt
from typing import Final, cast

import numpy as np
from latency_data import Observation
from latency_fit import TERMS, Fit, Vector, cost, cost_places, priors, terms
from latency_networks import Works, v1
from scipy.stats import t

from edgekit.boards.kernels import KernelLibrary
from edgekit.latency.estimate import COVERAGE, Model
from edgekit.latency.tables import BoardFactor, CostBasis, CostTable, OpCost
from edgekit.latency.work import OP_CLASSES, OpClass

FREEDOM: Final = 5
"""Degrees of freedom of the t distribution that bounds are quantiles of: few boards tell how much boards differ."""

QUANTILE: Final = float(t.ppf(0.5 + COVERAGE / 2, FREEDOM))
_MAIN: Final[tuple[OpClass, ...]] = ("conv_first", "pointwise", "depthwise", "depthwise_s2")
_MODEL_SD: Final = 0.10
"""Of a whole network about the model: what three costs for each class cannot say, as in ``latency_data``."""
_WIDEST: Final = 1.0
THREADS: Final = 4
"""Cores of the Linux boards, all of which XNNPACK's figures are for."""


@dataclass(frozen=True)
class Spread:
    """Standard deviations of logarithms: what the classes have in common, and each class's own."""

    level: float
    own: dict[OpClass, float]


def half_width(sd: float, scale: float = 1.0) -> float:
    """Return how much larger than the estimate the upper bound is, as a share of it."""
    return expm1(QUANTILE * scale * sd)


def table(result: Fit, library: str, core: str, scale: float = 1.0) -> CostTable:
    """Return the costs of ``library`` on any board with ``core``; ``scale`` is that of the bounds.

    Raises
    ------
    KeyError
        If the fit has no parameters for them.
    """
    if not is_timed(result, library):
        scale = 1.0
    checked = has_checks(library, core)
    factor = exp(result.value(("checks",))) if checked else 1.0
    factor /= THREADS ** float(priors()["others"]["threads"]) if library == "xnnpack" else 1.0
    spread = _spread(result, library, core, [])
    ops = {}
    for op_class in OP_CLASSES:
        values = {
            term: cost(result, library, core, op_class, term) * factor if _has(op_class, term) else 0.0
            for term in TERMS
        }
        own = min(half_width(spread.own[op_class], scale), _WIDEST)
        ops[op_class] = OpCost(**values, spread=own)
    others = priors()["others"]
    boards = others["board_sd"] ** 2 + others["board_library_sd"] ** 2
    level = half_width(sqrt(spread.level**2 + boards + _MODEL_SD**2), scale)
    below, above = _with_checks(result, library, core, level)
    code = ("instruction", _code(library, core))
    per_instruction = None
    if _counted(result, library, core):
        per_instruction = exp(result.value(code) + sum(result.mode[p] for p in _core(result, library, core)))
    return CostTable(
        kernels=cast(KernelLibrary, library),
        core=core,
        basis=basis(result, library, core),
        source=source(result, library, core),
        exact=True,
        below=below,
        above=above,
        stream=cost(result, library, core, "stream", "stream"),
        cycles_per_instruction=per_instruction,
        ops=ops,
    )


def board(result: Fit, library: str, core: str, name: str, scale: float = 1.0) -> BoardFactor | None:
    """Return how ``name`` differs from its core's table, if it was measured with ``library``; else ``None``."""
    rows = [o for o in result.observations if o.board == name and o.library == library]
    if not rows:
        return None
    places = [result.index["board", name], result.index["board of library", name, library]]
    spread = _spread(result, library, core, places)
    width = half_width(sqrt(spread.level**2 + _MODEL_SD**2), scale)
    return BoardFactor(exp(sum(result.mode[p] for p in places)), width, width, _sources(rows))


def model(result: Fit, library: str, core: str, name: str, cache: int, scale: float = 1.0) -> Model:
    """Return what estimates are made with on the board ``name``, which need not be among the observations."""
    costs, known = table(result, library, core, scale), board(result, library, core, name, scale)
    if known is None:
        return Model(costs, cache, 1.0, costs.below, costs.above)
    return Model(costs, cache, known.factor, known.below, known.above)


def basis(result: Fit, library: str, core: str) -> CostBasis:
    """Return what kind of figures stand behind a table."""
    rows = [o for o in result.observations if o.library == library]
    here = {o.kind for o in rows if o.core == core}
    if "operator" in here:
        return "measured"
    if "network" in here:
        return "fitted"
    if is_timed(result, library):
        return "derived"
    return "counted" if rows else "prior"


def source(result: Fit, library: str, core: str) -> str:
    """Return the sources of the figures behind a table: those of the core itself, else those of the library."""
    rows = [o for o in result.observations if o.library == library]
    here = [o for o in rows if o.core == core]
    if not rows:
        return "kernels that compute in the same way"
    if is_timed(result, library):
        return _sources(here or rows)
    cycles = exp(
        result.value(("instruction", _code(library, core)))
        + sum(result.mode[p] for p in _core(result, library, core))
    )
    counted = sorted({o.core for o in rows if _code(library, o.core) == _code(library, core)})
    where = " and ".join(counted) if counted else "other instruction sets"
    return f"instructions counted for {where} in an emulator, taken to need {cycles:.3g} cycles each"


def is_timed(result: Fit, library: str) -> bool:
    """Return whether the library was timed on any board: only then boards that were left out tell of its bounds."""
    return any(o.library == library and o.kind != "instructions" for o in result.observations)


def _counted(result: Fit, library: str, core: str) -> bool:
    """Return whether instructions of single operators were counted for the code that ``core`` runs."""
    code = _code(library, core)
    return any(
        o.kind == "instructions" and o.library == library and not o.network and _code(library, o.core) == code
        for o in result.observations
    )


def has_checks(library: str, core: str) -> bool:
    """Return whether the reference kernels are taken to have their debug checks: as in ESP-IDF's published figures."""
    return library == "reference" and core.startswith(("xtensa", "rv32im"))


def _sources(rows: Sequence[Observation]) -> str:
    timed = [o for o in rows if o.kind != "instructions"]
    if not timed:
        return "; ".join(sorted({o.source for o in rows}))
    boards = sorted({(o.board, o.source) for o in timed})
    return "; ".join(f"{name}: {text}" for name, text in boards)


def _with_checks(result: Fit, library: str, core: str, level: float) -> tuple[float, float]:
    """Return the half-widths; the reference kernels may have debug checks that are not expected, or lack them."""
    if library != "reference" or core.startswith("cortex-a"):
        return level, level
    factor = exp(result.value(("checks",)))
    wide = factor * (1 + level) - 1
    return (wide, level) if has_checks(library, core) else (level, wide)


def _code(library: str, core: str) -> str:
    return "mve" if library == "cmsis_nn_mve" else str(priors()["cores"][core]["set"])


def _core(result: Fit, library: str, core: str) -> list[int]:
    first = OP_CLASSES[0]
    every = cost_places(result, library, core, first, "mac")
    return [p for name, p in result.index.items() if name[0].startswith("core") and p in every]


def _has(op_class: OpClass, term: str) -> bool:
    return bool(priors()["costs"][op_class][TERMS.index(term)])


def _spread(result: Fit, library: str, core: str, extra: Iterable[int]) -> Spread:
    """Return the spread of the classes in a network of the family, from the covariance of the posterior."""
    gradients, shares = _class_gradients(result, library, core, v1(0.5, 96, 3, 10), list(extra))
    names = [name for name in OP_CLASSES if name in gradients]
    rows = np.stack([gradients[name] for name in names])
    covariance = rows @ result.covariance @ rows.T
    main = [names.index(name) for name in _MAIN]
    weights = np.array([shares[names[i]] for i in main])
    pairs = np.outer(weights, weights) - np.diag(weights**2)
    level = float((pairs * covariance[np.ix_(main, main)]).sum() / pairs.sum())
    level = max(level, 0.0)
    own = {name: sqrt(max(covariance[i, i] - level, 0.0)) for i, name in enumerate(names)}
    return Spread(sqrt(level), own)


def _class_gradients(
    result: Fit, library: str, core: str, works: Works, extra: list[int]
) -> tuple[dict[OpClass, Vector], dict[OpClass, float]]:
    """Return for each class how the logarithm of its cycles depends on the parameters, and its share of all cycles."""
    gradients: dict[OpClass, Vector] = {}
    amounts: dict[OpClass, float] = {}
    present = {work.op_class for work in works}
    for op_class in OP_CLASSES:
        example = [w for w in works if w.op_class == op_class] or [
            w for w in works if w.op_class == ("pointwise" if op_class in ("conv_kxk", "add") else "softmax")
        ]
        total, vector = 0.0, np.zeros(len(result.mode))
        for work in example:
            for _, term, amount in terms(work, stream=False):
                if not _has(op_class, term):
                    continue
                places = cost_places(result, library, core, op_class, term)
                cycles = amount * exp(sum(float(result.mode[p]) for p in places))
                vector += cycles * result.gradient([*places, *extra])
                total += cycles
        gradients[op_class] = vector / total
        amounts[op_class] = total if op_class in present else 0.0
    whole = sum(amounts.values())
    return gradients, {name: amount / whole for name, amount in amounts.items()}
