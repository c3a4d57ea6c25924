"""The fit document, schema ``edgekit.fit/1``: candidates with their figures, each with its basis."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edgekit.boards.kernels import KernelLibrary
from edgekit.mobilenet.architecture import Arch, NetworkSpec

Basis = Literal["measured", "exact", "estimated", "published", "interpolated", "extrapolated"]
"""How a number was got."""

Engine = Literal["tflm"]
Plan = Literal["greedy"]
LimitName = Literal["ram", "flash", "latency"]


class Record(BaseModel):
    """Base of the documents' parts: frozen, nothing unknown in them."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ArenaFigures(Record):
    """Bytes of the tensor arena; ``total = head + scratch + tail``.

    ``scratch`` is what the kernels' working memory adds to the head. ``required`` is the least that
    ``AllocateTensors`` succeeds with: larger than ``total`` when planning needs more room than running.
    ``margin`` is kept free where the SDK ships another TFLite Micro than the rules were verified on.
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


class FlashFigures(Record):
    """Bytes of the image: the model's file and the code around it."""

    model: int
    code: int
    total: int
    basis: Basis


class LatencyFigures(Record):
    """Latency of one inference in ms, with the ends of its error bar."""

    estimate: float
    low: float
    high: float
    basis: Basis


class Top1Figures(Record):
    """Expected top-1 in percent."""

    value: float
    basis: Basis


class Binding(Record):
    """A limit that a candidate breaks: what it needs, what there is, what would unlock it (bytes or ms)."""

    limit: LimitName
    need: float
    have: float
    unlock: str


class Candidate(Record):
    """One network with the software that runs it, and whether it fits the budget.

    ``close`` tells that the latency limit lies within the estimate's error bar.
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
    binding: tuple[Binding, ...]

    @property
    def spec(self) -> NetworkSpec:
        """The network."""
        return NetworkSpec(self.arch, self.alpha, self.resolution, self.channels, self.classes)


class BudgetFigures(Record):
    """The limits that were applied."""

    ram_bytes: int
    flash_bytes: int
    latency_ms: float


class FitRecord(Record):
    """The whole document; ``notes`` are what a reader of the numbers has to know."""

    schema_id: Literal["edgekit.fit/1"] = Field(default="edgekit.fit/1", alias="schema")
    board: str
    budget: BudgetFigures
    chosen: Candidate | None
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()
