"""Making a .tflite smaller without changing a single output bit.

Removed: names, descriptions, signatures, notes of the converter, tensors that no operator uses, and the quantization of
biases where no kernel reads it. Shared: what :mod:`edgekit.tflite.writer` shares. A model that edgekit does not fully
understand is returned as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from edgekit.tflite.form import disorder
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import OPTION_TABLES, PLAIN_OPS, read_graph
from edgekit.tflite.writer import write_model

_DROPPED_METADATA: Final = frozenset({"min_runtime_version", "CONVERSION_METADATA"})
_KEPT_METADATA: Final = frozenset({"OfflineMemoryAllocation"})
_PARAMETER_OPS: Final = frozenset({"MEAN", "RESHAPE", "PAD", "STRIDED_SLICE", "TRANSPOSE"})
_PER_CHANNEL_CONVOLUTIONS: Final = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})


def slim(model: bytes) -> bytes:
    """Return ``model`` with what no interpreter needs taken out; the same outputs bit for bit.

    Raises
    ------
    InputError
        If the model is damaged.
    """
    graph = read_graph(model)
    if not understood(graph):
        return model
    smaller = write_model(slim_graph(graph))
    return smaller if len(smaller) < len(model) else model


def understood(graph: Graph) -> bool:
    """Return whether edgekit knows everything that this graph says, so that it may write it anew."""
    known = obstacle(graph) is None and set(graph.metadata) <= _DROPPED_METADATA
    return known and disorder(graph) is None


def obstacle(graph: Graph) -> str | None:
    """Return what of ``graph`` edgekit does not understand, metadata apart, or ``None``: then it may write it anew."""
    unknown = sorted({op.label for op in graph.ops if op.kind not in OPTION_TABLES.keys() | PLAIN_OPS})
    odd = [t.index for t in graph.tensors if t.dynamic or t.variable or t.opaque]
    without = [t.index for t in graph.tensors if t.constant and t.data is None]
    if graph.subgraphs != 1:
        return f"it has {graph.subgraphs} subgraphs"
    if unknown:
        return f"it has operators whose options edgekit does not know ({', '.join(unknown)})"
    if odd:
        return f"tensor {odd[0]} is dynamic, variable, sparse or quantized in a way of its own"
    return f"the values of tensor {without[0]} are of a type that edgekit does not know" if without else None


def slim_graph(graph: Graph) -> Graph:
    """Return ``graph`` in canonical order: inputs, then each operator's constants and outputs as they come up."""
    graph = _share_parameters(graph)
    order: dict[int, int] = {}
    for index in (*graph.inputs, *(i for op in graph.ops for i in (*op.inputs, *op.outputs)), *graph.outputs):
        if index >= 0:
            order.setdefault(index, len(order))
    unread = _unread_bias_quantization(graph)
    tensors = tuple(
        replace(
            graph.tensors[old],
            index=new,
            name="",
            quantization=None if old in unread else graph.tensors[old].quantization,
        )
        for old, new in order.items()
    )
    order[-1] = -1
    ops = tuple(
        replace(op, inputs=tuple(order[i] for i in op.inputs), outputs=tuple(order[i] for i in op.outputs))
        for op in graph.ops
    )
    return replace(
        graph,
        tensors=tensors,
        ops=ops,
        inputs=tuple(order[i] for i in graph.inputs),
        outputs=tuple(order[i] for i in graph.outputs),
        metadata={name: data for name, data in graph.metadata.items() if name in _KEPT_METADATA},
    )


def _share_parameters(graph: Graph) -> Graph:
    """Return ``graph`` with equal parameter constants (axes, shapes, paddings) used as one tensor."""
    first: dict[tuple[str, tuple[int, ...], bytes], int] = {}
    same: dict[int, int] = {}
    for op in graph.ops:
        for index in op.inputs[1:] if op.kind in _PARAMETER_OPS else ():
            tensor = graph.tensors[index]
            if tensor.constant and tensor.quantization is None and tensor.data is not None:
                key = (tensor.dtype, tensor.shape, tensor.data.tobytes())
                same[index] = first.setdefault(key, index)
    ops = tuple(replace(op, inputs=tuple(same.get(i, i) for i in op.inputs)) for op in graph.ops)
    return replace(graph, ops=ops)


def _unread_bias_quantization(graph: Graph) -> set[int]:
    """Return the biases whose scales no kernel reads: those of convolutions with per-channel weights.

    There the accumulator's scale follows from input and weights. A fully connected layer compares its bias scale with
    that product, so its bias keeps it.
    """
    unread = set()
    for op in graph.ops:
        if op.kind in _PER_CHANNEL_CONVOLUTIONS and len(op.inputs) > 2 and op.inputs[2] >= 0:
            weights = graph.tensors[op.inputs[1]].quantization
            if weights is not None and (weights.per_channel or graph.tensors[op.inputs[1]].shape[0] == 1):
                unread.add(op.inputs[2])
    for op in graph.ops:
        if op.kind not in _PER_CHANNEL_CONVOLUTIONS:
            unread -= set(op.inputs)
    return unread
