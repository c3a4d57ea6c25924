"""Comparing what a device answers with what the host computes."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.bench.record import Mismatch

_ROUNDING: float = 0.501
"""Thousandths: half a unit, and what a device's float arithmetic may add to a tie."""


def compare_bytes(index: int, expected: bytes, got: bytes) -> Mismatch | None:
    """Return the first byte in which the outputs of input ``index`` differ, or ``None`` if equal."""
    if expected == got:
        return None
    offsets = [i for i, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b]
    common = min(len(expected), len(got))
    first = offsets[0] if offsets else common
    return Mismatch(
        input=index,
        kind="byte",
        offset=first,
        expected=expected[first] if first < len(expected) else None,
        got=got[first] if first < len(got) else None,
        differing=len(offsets) + abs(len(expected) - len(got)),
    )


def compare_results(index: int, expected: Sequence[float], got: Sequence[int]) -> Mismatch | None:
    """Return the first result that is not ``expected`` rounded to three decimals, or ``None`` if all are.

    Parameters
    ----------
    index:
        Number of the input.
    expected:
        Exact values in thousandths.
    got:
        The device's results in thousandths. A tie may have been rounded either way.
    """
    wrong = [i for i, (a, b) in enumerate(zip(expected, got, strict=False)) if abs(a - b) > _ROUNDING]
    missing = abs(len(expected) - len(got))
    if not wrong and not missing:
        return None
    first = wrong[0] if wrong else min(len(expected), len(got))
    return Mismatch(
        input=index,
        kind="result",
        offset=first,
        expected=round(expected[first]) if first < len(expected) else None,
        got=got[first] if first < len(got) else None,
        differing=len(wrong) + missing,
    )
