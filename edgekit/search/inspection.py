"""Looking at one .tflite: operators, arena, flash, problems, and the verdict for a board (``edgekit.inspect/1``)."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import Field

from edgekit.aot.program import examine
from edgekit.boards.kernels import Engine, KernelLibrary, engine_of
from edgekit.boards.profile import BoardProfile
from edgekit.documents import Document, Part
from edgekit.memory.greedy import MemoryPlan
from edgekit.memory.lifetimes import live_bytes
from edgekit.memory.plans import plan_problems
from edgekit.search.budget import Budget
from edgekit.search.figures import (
    MemoryFigures,
    bindings,
    latency_figures,
    memory_figures,
    program_figures,
    stored_calibration,
)
from edgekit.search.records import ArenaFigures, Binding, FlashFigures, LatencyFigures
from edgekit.tflite.check import check_graph
from edgekit.tflite.graph import Graph, Tensor
from edgekit.tflite.macs import op_mult_adds
from edgekit.tflite.support import Problem, release_day


class TensorEntry(Part):
    """A tensor of an operator."""

    tensor: int
    shape: tuple[int, ...]
    dtype: str
    constant: bool


class OpEntry(Part):
    """One operator."""

    index: int
    op: str
    inputs: tuple[TensorEntry, ...]
    outputs: tuple[TensorEntry, ...]
    mult_adds: int


class LiveBuffer(Part):
    """A buffer that is alive at the peak: a tensor, or a kernel's scratch (``tensor`` is ``None``)."""

    tensor: int | None
    shape: tuple[int, ...]
    bytes: int


class Peak(Part):
    """The operator during which most of the head is in use; ``bytes`` are what is alive then, without gaps of the plan.

    What an operator's input and output share, with a plan that lets them overlap, counts once.
    """

    index: int
    op: str
    bytes: int
    alive: tuple[LiveBuffer, ...]


class PlanEntry(Part):
    """A buffer of the memory plan: a tensor, or the scratch of operator ``op``.

    It is alive from time ``first`` to ``last``, both included: operator ``i`` runs at time ``i + 1``, and the model's
    input is there from time 0. ``bytes`` are rounded up to the alignment; -1 are the times of a tensor that no
    operator uses.
    """

    tensor: int | None
    op: int | None
    offset: int
    bytes: int
    first: int
    last: int


class ModelEntry(Part):
    """The file."""

    bytes: int
    sha256: str


class InspectRecord(Document):
    """The document of ``edgekit inspect --json``.

    ``arena`` and ``flash`` are ``None`` where the aot engine cannot run the model, so that there is nothing to plan.
    """

    schema_id: Literal["edgekit.inspect/1"] = Field(default="edgekit.inspect/1", alias="schema")
    model: ModelEntry
    board: str | None
    engine: Engine
    kernels: KernelLibrary
    ops: tuple[OpEntry, ...]
    mult_adds: int
    arena: ArenaFigures | None
    peak: Peak | None
    plan: tuple[PlanEntry, ...]
    flash: FlashFigures | None
    latency_ms: LatencyFigures | None
    fits: bool | None
    binding: tuple[Binding, ...]
    problems: tuple[Problem, ...]
    tflm_host_arena: int | None = None

    @property
    def runs(self) -> bool:
        """Whether nothing that is known of the model keeps it from running."""
        return not any(problem.severity == "error" for problem in self.problems)

    def with_host_verdict(self, refusal: str | None) -> InspectRecord:
        """Return the record with the host interpreter's refusal, if there is one, as a problem."""
        if refusal is None:
            return self
        entry = Problem(
            None,
            "model",
            f"The host interpreter does not take it: {refusal}.",
            "Convert the trained float model again.",
        )
        fits = None if self.fits is None else False
        return self.model_copy(update={"problems": (*self.problems, entry), "fits": fits})


def model_entry(model: bytes) -> ModelEntry:
    """Return the entry of a .tflite with the content ``model``."""
    return ModelEntry(bytes=len(model), sha256=hashlib.sha256(model).hexdigest())


