"""The search itself: every candidate of the space, ranked, and the best that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from edgekit.boards.kernels import Engine
from edgekit.boards.profile import BoardProfile
from edgekit.memory.arena import release_note
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.search.budget import Budget
from edgekit.search.evaluate import Evaluator
from edgekit.search.records import BudgetFigures, Candidate, EngineChoice, FitRecord


def search(
    board: BoardProfile,
    budget: Budget,
    space: Sequence[NetworkSpec],
    progress: Callable[[int], None] = lambda done: None,
    engine: EngineChoice = "auto",
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

    Raises
    ------
    InputError
        If the board cannot run ``engine``.
    """
    asked = _engines(board, engine)
    evaluator = Evaluator(board, budget, board.engines)
    found: list[Candidate] = []
    for done, spec in enumerate(space, 1):
        found += evaluator.evaluate(spec)
        progress(done)
    ranked = rank(found)
    candidates = tuple(candidate for candidate in ranked if candidate.engine in asked)
    return FitRecord(
        board=board.name,
        budget=BudgetFigures(
            ram_bytes=budget.ram_bytes, flash_bytes=budget.flash_bytes, latency_ms=budget.latency_ms
        ),
        engine=engine,
        chosen=next((candidate for candidate in candidates if candidate.fits), None),
        best={e: next((c for c in ranked if c.fits and c.engine == e), None) for e in board.engines},
        candidates=candidates,
        notes=_notes(board, asked),
    )


def _engines(board: BoardProfile, engine: EngineChoice) -> tuple[Engine, ...]:
    if engine == "auto":
        return board.engines
    board.check_engine(engine)
    return (engine,)


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
