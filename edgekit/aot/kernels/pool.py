"""AVERAGE_POOL_2D, MAX_POOL_2D and MEAN (``ek_pool.c``, ``ek_mean.c``)."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.aot.kernels.geometry import Kernel, Shape, Window
from edgekit.memory.lead import largest_distance


@dataclass(frozen=True, slots=True)
class _Pool(Kernel):
    input: Shape
    output: Shape
    window: Window

    @property
    def leads(self) -> tuple[int, ...]:
        """An output is written before the next channel of the same window is read."""
        window, out = self.window, self.output
        in_row, out_row = self.input.w * out.c, out.w * out.c
        rows = largest_distance(0, out.h - 1, 1, out_row, window.stride_h, window.pad_top, in_row)
        columns = largest_distance(0, out.w - 1, 1, out.c, window.stride_w, window.pad_left, out.c)
        return (rows + columns,)


class AveragePool(_Pool):
    """The rounded mean of each window, without its padding."""

    function = "ek_average_pool"

    __slots__ = ()


class MaxPool(_Pool):
    """The largest value of each window."""

    function = "ek_max_pool"

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Mean(Kernel):
    """The mean of each channel over all pixels."""

    function = "ek_mean"

    pixels: int
    channels: int

    @property
    def leads(self) -> tuple[int, ...]:
        """An output is written when the first pixel's next channel is the lowest still to be read."""
        return (0,)
