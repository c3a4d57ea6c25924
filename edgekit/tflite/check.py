"""What stands between a model and a microcontroller: problems, each with the operator and a remedy."""

from __future__ import annotations

from typing import Final

from edgekit.tflite.form import disorder
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.support import Problem, missing_kernels

_CONVERT: Final = "Convert it again with `edgekit convert`, which gives int8 in and out and a static batch."
_DYNAMIC_BATCH_OPS: Final = frozenset({"SHAPE", "PACK", "STRIDED_SLICE"})
_WEIGHTED: Final = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})


def check_graph(graph: Graph, release: str | None = None) -> list[Problem]:
    """Return the problems of ``graph``: operators that cannot run first, then the rest in file order.

    Parameters
    ----------
    release:
        Day of the TFLite Micro in use (ISO); when ``None`` it is taken to have every kernel.
    """
    problems = [*missing_kernels(graph, release)]
    for op in graph.ops:
        problems += _operator_problems(graph, op)
    problems += _model_problems(graph)
    return problems


def is_int8_network(graph: Graph) -> bool:
    """Return whether the graph computes in int8 (has at least one operator with int8 input and output)."""
    return any(
        op.kind in _WEIGHTED and graph.tensors[op.inputs[0]].dtype == "int8" for op in graph.ops if op.inputs
    )


def _operator_problems(graph: Graph, op: Op) -> list[Problem]:
    problems: list[Problem] = []
    if op.kind not in _WEIGHTED or len(op.inputs) < 2 or min(op.inputs[:2]) < 0:
        return problems
    # A transposed convolution has its shape first and its input third.
    data = graph.tensors[op.inputs[2 if op.kind == "TRANSPOSE_CONV" and len(op.inputs) > 2 else 0]]
    weights = graph.tensors[op.inputs[1]]
    if data.dtype == "float32" and weights.dtype in ("int8", "uint8"):
        problems.append(
            Problem(
                op.index,
                op.label,
                "It is hybrid (float activations, quantized weights), which TFLite Micro does not support.",
                _CONVERT,
            )
        )
    if data.dtype == "uint8":
        problems.append(
            Problem(
                op.index,
                op.label,
                "It is quantized to uint8, the older scheme that TFLite Micro has dropped.",
                f"{_CONVERT} Start from the float model.",
            )
        )
    per_channel = weights.quantization is not None and weights.quantization.per_channel
    if op.kind == "FULLY_CONNECTED" and per_channel and weights.dtype == "int8":
        problems.append(
            Problem(
                op.index,
                op.label,
                "Its weights are quantized per channel, which TFLite Micro before 2025 computes wrongly.",
                "Use a recent TFLite Micro, or a 1x1 convolution in its place.",
                "warning",
            )
        )
    return problems


def _model_problems(graph: Graph) -> list[Problem]:
    problems = []
    if graph.subgraphs > 1:
        problems.append(
            Problem(
                None,
                "model",
                f"The model has {graph.subgraphs} subgraphs; edgekit looks at the first only.",
                "Convert a model without control flow.",
                "warning",
            )
        )
    dynamic = [tensor.index for tensor in graph.tensors if tensor.dynamic]
    if dynamic:
        batch = sorted(_DYNAMIC_BATCH_OPS & set(graph.op_kinds))
        because = f" ({', '.join(batch)} come from an open batch dimension)" if batch else ""
        problems.append(
            Problem(
                None,
                "model",
                f"{len(dynamic)} tensors have dynamic shapes, first tensor {dynamic[0]}{because}.",
                "Give the network a static batch of 1 and convert again.",
            )
        )
    wrong = None if dynamic else disorder(graph)
    if wrong is not None:
        problems.append(
            Problem(
                None,
                "model",
                f"{wrong[0].upper()}{wrong[1:]}.",
                "Convert the model again; the file may be damaged.",
            )
        )
    if is_int8_network(graph):
        floats = [
            side
            for side, indices in (("input", graph.inputs), ("output", graph.outputs))
            if any(graph.tensors[i].dtype == "float32" for i in indices)
        ]
        if floats:
            problems.append(
                Problem(
                    None,
                    "model",
                    f"The {' and '.join(floats)} of this int8 network {'is' if len(floats) == 1 else 'are'} float32,"
                    " which costs arena, time and code for converting.",
                    _CONVERT,
                    "warning",
                )
            )
    dead = dead_tensors(graph)
    if dead:
        size = sum(graph.tensors[i].nbytes for i in dead)
        problems.append(
            Problem(
                None,
                "model",
                f"{len(dead)} tensors are used by no operator, yet {size:,} B are planned for them.",
                "Convert the model again; edgekit leaves such tensors out.",
                "warning",
            )
        )
    return problems


def dead_tensors(graph: Graph) -> list[int]:
    """Return the non-constant tensors that no operator uses and that are neither input nor output."""
    used = {index for op in graph.ops for index in (*op.inputs, *op.outputs)}
    used |= {*graph.inputs, *graph.outputs}
    return [t.index for t in graph.tensors if t.index not in used and not t.constant and t.nbytes]
