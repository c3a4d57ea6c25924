"""Choosing a model's registrations for TFLite Micro's op resolver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from edgekit.boards.kernels import KernelLibrary
from edgekit.tflite.operators import (
    ADD_METHODS,
    CMSIS_NN_INT8,
    CUSTOM_ADD_METHODS,
    DEFAULT_REMEDY,
    INT8_HEADERS,
    OPERATOR_SINCE,
    REMEDIES,
)
from edgekit.errors import InputError
from edgekit.tflite.graph import Graph, Op

_CMSIS_NN: Final = frozenset({"cmsis_nn", "cmsis_nn_dsp", "cmsis_nn_mve"})
_DATE: Final = re.compile(r"\b20\d\d-\d\d(?:-\d\d)?\b")


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


@dataclass(frozen=True, slots=True)
class MissingKernel:
    """An operator that TFLite Micro cannot run.

    Attributes
    ----------
    index:
        Its place among the operators.
    op:
        Its name.
    problem, remedy:
        One sentence each.
    """

    index: int
    op: str
    problem: str
    remedy: str


def release_day(text: str) -> str | None:
    """Return the day of the TFLite Micro release that a board profile describes (``sdk.tflm_release``).

    Returns
    -------
    str | None
        ISO date or month, the last one named in ``text``; ``None`` when there is none.
    """
    days = _DATE.findall(text)
    return days[-1] if days else None


def missing_kernels(graph: Graph, release: str | None = None) -> tuple[MissingKernel, ...]:
    """Return the operators of ``graph`` that TFLite Micro has no kernel for, in file order.

    Parameters
    ----------
    graph:
        The model.
    release:
        Day of the TFLite Micro in use (ISO); when ``None`` it is taken to have every kernel.
    """
    missing = []
    for op in graph.ops:
        if op.kind == "CUSTOM":
            if op.custom_code not in CUSTOM_ADD_METHODS:
                missing.append(MissingKernel(op.index, op.label, *_custom_problem(op.custom_code)))
        elif op.kind not in ADD_METHODS:
            problem = "TFLite Micro has no kernel for it."
            if op.kind in ("CALL_ONCE", "IF", "WHILE"):
                problem = "It runs further subgraphs, which edgekit does not support."
            missing.append(MissingKernel(op.index, op.kind, problem, REMEDIES.get(op.kind, DEFAULT_REMEDY)))
        elif release is not None and release < OPERATOR_SINCE.get(op.kind, ""):
            missing.append(
                MissingKernel(
                    op.index,
                    op.kind,
                    f"The SDK's TFLite Micro is of {release}, its kernel of {OPERATOR_SINCE[op.kind]}.",
                    "Replace it in the network, or use a newer TFLite Micro.",
                )
            )
    return tuple(missing)


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


def _custom_problem(name: str) -> tuple[str, str]:
    if name.startswith("Flex"):
        return (
            "It is an operator of full TensorFlow, which no microcontroller runs.",
            "Convert with TFLITE_BUILTINS_INT8 alone, without SELECT_TF_OPS.",
        )
    return "It is a custom operator that edgekit has no kernel for.", DEFAULT_REMEDY
