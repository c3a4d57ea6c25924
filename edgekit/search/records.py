"""The fit document, schema ``edgekit.fit/1``: candidates with their figures, each with its basis."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final, Literal, get_args

from pydantic import Field

from edgekit.boards.kernels import Engine, KernelLibrary
from edgekit.documents import Document, Part
from edgekit.latency.estimate import Grounds
from edgekit.memory.plan_names import Plan, PlanChoice
from edgekit.mobilenet.architecture import Arch, NetworkSpec
from edgekit.search.changes import Unlock

Basis = Literal["measured", "exact", "estimated", "published", "interpolated", "extrapolated"]
"""How a number was got."""

EngineChoice = Literal["auto", Engine]
"""Which engines a search looks at: one, or with ``auto`` all that the board can run."""
ENGINE_CHOICES: Final[tuple[EngineChoice, ...]] = get_args(EngineChoice)

LimitName = Literal["ram", "flash", "latency"]

LatencyVerdict = Literal["fits", "close", "too slow"]
"""``fits``: the limit is above the error bar. ``close``: it lies within. ``too slow``: it is below."""


class ArenaFigures(Part):
    """Bytes of the tensor arena; ``total = head + scratch + tail``.

    ``scratch`` is what the kernels' working memory adds to the head. ``required`` is the least that
    ``AllocateTensors`` succeeds with: larger than ``total`` when planning needs more room than running.
    ``margin`` is kept free where the SDK ships another TFLite Micro than the rules were verified on.
    The aot engine has no tail and no margin, and requires its total.
    """

    head: int
    tail: int
    scratch: int
    total: int
    required: int
    margin: int
    basis: Basis

    @property
    def need(self) -> int:
        """Bytes that a board has to give: what allocation requires and the margin."""
        return self.required + self.margin


class FlashFigures(Part):
    """Bytes of the image: the model and the code around it.

    For TFLite Micro the model is its file; for the aot engine the packed weights, the tables and the operators'
    parameters, which are all that is left of it.
    """

    model: int
    code: int
    total: int
    basis: Basis


class LatencyFigures(Part):
    """Latency of one inference in ms, with the ends of its 80 % error bar.

    ``grounds`` tells what the estimate rests on, ``measured_on`` the day of the measurements on the board that it uses,
    if there are any.
    """

    estimate: float
    low: float
    high: float
    basis: Basis
    grounds: Grounds = "prior"
    measured_on: str | None = None

    def verdict(self, limit_ms: float) -> LatencyVerdict:
        """Return where ``limit_ms`` lies to the error bar."""
        if limit_ms < self.low:
            return "too slow"
        return "close" if limit_ms < self.high else "fits"


class Top1Figures(Part):
    """Expected top-1 in percent."""

    value: float
    basis: Basis


class Binding(Part):
    """A limit that a candidate breaks: what it needs, what there is, what would unlock it (bytes or ms)."""

    limit: LimitName
    need: float
    have: float
    unlock: str

    @property
    def overrun(self) -> float:
        """How many times what there is it needs; infinite where there is nothing."""
        return self.need / self.have if self.have else inf


class Candidate(Part):
    """One network with the software that runs it, and whether it fits the budget.

    ``speed`` is the verdict on its latency alone, and ``close`` whether that is what it says: that the latency limit
    lies within the estimate's error bar.
    """

    arch: Arch
    alpha: float
    rho: float
    resolution: int
    classes: int
    channels: int
    engine: Engine
    kernels: KernelLibrary
    plan: Plan
    mult_adds: int
    params: int
    arena: ArenaFigures
    flash: FlashFigures
    latency_ms: LatencyFigures
    top1: Top1Figures
    fits: bool
    close: bool
    speed: LatencyVerdict
    binding: tuple[Binding, ...]

    @property
    def spec(self) -> NetworkSpec:
        """The network."""
        return NetworkSpec(self.arch, self.alpha, self.resolution, self.channels, self.classes)

    @property
    def overrun(self) -> float:
        """The overrun of the limit that it breaks by the most; 0 where it breaks none."""
        return max((binding.overrun for binding in self.binding), default=0.0)


class BudgetFigures(Part):
    """The limits that were applied; with ``strict`` the latency's upper bound was held to its limit."""

    ram_bytes: int
    flash_bytes: int
    latency_ms: float
    strict: bool = False


class HostArena(Part):
    """Arena bytes of the real model in real TFLite Micro on this 64-bit host: predicted and measured."""

    predicted: int
    measured: int

    @property
    def excess(self) -> int:
        """Bytes beyond the prediction."""
        return max(0, self.measured - self.predicted)


class Measurements(Part):
    """What was measured of the chosen model: its file, and for TFLite Micro its arena on this host.

    ``host_arena`` is ``None`` without the tflite-micro wheel, and for the aot engine.
    """

    model_bytes: int
    predicted_model_bytes: int
    host_arena: HostArena | None


class AccuracyFigures(Part):
    """Top-1 in percent on images that training never saw; ``confusion[true][predicted]`` is the int8 model's."""

    images: int
    float_top1: float
    int8_top1: float
    drop: float
    confusion: tuple[tuple[int, ...], ...]
    basis: Basis = "measured"


class PlanBest(Part):
    """What TFLite Micro can hold when plans may go as far as ``plan``, and what the next better network would need.

    ``gain`` is what the plan bought in percent of top-1, beside the plan before it. ``best`` is ``None`` where nothing
    fits, ``next`` where there is no better network.
    """

    plan: Plan
    best: Candidate | None
    gain: float
    next: Candidate | None


class FitRecord(Document):
    """The whole document; ``notes`` are what a reader of the numbers has to know.

    ``engine`` is what was asked for. ``best`` has for every engine that the board can run the best candidate that
    fits, or ``None``, also for an engine that was not asked for: what switching would unlock. ``plan`` is the memory
    plan that was asked for, ``plans`` what TFLite Micro could hold with each, also with those not asked for.
    ``next_larger`` says what the next better networks would take.
    ``measurements``, ``accuracy`` and ``calibration`` are ``None`` as long as nothing was made.
    """

    schema_id: Literal["edgekit.fit/1"] = Field(default="edgekit.fit/1", alias="schema")
    board: str
    budget: BudgetFigures
    engine: EngineChoice = "auto"
    chosen: Candidate | None
    best: Mapping[Engine, Candidate | None] = {}
    plan: PlanChoice = "auto"
    plans: tuple[PlanBest, ...] = ()
    candidates: tuple[Candidate, ...]
    next_larger: tuple[Unlock, ...] = ()
    notes: tuple[str, ...] = ()
    measurements: Measurements | None = None
    accuracy: AccuracyFigures | None = None
    calibration: Literal["images", "synthetic"] | None = None
