"""The memory plans of one .tflite, and the file written anew with one of them (``edgekit.plan/1``)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

import numpy as np
from pydantic import Field

from edgekit.boards.kernels import KernelLibrary, engine_of
from edgekit.boards.profile import BoardProfile
from edgekit.documents import Document, Part
from edgekit.errors import InputError, TaskError
from edgekit.memory.arena import ArenaLimit, abi_of_core, predict_arena, predict_wheel_arena
from edgekit.memory.plan_names import PLANS, Plan, PlanChoice
from edgekit.memory.plans import plan_name, plan_problems
from edgekit.memory.rewrite import Planned, model_plans, plan_graph, plan_model
from edgekit.search.budget import Budget
from edgekit.search.figures import DEFAULT_CORE, memory_figures, tflm_figures
from edgekit.search.inspection import ModelEntry, model_entry
from edgekit.search.records import ArenaFigures, Candidate, EngineChoice, HostArena
from edgekit.tflite.form import disorder
from edgekit.tflite.graph import Graph
from edgekit.tflite.macs import graph_mult_adds
from edgekit.tflite.reader import read_graph
from edgekit.tflite.slim import obstacle
from edgekit.tflite.tflm import measure_tflm, tflm_available
from edgekit.tflite.writer import write_model

PLANS_OF_AOT: Final[tuple[PlanChoice, ...]] = ("auto", "overlap")
"""Plans that the aot engine goes with."""

_CHECKED_INPUTS: Final = 3


class BandFigures(Part):
    """Bands of rows: through how many operators from the first on, and how many bands."""

    operators: int
    bands: int


class PlanFigures(Part):
    """What the model takes with one plan, written anew.

    ``gives`` is what the plan came to, ``greedy`` if no better. ``overlaps`` tells that it is safe with those kernels
    alone that it was made for.
    """

    plan: Plan
    gives: Plan
    arena: ArenaFigures
    file_bytes: int
    mult_adds: int
    operators: int
    bands: BandFigures | None
    overlaps: bool


class PlanRecord(Document):
    """The document of ``edgekit plan --json``.

    ``before`` is the file as it was given. ``plans`` has an entry for every plan up to the one that was asked for.
    ``written`` is the new file, ``None`` where none was asked for. ``host`` has its arena in real TFLite Micro on this
    64-bit host, and ``outputs_compared`` the inputs for which its outputs were found to be those of the old file; both
    are ``None`` without the tflite-micro wheel.
    """

    schema_id: Literal["edgekit.plan/1"] = Field(default="edgekit.plan/1", alias="schema")
    model: ModelEntry
    board: str | None
    kernels: KernelLibrary
    plan: Plan
    before: ArenaFigures
    plans: tuple[PlanFigures, ...]
    host: HostArena | None = None
    outputs_compared: int | None = None
    written: ModelEntry | None = None

    @property
    def chosen(self) -> PlanFigures:
        """The plan of the new file."""
        return self.plans[-1]


@dataclass(frozen=True)
class PlannedFile:
    """The record, and the file that it is about."""

    record: PlanRecord
    content: bytes


def plan_file(
    model: bytes, graph: Graph, kernels: KernelLibrary, board: BoardProfile | None, plan: Plan
) -> PlannedFile:
    """Return what plans up to ``plan`` give for ``model``, and the file with the least of them.

    Where real TFLite Micro is installed it loads and runs old and new file: the arena must be the predicted one and the
    outputs the same bytes.

    Raises
    ------
    InputError
        If edgekit does not understand everything in the model, or LiteRT runs it, which has no such plan.
    TaskError
        If real TFLite Micro says otherwise.
    """
    _check_kernels(kernels)
    core = board.core if board else DEFAULT_CORE
    names = PLANS[: PLANS.index(plan) + 1]
    plans = [*islice(model_plans(graph, kernels, abi_of_core(core)), len(names))]
    content = write_model(plans[-1].graph)
    host, compared = compare_on_host(model, content, kernels)
    return PlannedFile(
        PlanRecord(
            model=model_entry(model),
            board=board.name if board else None,
            kernels=kernels,
            plan=plan,
            before=tflm_figures(predict_arena(graph, kernels, core), board),
            plans=tuple(_figures(name, planned, board) for name, planned in zip(names, plans, strict=True)),
            host=host,
            outputs_compared=compared,
        ),
        content,
    )


def planned_content(graph: Graph, kernels: KernelLibrary, board: BoardProfile | None, plan: Plan) -> bytes:
    """Return the file of ``graph`` written anew with the least plan up to ``plan``.

    Raises
    ------
    InputError
        If edgekit does not understand everything in the model, or the kernels have no such plan.
    """
    _check_kernels(kernels)
    core = board.core if board else DEFAULT_CORE
    return write_model(plan_model(graph, plan, kernels, abi_of_core(core)).graph)


def _check_kernels(kernels: KernelLibrary) -> None:
    if kernels == "xnnpack":
        raise InputError(
            "LiteRT on Linux allocates as it runs; there is no memory plan.", "Use another --kernels."
        )
    if engine_of(kernels) == "aot":
        raise InputError(
            "The aot engine makes its own memory plan.", "Leave out the plan, or use --engine tflm."
        )


def plan_for_board(
    model: bytes,
    graph: Graph,
    kernels: KernelLibrary,
    board: BoardProfile,
    budget: Budget,
    plan: PlanChoice,
) -> tuple[bytes, Graph, Plan]:
    """Return the file, its graph and its memory plan with which ``model`` goes onto ``board``.

    Parameters
    ----------
    plan:
        How far to go. With ``auto`` the model stays as it is where that fits, and otherwise goes as far as it takes.

    Raises
    ------
    InputError
        If there is no such plan with the kernels, or the model cannot be written anew.
    """
    check_plan(engine_of(kernels), board, plan)
    if engine_of(kernels) == "aot":
        return model, graph, "overlap"
    if board.linux:
        return model, graph, "greedy"
    arena = memory_figures(graph, kernels, board, len(model)).arena
    stays = arena.need <= budget.ram_bytes or obstacle(graph) is not None or disorder(graph) is not None
    if plan == "auto" and (stays or plan_problems(graph, kernels)):
        return model, graph, plan_name(graph)
    if plan == "greedy" and plan_name(graph) == "greedy":
        return model, graph, "greedy"
    limit = ArenaLimit(budget.ram_bytes, board)
    abi = abi_of_core(board.core)
    if plan == "auto":
        stages = model_plans(graph, kernels, abi, limit=limit)
        found = next((planned for planned in stages if limit.holds(planned.arena)), None)
    else:
        found = plan_model(graph, plan, kernels, abi, limit=limit)
    if found is None or (plan == "bands" and not limit.holds(found.arena)):
        found = plan_model(graph, "bands", kernels, abi)
    return write_model(found.graph), found.graph, found.plan


def with_plan_of(candidate: Candidate, graph: Graph, board: BoardProfile, budget: Budget) -> Graph:
    """Return ``graph``, a network that was made, with the memory plan with which ``candidate`` was found."""
    if candidate.engine == "aot" or candidate.plan == "greedy":
        return graph
    limit = ArenaLimit(budget.ram_bytes, board)
    return plan_graph(graph, candidate.plan, candidate.kernels, abi_of_core(board.core), limit=limit).graph


def check_plan(engine: EngineChoice, board: BoardProfile, plan: PlanChoice) -> None:
    """Check that ``plan`` is one that ``engine`` has on ``board``.

    Raises
    ------
    InputError
        If it is not.
    """
    if engine == "aot" and plan not in PLANS_OF_AOT:
        raise InputError(
            f"The aot engine has no {plan} plan: its inputs and outputs overlap.", "Leave out --plan."
        )
    if board.linux and plan not in ("auto", "greedy"):
        raise InputError(
            f"LiteRT on {board.title} allocates as it runs; there is no memory plan.", "Leave out --plan."
        )


def written(file: PlannedFile) -> PlanRecord:
    """Return the record of ``file`` when it is written."""
    return file.record.model_copy(update={"written": model_entry(file.content)})


def _figures(plan: Plan, planned: Planned, board: BoardProfile | None) -> PlanFigures:
    bands = planned.bands
    return PlanFigures(
        plan=plan,
        gives=planned.plan,
        arena=tflm_figures(planned.arena, board),
        file_bytes=len(write_model(planned.graph)),
        mult_adds=graph_mult_adds(planned.graph),
        operators=len(planned.graph.ops),
        bands=BandFigures(operators=bands.depth, bands=bands.count) if bands else None,
        overlaps=plan_name(planned.graph) == "overlap",
    )


def compare_on_host(
    model: bytes, content: bytes, kernels: KernelLibrary
) -> tuple[HostArena | None, int | None]:
    """Load and run an old file and the new one in real TFLite Micro, if it is there.

    Returns
    -------
    tuple
        The new file's arena on this host, and the number of inputs for which both gave the same outputs.

    Raises
    ------
    TaskError
        If the new file gives other outputs, or if it takes more than the old one with the kernels that it is for.
    """
    if not tflm_available():
        return None, None
    graph = read_graph(model)
    rng = np.random.default_rng(0)
    simple = len(graph.inputs) == 1 and graph.input.dtype == "int8"
    inputs = rng.integers(-128, 128, (_CHECKED_INPUTS, *graph.input.shape), np.int8) if simple else None
    old, new = (measure_tflm(file, inputs, outputs=len(graph.outputs)) for file in (model, content))
    outputs = [run.outputs for run in (old, new) if run.outputs is not None]
    if len(outputs) == 2 and (not np.array_equal(outputs[0], outputs[1]) or old.others != new.others):
        raise TaskError(
            "The new file does not give the outputs of the old one in TFLite Micro on this host.",
            "Use the old file, and report this model.",
        )
    # The wheel's kernels are the reference kernels; a plan for others may keep room for scratch that these do not use.
    if kernels == "reference" and new.total > old.total:
        raise TaskError(
            f"The new file takes {new.total:,} B of arena in TFLite Micro on this host, the old one {old.total:,} B.",
            "Use the old file, and report this model.",
        )
    predicted = predict_wheel_arena(read_graph(content)).total
    return HostArena(predicted=predicted, measured=new.total), None if inputs is None else _CHECKED_INPUTS
