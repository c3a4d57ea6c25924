"""The static memory plan of a program: activations that overlap as far as the kernels allow, and their scratch.

Time is counted as in :mod:`edgekit.memory.lifetimes`: the model's input is alive from time 0, the call of operator
``i`` runs at time ``i + 1``, the model's output lives to the end. The engine keeps nothing else in RAM that grows with
the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.aot.program import Program
from edgekit.memory.greedy import MemoryPlan
from edgekit.memory.lifetimes import Buffer, align
from edgekit.memory.static_plan import Overlap, plan_static


@dataclass(frozen=True, slots=True)
class CallOffsets:
    """Where one call finds its tensors: bytes from the start of the arena.

    Attributes
    ----------
    inputs:
        In the order of the call's inputs.
    output:
        Of the output.
    scratch:
        Of the working memory, or ``None`` where the kernel needs none.
    """

    inputs: tuple[int, ...]
    output: int
    scratch: int | None


@dataclass(frozen=True)
class AotPlan:
    """The arena of a program.

    Attributes
    ----------
    plan:
        Every buffer with its offset; scratch buffers have the operator of their call as ``op``.
    overlaps:
        What of it may share memory, as indices into the plan's buffers.
    activations:
        Bytes of the plan without scratch.
    scratch:
        Bytes that the kernels' scratch adds.
    calls:
        Offsets for each call of the program.
    offset_of:
        Offset of each tensor that owns memory.
    """

    plan: MemoryPlan
    overlaps: tuple[Overlap, ...]
    activations: int
    scratch: int
    calls: tuple[CallOffsets, ...]
    offset_of: Mapping[int, int]

    @property
    def total(self) -> int:
        """Bytes of the arena, a multiple of 16."""
        return self.activations + self.scratch


def plan_program(program: Program) -> AotPlan:
    """Return the plan of ``program``."""
    tensors = _activations(program)
    scratch = tuple(
        Buffer(align(call.kernel.scratch), call.op + 1, call.op + 1, op=call.op)
        for call in program.calls
        if call.kernel.scratch
    )
    overlaps = _overlaps(program, tensors)
    plan = plan_static((*tensors, *scratch), overlaps)
    activations = plan_static(tensors, overlaps).peak if scratch else plan.peak
    # A heuristic may do better with scratch than without; scratch does not take less than nothing.
    activations = min(activations, plan.peak)
    offset_of = {b.tensor: offset for b, offset in zip(tensors, plan.offsets, strict=False)}
    scratch_of = {b.op: offset for b, offset in zip(scratch, plan.offsets[len(tensors) :], strict=True)}
    calls = tuple(
        CallOffsets(
            tuple(offset_of[index] for index in call.inputs), offset_of[call.output], scratch_of.get(call.op)
        )
        for call in program.calls
    )
    return AotPlan(plan, overlaps, activations, plan.peak - activations, calls, offset_of)


def _activations(program: Program) -> tuple[Buffer, ...]:
    """Return a buffer for every tensor that owns memory, in the order in which they are first alive."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for index in program.graph.inputs:
        first[program.memory_of[index]] = last[program.memory_of[index]] = 0
    for call in program.calls:
        first.setdefault(call.output, call.op + 1)
        for index in (*call.inputs, call.output):
            last[index] = call.op + 1
    for index in program.graph.outputs:
        last[program.memory_of[index]] = len(program.graph.ops)
    return tuple(
        Buffer(align(program.memory_bytes(index)), start, last[index], tensor=index)
        for index, start in first.items()
    )


def _overlaps(program: Program, tensors: tuple[Buffer, ...]) -> tuple[Overlap, ...]:
    """Return the pairs that a kernel lets overlap: an input that nobody reads again, and the output."""
    kept = {program.memory_of[index] for index in program.graph.outputs}
    place = {buffer.tensor: k for k, buffer in enumerate(tensors)}
    overlaps = []
    for call in program.calls:
        leads: dict[int, int | None] = {}
        for index, lead in zip(call.inputs, call.kernel.leads, strict=True):
            known = leads.setdefault(index, lead)
            # One tensor may be both inputs; then both leads hold.
            leads[index] = None if lead is None or known is None else max(lead, known)
        overlaps += [
            Overlap(place[index], place[call.output], lead)
            for index, lead in leads.items()
            if lead is not None and index not in kept and tensors[place[index]].last == call.op + 1
        ]
    return tuple(overlaps)
