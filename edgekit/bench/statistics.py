"""Latency statistics."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from edgekit.bench.record import LatencyStatistics
from edgekit.wire.declaration import Identity

LatencyUnit = Literal["ms", "instructions"]


def summarize(values: Sequence[float], unit: LatencyUnit) -> LatencyStatistics:
    """Return smallest, median, 95th percentile and largest of ``values``.

    The median is the mean of the two middle values when their number is even. The percentile is the nearest
    rank: the smallest value that at least 95 % of all do not exceed, so it is always a value that was
    measured.

    Raises
    ------
    ValueError
        If there are no values.
    """
    if not values:
        raise ValueError("no latencies were measured")
    ordered = sorted(values)
    rank = math.ceil(0.95 * len(ordered))
    return LatencyStatistics(
        unit=unit,
        min=ordered[0],
        median=statistics.median(ordered),
        p95=ordered[rank - 1],
        max=ordered[-1],
    )


def latency_unit(identity: Identity) -> LatencyUnit:
    """Return what the device's ticks measure: time, or under emulation instructions."""
    return "instructions" if identity.ns_per_instruction else "ms"


def latencies(identity: Identity, ticks: Sequence[int]) -> list[float]:
    """Return ``ticks`` in the unit of :func:`latency_unit`."""
    if identity.ns_per_instruction:
        nanoseconds = 1_000_000_000 / identity.ticks_per_second
        return [round(tick * nanoseconds / identity.ns_per_instruction) for tick in ticks]
    return [tick * 1000 / identity.ticks_per_second for tick in ticks]
