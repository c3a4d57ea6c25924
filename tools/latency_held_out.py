"""What the model says of boards that were left out of its fit, one at a time, and how wide its bounds have to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, log

from latency_data import Observation
from latency_fit import Fit, fit, priors
from latency_tables import THREADS, model

from edgekit.latency.estimate import COVERAGE


@dataclass(frozen=True)
class Held:
    """A row that was held out, and what was said of it.

    Attributes
    ----------
    row:
        The row.
    case:
        ``library``: its kernel library was timed on another board; ``operators``: single operators were timed on the
        board itself; ``prior``: neither.
    estimate, low, high:
        In ms.
    """

    row: Observation
    case: str
    estimate: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Estimate over measurement, less 1."""
        return self.estimate / self.row.ms - 1

    @property
    def inside(self) -> bool:
        """Whether the bounds hold the measurement."""
        return self.low <= self.row.ms <= self.high

    @property
    def reach(self) -> float:
        """How much of its bound the error takes up, both as logarithms: 1 lies on the bound."""
        bound = self.high if self.row.ms > self.estimate else self.low
        return log(self.row.ms / self.estimate) / log(bound / self.estimate)


@dataclass(frozen=True)
class Blind:
    """A fit that has not seen some rows, and those rows."""

    result: Fit
    rows: tuple[Observation, ...]
    case: str

    def say(self, timed: frozenset[str], scale: float) -> list[Held]:
        """Return what the fit says of the rows; ``timed`` are the libraries timed elsewhere."""
        return [self._one(row, timed, scale) for row in self.rows]

    def _one(self, row: Observation, timed: frozenset[str], scale: float) -> Held:
        found = model(self.result, row.library, row.core, row.board, row.cache, scale)
        slower = (
            (THREADS / row.threads) ** float(priors()["others"]["threads"])
            if row.library == "xnnpack"
            else 1.0
        )
        cycles = [(work.op_class, found.cycles(work) * slower) for work in row.works]
        per_ms = row.clock_mhz * 1000
        estimate, low, high = (value / per_ms for value in found.bounds(cycles))
        case = self.case or ("library" if row.library in timed else "prior")
        return Held(row, case, estimate, low, high)


def blind_fits(observations: Sequence[Observation]) -> dict[str, list[tuple[Blind, frozenset[str]]]]:
    """Return for every board with networks of the family the fits that have not seen them.

    All that was measured on the board is left out of the first. Where it has timings of single operators, a second one
    has those, but none of its networks.
    """
    fits: dict[str, list[tuple[Blind, frozenset[str]]]] = {}
    for name in sorted({o.board for o in observations if o.mobilenet and o.use == "fit"}):
        rows = tuple(o for o in observations if o.board == name and o.mobilenet)
        asked = {(o.library, o.core) for o in rows}
        rest = [o for o in observations if o.board != name]
        timed = frozenset(o.library for o in rest if o.kind != "instructions" and not o.stands_in)
        fits[name] = [(Blind(fit(rest, asked), rows, ""), timed)]
        operators = [o for o in observations if o.board == name and o.kind == "operator"]
        libraries = {o.library for o in operators}
        seen = tuple(row for row in rows if row.library in libraries)
        if seen:
            fits[name].append((Blind(fit([*rest, *operators], asked), seen, "operators"), timed))
    return fits


def held_out(fits: dict[str, list[tuple[Blind, frozenset[str]]]]) -> list[Held]:
    """Return what is said of every row that was held out; the scale of its bounds is that of the other boards."""
    plain = {name: _say(pairs, 1.0) for name, pairs in fits.items()}
    held: list[Held] = []
    for name, pairs in fits.items():
        held += _say(pairs, bounds_scale(h for other, rows in plain.items() if other != name for h in rows))
    return held


def plain_held_out(fits: dict[str, list[tuple[Blind, frozenset[str]]]]) -> list[Held]:
    """Return the same with bounds that nothing was done to."""
    return [h for pairs in fits.values() for h in _say(pairs, 1.0)]


def bounds_scale(held: Iterable[Held]) -> float:
    """Return how many times as wide as the posterior says bounds have to be, as logarithms, for the stated coverage.

    Split conformal prediction (Vovk et al. 2005) with boards as the exchangeable units, because the rows of one board
    are wrong together: a board's score is that part of its bounds which holds :data:`COVERAGE` of its rows, and the
    scale is the score at rank ``ceil((n + 1) * COVERAGE)`` of ``n`` boards. Rows where another network stands in, or
    whose library was timed nowhere else, do not count; bounds of such libraries are not scaled either.
    """
    by_board: dict[str, list[float]] = {}
    for h in held:
        if not h.row.stands_in and h.case != "prior":
            by_board.setdefault(h.row.board, []).append(h.reach)
    scores = sorted(_rank(sorted(reaches), len(reaches)) for reaches in by_board.values())
    return _rank(scores, len(scores) + 1)


def _rank(ordered: Sequence[float], count: int) -> float:
    return ordered[min(len(ordered), ceil(count * COVERAGE)) - 1]


def _say(pairs: Iterable[tuple[Blind, frozenset[str]]], scale: float) -> list[Held]:
    return [h for blind, timed in pairs for h in blind.say(timed, scale)]
