"""A graph with the least arena that a plan gives it, to be written into a .tflite: the same outputs bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from edgekit.boards.kernels import KernelLibrary
from edgekit.errors import InputError
from edgekit.memory.arena import Arena, ArenaLimit, tflm_arena
from edgekit.memory.band_choice import BandChoice, with_bands
from edgekit.memory.fold_pad import fold_pads
from edgekit.memory.plan_names import PLANS, Plan
from edgekit.memory.plans import plan_name, plan_stages
from edgekit.memory.releases import VERIFIED_RELEASE, Abi, TflmRelease
from edgekit.tflite.form import disorder
from edgekit.tflite.graph import Graph
from edgekit.tflite.offline import with_offsets
from edgekit.tflite.slim import obstacle, slim_graph


@dataclass(frozen=True)
class Planned:
    """A graph with its plan.

    Attributes
    ----------
    graph:
        With the plan in its metadata, unless TFLite Micro's own is as good.
    plan:
        What came of it: ``greedy`` where nothing asked for is smaller than TFLite Micro's own plan.
    arena:
        Its arena.
    bands:
        Of ``bands``, which.
    """

    graph: Graph
    plan: Plan
    arena: Arena
    bands: BandChoice | None = None


def plan_graph(
    graph: Graph,
    plan: Plan,
    kernels: KernelLibrary,
    abi: Abi = "arm32",
    release: TflmRelease = VERIFIED_RELEASE,
    limit: ArenaLimit | None = None,
) -> Planned:
    """Return ``graph`` with the least arena that ``plan`` and those before it give: greedy, offline, overlap, bands.

    Parameters
    ----------
    graph:
        As :func:`variants` returns it, or computed.
    kernels, abi, release:
        What it is to run with.
    limit:
        What to stay within, with as few more Mult-Adds as possible; without it bands give the least arena.
    """
    return _up_to(plan, _graph_plans(graph, kernels, abi, release, limit))


def plan_model(
    graph: Graph,
    plan: Plan,
    kernels: KernelLibrary,
    abi: Abi = "arm32",
    release: TflmRelease = VERIFIED_RELEASE,
    limit: ArenaLimit | None = None,
) -> Planned:
    """Return the graph of a model file as :func:`plan_graph` does, written anew; of its variants the least.

    Raises
    ------
    InputError
        If edgekit does not understand everything in the file.
    """
    return _up_to(plan, model_plans(graph, kernels, abi, release, limit))


def model_plans(
    graph: Graph,
    kernels: KernelLibrary,
    abi: Abi = "arm32",
    release: TflmRelease = VERIFIED_RELEASE,
    limit: ArenaLimit | None = None,
) -> Iterator[Planned]:
    """Yield what :func:`plan_model` returns for each plan in turn; the same where one brings nothing more.

    Raises
    ------
    InputError
        If edgekit does not understand everything in the file.
    """
    found: Planned | None = None
    each = (_graph_plans(variant, kernels, abi, release, limit) for variant in variants(graph))
    for stages in zip(*each, strict=True):
        least = min(stages, key=lambda planned: planned.arena.required)
        if found is None or least.arena.required < found.arena.required:
            found = least
        yield found


def _graph_plans(
    graph: Graph, kernels: KernelLibrary, abi: Abi, release: TflmRelease, limit: ArenaLimit | None
) -> Iterator[Planned]:
    """Yield what :func:`plan_graph` returns for each plan in turn."""
    found: Planned | None = None
    for _, whole in plan_stages(graph, kernels, abi, release):
        if found is None or whole is not found.graph:
            found = Planned(whole, plan_name(whole), tflm_arena(whole, kernels, abi, release))
        yield found
    assert found is not None
    if limit is None or not limit.holds(found.arena):
        cut = with_bands(graph, kernels, abi, release, limit)
        if cut is not None and cut[1].arena < found.arena.required:
            found = Planned(cut[0], "bands", tflm_arena(cut[0], kernels, abi, release), cut[1])
    yield found


def _up_to(plan: Plan, stages: Iterator[Planned]) -> Planned:
    return next(islice(stages, PLANS.index(plan), None))


def variants(graph: Graph) -> tuple[Graph, ...]:
    """Return ``graph`` as it may be written anew: with PADs folded into convolutions, and with them if there are any.

    Without a PAD TFLite Micro's own planner can come to a larger plan, as it places the largest tensors first. Tensors
    that no operator uses are left out, and so are names, descriptions, signatures and a plan; other metadata stays.

    Raises
    ------
    InputError
        If edgekit does not understand everything in it.
    """
    check_rewritable(graph)
    graph = with_offsets(graph, None)
    folded = fold_pads(graph)
    both = (folded,) if folded is graph else (folded, graph)
    return tuple(replace(slim_graph(one), metadata=graph.metadata) for one in both)


def check_rewritable(graph: Graph) -> None:
    """Check that ``graph`` can run and that edgekit understands all of it, so that it may be written anew.

    Raises
    ------
    InputError
        If not.
    """
    reason = obstacle(graph)
    if reason is not None:
        raise InputError(
            f"The model cannot be written anew: {reason}.",
            "Use it as it is, with TFLite Micro's own plan; `edgekit inspect` shows its operators.",
        )
    wrong = disorder(graph)
    if wrong is not None:
        raise InputError(
            f"The model cannot run as it is: {wrong}.", "Convert it again; the file may be damaged."
        )
