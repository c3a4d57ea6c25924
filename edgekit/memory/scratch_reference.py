"""Bytes of scratch that TFLite Micro's reference kernels ask for.

Optimized libraries keep them for the operators that they do not implement. Most ask for none.
"""

from __future__ import annotations

from edgekit.memory.window import Window


def reduce(rank: int, axes: int, outputs: int, accumulates: bool) -> tuple[int, ...]:
    """Return the requests of MEAN, SUM, REDUCE_MAX and REDUCE_MIN, in order.

    Parameters
    ----------
    rank:
        Dimensions of the input.
    axes:
        Axes that are reduced.
    outputs:
        Elements of the output.
    accumulates:
        Whether int32 sums of all outputs are kept: MEAN and SUM of integers.
    """
    walk = (4 * rank, 4 * axes)
    return (4 * outputs, *walk) if accumulates else walk


def mirror_pad(rank: int) -> tuple[int, int]:
    """Return the requests of MIRROR_PAD."""
    return 4 * rank, 4 * rank


def add_n(inputs: int, pointer: int) -> int:
    """Return the bytes of ADD_N: a pointer of ``pointer`` bytes to each input."""
    return pointer * inputs


def transpose_conv(w: Window) -> int:
    """Return the bytes of TRANSPOSE_CONV: an int32 sum for each output of the batch."""
    return 4 * w.batch * w.out_h * w.out_w * w.out_c
