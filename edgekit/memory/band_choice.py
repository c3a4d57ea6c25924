"""Which operators to put in bands, and in how many: an estimate of every choice, then the best of them for real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory.arena import ArenaLimit, tflm_arena
from edgekit.memory.bands import Band, Layer, band_layers, banded, cut
from edgekit.memory.lifetimes import ScratchRequest, align, head_buffers, live_bytes
from edgekit.memory.plans import with_plan
from edgekit.memory.releases import VERIFIED_RELEASE, Abi, TflmRelease
from edgekit.memory.scratch import scratch_requests
from edgekit.memory.static_plan import plan_lower_bound
from edgekit.memory.tail import tail_bytes
from edgekit.memory.tflm_leads import dead_parts, may_overlap, overlaps_of
from edgekit.tflite.graph import Graph

_DEEPEST: Final = 16
_COUNTS: Final = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20)
_TRIED: Final = 3
"""Choices that are planned for real."""

_SURE: Final = 1.05
"""Beyond this times the limit an estimate that nothing can undercut by overlap is too large for certain."""

_CONVOLUTION: Final = 136
_SLICE: Final = 184
"""About what one more operator takes of the tail, in bytes; each channel of a convolution 8 on top."""


@dataclass(frozen=True, slots=True)
class BandChoice:
    """The first ``depth`` operators in ``count`` bands.

    Attributes
    ----------
    arena:
        Bytes of the whole arena; an estimate as long as nothing is planned.
    mult_adds:
        What it takes more than the network as a whole.
    """

    depth: int
    count: int
    arena: int
    mult_adds: int


def band_choices(graph: Graph, tail: int = 0, scratch: Sequence[ScratchRequest] = ()) -> list[BandChoice]:
    """Return every choice for ``graph`` with estimated figures.

    Parameters
    ----------
    tail:
        That of the graph as a whole.
    scratch:
        What its kernels request; that of the operators in bands is left out.
    """
    layers = band_layers(graph)[:_DEEPEST]
    if not layers:
        return []
    buffers = head_buffers(graph, scratch)
    live = [live_bytes(buffers, time) for time in range(len(graph.ops) + 1)]
    found = []
    for depth in range(1, len(layers) + 1):
        part, rest = layers[:depth], max(live[depth + 1 :], default=0)
        for count in _COUNTS:
            bands = cut(tuple(layer.rows for layer in part), count)
            if bands is not None:
                head = max(rest, _head(part, bands))
                more = sum(
                    layer.work * (sum(band.heights[k + 1] for band in bands) - layer.rows.outputs)
                    for k, layer in enumerate(part)
                )
                found.append(BandChoice(depth, count, head + tail + _more_tail(part, bands), more))
    return found


def _head(layers: Sequence[Layer], bands: Sequence[Band]) -> int:
    """Return the most bytes that are alive at once until the bands are put together."""
    row, whole = layers[0].in_row, layers[0].rows.inputs * layers[0].in_row
    done = peak = 0
    for band, following in zip(bands, (*bands[1:], None), strict=True):
        heights = band.heights
        peak = max(peak, done + whole - band.start * row + heights[0] * row)
        held = done + (whole - following.start * row if following else 0)
        for k, layer in enumerate(layers):
            peak = max(peak, held + heights[k] * layer.in_row + heights[k + 1] * layer.out_row)
        kept = band.kept * layers[-1].out_row
        if band.kept != heights[-1]:
            peak = max(peak, held + heights[-1] * layers[-1].out_row + kept)
        done += kept
    return max(peak, 2 * done)


def _more_tail(layers: Sequence[Layer], bands: Sequence[Band]) -> int:
    copies = (len(bands) - 1) * sum(_CONVOLUTION + 2 * align(4 * layer.channels) for layer in layers)
    slices = len(bands) + sum(band.kept != band.heights[-1] for band in bands)
    return copies + (slices + 1) * _SLICE


def with_bands(
    graph: Graph,
    kernels: KernelLibrary,
    abi: Abi = "arm32",
    release: TflmRelease = VERIFIED_RELEASE,
    limit: ArenaLimit | None = None,
) -> tuple[Graph, BandChoice] | None:
    """Return ``graph`` in bands, planned as far as ``kernels`` allow, or ``None`` if it has no bands.

    Parameters
    ----------
    graph:
        A model without a plan.
    kernels, abi, release:
        As in :func:`edgekit.memory.plans.with_plan`.
    limit:
        Of RAM. Of the choices that stay within them the one with the fewest Mult-Adds is taken; ``None`` is
        returned where none does. Without a limit it is the one with the least arena.
    """
    scratch = scratch_requests(graph, kernels, abi, release)
    tail = tail_bytes(graph, kernels, abi, len(scratch), release).total
    choices = sorted(band_choices(graph, tail, scratch), key=lambda c: (c.arena, c.mult_adds))
    least = choices[:_TRIED]
    if limit is not None:
        # The estimate does not know what overlaps: over the limit, a plan with overlap may still be within.
        most = None if may_overlap(kernels) else _SURE * limit.bytes
        quick = sorted((c for c in choices if c.arena <= limit.bytes), key=lambda c: (c.mult_adds, c.arena))
        least = [*quick[:_TRIED], *(c for c in least if most is None or c.arena <= most)]
    best: tuple[Graph, BandChoice] | None = None
    for choice in dict.fromkeys(least):
        cut_graph = banded(graph, choice.depth, choice.count)
        if cut_graph is None or (limit is not None and _too_large(cut_graph, kernels, abi, release, limit)):
            continue
        planned = with_plan(cut_graph, "overlap", kernels, abi, release)
        arena = tflm_arena(planned, kernels, abi, release)
        if limit is not None and not limit.holds(arena):
            continue
        if best is None or arena.required < best[1].arena:
            best = planned, BandChoice(choice.depth, choice.count, arena.required, choice.mult_adds)
        if limit is not None:
            return best
    return best


def _too_large(
    graph: Graph, kernels: KernelLibrary, abi: Abi, release: TflmRelease, limit: ArenaLimit
) -> bool:
    """Return whether no plan of ``graph`` can stay within ``limit``."""
    scratch = scratch_requests(graph, kernels, abi, release)
    buffers = head_buffers(graph, scratch)
    overlaps, dead = overlaps_of(graph, buffers, kernels), dead_parts(graph, buffers)
    tail = tail_bytes(graph, kernels, abi, len(scratch), release).total
    return plan_lower_bound(buffers, overlaps, dead) + tail > limit.leaves(tail)
