"""A graph as the straight list of kernel calls that the ``aot`` engine makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.aot import problems
from edgekit.aot.accumulators import check_accumulators
from edgekit.aot.kernels.geometry import Kernel
from edgekit.aot.lowering import activation_inputs, lower_op
from edgekit.aot.problems import Refused
from edgekit.tflite.graph import Graph
from edgekit.tflite.support import Problem, refusal


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a kernel.

    Attributes
    ----------
    op:
        Index of the operator in the graph.
    kernel:
        The kernel with its geometry.
    inputs, output:
        Tensors whose memory it reads and writes; never the alias of another (see :attr:`Program.memory_of`).
    """

    op: int
    kernel: Kernel
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True)
class Program:
    """The calls of one inference, in order.

    Attributes
    ----------
    graph:
        What it was made from.
    calls:
        The calls. Operators that change no value, and those whose result nobody reads, have none.
    memory_of:
        Activation tensor to the tensor whose memory it is: itself, or for the output of a RESHAPE its input's.
    """

    graph: Graph
    calls: tuple[Call, ...]
    memory_of: Mapping[int, int]

    @property
    def input(self) -> int:
        """The tensor whose memory is the model's input."""
        return self.memory_of[self.graph.inputs[0]]

    @property
    def output(self) -> int:
        """The tensor whose memory is the model's output."""
        return self.memory_of[self.graph.outputs[0]]

    def memory_bytes(self, tensor: int) -> int:
        """Return the bytes of an activation."""
        return self.graph.tensors[tensor].nbytes


def check_aot(graph: Graph) -> list[Problem]:
    """Return what stands between ``graph`` and the ``aot`` engine: the model as a whole first, then in file order."""
    return examine(graph)[0]


def lower(graph: Graph) -> Program:
    """Return the kernel calls for ``graph``. Constants need no values, so a computed graph will do.

    Raises
    ------
    InputError
        If the engine does not do an operator; the message names all of them.
    """
    found, program = examine(graph)
    if program is None:
        raise refusal(found, "aot")
    return program


def examine(graph: Graph) -> tuple[list[Problem], Program | None]:
    """Return the problems of ``graph`` as :func:`check_aot` does, and its program if there are none."""
    found = _model_problems(graph)
    kernels = {}
    written = {*graph.inputs}
    for op in graph.ops:
        try:
            kernels[op.index] = lower_op(graph, op)
            check_accumulators(graph, op)
            _check_order(op.inputs, op.outputs, written, graph)
        except Refused as refused:
            found.append(refused.of(op))
        written |= {*op.outputs}
    if not written >= {*graph.outputs}:
        found.append(Problem(None, "model", "No operator writes its output.", "Convert the model again."))
    return found, None if found else _program(graph, kernels)


def _program(graph: Graph, kernels: Mapping[int, Kernel | None]) -> Program:
    memory_of = {index: index for index in graph.inputs}
    calls = []
    for op in graph.ops:
        output = op.outputs[0]
        kernel = kernels[op.index]
        sources = tuple(memory_of[i] for i in activation_inputs(graph, op))
        if kernel is None:
            memory_of[output] = sources[0]
        else:
            memory_of[output] = output
            calls.append(Call(op.index, kernel, sources, output))
    return Program(graph, _needed(calls, memory_of[graph.outputs[0]]), memory_of)


def _needed(calls: list[Call], output: int) -> tuple[Call, ...]:
    """Return the calls whose results reach the model's output."""
    wanted, kept = {output}, []
    for call in reversed(calls):
        if call.output in wanted:
            wanted |= {*call.inputs}
            kept.append(call)
    return tuple(reversed(kept))


def _model_problems(graph: Graph) -> list[Problem]:
    found = []
    if len(graph.ops) > problems.MAX_DIMENSION:
        found.append((f"It has {len(graph.ops):,} operators.", f"{problems.TFLM}."))
    if graph.subgraphs > 1:
        found.append(("It has more than one subgraph.", "Convert a model without control flow."))
    for what, indices in (("input", graph.inputs), ("output", graph.outputs)):
        if len(indices) != 1:
            found.append(
                (f"It has {len(indices)} {what}s instead of one.", f"{problems.TFLM}, or split the model.")
            )
            continue
        try:
            problems.activation(graph.tensors[indices[0]], what)
        except Refused as refused:
            found.append((refused.problem, refused.remedy))
    return [Problem(None, "model", problem, remedy) for problem, remedy in found]


def _check_order(inputs: tuple[int, ...], outputs: tuple[int, ...], written: set[int], graph: Graph) -> None:
    for index in inputs:
        ready = index < 0 or index in written or graph.tensors[index].constant
        problems.wants(
            ready, f"It reads tensor {index} before anything writes it.", "Convert the model again."
        )
    for index in outputs:
        problems.wants(
            index not in written, f"It writes tensor {index} a second time.", "Convert the model again."
        )
