"""The working memory that kernels ask for while they prepare, from the graph alone.

Every request becomes a buffer of the head's plan, alive while its operator runs, and a handle in the tail.
Their order counts: it is the order of the buffers in the planner.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Final

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory import scratch_cmsis_nn, scratch_esp_nn, scratch_reference
from edgekit.memory.known_ops import is_known
from edgekit.memory.lifetimes import ScratchRequest
from edgekit.memory.op_data import is_per_channel, keeps_kernel_sums, runs_as_convolution
from edgekit.memory.releases import VERIFIED_RELEASE, Abi, TflmRelease, kernel_family
from edgekit.memory.window import Window, window_of
from edgekit.tflite.graph import Graph, Op

_Requests = Callable[[Graph, Op], tuple[int, ...]]


def scratch_requests(
    graph: Graph,
    kernels: KernelLibrary,
    abi: Abi = "arm32",
    release: TflmRelease = VERIFIED_RELEASE,
) -> tuple[ScratchRequest, ...]:
    """Return the scratch that the operators of ``graph`` request, in the order of the requests.

    Operators that :func:`edgekit.memory.known_ops.unknown_ops` names count as requesting none. A request may
    be of 0 bytes: it takes part in the plan and has a handle all the same.

    Parameters
    ----------
    graph:
        The model.
    kernels:
        Kernel library of TFLite Micro.
    abi:
        How the target lays out structures; the size of a pointer counts in ADD_N.
    release:
        Release of TFLite Micro.

    Raises
    ------
    ValueError
        If ``kernels`` is not a kernel library of TFLite Micro.
    """
    prepare = _kernels(kernels, abi, release)
    return tuple(
        ScratchRequest(op.index, nbytes)
        for op in graph.ops
        if op.kind in prepare and is_known(graph, op, kernels, release)
        for nbytes in prepare[op.kind](graph, op)
    )


def _kernels(kernels: KernelLibrary, abi: Abi, release: TflmRelease) -> dict[str, _Requests]:
    """Return what requests scratch in ``kernels``, by operator."""
    pointer = release.structs["pointer"][abi].nbytes
    table: dict[str, _Requests] = {
        "ADD_N": partial(_add_n, pointer),
        "CONV_2D": _unpacked_filter,
        "DEPTHWISE_CONV_2D": _unpacked_filter,
        "FULLY_CONNECTED": _unpacked_filter,
        "MEAN": partial(_reduce, ("int8", "int16")),
        "MIRROR_PAD": lambda graph, op: scratch_reference.mirror_pad(len(_shape(graph, op.inputs[0]))),
        "REDUCE_MAX": partial(_reduce, ()),
        "REDUCE_MIN": partial(_reduce, ()),
        "SUM": partial(_reduce, ("int8", "int16")),
        "TRANSPOSE_CONV": _transpose_conv,
    }
    family = kernel_family(kernels)
    if family == "cmsis_nn":
        mve, dsp = kernels == "cmsis_nn_mve", kernels == "cmsis_nn_dsp"
        table |= {
            "AVERAGE_POOL_2D": partial(_cmsis_average_pool, dsp, mve),
            "CONV_2D": partial(_cmsis_conv, mve),
            "DEPTHWISE_CONV_2D": partial(_cmsis_depthwise, dsp, mve),
            "FULLY_CONNECTED": partial(_cmsis_fully_connected, kernels, release),
            "TRANSPOSE_CONV": partial(_cmsis_transpose_conv, mve),
        }
    elif family == "esp_nn":
        table |= {
            "CONV_2D": partial(_esp_conv, _ESP_CONV[kernels]),
            "DEPTHWISE_CONV_2D": partial(_esp_depthwise, kernels == "esp_nn_s3"),
            "SOFTMAX": _esp_softmax,
        }
    return table


def _shape(graph: Graph, index: int) -> tuple[int, ...]:
    return graph.tensors[index].shape


def _dtype(graph: Graph, op: Op) -> str:
    return graph.tensors[op.inputs[0]].dtype


def _if_any(nbytes: int) -> tuple[int, ...]:
    return (nbytes,) if nbytes > 0 else ()


def _unpacked_filter(graph: Graph, op: Op) -> tuple[int, ...]:
    filters = graph.tensors[op.inputs[1]]
    return (filters.elements,) if filters.dtype == "int4" else ()


def _add_n(pointer: int, graph: Graph, op: Op) -> tuple[int, ...]:
    return (scratch_reference.add_n(len(op.inputs), pointer),)


def _reduce(accumulating: tuple[str, ...], graph: Graph, op: Op) -> tuple[int, ...]:
    axes, outputs = prod(_shape(graph, op.inputs[1])), prod(_shape(graph, op.outputs[0]))
    rank = len(_shape(graph, op.inputs[0]))
    return scratch_reference.reduce(rank, axes, outputs, _dtype(graph, op) in accumulating)


def _transposed_window(graph: Graph, op: Op) -> Window:
    """Return the window of a TRANSPOSE_CONV, whose inputs are the output's shape, the filter and the data."""
    batch, in_h, in_w, in_c = _shape(graph, op.inputs[2])
    _, kernel_h, kernel_w, filter_c = _shape(graph, op.inputs[1])
    _, out_h, out_w, out_c = _shape(graph, op.outputs[0])
    stride_h, stride_w = op.options.get("stride_h", 1), op.options.get("stride_w", 1)
    shapes = (batch, in_h, in_w, in_c, kernel_h, kernel_w, filter_c, out_h, out_w, out_c)
    return Window(*shapes, stride_h, stride_w)


