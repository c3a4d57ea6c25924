"""What the leads of the sliding-window kernels are made of (``firmware/engine/aot/ek_lead.h``)."""

from __future__ import annotations


def largest_distance(
    first: int, last: int, by: int, out_step: int, stride: int, pad: int, in_step: int
) -> int:
    """Return the largest ``n * out_step - max(0, n * stride - pad) * in_step``, n from ``first`` to ``last``.

    A kernel writes its output front to back; when the first n steps have been written, the input is still needed
    from row or column ``max(0, n * stride - pad)`` on. The distance is concave in n, so that its ends and the kink
    are enough.

    Parameters
    ----------
    first, last, by
        The values of n; ``first <= last``.
    out_step, in_step
        Bytes that a row or column of the output and of the input has.
    stride, pad
        Of the window.
    """
    steps = (last - first) // by
    kink = max(0, pad // stride - first) // by
    return max(
        n * out_step - max(0, n * stride - pad) * in_step
        for n in (first + min(step, steps) * by for step in (0, kink, kink + 1, steps))
    )
