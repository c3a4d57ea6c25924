"""Bytes of scratch that CMSIS-NN's int8 kernels ask for.

The formulas follow the ``arm_*_get_buffer_size`` functions of CMSIS-NN as GCC and Clang build them; Arm's own
compiler (armclang, selected there by ``__ARMCC_VERSION``) takes other branches in two of them. Which
extension is used is fixed when the library is compiled: plain C, DSP (Cortex-M4, M7, M33), or MVE
(Cortex-M52, M55, M85).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from edgekit.memory.window import Window

MVE_DEPTHWISE_BLOCK: Final = 124
"""Channels that the MVE depthwise kernel handles at once (``CH_IN_BLOCK_MVE``)."""

REVERSE_CONV_ABOVE: Final = 16
"""Input channels above which a transposed convolution is turned into a convolution."""


def conv(w: Window, mve: bool) -> int:
    """Return the bytes of a CONV_2D; the same for plain C and DSP."""
    if _is_pointwise(w):
        return 0
    if mve and _is_row(w):
        return _row_conv_mve(w)
    return im2col(w.kernel_h * w.kernel_w * w.in_c, mve)


def im2col(window: int, mve: bool) -> int:
    """Return the bytes of the columns buffer for a filter window of ``window`` elements."""
    if mve:
        return 64 * -(-window // 16)
    return 4 * (-(-window // 4) * 4)


def _is_pointwise(w: Window) -> bool:
    steps = w.kernel_h == w.kernel_w == w.dilation_h == w.dilation_w == 1
    return steps and not w.pad_h and not w.pad_w and w.in_c == w.filter_c


def _is_row(w: Window) -> bool:
    one = w.in_h == w.kernel_h == w.dilation_w == 1
    return one and w.stride_w * w.in_c % 4 == 0 and w.in_c == w.filter_c


def _row_conv_mve(w: Window) -> int:
    """Return the bytes of a 1xN convolution, which MVE runs without im2col where padding allows."""
    pad = w.pad_w
    # The remainder keeps the sign of the dividend, as in C.
    total = (w.out_w - 1) * w.stride_w + w.kernel_w - w.in_w
    odd = total % 2 if total >= 0 else -(-total % 2)
    right = max(1, (pad + odd + w.stride_w - 1) // w.stride_w) if pad + odd != 0 else 0
    left = max(1, (pad + w.stride_w - 1) // w.stride_w) if pad else 0
    middle = max(w.out_w - right - left, 0)
    if right + middle + left != w.out_w:
        return im2col(w.kernel_h * w.kernel_w * w.in_c, True)
    pad_left = pad * w.in_c
    pad_right = right * w.in_c if odd else pad_left
    row = w.kernel_w * w.in_c
    return max(row + pad_left, row - w.in_c + pad_right)


def depthwise(w: Window, dsp: bool, mve: bool) -> int:
    """Return the bytes of a DEPTHWISE_CONV_2D."""
    area = w.kernel_h * w.kernel_w
    if mve and w.in_c == 1 and w.out_c > 1:
        # One input channel: computed as a convolution, after the filter has been copied into its order.
        return conv(replace(w, filter_c=1), True) + w.out_c * area
    if w.in_c != w.out_c or w.batch != 1 or w.dilation_h != 1 or w.dilation_w != 1:
        return 0
    if mve:
        return 4 * MVE_DEPTHWISE_BLOCK * area
    if not dsp or (w.kernel_h == w.kernel_w == 3 and w.pad_h <= 1 and w.pad_w <= 1):
        return 0
    return 2 * w.in_c * area


def average_pool(channels: int, dsp: bool, mve: bool) -> int:
    """Return the bytes of an AVERAGE_POOL_2D: int32 sums, with DSP alone."""
    return 4 * channels if dsp and not mve else 0


def fully_connected(outputs: int, mve: bool) -> int:
    """Return the bytes of a FULLY_CONNECTED's filter sums, which MVE needs."""
    return 4 * outputs if mve else 0


def transpose_conv(w: Window, mve: bool) -> tuple[int, int]:
    """Return the bytes of a TRANSPOSE_CONV's accumulators and of its reversed filter (0 when unused)."""
    if w.stride_w <= 2 and w.stride_h <= 2 and w.in_c > REVERSE_CONV_ABOVE:
        window = w.kernel_h * w.kernel_w * w.in_c
        return im2col(window, mve), window * w.out_c
    # The width's step is compared with the height's stride, as in the source.
    columns = ((w.in_w - 1) * w.stride_w + max(w.kernel_w, w.stride_h)) * w.out_c
    return 4 * columns * max(w.kernel_h, w.stride_h), 0