def _transpose_conv(graph: Graph, op: Op) -> tuple[int, ...]:
    if graph.tensors[op.inputs[2]].dtype != "int8":
        return ()
    return (scratch_reference.transpose_conv(_transposed_window(graph, op)),)


def _cmsis_average_pool(dsp: bool, mve: bool, graph: Graph, op: Op) -> tuple[int, ...]:
    if _dtype(graph, op) != "int8":
        return ()
    return _if_any(scratch_cmsis_nn.average_pool(_shape(graph, op.inputs[0])[-1], dsp, mve))


def _cmsis_conv(mve: bool, graph: Graph, op: Op) -> tuple[int, ...]:
    return _if_any(scratch_cmsis_nn.conv(window_of(graph, op), mve)) if _dtype(graph, op) == "int8" else ()


def _cmsis_depthwise(dsp: bool, mve: bool, graph: Graph, op: Op) -> tuple[int, ...]:
    if _dtype(graph, op) != "int8":
        return ()
    return _if_any(scratch_cmsis_nn.depthwise(window_of(graph, op), dsp, mve))


def _cmsis_fully_connected(
    kernels: KernelLibrary, release: TflmRelease, graph: Graph, op: Op
) -> tuple[int, ...]:
    x, weights = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    if x.dtype != "int8" or weights.dtype == "int4":
        return ()
    outputs = _shape(graph, op.outputs[0])[-1]
    if runs_as_convolution(graph, op):
        # The one multiplier and shift are repeated for every channel.
        return () if is_per_channel(weights, x) else (8 * outputs,)
    if keeps_kernel_sums(graph, op, kernels, release):
        return ()
    return _if_any(scratch_cmsis_nn.fully_connected(outputs, kernels == "cmsis_nn_mve"))


def _cmsis_transpose_conv(mve: bool, graph: Graph, op: Op) -> tuple[int, ...]:
    if graph.tensors[op.inputs[2]].dtype != "int8":
        return ()
    return scratch_cmsis_nn.transpose_conv(_transposed_window(graph, op), mve)


_ESP_CONV: Final[dict[str, Callable[[Window], int] | None]] = {
    "esp_nn": None,
    "esp_nn_s3": scratch_esp_nn.conv_s3,
    "esp_nn_p4": scratch_esp_nn.conv_p4,
}


def _esp_conv(formula: Callable[[Window], int] | None, graph: Graph, op: Op) -> tuple[int, ...]:
    unpacked = _unpacked_filter(graph, op)
    if formula is None or _dtype(graph, op) != "int8":
        return unpacked
    return unpacked + _if_any(formula(window_of(graph, op)))


def _esp_depthwise(s3: bool, graph: Graph, op: Op) -> tuple[int, ...]:
    unpacked = _unpacked_filter(graph, op)
    if not s3 or _dtype(graph, op) != "int8":
        return unpacked
    multiplier = op.options.get("depth_multiplier", 1)
    return unpacked + _if_any(scratch_esp_nn.depthwise_s3(window_of(graph, op), multiplier))


def _esp_softmax(graph: Graph, op: Op) -> tuple[int, ...]:
    x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if x.dtype != "int8" or y.dtype != "int8":
        return ()
    return _if_any(scratch_esp_nn.softmax(x.shape[1]))
