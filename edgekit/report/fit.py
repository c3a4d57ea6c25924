"""What ``edgekit fit`` prints for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Console
from rich.table import Table

from edgekit.boards.profile import BoardProfile
from edgekit.report.inspect import arena_parts, grounds_of
from edgekit.search.records import Binding, Candidate, FitRecord, Measurements
from edgekit.search.search import next_better
from edgekit.units import format_millions, format_ms, format_size

_LIMIT_TITLES = {"ram": "RAM", "flash": "flash"}

_MOST_ROWS: Final = 100
"""Candidates in a table; of more than that, those around the choice are shown."""
_ROWS_ABOVE: Final = 40
_ROWS_BELOW: Final = 20


def print_candidates(console: Console, record: FitRecord, board: BoardProfile) -> None:
    """Print a table of the candidates with their figures, their verdict and what bound them."""
    budget = record.budget
    table = Table(
        title=f"{board.title}: RAM {format_size(budget.ram_bytes)} ({board.arena_region.name}), "
        f"flash {format_size(budget.flash_bytes)}, latency {format_ms(budget.latency_ms)}",
        title_justify="left",
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    table.add_column("alpha/res")
    for heading in ("top-1 %", "Mult-Adds"):
        table.add_column(heading, justify="right")
    table.add_column("engine")
    table.add_column("kernels")
    table.add_column("plan")
    for heading in ("arena", "image", "latency"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    first, last = _shown(record)
    for candidate in record.candidates[first:last]:
        chosen = candidate is record.chosen
        table.add_row(
            candidate.spec.label,
            f"{candidate.top1.value:.1f}{_mark(candidate.top1.basis)}",
            format_millions(candidate.mult_adds),
            candidate.engine,
            candidate.kernels,
            candidate.plan,
            format_size(candidate.arena.need),
            format_size(candidate.flash.total),
            f"~{format_ms(candidate.latency_ms.estimate)}{'m' if candidate.latency_ms.measured_on else ''}",
            verdict(candidate, chosen),
            style="bold green" if chosen else None if candidate.fits else "dim",
        )
    console.print(table)
    below = len(record.candidates) - last
    if first or below:
        console.print(
            f"Not shown: {first} candidates above these and {below} below; --json has all.", style="dim"
        )
    console.print(
        "top-1: published (ImageNet, int8), i = interpolated, e = extrapolated. The arena is exact, and so is the model"
        " in the image (with aot but for a table of up to 1 KB); code and latency (~) are estimates.",
        style="dim",
    )
    days = {c.latency_ms.measured_on for c in record.candidates if c.latency_ms.measured_on}
    if days:
        console.print(f"Latency with m: from operators measured on this board, on {max(days)}.", style="dim")
    for note in record.notes:
        console.print(f"Note: {note}", style="dim")


def _shown(record: FitRecord) -> tuple[int, int]:
    """Return the first candidate to show and the one after the last: all, or those around the choice."""
    count = len(record.candidates)
    if count <= _MOST_ROWS:
        return 0, count
    centre = record.candidates.index(record.chosen or closest(record.candidates))
    return max(0, centre - _ROWS_ABOVE), min(count, centre + _ROWS_BELOW + 1)


def verdict(candidate: Candidate, chosen: bool = False) -> str:
    """Return the verdict in a few words: ``fits``, ``close``, or what bound it."""
    if candidate.binding:
        return ", ".join(_binding(binding, candidate) for binding in candidate.binding)
    if chosen:
        return "CHOSEN, close" if candidate.close else "CHOSEN"
    return "close" if candidate.close else "fits"


def print_choice(console: Console, record: FitRecord) -> None:
    """Print the chosen candidate and what the next better one would need."""
    chosen = record.chosen
    if chosen is None:
        return
    console.print(
        f"\n[bold]Chosen: {chosen.arch} alpha {chosen.alpha:g}, rho {chosen.rho:.3g} ({chosen.resolution} px)[/bold]"
        f" with the {chosen.engine} engine, {chosen.kernels} kernels, {chosen.plan} plan"
    )
    console.print(
        f"  top-1 {chosen.top1.value:.1f} % ({chosen.top1.basis}, ImageNet),"
        f" {format_millions(chosen.mult_adds)} Mult-Adds,"
        f" {format_millions(chosen.params)} parameters, {chosen.classes} classes"
    )
    arena = chosen.arena
    console.print(
        f"  arena {arena.total:,} B ({arena.basis}) = {arena_parts(arena)}"
        + (f"; {arena.need:,} B to set aside, margin included" if arena.need > arena.total else "")
    )
    console.print(
        f"  image {format_size(chosen.flash.total)} = model {chosen.flash.model:,} B ({_model_basis(record, chosen)})"
        f" + code {format_size(chosen.flash.code)} (estimated)"
    )
    latency = chosen.latency_ms
    console.print(
        f"  latency ~{format_ms(latency.estimate)} ({latency.basis},"
        f" {format_ms(latency.low)} to {format_ms(latency.high)}{grounds_of(latency)})"
    )
    accuracy = record.accuracy
    if accuracy is not None:
        console.print(
            f"  on your data: float {accuracy.float_top1:.1f} %, int8 {accuracy.int8_top1:.1f} %"
            f" (drop {accuracy.drop:.1f} points; measured on {accuracy.images} held-out images)"
        )
    if record.measurements is not None:
        print_measurements(console, record.measurements)
    for line in (*engine_lines(record), *plan_lines(record)):
        console.print(line)
    better = next_better(record.candidates, chosen)
    if better is not None and not record.next_larger:
        unlock = " and ".join(binding.unlock for binding in better.binding)
        console.print(
            f"Next better: {better.spec.label} with {better.kernels} ({better.top1.value:.1f} %) would need {unlock}.",
            style="dim",
        )


def engine_lines(record: FitRecord) -> Iterator[str]:
    """Yield a line on what the other engine can do, where there is something to tell.

    Of one engine that was asked for: that the other one unlocks a better network. Of all: the best of each.
    """
    other = unlocked(record)
    if other is not None and record.chosen is not None:
        more = other.top1.value - record.chosen.top1.value
        yield f"With --engine {other.engine}: {other.spec.label} fits ({other.top1.value:.1f} %, +{more:.1f} points)."
    elif record.engine == "auto" and len(record.best) > 1:
        parts = (
            f"{engine} {best.spec.label} with {best.kernels} ({best.top1.value:.1f} %)"
            if best
            else f"{engine} none"
            for engine, best in record.best.items()
        )
        yield f"Best of each engine: {', '.join(parts)}."


def plan_lines(record: FitRecord) -> Iterator[str]:
    """Yield a line for each memory plan of TFLite Micro: its best network, what it bought, and the next one's price."""
    if len(record.plans) < 2:
        return
    yield "Memory plans of TFLite Micro:"
    before: Candidate | None = None
    for entry in record.plans:
        best = entry.best
        if best is None:
            text = "nothing fits"
        elif before is None:
            text = f"{best.spec.label} with {best.kernels} ({best.top1.value:.1f} %)"
        elif best.spec == before.spec:
            text = "no better network"
        else:
            text = f"{best.spec.label} with {best.kernels} instead of {before.spec.label}, +{entry.gain:.1f} points"
        if entry.next is not None:
            unlock = " and ".join(binding.unlock for binding in entry.next.binding)
            text += f"; {entry.next.spec.label} with {entry.next.kernels} would need {unlock}"
        yield f"  {entry.plan:<8} {text}"
        before = best


