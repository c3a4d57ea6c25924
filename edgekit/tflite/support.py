"""Which operators of a model TFLite Micro can run, in which release."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from edgekit.errors import InputError
from edgekit.tflite.graph import Graph
from edgekit.tflite.operators import ADD_METHODS, CUSTOM_ADD_METHODS, DEFAULT_REMEDY, OPERATOR_SINCE, REMEDIES

_DATE: Final = re.compile(r"\b20\d\d-\d\d(?:-\d\d)?\b")


Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a model.

    Attributes
    ----------
    index:
        Operator index; ``None`` where it is about the model as a whole.
    op:
        Operator name, or ``"model"``.
    severity:
        ``error``: TFLite Micro cannot run the model. ``warning``: it can, at a price.
    """

    index: int | None
    op: str
    problem: str
    remedy: str
    severity: Severity = "error"


def refusal(problems: Sequence[Problem], engine: str) -> InputError:
    """Return the error that says why ``engine`` cannot run a model: the first problem, the others as details."""
    first, *others = problems
    where = "The model" if first.index is None else f"Operator {first.index} ({first.op})"
    return InputError(
        f"{where} cannot run with the {engine} engine: {first.problem}",
        first.remedy,
        [
            f"{'model' if p.index is None else f'operator {p.index} ({p.op})'}: {p.problem} {p.remedy}"
            for p in others
        ],
    )


def release_day(text: str) -> str | None:
    """Return the day of the TFLite Micro release that a board profile describes (``sdk.tflm_release``).

    Returns
    -------
    str | None
        ISO date or month, the last one named in ``text``; ``None`` when there is none.
    """
    days = _DATE.findall(text)
    return days[-1] if days else None


def missing_kernels(graph: Graph, release: str | None = None) -> tuple[Problem, ...]:
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
                missing.append(Problem(op.index, op.label, *_custom_problem(op.custom_code)))
        elif op.kind not in ADD_METHODS:
            problem = "TFLite Micro has no kernel for it."
            if op.kind in ("CALL_ONCE", "IF", "WHILE"):
                problem = "It runs further subgraphs, which edgekit does not support."
            missing.append(Problem(op.index, op.kind, problem, REMEDIES.get(op.kind, DEFAULT_REMEDY)))
        elif release is not None and release < OPERATOR_SINCE.get(op.kind, ""):
            missing.append(
                Problem(
                    op.index,
                    op.kind,
                    f"The SDK's TFLite Micro is of {release}, its kernel of {OPERATOR_SINCE[op.kind]}.",
                    "Replace it in the network, or use a newer TFLite Micro.",
                )
            )
    return tuple(missing)


def _custom_problem(name: str) -> tuple[str, str]:
    if name.startswith("Flex"):
        return (
            "It is an operator of full TensorFlow, which no microcontroller runs.",
            "Convert with TFLITE_BUILTINS_INT8 alone, without SELECT_TF_OPS.",
        )
    return "It is a custom operator that edgekit has no kernel for.", DEFAULT_REMEDY
