"""Bytes of scratch that ESP-NN's int8 kernels ask for.

The formulas follow the ``esp_nn_get_*_scratch_size`` functions of ESP-NN for the ESP32-S3 and the ESP32-P4.
The generic C kernels (ESP32, ESP32-C3 and the like) ask for none, except softmax.
"""

from __future__ import annotations

from typing import Final

from edgekit.memory.lifetimes import align
from edgekit.memory.window import Window

S3_WHOLE_INPUT_BYTES: Final = 40 * 1024
"""Padded input up to which the S3's depthwise kernel keeps all of it, not only a strip of rows."""

S3_WHOLE_S16_BYTES: Final = 48 * 1024
"""16-bit copies of filter and input up to which the S3's other depthwise kernel keeps all of them."""

P4_CACHE_BYTES: Final = 32 * 1024
"""Level 1 data cache that the P4's convolution tiles for."""


def softmax(width: int) -> int:
    """Return the bytes of a SOFTMAX, whose kernel takes the second dimension for the row's width."""
    return 4 * width


def conv_s3(w: Window) -> int:
    """Return the bytes of a CONV_2D on the ESP32-S3."""
    if _is_pointwise(w):
        return _pointwise(w, 64)
    row, window = w.kernel_w * w.in_c, w.kernel_h * w.kernel_w * w.in_c
    if row < 16 <= window:
        aligned = align(window, 16)
        return 4 * w.out_c + 16 + w.out_c * aligned + 16 + aligned + 64
    padded = _padded_input(w) if w.pad_h or w.pad_w else 0
    filters = w.kernel_h * w.kernel_w * align(w.in_c, 16) * w.out_c
    rows = align(row, 16) * w.kernel_h * w.out_c
    right = max(0, w.out_w * w.stride_w + w.kernel_w - 1 - w.in_w)
    bottom = max(0, w.out_h * w.stride_h + w.kernel_h - 1 - w.in_h)
    boundary = (w.in_w + right) * (w.in_h + bottom) * w.in_c if right or bottom else 0
    return padded + filters + rows + boundary + 64 + 4 * w.out_c


def depthwise_s3(w: Window, multiplier: int) -> int:
    """Return the bytes of a DEPTHWISE_CONV_2D on the ESP32-S3; ``multiplier`` is outputs an input channel."""
    area, pixels = w.kernel_h * w.kernel_w, w.in_h * w.in_w
    filters = area * w.in_c * multiplier
    if multiplier == 1 and w.in_c % 8 == 0:
        if w.kernel_h == w.kernel_w == 3:
            return _depthwise_3x3_s3(w)
        whole = 2 * (filters + pixels * w.in_c)
        if whole <= S3_WHOLE_S16_BYTES:
            return whole + 32
        return 2 * filters + 2 * w.in_w * w.kernel_h * w.in_c + 32
    if multiplier == 1 and w.in_c > 3:
        # Channels padded to a multiple of 8, in 16 bits; then 8-bit output, bias, shifts and multipliers.
        channels = align(w.in_c, 8)
        start = align(2 * area * channels, 16)
        start = align(start + 2 * pixels * channels, 16)
        start = align(start + w.out_h * w.out_w * channels, 16)
        return start + 3 * 4 * channels + 16
    if multiplier % 4 == 0:
        return 2 * (filters + pixels * w.in_c) + 32
    return 32


def _depthwise_3x3_s3(w: Window) -> int:
    channels, filters = w.in_c, 9 * w.in_c
    if channels % 16 == 0:
        if w.pad_h or w.pad_w:
            right, bottom = 2 * w.pad_w, 2 * w.pad_h
        else:
            right, bottom = w.out_w * w.stride_w + 2 - w.in_w, w.out_h * w.stride_h + 2 - w.in_h
        if not right and not bottom:
            return filters + 16
        whole = (w.in_w + right) * (w.in_h + bottom) * channels
        return filters + 16 + (whole if whole <= S3_WHOLE_INPUT_BYTES else (w.in_w + right) * 3 * channels)
    if channels >= 12:
        padded = align(channels, 16)
        right = 2 * w.pad_w + max(0, w.out_w * w.stride_w + 2 - w.in_w)
        bottom = 2 * w.pad_h + max(0, w.out_h * w.stride_h + 2 - w.in_h)
        pixels = (w.in_w + right) * (w.in_h + bottom) + w.out_w * w.out_h
        return (9 + pixels) * padded + 64
    return 2 * (filters + w.in_w * w.in_h * channels) + 32


def conv_p4(w: Window) -> int:
    """Return the bytes of a CONV_2D on the ESP32-P4 (its depthwise kernel needs none)."""
    margin = 32
    if _is_pointwise(w):
        return 20 * w.out_c + 32 + margin if w.in_c < 16 else _pointwise(w, margin)
    sums, area, padded = 4 * w.out_c, w.kernel_h * w.kernel_w, bool(w.pad_h or w.pad_w)
    window = area * w.in_c
    filters = area * align(w.in_c, 16) * w.out_c
    if not padded and w.kernel_w * w.in_c >= 16:
        return filters + margin + sums
    if window >= 16:
        return sums + window + margin
    spread = align(-(-16 // w.kernel_w), 16)
    if not padded:
        return sums + area * spread * w.out_c + w.in_w * w.in_h * spread + margin
    whole = _padded_input(w)
    if whole + sums <= P4_CACHE_BYTES:
        return whole + filters + margin + sums
    # A window under 16 elements: channels are spread so that a row of the filter fills a vector.
    filters = area * spread * w.out_c
    row = (w.in_w + 2 * w.pad_w) * spread
    budget, rows = P4_CACHE_BYTES - sums - filters, 1
    if budget > 0 and w.kernel_h * row <= budget:
        rows = min((budget - w.kernel_h * row) // (w.stride_h * row) + 1, w.out_h)
    return ((rows - 1) * w.stride_h + w.kernel_h + 2 * w.pad_h) * row + filters + margin + sums


def _is_pointwise(w: Window) -> bool:
    return w.kernel_h == w.kernel_w == w.stride_h == w.stride_w == 1 and not w.pad_h and not w.pad_w


def _pointwise(w: Window, margin: int) -> int:
    """Return the bytes of a 1x1 convolution: the whole filter, and the input where channels need padding."""
    channels, pixels = align(w.in_c, 8), w.in_h * w.in_w
    transposed = 16 * channels if pixels >= 8 else 0
    copied = pixels * channels if w.in_c % 8 else 0
    return copied + channels * w.out_c + transposed + margin


def _padded_input(w: Window) -> int:
    return (w.in_w + 2 * w.pad_w) * (w.in_h + 2 * w.pad_h) * w.in_c
