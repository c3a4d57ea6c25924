"""Fits the costs of operators: a hierarchical log-linear model, by maximum a posteriori with scipy.

The logarithm of a cost is a sum: common to all libraries, to a way to compute, to a library, to an instruction set;
that of a core comes on top. Each part has a normal prior (``latency_priors.toml``), so that where figures are few an
estimate shrinks towards the family: partial pooling, Gelman and Hill 2007, chapter 12. Costs are exponentials, hence
positive and every estimate grows with the work. Residuals enter through the soft L1 loss, so one bad row cannot pull
the rest along. The posterior is taken as normal about its mode (Laplace): its covariance is the inverse of the
Gauss-Newton Hessian.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, log
from pathlib import Path
from typing import Any, Final

import numpy as np
from latency_data import Observation
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, diags, vstack

from edgekit.latency.work import OP_CLASSES, OpWork
from edgekit.tomlfile import load_toml

PRIORS_FILE: Final = Path(__file__).with_name("latency_priors.toml")
TERMS: Final = ("mac", "output", "pixel", "call")

_ANY: Final = 1.5
"""Standard deviation of a board of which only proportions count."""

Vector = NDArray[np.float64]
Name = tuple[str, ...]


@cache
def priors() -> Mapping[str, Any]:
    """Return the content of the file of priors."""
    return load_toml(PRIORS_FILE, "file of priors")


def instruction_set(library: str, core: str) -> str:
    """Return the instruction set that ``library`` is compiled for on ``core``."""
    return "mve" if library == "cmsis_nn_mve" else str(priors()["cores"][core]["set"])


def terms(work: OpWork, stream: bool) -> Iterable[tuple[str, str, float]]:
    """Yield (class, term, amount) of what ``work`` costs; amounts of 0 are left out."""
    amounts = (("mac", work.steps), ("output", work.outputs), ("pixel", work.pixels), ("call", 1))
    for term, amount in amounts:
        if amount and priors()["costs"][work.op_class][TERMS.index(term)]:
            yield work.op_class, term, float(amount)
    if stream and work.steps:
        yield "stream", "stream", float(work.steps)


class _Parameters:
    """Numbers the parameters as they are named first, with their priors."""

    def __init__(self) -> None:
        self.index: dict[Name, int] = {}
        self.means: list[float] = []
        self.sds: list[float] = []

    def number(self, name: Name, mean: float, sd: float) -> int:
        if name not in self.index:
            self.index[name] = len(self.means)
            self.means.append(mean)
            self.sds.append(sd)
        return self.index[name]

    def cost(self, library: str, core: str, op_class: str, term: str) -> list[int]:
        """Return the parameters whose sum is the logarithm of a cost on the core that stands for its set."""
        prior, sd = priors(), priors()["sd"]
        code = instruction_set(library, core)
        way = prior["libraries"][library]
        extra = []
        if variant := prior["variants"].get(library):
            extra.append(self.number(("variant", library), 0.0, variant["level_sd"]))
            extra.append(self.number(("variant own", library, op_class), 0.0, variant["own_sd"]))
            library = variant["of"]
        levels = [
            *extra,
            self.number(("level", library), 0.0, sd["level"]),
            self.number(("set level", library, code), _set_mean(code), sd["set_level"]),
        ]
        if op_class == "stream":
            others = prior["others"]
            return [self.number(("stream", library), log(others["stream"]), others["stream_sd"])]
        place = TERMS.index(term)
        mean = log(prior["costs"][op_class][place])
        return [
            *levels,
            self.number(("common", op_class, term), mean, sd["common"][place]),
            self.number(("way", way, op_class, term), 0.0, sd["way"][place]),
            self.number(("own", library, op_class, term), 0.0, sd["own"][place]),
            self.number(("set own", library, code, op_class, term), 0.0, sd["set_own"][place]),
        ]

    def core(self, library: str, core: str) -> list[int]:
        """Return the parameters whose sum is how much slower ``core`` is than the one that stands for its set."""
        prior = priors()
        code = instruction_set(library, core)
        stands = prior["instruction_sets"][code]["core"]
        if stands == core:
            return []
        entry = prior["cores"][core]
        mean = log(prior["cores"][stands]["coremark"] / entry["coremark"])
        return [
            self.number(("core", core, code), mean, entry["sd"]),
            self.number(("core of library", library, core), 0.0, prior["sd"]["core"]),
        ]

    def instruction(self, library: str, core: str) -> int:
        """Return the logarithm of the cycles of an instruction on the core that stands for the set."""
        code = instruction_set(library, core)
        entry = priors()["instruction_sets"][code]
        return self.number(("instruction", code), log(entry["cycles"]), entry["sd"])


def _set_mean(code: str) -> float:
    prior = priors()
    stands = prior["instruction_sets"][code]["core"]
    return log(prior["cores"]["cortex-m4f"]["coremark"] / prior["cores"][stands]["coremark"])


@dataclass(frozen=True)
class Fit:
    """A posterior: mode and covariance of the named parameters.

    Attributes
    ----------
    index:
        Name to place.
    mode:
        [parameters].
    covariance:
        [parameters, parameters].
    observations:
        What was fitted to.
    residuals:
        [observations], logarithm of measured over fitted.
    """

    index: Mapping[Name, int]
    mode: Vector
    covariance: Vector
    observations: tuple[Observation, ...]
    residuals: Vector

    def value(self, name: Name) -> float:
        """Return the mode of a parameter."""
        return float(self.mode[self.index[name]])

    def gradient(self, places: Iterable[int]) -> Vector:
        """Return the vector that sums the parameters ``places``."""
        vector = np.zeros(len(self.mode))
        for place in places:
            vector[place] += 1
        return vector


@dataclass(frozen=True)
class _Design:
    """The model of the observations as sparse matrices: ``log amount = log sum exp(costs @ p + sizes) + others @ p``.

    Attributes
    ----------
    costs:
        [atoms, parameters]; an atom is one term of one operator.
    sizes:
        [atoms], logarithm of its amount.
    rows:
        [observations, atoms], 1 where an atom belongs to an observation.
    others:
        [observations, parameters].
    """

    costs: csr_matrix
    sizes: Vector
    rows: csr_matrix
    others: csr_matrix

    def predict(self, parameters: Vector) -> tuple[Vector, csr_matrix]:
        """Return the logarithms [observations] and their Jacobian [observations, parameters]."""
        amounts = np.exp(self.costs @ parameters + self.sizes)
        sums = self.rows @ amounts
        shares = diags(1 / sums) @ self.rows @ diags(amounts)
        return np.log(sums) + self.others @ parameters, shares @ self.costs + self.others


def fit(observations: Sequence[Observation], asked: Iterable[tuple[str, str]] = ()) -> Fit:
    """Return the posterior given ``observations``.

    Parameters
    ----------
    observations:
        What was measured; their order does not matter.
    asked:
        (library, core) pairs that shall have parameters even where nothing was measured.
    """
    observations = tuple(sorted(observations, key=lambda o: (o.kind, o.name, o.board, o.core, o.library)))
    parameters = _Parameters()
    for library, core in sorted(asked):
        for op_class in OP_CLASSES:
            for _, term, _ in terms(OpWork(op_class, 1, 1), stream=False):
                parameters.cost(library, core, op_class, term)
        parameters.cost(library, core, "stream", "stream")
        parameters.core(library, core)
        parameters.instruction(library, core)
    parameters.number(("checks",), *_other("checks"))
    design = _design(observations, parameters)
    measured = np.log([o.amount for o in observations])
    noise = np.array([o.noise for o in observations])
    means, sds = np.array(parameters.means), np.array(parameters.sds)

    def residuals(p: Vector) -> Vector:
        return np.concatenate([(design.predict(p)[0] - measured) / noise, (p - means) / sds])

    def jacobian(p: Vector) -> csr_matrix:
        _, data = design.predict(p)
        return vstack([diags(1 / noise) @ data, diags(1 / sds)]).tocsr()

    def hessian(p: Vector) -> Vector:
        # Gauss-Newton, with the weights that the loss gives to residuals.
        rows = jacobian(p)
        whole: Vector = (rows.T @ diags(1 / np.sqrt(1 + residuals(p) ** 2)) @ rows).toarray()
        return whole

    result = minimize(
        lambda p: float(np.sum(np.sqrt(1 + residuals(p) ** 2) - 1)),
        means,
        jac=lambda p: jacobian(p).T @ _soft(residuals(p)),
        hess=hessian,
        method="trust-exact",
        options={"gtol": 1e-3, "maxiter": 200},
    )
    if not result.success:
        raise RuntimeError(f"the fit did not converge: {result.message}")
    final = residuals(result.x)
    covariance = np.linalg.inv(hessian(result.x))
    return Fit(parameters.index, result.x, covariance, observations, -final[: len(noise)] * noise)


def _soft(residuals: Vector) -> Vector:
    """Return the derivative of the soft L1 loss ``sqrt(1 + r^2) - 1``."""
    slopes: Vector = residuals / np.sqrt(1 + residuals**2)
    return slopes


def _other(name: str) -> tuple[float, float]:
    others = priors()["others"]
    return others[name], others[f"{name}_sd"]


def _design(observations: Sequence[Observation], parameters: _Parameters) -> _Design:
    atoms: list[list[int]] = []
    sizes: list[float] = []
    rows: list[int] = []
    others: list[list[tuple[int, float]]] = []
    threads = priors()["others"]["threads"]
    fixed: list[float] = []
    for row, o in enumerate(observations):
        for work in o.works:
            for op_class, term, amount in terms(work, bool(o.cache) and work.weights > o.cache):
                atoms.append(parameters.cost(o.library, o.core, op_class, term))
                sizes.append(log(amount) - threads * log(o.threads))
                rows.append(row)
        own = [(place, 1.0) for place in _extras(o, parameters)]
        if o.kind == "instructions":
            own.append((parameters.instruction(o.library, o.core), -1.0))
        others.append(own)
        fixed.append(0.0)
    count = len(parameters.means)
    costs = _matrix([[(place, 1.0) for place in places] for places in atoms], count)
    member = csr_matrix(
        (np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(len(observations), len(rows))
    )
    return _Design(costs, np.array(sizes), member, _matrix(others, count))


def _extras(o: Observation, parameters: _Parameters) -> list[int]:
    places: list[int] = []
    if o.kind != "instructions":
        places += parameters.core(o.library, o.core)
        others = priors()["others"]
        own = others["board_library_sd"]
        sd = _ANY if o.use == "shape" else others["board_sd"]
        places.append(parameters.number(("board", o.board), 0.0, sd))
        places.append(parameters.number(("board of library", o.board, o.library), 0.0, own))
    if o.checks:
        places.append(parameters.number(("checks",), *_other("checks")))
    return places


def _matrix(rows: Sequence[Sequence[tuple[int, float]]], columns: int) -> csr_matrix:
    entries = [(i, place, value) for i, row in enumerate(rows) for place, value in row]
    if not entries:
        return csr_matrix((len(rows), columns))
    i, j, values = zip(*entries, strict=True)
    return csr_matrix((values, (i, j)), shape=(len(rows), columns))


def cost_places(result: Fit, library: str, core: str, op_class: str, term: str) -> list[int]:
    """Return the parameters of a cost on ``core``, that of the core included."""
    parameters = _Parameters()
    parameters.index = dict(result.index)
    before = len(parameters.index)
    places = parameters.cost(library, core, op_class, term)
    if op_class != "stream":
        places = [*places, *parameters.core(library, core)]
    if len(parameters.index) != before:
        raise KeyError(f"{library} on {core} was not asked for")
    return places


def cost(result: Fit, library: str, core: str, op_class: str, term: str) -> float:
    """Return a fitted cost in cycles."""
    return exp(sum(float(result.mode[place]) for place in cost_places(result, library, core, op_class, term)))
