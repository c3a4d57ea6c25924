"""Shapes and windows, as ``firmware/engine/aot/ek_aot.h`` has them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Shape:
    """Height, width and channels of an activation; the batch is 1."""

    h: int
    w: int
    c: int

    @property
    def size(self) -> int:
        """Elements, which are bytes."""
        return self.h * self.w * self.c


@dataclass(frozen=True, slots=True)
class Window:
    """The sliding window of a convolution or pool; padding at the bottom and right follows from the shapes."""

    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_top: int
    pad_left: int


class Kernel(ABC):
    """One call of a kernel: its geometry, and what memory it may share."""

    __slots__ = ()

    function: ClassVar[str]
    """The kernel's function in C."""

    @property
    @abstractmethod
    def leads(self) -> tuple[int | None, ...]:
        """The safe lead for each activation input, in bytes; ``None`` where it must not overlap the output.

        Input and output may share memory when ``input offset - output offset >= lead``.
        """

    @property
    def scratch(self) -> int:
        """Bytes of working memory beside inputs and output."""
        return 0
