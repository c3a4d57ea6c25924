"""Operators whose memory edgekit does not know exactly, so that a prediction can be marked as an estimate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory.releases import VERIFIED_RELEASE, TflmRelease, kernel_family
from edgekit.tflite.graph import Graph, Op

_INPUTS: Final[Mapping[str, int]] = {
    "CONV_2D": 2,
    "DEPTHWISE_CONV_2D": 2,
    "FULLY_CONNECTED": 2,
    "MEAN": 2,
    "REDUCE_MAX": 2,
    "REDUCE_MIN": 2,
    "SUM": 2,
    "TRANSPOSE_CONV": 3,
}
"""Inputs that an operator's allocations depend on, where it is not the first alone."""

_WINDOWED: Final = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"})
_BY_TYPE: Final = _WINDOWED | {"AVERAGE_POOL_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "SOFTMAX"}
"""Operators whose allocations depend on the type of their data."""


def unknown_ops(
    graph: Graph, kernels: KernelLibrary, release: TflmRelease = VERIFIED_RELEASE
) -> tuple[int, ...]:
    """Return the indices of the operators whose scratch or tail allocations are not known.

    Known are the 8-bit and float operators of image networks; 4-bit filters in the reference and ESP-NN
    kernels. Not known are 16-bit activations, custom operators, control flow, variables, and recurrent
    layers.

    Raises
    ------
    ValueError
        If ``kernels`` is not a kernel library of TFLite Micro.
    """
    kernel_family(kernels)
    return tuple(op.index for op in graph.ops if not is_known(graph, op, kernels, release))


def is_known(graph: Graph, op: Op, kernels: KernelLibrary, release: TflmRelease = VERIFIED_RELEASE) -> bool:
    """Whether everything that ``op`` allocates in the arena is known.

    Raises
    ------
    ValueError
        If ``kernels`` is not a kernel library of TFLite Micro.
    """
    needed = _INPUTS.get(op.kind, 1)
    if op.kind not in release.op_data or not op.outputs:
        return False
    if len(op.inputs) < needed or min(op.inputs[:needed]) < 0:
        return False
    if op.kind not in _BY_TYPE:
        return True
    return _type_known(graph, op, kernels) and (op.kind not in _WINDOWED or _window_known(graph, op, kernels))


def _type_known(graph: Graph, op: Op, kernels: KernelLibrary) -> bool:
    family = kernel_family(kernels)
    data = graph.tensors[op.inputs[2 if op.kind == "TRANSPOSE_CONV" else 0]]
    if data.dtype not in ("int8", "float32"):
        return False
    if op.kind in _INPUTS and graph.tensors[op.inputs[1]].dtype == "int4":
        return family != "cmsis_nn"
    # ESP-NN's softmax reads a second dimension, which a vector does not have.
    return op.kind != "SOFTMAX" or family != "esp_nn" or len(data.shape) > 1


def _window_known(graph: Graph, op: Op, kernels: KernelLibrary) -> bool:
    tensors = [graph.tensors[i].shape for i in (*op.inputs[1:], op.outputs[0]) if i >= 0]
    transposed = op.kind == "TRANSPOSE_CONV"
    x, filters, y = graph.tensors[op.inputs[2 if transposed else 0]].shape, tensors[0], tensors[-1]
    if not len(x) == len(filters) == len(y) == 4:
        return False
    if not transposed and op.options.get("padding") not in ("SAME", "VALID"):
        return False
    if min(op.options.get("stride_h", 0), op.options.get("stride_w", 0)) < 1:
        return transposed and kernel_family(kernels) != "cmsis_nn"
    if op.kind == "DEPTHWISE_CONV_2D" and kernels == "cmsis_nn_mve":
        # Whether a row filter on one channel needs im2col hangs on a stride that Prepare leaves unset.
        return not (x[1] == x[3] == filters[1] == 1 and filters[3] > 1)
    return True
