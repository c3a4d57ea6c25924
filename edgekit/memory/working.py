"""The least arena that AllocateTensors needs, which for small networks is more than what stays in use.

While TFLite Micro prepares the operators and plans the head, the space between the two ends holds records
that are given up again: the requests for scratch, copies of the tensors that a kernel looks at, and the
planner's own lists. A network whose activations take only a few kilobytes fails to allocate in an arena of
just ``arena_used_bytes()``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edgekit.memory.lifetimes import ScratchRequest, align, head_buffers
from edgekit.memory.releases import VERIFIED_RELEASE, Abi, TflmRelease
from edgekit.tflite.graph import Graph, Op, Tensor

REQUESTS_RESERVED: Final = 12
"""Scratch requests that room is kept for beyond those already made (``kMaxScratchBuffersPerOp``)."""

PLANNER_BYTES: Final = 40
"""Bytes of the greedy planner's lists for each buffer (``GreedyMemoryPlanner::per_buffer_size``)."""

_LOOKS: Final = 2
"""Times that a kernel's Prepare takes a record of each of its tensors, at most; none is given up before its
end."""


def least_arena(
    graph: Graph,
    scratch: Sequence[ScratchRequest],
    tail: int,
    abi: Abi,
    release: TflmRelease = VERIFIED_RELEASE,
) -> int:
    """Return the bytes below which AllocateTensors fails, whatever is in use afterwards.

    Parameters
    ----------
    graph:
        The model.
    scratch:
        Its kernels' requests.
    tail:
        Bytes of the tail before the records of the model's inputs and outputs are made.
    abi:
        How the target lays out structures.
    release:
        Release of TFLite Micro.

    Notes
    -----
    What planning needs is exact to the 16 bytes of the arena's alignment. What preparing needs is an upper
    bound: each tensor of an operator counted twice, next to the whole tail. The arena must be at least this
    large, and at least head and tail together.
    """
    between = max(_planning(graph, scratch, abi, release), _preparing(graph, scratch, abi, release))
    # The arena's end is aligned down too: a size that is no multiple of the alignment loses the rest.
    return align(between + align(tail))


def _planning(graph: Graph, scratch: Sequence[ScratchRequest], abi: Abi, release: TflmRelease) -> int:
    pointer, record = release.structs["pointer"][abi], release.structs["AllocationInfo"][abi]
    records = record.nbytes * (len(graph.tensors) + len(scratch))
    start = align(_requests(len(scratch), abi, release), pointer.alignment) + pointer.nbytes * graph.subgraphs
    lists = PLANNER_BYTES * len(head_buffers(graph, scratch))
    return align(align(start, record.alignment) + records) + lists


def _preparing(graph: Graph, scratch: Sequence[ScratchRequest], abi: Abi, release: TflmRelease) -> int:
    largest = max((_looked_at(graph, op, abi, release) for op in graph.ops), default=0)
    return align(_requests(len(scratch), abi, release)) + _LOOKS * largest


def _requests(count: int, abi: Abi, release: TflmRelease) -> int:
    return release.structs["ScratchBufferRequest"][abi].nbytes * (count + REQUESTS_RESERVED)


def _looked_at(graph: Graph, op: Op, abi: Abi, release: TflmRelease) -> int:
    tensors = (*graph.op_inputs(op), *graph.op_outputs(op))
    return sum(_tensor_record(tensor, abi, release) for tensor in tensors)


def _tensor_record(tensor: Tensor, abi: Abi, release: TflmRelease) -> int:
    structs = release.structs
    nbytes = structs["TfLiteTensor"][abi].nbytes
    if tensor.quantization is not None and tensor.quantization.zero_point:
        array = structs["TfLiteIntArray"][abi].nbytes + 4 * len(tensor.quantization.scale)
        nbytes += structs["TfLiteAffineQuantization"][abi].nbytes + array
    return align(nbytes, structs["pointer"][abi].alignment)
