"""CONV_2D and FULLY_CONNECTED: ``ek_conv2d.c`` and ``ek_pointwise.c`` in ``firmware/engine/aot``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edgekit.aot.kernels.geometry import Kernel, Shape, Window
from edgekit.memory.lead import largest_distance
from edgekit.memory.lifetimes import align

_LOCAL_SCRATCH: Final = 64
"""Columns up to this size are on the kernel's stack (``EK_LOCAL_SCRATCH``)."""


@dataclass(frozen=True, slots=True)
class Conv2d(Kernel):
    """CONV_2D, which works on two pixels of a row at a time.

    What counts for the lead is what is left to be read after whole pairs of a row, and after whole rows.
    """

    function = "ek_conv2d"

    input: Shape
    output: Shape
    window: Window

    @property
    def leads(self) -> tuple[int | None, ...]:
        """The safe lead, ``ek_conv2d_lead()``."""
        window, out = self.window, self.output
        in_row, out_row = self.input.w * self.input.c, out.w * out.c
        lead = -self.input.size
        if out.h > 1:
            lead = largest_distance(1, out.h - 1, 1, out_row, window.stride_h, window.pad_top, in_row)
        if out.w > 2:
            rows = largest_distance(0, out.h - 1, 1, out_row, window.stride_h, window.pad_top, in_row)
            pairs = largest_distance(2, out.w - 1, 2, out.c, window.stride_w, window.pad_left, self.input.c)
            lead = max(lead, rows + pairs)
        return (lead,)

    @property
    def scratch(self) -> int:
        """Bytes for the columns, ``ek_conv2d_scratch()``."""
        taps = self.window.kernel_h * self.window.kernel_w
        return _columns(taps * self.input.c, self.output.w)


@dataclass(frozen=True, slots=True)
class Pointwise(Kernel):
    """CONV_2D 1x1 with stride 1, and FULLY_CONNECTED with its rows as pixels: two pixels at a time."""

    function = "ek_pointwise"

    pixels: int
    in_c: int
    out_c: int

    @property
    def leads(self) -> tuple[int | None, ...]:
        """The safe lead, ``ek_pointwise_lead()``: after n pixels, n even, pixel n is the next to be read."""
        if self.pixels <= 2:
            return (-self.pixels * self.in_c,)
        growth = self.out_c - self.in_c
        return (growth * ((self.pixels - 1) // 2 * 2 if growth > 0 else 2),)

    @property
    def scratch(self) -> int:
        """Bytes for the columns, ``ek_pointwise_scratch()``."""
        return _columns(self.in_c, self.pixels)


def _columns(k: int, pixels: int) -> int:
    """Return the scratch for one or two columns of ``k`` inputs, each an int16, in blocks of four."""
    size = (2 if pixels > 1 else 1) * 2 * align(k, 4)
    return size if size > _LOCAL_SCRATCH else 0
