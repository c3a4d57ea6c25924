"""When each buffer of the arena's head is alive, as TFLite Micro marks it (micro_allocation_info.cc).

Time is counted in operators: the model's inputs are alive from time 0, operator ``i`` runs at time ``i + 1``, the
model's outputs live until the last operator has run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edgekit.tflite.graph import Graph

ALIGNMENT: Final = 16
"""Bytes; TFLite Micro rounds every planned buffer up to it (MicroArenaBufferAlignment)."""


@dataclass(frozen=True, slots=True)
class ScratchRequest:
    """Working memory that a kernel asks for while its operator runs."""

    op_index: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Buffer:
    """One block of the head: an activation tensor, or a kernel's scratch.

    Attributes
    ----------
    size:
        Bytes, rounded up to the alignment.
    first, last:
        First and last time at which it is alive, both included. -1 for a tensor that no operator uses.
    tensor:
        Tensor index, or -1 for scratch.
    op:
        Operator index of a scratch buffer, or -1.
    """

    size: int
    first: int
    last: int
    tensor: int = -1
    op: int = -1

    def alive_with(self, other: Buffer) -> bool:
        """Whether both are alive at some time."""
        return self.first <= other.last and other.first <= self.last


def align(size: int, alignment: int = ALIGNMENT) -> int:
    """Return ``size`` rounded up to a multiple of ``alignment``."""
    return -(-size // alignment) * alignment


def head_buffers(graph: Graph, scratch: Sequence[ScratchRequest] = ()) -> tuple[Buffer, ...]:
    """Return the buffers of the head in the order in which TFLite Micro adds them to its planner.

    Parameters
    ----------
    graph:
        A graph without control flow.
    scratch:
        The kernels' requests, in the order in which they are made.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for index in graph.inputs:
        first[index] = last[index] = 0
    for op in graph.ops:
        time = op.index + 1
        for index in op.outputs:
            first.setdefault(index, time)
        for index in (*op.inputs, *op.outputs):
            last[index] = time
    end = len(graph.ops)
    for index in graph.outputs:
        first.setdefault(index, end)
        last[index] = end
    tensors = [
        Buffer(
            align(tensor.nbytes), first.get(tensor.index, -1), last.get(tensor.index, -1), tensor=tensor.index
        )
        for tensor in graph.tensors
        if not tensor.constant and not tensor.variable and tensor.nbytes
    ]
    requests = [
        Buffer(align(request.nbytes), request.op_index + 1, request.op_index + 1, op=request.op_index)
        for request in scratch
    ]
    return (*tensors, *requests)


def live_bytes(buffers: Sequence[Buffer], time: int) -> int:
    """Return the bytes alive at ``time``."""
    return sum(buffer.size for buffer in buffers if buffer.first <= time <= buffer.last)


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """Return the most bytes alive at any one time: no plan without overlap can be smaller."""
    times = {buffer.first for buffer in buffers}
    return max((live_bytes(buffers, time) for time in times), default=0)