def unlocked(record: FitRecord) -> Candidate | None:
    """Return what fits with an engine that was not asked for and is better than what was chosen, if anything is."""
    if record.engine == "auto":
        return None
    chosen = record.chosen.top1.value if record.chosen else 0.0
    others = [best for engine, best in record.best.items() if best is not None and engine != record.engine]
    return max((c for c in others if c.top1.value > chosen), key=lambda c: c.top1.value, default=None)


def print_measurements(console: Console, measurements: Measurements) -> None:
    """Print how the real model compares with what the search had computed."""
    text = f"  model file {measurements.model_bytes:,} B measured, {measurements.predicted_model_bytes:,} B predicted"
    if measurements.host_arena is not None:
        text += (
            f"; TFLite Micro on this 64-bit host: arena {measurements.host_arena.measured:,} B measured,"
            f" {measurements.host_arena.predicted:,} B predicted"
        )
    console.print(text)


def closest(candidates: Iterable[Candidate]) -> Candidate:
    """Return the candidate that misses the budget by the least."""
    return min(candidates, key=lambda c: (c.overrun, len(c.binding)))


def _model_basis(record: FitRecord, chosen: Candidate) -> str:
    """Return how the model's bytes were got: what the softmax table takes follows from the trained network's scales."""
    return "exact" if chosen.engine == "tflm" or record.measurements else "exact but for the softmax table"


def _binding(binding: Binding, candidate: Candidate) -> str:
    if binding.limit == "latency":
        times = binding.need / binding.have
        return f"{candidate.speed} x{times:.2g}" if times < 100 else f"{candidate.speed} x{times:,.0f}"
    title = _LIMIT_TITLES[binding.limit]
    return f"{title} +{format_size(int(binding.need - binding.have))}"


def _mark(basis: str) -> str:
    return {"interpolated": "i", "extrapolated": "e"}.get(basis, " ")
