"""The tensor arena that TFLite Micro needs for a model, computed without running it.

``arena_used_bytes() = head + tail``. The head is the plan of activations and of the kernels' scratch; here the share of
the scratch is shown apart: ``total = head + scratch + tail``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from edgekit.boards.kernels import KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.memory.greedy import MemoryPlan, plan_greedy
from edgekit.memory.known_ops import unknown_ops
from edgekit.memory.lifetimes import ScratchRequest, align, head_buffers
from edgekit.memory.releases import TFLM_WHEEL, VERIFIED_RELEASE, Abi, TflmRelease
from edgekit.memory.scratch import scratch_requests
from edgekit.memory.tail import tail_bytes
from edgekit.memory.working import least_arena
from edgekit.tflite.graph import Graph
from edgekit.tflite.offline import ONLINE, offline_offsets

_ABI_OF_CORE: Final[tuple[tuple[str, Abi], ...]] = (
    ("cortex-m", "arm32"),
    ("cortex-a", "lp64"),
    ("xtensa", "ilp32"),
    ("rv32", "ilp32"),
)

_VERIFIED_MONTH: Final = "2026-08"
"""How boards name the release whose rules are used here."""

_MARGIN_OF_TAIL: Final = 16
"""1/16 of the tail is kept free for another release: records grow by some bytes an operator from year to year."""


@dataclass(frozen=True)
class Arena:
    """Bytes of the tensor arena.

    Attributes
    ----------
    head:
        The plan of the activations alone.
    scratch:
        What the kernels' scratch adds to that plan.
    tail:
        Persistent records.
    required:
        The least arena that ``AllocateTensors`` succeeds in; above ``total`` for small networks.
    plan:
        The head's plan, scratch included.
    basis:
        ``exact``, or ``estimated`` where an operator's memory is not known.
    """

    head: int
    scratch: int
    tail: int
    required: int
    plan: MemoryPlan
    basis: Literal["exact", "estimated"]

    @property
    def total(self) -> int:
        """Bytes in use: ``arena_used_bytes()``."""
        return self.head + self.scratch + self.tail


def predict_arena(graph: Graph, kernels: KernelLibrary, core: str) -> Arena:
    """Return the arena that ``graph`` takes with ``kernels`` on ``core`` (:class:`BoardProfile`'s name of it).

    XNNPACK is LiteRT on Linux, which allocates from the heap: its figure is an estimate, activations and one packed
    copy of the weights.
    """
    if kernels == "xnnpack":
        return _litert_memory(graph)
    return tflm_arena(graph, kernels, abi_of_core(core), VERIFIED_RELEASE)


def predict_wheel_arena(graph: Graph) -> Arena:
    """Return the arena that the tflite-micro wheel reports on a 64-bit host, with reference kernels."""
    return tflm_arena(graph, "reference", "lp64", TFLM_WHEEL)


def tflm_arena(graph: Graph, kernels: KernelLibrary, abi: Abi, release: TflmRelease) -> Arena:
    """Return the arena of TFLite Micro ``release`` on a target of ``abi``; a plan in the model is obeyed."""
    scratch = scratch_requests(graph, kernels, abi, release)
    plan = tflm_plan(graph, scratch)
    head = tflm_plan(graph, ()).peak if scratch else plan.peak
    tail = tail_bytes(graph, kernels, abi, len(scratch), release)
    known = graph.subgraphs == 1 and not unknown_ops(graph, kernels, release)
    required = max(
        align(plan.peak + tail.total),
        least_arena(graph, scratch, tail.planning, abi, release),
    )
    return Arena(head, plan.peak - head, tail.total, required, plan, "exact" if known else "estimated")


def tflm_plan(graph: Graph, scratch: Sequence[ScratchRequest]) -> MemoryPlan:
    """Return where TFLite Micro puts the tensors of ``graph`` and the kernels' ``scratch``.

    A plan that it would not load counts as none.
    """
    buffers = head_buffers(graph, scratch)
    try:
        offsets = offline_offsets(graph) or ()
    except ValueError:
        offsets = ()
    planned = {k: offsets[b.tensor] for k, b in enumerate(buffers) if offsets and b.tensor >= 0}
    return plan_greedy(buffers, {k: offset for k, offset in planned.items() if offset != ONLINE})


def abi_of_core(core: str) -> Abi:
    """Return how ``core``'s compiler lays out structures; an unknown core counts as 32-bit with wide enumerations."""
    return next((abi for prefix, abi in _ABI_OF_CORE if core.startswith(prefix)), "ilp32")


def release_margin(tail: int, board: BoardProfile) -> int:
    """Return the bytes to keep free because the board's SDK ships another TFLite Micro than the verified one.

    Parameters
    ----------
    tail:
        Bytes of the arena's tail.
    """
    if board.linux or _ships_verified(board):
        return 0
    return align(-(-tail // _MARGIN_OF_TAIL))


@dataclass(frozen=True, slots=True)
class ArenaLimit:
    """Bytes of RAM that an arena may take on a board, what is kept free for the board's TFLite Micro included.

    Attributes
    ----------
    bytes:
        Of RAM.
    board:
        ``None`` where nothing is kept free.
    """

    bytes: int
    board: BoardProfile | None = None

    def leaves(self, tail: int) -> int:
        """Return the bytes that an arena with a tail of ``tail`` bytes may require."""
        return self.bytes - (release_margin(tail, self.board) if self.board else 0)

    def holds(self, arena: Arena) -> bool:
        """Return whether ``arena`` stays within it."""
        return arena.required <= self.leaves(arena.tail)


def _ships_verified(board: BoardProfile) -> bool:
    """Whether the SDK comes with the verified release; a library that the user builds may be any."""
    release = board.sdk.tflm_release
    return _VERIFIED_MONTH in release and "you build" not in release


def release_note(board: BoardProfile) -> str:
    """Return what a reader has to know of the release behind the arena's figures."""
    if board.linux:
        return "On Linux, memory is allocated as needed: the arena is an estimate of activations and packed weights."
    if _ships_verified(board):
        return f"Arena rules: {VERIFIED_RELEASE.name}."
    return (
        f"Arena rules are those of {VERIFIED_RELEASE.name}; {board.sdk.tflm_package} has {board.sdk.tflm_release},"
        f" so 1/{_MARGIN_OF_TAIL} of the tail is kept free."
    )


def _litert_memory(graph: Graph) -> Arena:
    plan = plan_greedy(head_buffers(graph))
    weights = sum(tensor.nbytes for tensor in graph.tensors if tensor.constant)
    return Arena(plan.peak, weights, 0, plan.peak + weights, plan, "estimated")
