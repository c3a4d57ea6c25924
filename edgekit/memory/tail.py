"""The tail of the arena: what TFLite Micro keeps as long as the interpreter lives, to the byte.

Persistent allocations grow downwards from the arena's end; each is aligned downwards on its own, so their order is part
of the total (micro_allocator.cc, micro_interpreter.cc).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory.lifetimes import ALIGNMENT, align
from edgekit.memory.op_data import persistent_allocations
from edgekit.memory.releases import VERIFIED_RELEASE, Abi, TflmRelease
from edgekit.tflite.graph import Graph, Tensor

_ALLOCATOR_OBJECTS = (
    "SingleArenaBufferAllocator",
    "GreedyMemoryPlanner",
    "MicroAllocator",
    "MicroBuiltinDataAllocator",
)

_Sizes = list[tuple[int, int]]


class Tail(NamedTuple):
    """Bytes of the tail.

    Attributes
    ----------
    planning:
        When the head is planned.
    total:
        When ``AllocateTensors`` is done, the records of the model's inputs and outputs included.
    """

    planning: int
    total: int


def tail_bytes(
    graph: Graph,
    kernels: KernelLibrary,
    abi: Abi,
    scratch_count: int,
    release: TflmRelease = VERIFIED_RELEASE,
) -> Tail:
    """Return the bytes of the tail for ``graph``.

    Parameters
    ----------
    kernels:
        Kernel library of TFLite Micro.
    abi:
        How the target lays out structures.
    scratch_count:
        Number of scratch buffers that the kernels request; each has a handle.
    """
    structs = release.structs

    def array(name: str, count: int) -> tuple[int, int]:
        layout = structs[name][abi]
        return layout.nbytes * count, layout.alignment

    fixed: _Sizes = [array(name, 1) for name in _ALLOCATOR_OBJECTS]
    fixed.append(array("SubgraphAllocations", graph.subgraphs))
    fixed.append(array("TfLiteEvalTensor", len(graph.tensors)))
    fixed.append(array("NodeAndRegistration", len(graph.ops)))
    operators = [persistent_allocations(graph, op, kernels, abi, release) for op in graph.ops]
    for group in ("parameters", "init", "prepare"):
        fixed += [(a.nbytes, a.alignment) for operator in operators for a in getattr(operator, group)]
    if scratch_count:
        fixed.append(array("ScratchBufferHandle", scratch_count))
    variables = [(tensor.nbytes, ALIGNMENT) for tensor in graph.tensors if tensor.variable]
    planning = _used(0, [*fixed, *variables])

    ends: _Sizes = []
    for side in (graph.inputs, graph.outputs):
        ends.append((structs["pointer"][abi].nbytes * len(side), ALIGNMENT))
        for index in side:
            ends.append(array("TfLiteTensor", 1))
            ends += _quantization(graph.tensors[index], abi, release)
    return Tail(planning, _used(planning, ends))


def _quantization(tensor: Tensor, abi: Abi, release: TflmRelease) -> _Sizes:
    if tensor.quantization is None or not tensor.quantization.zero_point:
        return []
    record, array = release.structs["TfLiteAffineQuantization"][abi], release.structs["TfLiteIntArray"][abi]
    return [
        (record.nbytes, record.alignment),
        (array.nbytes + 4 * len(tensor.quantization.scale), array.alignment),
    ]


def _used(used: int, sizes: Iterable[tuple[int, int]]) -> int:
    for nbytes, alignment in sizes:
        used = align(used + nbytes, alignment)
    return used
