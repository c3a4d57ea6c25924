"""Choosing a model's registrations for TFLite Micro's op resolver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edgekit.boards.kernels import KernelLibrary
from edgekit.errors import InputError
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.operators import (
    ADD_METHODS,
    CMSIS_NN_INT8,
    CUSTOM_ADD_METHODS,
    INT8_HEADERS,
)
from edgekit.tflite.support import missing_kernels

_CMSIS_NN: Final = frozenset({"cmsis_nn", "cmsis_nn_dsp", "cmsis_nn_mve"})


@dataclass(frozen=True, slots=True)
class Registration:
    """One call of the op resolver.

    Attributes
    ----------
    op:
        The operator, as in the schema, or the custom operator's own name.
    method:
        Method of ``tflite::MicroMutableOpResolver``.
    register:
        Function in ``tflite`` that gives the int8-only registration; empty for the method's default.
    """

    op: str
    method: str
    register: str = ""

    @property
    def header(self) -> str:
        """The header to include beside the resolver's own; empty for none."""
        return INT8_HEADERS.get(self.op, "") if self.register else ""

    @property
    def call(self) -> str:
        """The call in C++, without the object."""
        return f"{self.method}({f'tflite::{self.register}()' if self.register else ''})"


def registrations(
    graph: Graph, kernels: KernelLibrary, release: str | None = None
) -> tuple[Registration, ...]:
    """Return what to register for ``graph``: each of its operators once, in order of first use.

    Parameters
    ----------
    graph:
        The model.
    kernels:
        The kernel library. Where it has an int8-only registration and all operators of the kind are int8,
        that is taken: the linker then leaves out the other types' kernels.
    release:
        Day of the TFLite Micro in use (ISO); ``None`` for one that may be as old as any in use.

    Raises
    ------
    InputError
        If there is an operator without a kernel; the message names all of them.
    """
    missing = missing_kernels(graph, release)
    if missing:
        first = missing[0]
        raise InputError(
            f"Operator {first.index} ({first.op}) cannot run on the board: {first.problem}",
            first.remedy,
            [f"operator {item.index} ({item.op}): {item.problem} {item.remedy}" for item in missing[1:]],
        )
    groups: dict[tuple[str, str], list[Op]] = {}
    for op in graph.ops:
        groups.setdefault((op.kind, op.custom_code), []).append(op)
    return tuple(_registration(graph, ops, kernels, release or "") for ops in groups.values())


def _registration(graph: Graph, ops: list[Op], kernels: KernelLibrary, release: str) -> Registration:
    kind = ops[0].kind
    if kind == "CUSTOM":
        return Registration(ops[0].custom_code, CUSTOM_ADD_METHODS[ops[0].custom_code])
    available = kernels in _CMSIS_NN and kind in CMSIS_NN_INT8 and CMSIS_NN_INT8[kind] <= release
    int8_only = available and all(_is_int8(graph, op) for op in ops)
    return Registration(kind, ADD_METHODS[kind], f"Register_{kind}_INT8" if int8_only else "")


def _is_int8(graph: Graph, op: Op) -> bool:
    """Return whether activations and weights of ``op`` are int8; biases, shapes and state may differ."""
    inputs, outputs = graph.op_inputs(op), graph.op_outputs(op)
    return (
        bool(inputs)
        and inputs[0].dtype == "int8"
        and all(tensor.dtype == "int8" for tensor in outputs)
        and all(tensor.dtype in ("int8", "int32") or tensor.variable for tensor in inputs[1:])
    )
