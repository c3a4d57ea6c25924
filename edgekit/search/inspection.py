"""Looking at one .tflite: operators, arena, flash, problems, and the verdict for a board (``edgekit.inspect/1``)."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import Field

from edgekit.boards.kernels import KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.memory.arena import predict_arena
from edgekit.memory.lifetimes import Buffer, live_bytes
from edgekit.search.budget import Budget
from edgekit.search.evaluate import arena_figures, bindings, flash_figures, latency_figures
from edgekit.search.records import ArenaFigures, Binding, FlashFigures, LatencyFigures, Record
from edgekit.tflite.check import check_graph
from edgekit.tflite.graph import Graph, Tensor
from edgekit.tflite.macs import op_mult_adds
from edgekit.tflite.support import release_day

DEFAULT_CORE = "cortex-m4f"
"""The core whose rules apply when no board is named."""


class TensorEntry(Record):
    """A tensor of an operator."""

    tensor: int
    shape: tuple[int, ...]
    dtype: str
    constant: bool


class OpEntry(Record):
    """One operator."""

    index: int
    op: str
    inputs: tuple[TensorEntry, ...]
    outputs: tuple[TensorEntry, ...]
    mult_adds: int


class ProblemEntry(Record):
    """One problem; ``index`` is ``None`` where it concerns the model as a whole."""

    index: int | None
    op: str
    severity: Literal["error", "warning"]
    problem: str
    remedy: str


class LiveBuffer(Record):
    """A buffer that is alive at the peak: a tensor, or a kernel's scratch (``tensor`` is ``None``)."""

    tensor: int | None
    shape: tuple[int, ...]
    bytes: int


class Peak(Record):
    """The operator during which most of the head is alive; ``bytes`` are the live ones, without gaps of the plan."""

    index: int
    op: str
    bytes: int
    alive: tuple[LiveBuffer, ...]


class ModelEntry(Record):
    """The file."""

    bytes: int
    sha256: str


class InspectRecord(Record):
    """The document of ``edgekit inspect --json``."""

    schema_id: Literal["edgekit.inspect/1"] = Field(default="edgekit.inspect/1", alias="schema")
    model: ModelEntry
    board: str | None
    kernels: KernelLibrary
    ops: tuple[OpEntry, ...]
    mult_adds: int
    arena: ArenaFigures
    peak: Peak | None
    flash: FlashFigures
    latency_ms: LatencyFigures | None
    fits: bool | None
    binding: tuple[Binding, ...]
    problems: tuple[ProblemEntry, ...]
    tflm_host_arena: int | None = None

    @property
    def runs(self) -> bool:
        """Whether nothing that is known of the model keeps it from running."""
        return not any(problem.severity == "error" for problem in self.problems)

    def with_host_verdict(self, refusal: str | None) -> InspectRecord:
        """Return the record with the host interpreter's refusal, if there is one, as a problem."""
        if refusal is None:
            return self
        entry = ProblemEntry(
            index=None,
            op="model",
            severity="error",
            problem=f"The host interpreter does not take it: {refusal}.",
            remedy="Convert the trained float model again.",
        )
        fits = None if self.fits is None else False
        return self.model_copy(update={"problems": (*self.problems, entry), "fits": fits})


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
    prediction = predict_arena(graph, kernels, board.core if board else DEFAULT_CORE)
    arena = arena_figures(prediction, board)
    flash = flash_figures(len(model), graph, board, kernels)
    latency = latency_figures(graph, board, kernels) if board else None
    release = release_day(board.sdk.tflm_release) if board and not board.linux else None
    problems = check_graph(graph, release)
    binding: tuple[Binding, ...] = ()
    fits = None
    if budget is not None and latency is not None:
        binding = bindings(arena, flash, latency, budget)
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
        model=ModelEntry(bytes=len(model), sha256=hashlib.sha256(model).hexdigest()),
        board=board.name if board else None,
        kernels=kernels,
        ops=ops,
        mult_adds=sum(op.mult_adds for op in ops),
        arena=arena,
        peak=_peak(graph, prediction.plan.buffers),
        flash=flash,
        latency_ms=latency,
        fits=fits,
        binding=binding,
        problems=tuple(
            ProblemEntry(index=p.index, op=p.op, severity=p.severity, problem=p.problem, remedy=p.remedy)
            for p in problems
        ),
    )


def _tensor_entry(tensor: Tensor) -> TensorEntry:
    return TensorEntry(tensor=tensor.index, shape=tensor.shape, dtype=tensor.dtype, constant=tensor.constant)


def _peak(graph: Graph, buffers: tuple[Buffer, ...]) -> Peak | None:
    if not graph.ops or not buffers:
        return None
    index = max(range(len(graph.ops)), key=lambda i: live_bytes(buffers, i + 1))
    alive = [b for b in buffers if b.first <= index + 1 <= b.last]
    return Peak(
        index=index,
        op=graph.ops[index].label,
        bytes=live_bytes(buffers, index + 1),
        alive=tuple(
            LiveBuffer(
                tensor=b.tensor if b.tensor >= 0 else None,
                shape=graph.tensors[b.tensor].shape if b.tensor >= 0 else (b.size,),
                bytes=b.size,
            )
            for b in sorted(alive, key=lambda b: -b.size)
        ),
    )
