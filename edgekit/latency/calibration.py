"""What was measured on a board, and how it changes the estimates for that board.

The ratio of measured to estimated cycles has, as a logarithm, a part that all operators share and one for each class
of operators. Both are normal about 0 with the spread that the table's bounds say, so a class that was not measured
moves with the others, and one that was measured a few times only part of the way: a conjugate update of a
random-effects model (Gelman et al. 2013, Bayesian Data Analysis, chapters 5 and 15).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, expm1, log, log1p, sqrt
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from edgekit.boards.kernels import KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.documents import Document, Part
from edgekit.latency.tables import CostTable
from edgekit.latency.work import OP_CLASSES, OpClass, OpWork

CALIBRATION_SCHEMA: Final = "edgekit.calibration/1"
_QUANTILE: Final = 1.2816
"""Of the normal distribution: 80 % lie within as many standard deviations."""
_OPERATOR_SD: Final = 0.15
"""Of one operator about its class's cost, which depends on the shape as well."""
_SMALL_SD: Final = 0.4
_SMALL: Final[tuple[OpClass, ...]] = ("softmax", "copy", "pool")
_NETWORK_SD: Final = 0.06
"""Of another network about what this one's operators say."""
_REWEIGHTINGS: Final = 5

Unit = Literal["cycles", "instructions"]
Count = Annotated[int, Field(ge=0, le=1 << 50)]


def _day(text: str) -> str:
    datetime.date.fromisoformat(text)
    return text


Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class MeasuredOp(Part):
    """One operator: its work, as :class:`~edgekit.latency.work.OpWork` has it, and what it took."""

    op_class: OpClass
    steps: Count
    outputs: Count
    weights: Count
    pixels: Count
    amount: Annotated[float, Field(gt=0, le=1e15)]

    @property
    def work(self) -> OpWork:
        """Its work."""
        return OpWork(self.op_class, self.steps, self.outputs, self.weights, self.pixels)


class MeasuredModel(Part):
    """One profiled inference of a model: its SHA-256, the day, and its operators."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    date: Day
    ops: Annotated[tuple[MeasuredOp, ...], Field(min_length=1, max_length=10_000)]


class CalibrationRecord(Document):
    """All that was measured for one board, kernel library and SDK.

    Attributes
    ----------
    board, kernels, sdk:
        What it holds for; ``sdk`` is the name in the board's profile.
    unit:
        Cycles of the core, or instructions where the board is emulated. The two are never mixed.
    clock_mhz:
        Clock that times were turned into cycles with.
    models:
        One entry a model; measured again, it takes the place of the old one.
    """

    schema_: Literal["edgekit.calibration/1"] = Field(CALIBRATION_SCHEMA, alias="schema")
    board: Name
    kernels: KernelLibrary
    sdk: Text
    unit: Unit
    clock_mhz: Annotated[float, Field(gt=0, le=10_000)]
    models: Annotated[tuple[MeasuredModel, ...], Field(min_length=1, max_length=1000)]
    edgekit_version: Text

    @property
    def date(self) -> str:
        """The last day of a measurement."""
        return max(model.date for model in self.models)

    @property
    def operators(self) -> int:
        """How many operators were measured, over all models."""
        return sum(len(model.ops) for model in self.models)

    def fits_board(self, board: BoardProfile) -> bool:
        """Return whether it was measured with the SDK that ``board`` has now, in its unit."""
        return self.sdk == board.sdk.name and (self.unit == "instructions") == board.emulated

    def merged(self, other: CalibrationRecord) -> CalibrationRecord:
        """Return the models of both; of one that both have the later one, and of one day that of ``other``."""
        both = sorted((*self.models, *other.models), key=lambda model: model.date)
        models = {model.sha256: model for model in both}
        ordered = tuple(sorted(models.values(), key=lambda model: (model.date, model.sha256)))
        return other.model_copy(update={"models": ordered})


@dataclass(frozen=True)
class Calibration:
    """A record as estimates use it.

    Attributes
    ----------
    date:
        Last day of a measurement.
    operators:
        How many were measured.
    level:
        Half-width of the bounds that all operators share, as a share of the whole.
    factors:
        By class, times the table's cycles.
    spreads:
        By class, the half-width that is the class's own; 1 at most.
    """

    date: str
    operators: int
    level: float
    factors: Mapping[OpClass, float]
    spreads: Mapping[OpClass, float]


def calibrate(record: CalibrationRecord, table: CostTable, cache: int) -> Calibration:
    """Return how ``record`` changes estimates that are made with ``table``.

    Parameters
    ----------
    record:
        In instructions only where ``table`` says what one costs.
    table:
        Costs of the board's core, before anything was measured on it.
    cache:
        Bytes of the cache that weights are read through, or 0.
    """
    import numpy as np

    per_unit = (table.cycles_per_instruction or 1.0) if record.unit == "instructions" else 1.0
    ops = [op for model in record.models for op in model.ops]
    ratios = np.array([log(op.amount * per_unit / table.cycles(op.work, cache)) for op in ops])
    noise = np.array([_SMALL_SD if op.op_class in _SMALL else _OPERATOR_SD for op in ops])
    # Column 0 is what all share, column 1 + i is class i's own.
    design = np.zeros((len(ops), 1 + len(OP_CLASSES)))
    design[:, 0] = 1
    design[np.arange(len(ops)), [1 + OP_CLASSES.index(op.op_class) for op in ops]] = 1
    own = [_sd(table.ops[op_class].spread) for op_class in OP_CLASSES]
    precision = 1 / np.array([_sd(max(table.below, table.above)), *own]) ** 2
    weights = np.ones(len(ops))
    for _ in range(_REWEIGHTINGS):
        # The weights of the soft L1 loss: an operator that an interrupt fell into must not pull its class along.
        scaled = design * (weights / noise**2)[:, None]
        covariance = np.linalg.inv(scaled.T @ design + np.diag(precision))
        mean = covariance @ (scaled.T @ ratios)
        weights = 1 / np.sqrt(1 + ((ratios - design @ mean) / noise) ** 2)
    factors: dict[OpClass, float] = {}
    spreads: dict[OpClass, float] = {}
    for place, op_class in enumerate(OP_CLASSES, 1):
        factors[op_class] = exp(mean[0] + mean[place])
        variance = covariance[0, 0] + covariance[place, place] + 2 * covariance[0, place]
        spreads[op_class] = min(1.0, expm1(_QUANTILE * sqrt(max(variance, 0.0))))
    return Calibration(record.date, record.operators, expm1(_QUANTILE * _NETWORK_SD), factors, spreads)


def _sd(half_width: float) -> float:
    return max(log1p(half_width) / _QUANTILE, 0.05)


def measured_ops(works: Iterable[tuple[OpWork, float]]) -> tuple[MeasuredOp, ...]:
    """Return (work, amount) pairs as they are stored; those too short to be told from nothing are left out."""
    return tuple(
        MeasuredOp(
            op_class=work.op_class,
            steps=work.steps,
            outputs=work.outputs,
            weights=work.weights,
            pixels=work.pixels,
            amount=amount,
        )
        for work, amount in works
        if amount > 0
    )
