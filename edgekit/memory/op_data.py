"""What each operator allocates in the tail of the arena: its parameters, and its kernel's own data.

TFLite Micro goes through all operators three times, so the tail holds, from its end downwards, every
operator's parsed parameters, then what every kernel's Init allocates, then what every kernel's Prepare
allocates. Each allocation is aligned downwards on its own, so order and alignment decide the total.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory.known_ops import is_known
from edgekit.memory.releases import VERIFIED_RELEASE, Abi, TflmRelease, kernel_family
from edgekit.tflite.graph import Graph, Op, Tensor

KERNEL_DATA_ALIGNMENT: Final = 16
"""Bytes; what kernels allocate is aligned to the arena's own alignment, whatever the structure needs."""

_WEIGHTS: Final = 1
_OUTPUT_CHANNELS: Final = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 0}
_RECORD_IN_PREPARE: Final = frozenset({"ADD_N", "CUMSUM", "LOG_SOFTMAX"})
"""Kernels that allocate their record in Prepare, and for int8 alone; others do so in Init, for every type."""
_COPIES_SHAPE: Final = frozenset({"DEPTH_TO_SPACE", "GATHER", "GATHER_ND", "L2_POOL_2D", "SPACE_TO_DEPTH"})
"""Kernels that copy their output's shape out of the file, to set it."""


class Allocation(NamedTuple):
    """One persistent allocation.

    Attributes
    ----------
    nbytes:
        Bytes asked for.
    alignment:
        The tail is moved down by ``nbytes`` and then down to a multiple of this.
    what:
        What it holds, for people.
    """

    nbytes: int
    alignment: int
    what: str


class OpAllocations(NamedTuple):
    """The persistent allocations of one operator, each group in the order in which it is made.

    Attributes
    ----------
    parameters:
        Parsed from the file, when the nodes are prepared.
    init:
        By the kernel's Init, after the parameters of all operators.
    prepare:
        By the kernel's Prepare, after the Init of all operators.
    """

    parameters: tuple[Allocation, ...] = ()
    init: tuple[Allocation, ...] = ()
    prepare: tuple[Allocation, ...] = ()


def persistent_allocations(
    graph: Graph,
    op: Op,
    kernels: KernelLibrary,
    abi: Abi,
    release: TflmRelease = VERIFIED_RELEASE,
) -> OpAllocations:
    """Return what ``op`` allocates in the tail.

    Parameters
    ----------
    graph, op:
        The operator and the graph it belongs to.
    kernels:
        Kernel library of TFLite Micro.
    abi:
        How the target lays out structures.
    release:
        Release of TFLite Micro.

    Notes
    -----
    An operator that :func:`edgekit.memory.known_ops.unknown_ops` names gives what is known of it, which may
    be too little.

    Raises
    ------
    ValueError
        If ``kernels`` is not a kernel library of TFLite Micro.
    """
    family = kernel_family(kernels)
    layouts = release.builtin_data.get(op.kind)
    parameters = (Allocation(*layouts[abi], "parameters"),) if layouts else ()
    size = release.op_data_bytes(op.kind, family, abi) if op.kind in release.op_data else 0
    record = (_kernel_data(size, "kernel data"),) if size else ()
    if not is_known(graph, op, kernels, release):
        return OpAllocations(parameters, record)
    if op.kind in _RECORD_IN_PREPARE:
        is_int8 = graph.tensors[op.inputs[0]].dtype == "int8"
        return OpAllocations(parameters, (), record if is_int8 else ())
    return OpAllocations(parameters, record, _prepared(graph, op, kernels, release))


def _prepared(graph: Graph, op: Op, kernels: KernelLibrary, release: TflmRelease) -> tuple[Allocation, ...]:
    kind = op.kind
    if kind in _OUTPUT_CHANNELS:
        quantized = graph.tensors[op.outputs[0]].dtype in ("int8", "int16")
        # CMSIS-NN's convolutions skip the tables for float; the others allocate them all the same.
        if kernel_family(kernels) == "cmsis_nn" and kind != "TRANSPOSE_CONV" and not quantized:
            return ()
        return _channel_tables(graph.tensors[op.inputs[_WEIGHTS]].shape[_OUTPUT_CHANNELS[kind]])
    if kind == "FULLY_CONNECTED":
        x, weights = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[_WEIGHTS]]
        tables = _channel_tables(len(_scales(weights))) if is_per_channel(weights, x) else ()
        return tables + _kernel_sums(graph, op, kernels, release)
    y = graph.tensors[op.outputs[0]].shape
    if kind in _COPIES_SHAPE or (kind == "RESHAPE" and -1 in y):
        return (_kernel_data(4 * (1 + len(y)), "shape of the output"),)
    return ()


def is_per_channel(weights: Tensor, x: Tensor) -> bool:
    """Whether TFLite Micro treats a fully connected layer's weights as quantized per channel."""
    return x.dtype != "float32" and len(_scales(weights)) > 1


def runs_as_convolution(graph: Graph, op: Op) -> bool:
    """Whether CMSIS-NN runs a FULLY_CONNECTED as a 1x1 convolution."""
    depth = graph.tensors[op.inputs[_WEIGHTS]].shape[-1]
    return len(graph.tensors[op.outputs[0]].shape) > 2 and depth % 4 == 0


def keeps_kernel_sums(graph: Graph, op: Op, kernels: KernelLibrary, release: TflmRelease) -> bool:
    """Whether the kernel of a FULLY_CONNECTED computes its filter's sums once, into the tail."""
    constants = [graph.tensors[i].constant for i in op.inputs[_WEIGHTS:] if i >= 0]
    is_int8 = (
        graph.tensors[op.inputs[0]].dtype == "int8" and graph.tensors[op.inputs[_WEIGHTS]].dtype == "int8"
    )
    computed_once = release.built_for_speed and is_int8 and all(constants)
    return kernels == "cmsis_nn_mve" and computed_once and not runs_as_convolution(graph, op)


def _kernel_sums(
    graph: Graph, op: Op, kernels: KernelLibrary, release: TflmRelease
) -> tuple[Allocation, ...]:
    if not keeps_kernel_sums(graph, op, kernels, release):
        return ()
    return (_kernel_data(4 * graph.tensors[op.outputs[0]].shape[-1], "filter sums"),)


def _channel_tables(channels: int) -> tuple[Allocation, ...]:
    return (
        _kernel_data(4 * channels, "multiplier of each channel"),
        _kernel_data(4 * channels, "shift of each channel"),
    )


def _kernel_data(nbytes: int, what: str) -> Allocation:
    return Allocation(nbytes, KERNEL_DATA_ALIGNMENT, what)


def _scales(tensor: Tensor) -> tuple[float, ...]:
    # Without zero points TFLite Micro does not see a tensor as quantized.
    if tensor.quantization is None or not tensor.quantization.zero_point:
        return ()
    return tensor.quantization.scale