def inspect_model(
    model: bytes, graph: Graph, board: BoardProfile | None, kernels: KernelLibrary, budget: Budget | None
) -> InspectRecord:
    """Return what ``model`` needs.

    Parameters
    ----------
    model, graph:
        The file's content and its graph.
    board, budget:
        The board to judge for and its limits; without them there is no verdict.
    kernels:
        The kernel library whose scratch and code count.
    """
    engine = engine_of(kernels)
    memory: MemoryFigures | None
    # TFLite Micro's arena can be told of every graph; the aot engine plans what it has kernels for.
    if engine == "aot":
        problems, program = examine(graph)
        memory = program_figures(program, kernels, board) if program else None
    else:
        problems = check_graph(
            graph, release_day(board.sdk.tflm_release) if board and not board.linux else None
        )
        if not (board and board.linux):
            problems += plan_problems(graph, kernels)
        memory = memory_figures(graph, kernels, board, len(model))
    latency = latency_figures(graph, board, kernels, stored_calibration(board, kernels)) if board else None
    binding: tuple[Binding, ...] = ()
    fits = None
    if board is not None and budget is not None and latency is not None:
        binding = bindings(memory.arena, memory.flash, latency, budget, board) if memory else ()
        fits = not binding and not any(problem.severity == "error" for problem in problems)
    ops = tuple(
        OpEntry(
            index=op.index,
            op=op.label,
            inputs=tuple(map(_tensor_entry, graph.op_inputs(op))),
            outputs=tuple(map(_tensor_entry, graph.op_outputs(op))),
            mult_adds=op_mult_adds(graph, op),
        )
        for op in graph.ops
    )
    return InspectRecord(
        model=model_entry(model),
        board=board.name if board else None,
        engine=engine,
        kernels=kernels,
        ops=ops,
        mult_adds=sum(op.mult_adds for op in ops),
        arena=memory.arena if memory else None,
        peak=_peak(graph, memory) if memory else None,
        plan=_plan_entries(memory.plan) if memory else (),
        flash=memory.flash if memory else None,
        latency_ms=latency,
        fits=fits,
        binding=binding,
        problems=tuple(problems),
    )


def _tensor_entry(tensor: Tensor) -> TensorEntry:
    return TensorEntry(tensor=tensor.index, shape=tensor.shape, dtype=tensor.dtype, constant=tensor.constant)


def _peak(graph: Graph, memory: MemoryFigures) -> Peak | None:
    plan = memory.plan
    if not graph.ops or not plan.buffers:
        return None
    # Where operators fill the arena alike, the one that has the most to place in it.
    time = max(
        range(1, len(graph.ops) + 1),
        key=lambda time: (occupied_bytes(plan, time), live_bytes(plan.buffers, time)),
    )
    index = time - 1
    alive = [b for b in plan.buffers if b.first <= time <= b.last]
    return Peak(
        index=index,
        op=graph.ops[index].label,
        bytes=occupied_bytes(plan, time),
        alive=tuple(
            LiveBuffer(
                tensor=b.tensor if b.tensor >= 0 else None,
                shape=graph.tensors[b.tensor].shape if b.tensor >= 0 else (b.size,),
                bytes=b.size,
            )
            for b in sorted(alive, key=lambda b: -b.size)
        ),
    )


def _plan_entries(plan: MemoryPlan) -> tuple[PlanEntry, ...]:
    return tuple(
        PlanEntry(
            tensor=buffer.tensor if buffer.tensor >= 0 else None,
            op=buffer.op if buffer.op >= 0 else None,
            offset=offset,
            bytes=buffer.size,
            first=buffer.first,
            last=buffer.last,
        )
        for offset, buffer in zip(plan.offsets, plan.buffers, strict=True)
    )


def occupied_bytes(plan: MemoryPlan, time: int) -> int:
    """Return the bytes that hold something at ``time``; what buffers share counts once."""
    spans = sorted(
        (offset, offset + buffer.size)
        for offset, buffer in zip(plan.offsets, plan.buffers, strict=True)
        if buffer.first <= time <= buffer.last
    )
    total = end = 0
    for first, last in spans:
        total += max(0, last - max(first, end))
        end = max(end, last)
    return total
