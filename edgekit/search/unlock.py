"""What it would take: for the next larger networks the cheapest change that unlocks each, and boards that hold it.

Nothing is priced in money, for no board's price is known here. Cheap is what is done quickly: an option of the command
line before a change of the model, that before another part on the board, and another board last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Final

from edgekit.boards.profile import BoardProfile
from edgekit.latency.estimate import EXTERNAL_KINDS
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.search.budget import Budget
from edgekit.search.changes import Change, ChangeKind, Unlock
from edgekit.search.figures import latency_figures, on_board, stored_calibration
from edgekit.search.records import Binding, Candidate, FitRecord
from edgekit.search.search import judged
from edgekit.tflite.graph import Graph
from edgekit.units import format_size

COUNT: Final = 3
"""How many of the next larger networks are looked at, and how many boards are named for each."""

_EFFORT: Final[dict[ChangeKind, float]] = {
    "engine": 1,
    "plan": 0.5,
    "ram": 1,
    "flash": 1,
    "latency": 1,
    "psram": 3,
    "classes": 3,
    "board": 30,
}
"""What a change costs at least; no unit, only the order counts."""


@dataclass(frozen=True)
class _Option:
    """One way to run a network: with what, and the changes that it takes."""

    candidate: Candidate
    changes: tuple[Change, ...]

    @property
    def effort(self) -> tuple[float, float]:
        """What it costs, and how long it then takes."""
        return sum(map(_effort, self.changes)), self.candidate.latency_ms.estimate


def unlocks(
    record: FitRecord, board: BoardProfile, budget: Budget, boards: Iterable[BoardProfile] = ()
) -> tuple[Unlock, ...]:
    """Return what it would take to run each of the next larger networks, the nearest first.

    Parameters
    ----------
    record:
        The search whose candidates are looked at. What was made and found not to fit counts as it was measured.
    board, budget:
        What it was for.
    boards:
        Other boards that may hold them; the order does not matter. Emulated ones are left out.
    """
    ordered = sorted((b for b in boards if b.name != board.name and not b.emulated), key=_size)
    found = []
    for spec in next_larger(record):
        # What takes no change was tried: it is better than the chosen one, and could not be made.
        options = [option for option in _options(record, board, budget, spec) if option.changes]
        if not options:
            continue
        option = min(options, key=lambda option: (option.effort, _name(option)))
        one = option.candidate
        latency = next((change for change in option.changes if change.kind == "latency"), None)
        found.append(
            Unlock(
                alpha=one.alpha,
                resolution=one.resolution,
                top1=one.top1.value,
                engine=one.engine,
                kernels=one.kernels,
                plan=one.plan,
                changes=option.changes,
                instead=(_clock(board, latency),) if latency else (),
                boards=tuple(_holding(ordered, spec, budget)),
            )
        )
    return tuple(found)


def next_larger(record: FitRecord) -> tuple[NetworkSpec, ...]:
    """Return the networks that are better than the chosen one by the least; the least ones if none is chosen."""
    least = record.chosen.top1.value if record.chosen else -1.0
    specs = {c.spec: c for c in record.candidates if c.top1.value > least}
    ordered = sorted(specs.values(), key=lambda c: (c.top1.value, c.mult_adds, c.alpha))
    return tuple(candidate.spec for candidate in ordered[:COUNT])


def in_external_ram(board: BoardProfile) -> BoardProfile | None:
    """Return ``board`` with the arena in its RAM outside the chip; ``None`` if it has none."""
    external = [region for region in board.memory if region.kind in EXTERNAL_KINDS]
    if not external:
        return None
    chosen = max(external, key=lambda region: region.available)
    memory = tuple(region.model_copy(update={"arena": region == chosen}) for region in board.memory)
    limits = board.limits.model_copy(update={"ram_bytes": None})
    # A board's file may not place the arena there, and a copy is not checked again.
    return board.model_copy(update={"memory": memory, "limits": limits})


def _options(record: FitRecord, board: BoardProfile, budget: Budget, spec: NetworkSpec) -> Iterator[_Option]:
    least = float("inf")
    known = {(c.kernels, c.plan): c for c in record.candidates if c.spec == spec}
    for estimated in judged(board, budget, spec):
        candidate = known.get((estimated.kernels, estimated.plan), estimated)
        option = _Option(candidate, (*_asked(record, candidate), *_raised(board, candidate.binding)))
        least = min(least, option.effort[0])
        yield option
    if least <= min(_EFFORT["psram"], _EFFORT["classes"]):
        return
    outside = in_external_ram(board)
    if outside is not None:
        moved = replace(budget, ram_bytes=outside.ram_bytes)
        for candidate in judged(outside, moved, spec):
            region = outside.arena_region
            change = Change(
                kind="psram",
                text=f"the arena in {region.name} ({format_size(region.available)})",
                need=candidate.arena.need,
                have=budget.ram_bytes,
            )
            yield _Option(
                candidate, (*_asked(record, candidate), change, *_raised(outside, candidate.binding))
            )
    yield from _fewer_classes(record, board, budget, spec)


def _fewer_classes(
    record: FitRecord, board: BoardProfile, budget: Budget, spec: NetworkSpec
) -> Iterator[_Option]:
    """Yield the network with as many classes as memory allows, where it takes fewer than asked for and allows 2."""

    def holding(classes: int) -> Sequence[Candidate]:
        found = judged(board, budget, replace(spec, classes=classes))
        return [c for c in found if all(binding.limit == "latency" for binding in c.binding)]

    low, high = 2, spec.classes
    if high <= low or not (best := holding(low)):
        return
    while high - low > 1:
        middle = (low + high) // 2
        if found := holding(middle):
            low, best = middle, found
        else:
            high = middle
    for candidate in best:
        change = Change(kind="classes", text=f"--classes {low}", need=low, have=spec.classes)
        yield _Option(candidate, (*_asked(record, candidate), change, *_raised(board, candidate.binding)))


def _asked(record: FitRecord, candidate: Candidate) -> Iterator[Change]:
    """Yield what differs from what the search was asked for."""
    if record.engine not in ("auto", candidate.engine):
        yield Change(kind="engine", text=f"--engine {candidate.engine}")
    elif candidate.engine == "tflm" and record.plan not in ("auto", candidate.plan):
        yield Change(kind="plan", text=f"--plan {candidate.plan}")


def _raised(board: BoardProfile, bindings: Iterable[Binding]) -> Iterator[Change]:
    """Yield a change for every limit that is still broken."""
    for binding in bindings:
        kind: ChangeKind = binding.limit if on_board(binding.limit, binding.need, board) else "board"
        yield Change(kind=kind, text=binding.unlock, need=binding.need, have=binding.have)


def _clock(board: BoardProfile, latency: Change) -> Change:
    assert latency.need is not None and latency.have is not None
    clock = ceil(board.clock_mhz * latency.need / latency.have)
    text = f"a clock of {clock} MHz, not {board.clock_mhz} MHz"
    return Change(kind="clock", text=text, need=clock, have=board.clock_mhz)


def _effort(change: Change) -> float:
    """Return the cost of a change: more for a larger step."""
    least = _EFFORT[change.kind]
    if change.need is None or not change.have or change.kind in ("psram", "plan", "engine"):
        return least
    return least + 2 * abs(log2(change.need / change.have))


def _holding(boards: Sequence[BoardProfile], spec: NetworkSpec, budget: Budget) -> Iterator[str]:
    """Yield the first boards that hold the network within their own memory and the budget's latency."""
    found = 0
    graph = network_graph(spec)
    for board in boards:
        if found == COUNT:
            return
        limits = Budget.of_board(board, latency_ms=budget.latency_ms, strict=budget.strict)
        if _may_hold(board, limits, spec, graph) and any(c.fits for c in judged(board, limits, spec)):
            found += 1
            yield board.name


def _may_hold(board: BoardProfile, limits: Budget, spec: NetworkSpec, graph: Graph) -> bool:
    """Return whether a close look is worth its time: a parameter takes a byte of flash, and time is soon estimated."""
    if spec.params > limits.flash_bytes:
        return False
    kernels = [name for engine in board.engines for name in board.kernels_of(engine)]
    times = (latency_figures(graph, board, name, stored_calibration(board, name)) for name in kernels)
    return any((time.high if limits.strict else time.estimate) <= limits.latency_ms for time in times)


def _size(board: BoardProfile) -> tuple[bool, int, int, str]:
    return board.linux, board.ram_bytes, board.flash_bytes, board.name


def _name(option: _Option) -> tuple[str, str]:
    return option.candidate.kernels, option.candidate.plan
