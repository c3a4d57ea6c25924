"""The search itself: every candidate of the space, ranked, and the best that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from edgekit.boards.kernels import Engine
from edgekit.boards.profile import BoardProfile
from edgekit.memory.arena import release_note
from edgekit.memory.plan_names import PLANS, PlanChoice
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.search.budget import Budget
from edgekit.search.evaluate import Evaluator, Stages
from edgekit.search.planning import PLANS_OF_AOT, check_plan
from edgekit.search.records import BudgetFigures, Candidate, EngineChoice, FitRecord, PlanBest


def search(
    board: BoardProfile,
    budget: Budget,
    space: Sequence[NetworkSpec],
    progress: Callable[[int], None] = lambda done: None,
    engine: EngineChoice = "auto",
    plan: PlanChoice = "auto",
) -> FitRecord:
    """Return the fit document for ``board``: all candidates, best first, and the best that fits.

    Parameters
    ----------
    space:
        The networks to look at; their order does not matter.
    progress:
        Called with the number of networks done.
    engine:
        The engine whose candidates are listed and chosen from; ``auto`` for all that the board can run. What the
        others could do is found out as well.
    plan:
        How far memory plans may go; with ``auto`` as far as a network needs to fit. The aot engine's plan overlaps.

    Raises
    ------
    InputError
        If the board cannot run ``engine``, or not with ``plan``.
    """
    asked = _engines(board, engine)
    check_plan(engine, board, plan)
    evaluator = Evaluator(board, budget, board.engines)
    stages: list[Stages] = []
    for done, spec in enumerate(space, 1):
        stages += evaluator.evaluate(spec)
        progress(done)
    ranked = rank(_chosen(stage, plan) for stage in stages)
    candidates = tuple(
        c for c in ranked if c.engine in asked and (c.engine == "tflm" or plan in PLANS_OF_AOT)
    )
    return FitRecord(
        board=board.name,
        budget=BudgetFigures(
            ram_bytes=budget.ram_bytes,
            flash_bytes=budget.flash_bytes,
            latency_ms=budget.latency_ms,
            strict=budget.strict,
        ),
        engine=engine,
        chosen=next((candidate for candidate in candidates if candidate.fits), None),
        best={e: next((c for c in ranked if c.fits and c.engine == e), None) for e in board.engines},
        plan=plan,
        plans=_plans(stages, evaluator) if "tflm" in asked else (),
        candidates=candidates,
        notes=_notes(board, asked),
    )


def judged(board: BoardProfile, budget: Budget, spec: NetworkSpec) -> tuple[Candidate, ...]:
    """Return what ``board`` makes of one network with every engine and kernel library, best first."""
    return rank(_chosen(stage, "auto") for stage in Evaluator(board, budget, board.engines).evaluate(spec))


def _engines(board: BoardProfile, engine: EngineChoice) -> tuple[Engine, ...]:
    if engine == "auto":
        return board.engines
    board.check_engine(engine)
    return (engine,)


def _chosen(stages: Stages, plan: PlanChoice) -> Candidate:
    """Return the candidate that stands for a network with its kernels.

    With ``auto`` it is the first whose arena is small enough: plans that go further are bound to their kernels, and
    bands take time. Where none is, it is the one with the least arena.
    """
    candidates = [*stages.values()]
    if plan != "auto" and plan in stages:
        return stages[plan]
    enough = (c for c in candidates if not any(binding.limit == "ram" for binding in c.binding))
    return next(enough, None) or min(candidates, key=lambda c: c.arena.need)


def _plans(stages: Iterable[Stages], evaluator: Evaluator) -> tuple[PlanBest, ...]:
    """Return what TFLite Micro can hold with each plan."""
    of_tflm = [stage for stage in stages if "greedy" in stage]
    found: list[PlanBest] = []
    for plan in PLANS:
        ranked = rank(stage[plan] for stage in of_tflm if plan in stage)
        best = next((candidate for candidate in ranked if candidate.fits), None)
        before = found[-1].best if found else best
        gain = best.top1.value - (before.top1.value if before else 0.0) if best else 0.0
        following = next_better(ranked, best)
        if following and plan == "bands":
            following = evaluator.least(following)
        if ranked:
            found.append(PlanBest(plan=plan, best=best, gain=gain, next=following))
    return tuple(found)


def next_better(candidates: Iterable[Candidate], chosen: Candidate | None) -> Candidate | None:
    """Return the candidate just above the chosen network that breaks the fewest limits by the least."""
    least = chosen.top1.value if chosen else 0.0
    above = [c for c in candidates if c.top1.value > least and c.binding]
    if not above:
        return None
    lowest = min(c.top1.value for c in above)
    return min(
        (c for c in above if c.top1.value == lowest),
        key=lambda c: (len(c.binding), c.overrun),
    )


def rank(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates best first: expected top-1, then fewer Mult-Adds, then faster, then smaller arena.

    Latency comes before the arena because two candidates that tie on the first two differ in engine and kernels alone,
    and there the smaller arena often is the tenfold slower kernel.
    """
    return tuple(
        sorted(
            candidates,
            key=lambda c: (
                -c.top1.value,
                c.mult_adds,
                c.latency_ms.estimate,
                c.arena.total,
                c.kernels,
                c.alpha,
            ),
        )
    )


def _notes(board: BoardProfile, engines: Sequence[Engine]) -> tuple[str, ...]:
    notes = [
        release_note(board) if "tflm" in engines else "",
        "Top-1 is published for ImageNet; on other data it ranks, it does not predict.",
    ]
    if board.emulated:
        notes.append(
            f"{board.title} is emulated: its ms are those of a core at {board.clock_mhz} MHz, not measured."
        )
    return tuple(note for note in notes if note)
