"""Which boards run a wanted network: all boards, the best first (``edgekit.ranking/1``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from edgekit.boards.profile import BoardProfile
from edgekit.documents import Document, Part
from edgekit.errors import InputError
from edgekit.memory.plan_names import PlanChoice
from edgekit.mobilenet.architecture import BASE_RESOLUTION, Arch, NetworkSpec
from edgekit.mobilenet.published import expected_top1
from edgekit.search.budget import Budget
from edgekit.search.planning import check_plan
from edgekit.search.records import BudgetFigures, Candidate, EngineChoice
from edgekit.search.search import search

_SPEED_ORDER: Final = {"fits": 0, "close": 1, "too slow": 2}


class Wanted(Part):
    """What is asked of the network; ``None`` for anything.

    Attributes
    ----------
    alpha, resolution:
        The network.
    top1:
        Least expected top-1 on ImageNet, in percent.
    """

    alpha: float | None = None
    resolution: int | None = None
    top1: float | None = None

    def narrow(self, space: Sequence[NetworkSpec]) -> tuple[NetworkSpec, ...]:
        """Return the networks of ``space`` that are wanted; a wanted alpha or resolution need not be in it.

        Raises
        ------
        InputError
            If there are none.
        """
        found = {
            NetworkSpec(
                spec.arch,
                spec.alpha if self.alpha is None else self.alpha,
                spec.resolution if self.resolution is None else self.resolution,
                spec.channels,
                spec.classes,
            ): None
            for spec in space
        }
        wanted = tuple(spec for spec in found if self.top1 is None or _top1(spec) >= self.top1)
        if not wanted:
            best = max(found, key=_top1)
            raise InputError(
                f"No network is expected to reach {self.top1:g} % top-1; the best of these, {best.label}, has"
                f" {_top1(best):.1f} %.",
                "Ask for less, or leave out --alpha and --resolution.",
            )
        return wanted


class RankedBoard(Part):
    """One board: its limits, and the best that it can do: what fits, or else what misses by the least."""

    board: str
    title: str
    budget: BudgetFigures
    fits: bool
    candidate: Candidate


class Ranking(Document):
    """All boards, best first."""

    schema_: Literal["edgekit.ranking/1"] = Field("edgekit.ranking/1", alias="schema")
    arch: Arch
    wanted: Wanted
    boards: tuple[RankedBoard, ...]


@dataclass(frozen=True)
class Limits:
    """Limits in place of every board's own, where they are not ``None``; as in :class:`Budget`."""

    ram_bytes: int | None = None
    flash_bytes: int | None = None
    latency_ms: float | None = None
    strict: bool = False

    def of(self, board: BoardProfile) -> Budget:
        """Return the budget on ``board``."""
        return Budget.of_board(board, self.ram_bytes, self.flash_bytes, self.latency_ms, self.strict)


def rank_boards(
    boards: Iterable[BoardProfile],
    space: Sequence[NetworkSpec],
    wanted: Wanted,
    limits: Limits,
    engine: EngineChoice = "auto",
    progress: Callable[[int], None] = lambda done: None,
    plan: PlanChoice = "auto",
) -> Ranking:
    """Return which boards run the networks of ``space``, best first.

    Boards that hold one come first, then by expected top-1, then those whose latency is on the safe side of the limit,
    then the faster ones. Those that hold none are ordered by how little they miss. Emulated boards keep no time and are
    left out, and so are those that cannot run ``engine``, or not with ``plan``.

    Parameters
    ----------
    boards:
        The boards; their order does not matter.
    space:
        The networks that are wanted, in any order.
    wanted:
        What was asked for, for the document.
    limits:
        Limits that replace the boards' own.
    engine:
        What runs the network.
    progress:
        Called with the number of boards done.
    plan:
        How far memory plans may go, as for :func:`~edgekit.search.search.search`.

    Raises
    ------
    InputError
        If no board is left.
    """
    able = [b for b in boards if not b.emulated and (engine == "auto" or engine in b.engines)]
    if not able:
        raise InputError(f"No board can run the {engine} engine.", "Use --engine auto.")
    usable = [board for board in able if _has_plan(board, engine, plan)]
    if not usable:
        raise InputError(f"No board has a {plan} plan with --engine {engine}.", "Leave out --plan.")
    ranked = []
    for done, board in enumerate(usable, 1):
        budget = limits.of(board)
        record = search(board, budget, space, engine=engine, plan=plan)
        candidate = record.chosen or min(record.candidates, key=_miss)
        ranked.append(
            RankedBoard(
                board=board.name,
                title=board.title,
                budget=record.budget,
                fits=candidate.fits,
                candidate=candidate,
            )
        )
        progress(done)
    return Ranking(arch=space[0].arch, wanted=wanted, boards=tuple(sorted(ranked, key=_order)))


def _has_plan(board: BoardProfile, engine: EngineChoice, plan: PlanChoice) -> bool:
    try:
        check_plan(engine, board, plan)
    except InputError:
        return False
    return True


def _order(row: RankedBoard) -> tuple[object, ...]:
    one = row.candidate
    if not row.fits:
        return (True, *_miss(one), row.board)
    speed = _SPEED_ORDER[one.speed]
    return (False, -one.top1.value, speed, one.latency_ms.estimate, row.board)


def _miss(candidate: Candidate) -> tuple[float, ...]:
    """Return by how much a candidate misses the budget: the factor of the worst limit, then how many are broken."""
    return candidate.overrun, float(len(candidate.binding)), candidate.latency_ms.estimate


def _top1(spec: NetworkSpec) -> float:
    return expected_top1(spec.arch, spec.alpha, spec.resolution).value


def resolution_of(rho: float) -> int:
    """Return the resolution that a resolution multiplier means, in pixels."""
    return round(BASE_RESOLUTION * rho)
