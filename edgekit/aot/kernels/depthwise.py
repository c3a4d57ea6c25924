"""DEPTHWISE_CONV_2D: ``ek_depthwise.c`` in ``firmware/engine/aot``."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.aot.kernels.geometry import Kernel, Shape, Window
from edgekit.memory.lead import largest_distance


@dataclass(frozen=True, slots=True)
class Depthwise(Kernel):
    """DEPTHWISE_CONV_2D, which works on four channels of a pixel at a time.

    What counts for the lead is what is left to be read after four channels, after whole pixels and after whole rows.
    """

    function = "ek_depthwise"

    input: Shape
    output: Shape
    window: Window
    multiplier: int

    @property
    def leads(self) -> tuple[int | None, ...]:
        """The safe lead, ``ek_depthwise_lead()``."""
        window, out = self.window, self.output
        in_c, in_row, out_row = self.input.c, self.input.w * self.input.c, out.w * out.c
        rows = largest_distance(0, out.h - 1, 1, out_row, window.stride_h, window.pad_top, in_row)
        lead = -self.input.size
        if out.h > 1:
            lead = largest_distance(1, out.h - 1, 1, out_row, window.stride_h, window.pad_top, in_row)
        if out.w > 1:
            pixels = largest_distance(1, out.w - 1, 1, out.c, window.stride_w, window.pad_left, in_c)
            lead = max(lead, rows + pixels)
        if out.c > 4:
            pixels = largest_distance(0, out.w - 1, 1, out.c, window.stride_w, window.pad_left, in_c)
            written = (out.c - 1) // 4 * 4
            lead = max(lead, rows + pixels + written - written // self.multiplier)
        return (lead,)
