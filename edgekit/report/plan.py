"""The picture of a memory plan in a terminal: addresses upwards, operators to the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from rich.console import Console
from rich.text import Text

from edgekit.search.inspection import InspectRecord, PlanEntry

_ROWS: Final = 18
_MARGIN: Final = 12
"""Columns left of the operators: an address and the axis."""
_WIDTH: Final = 88
"""Columns for the operators."""
_WIDEST: Final = 4
"""Columns of one operator, at most."""
_STYLES: Final = ("cyan", "green", "blue", "magenta")


class _Glyphs(NamedTuple):
    tensors: str
    scratch: str
    shared: str
    thin: str
    axis: str
    line: str
    mark: str


_UNICODE: Final = _Glyphs("█▓▒░", "╱", "╳", "▁", "│", "╌", "▲")
_ASCII: Final = _Glyphs("#=+:", "/", "X", "_", "|", "-", "^")


@dataclass(frozen=True)
class PlanView:
    """What a picture of a plan shows.

    Attributes
    ----------
    blocks:
        Buffers that are alive at some time, in the order in which they are born.
    times:
        Number of times: one more than operators, as the input is there before the first.
    planned:
        Bytes of the plan: its highest address.
    parts:
        What the plan consists of.
    above, above_name:
        Bytes above the plan, 0 if there are none, and what they are.
    peak:
        The operator whose tensors reach highest.
    peak_name:
        Its label.
    """

    blocks: tuple[PlanEntry, ...]
    times: int
    planned: int
    parts: str
    above: int
    above_name: str
    peak: int
    peak_name: str

    @property
    def shares(self) -> bool:
        """Whether buffers share memory while both are alive."""
        return any(
            one.offset + one.bytes > other.offset
            for time in range(self.times)
            for one, other in pairwise(sorted(alive_at(self.blocks, time), key=lambda block: block.offset))
        )

    @property
    def has_scratch(self) -> bool:
        """Whether a kernel has scratch."""
        return any(block.tensor is None for block in self.blocks)


def alive_at(blocks: Sequence[PlanEntry], time: int) -> list[PlanEntry]:
    """Return those of ``blocks`` that are alive at ``time``, in their order."""
    return [block for block in blocks if block.first <= time <= block.last]


def view_plan(record: InspectRecord) -> PlanView | None:
    """Return what to show of ``record``'s plan, or ``None`` if it has none."""
    arena = record.arena
    blocks = sorted(
        (block for block in record.plan if block.first >= 0),
        key=lambda block: (block.first, block.tensor is None, block.offset),
    )
    if arena is None or not blocks or not record.ops:
        return None

    def height(time: int) -> tuple[int, int, int]:
        alive = alive_at(blocks, time)
        top = max((block.offset + block.bytes for block in alive), default=0)
        return top, sum(block.bytes for block in alive), -time

    times = len(record.ops) + 1
    peak = max(range(1, times), key=height) - 1
    planned = max(block.offset + block.bytes for block in blocks)
    parts = f"head {arena.head:,} B"
    if arena.scratch and planned > arena.head:
        parts += f" + scratch {arena.scratch:,} B"
    return PlanView(
        blocks=tuple(blocks),
        times=times,
        planned=planned,
        parts=parts,
        above=max(arena.total - planned, 0),
        above_name="tail" if arena.tail else "packed weights",
        peak=peak,
        peak_name=record.ops[peak].op,
    )


def print_plan(console: Console, record: InspectRecord) -> None:
    """Print the plan as a picture of at most 100 columns, or that there is none."""
    view = view_plan(record)
    if view is None:
        why = (
            "there is nothing to place"
            if record.arena
            else f"the {record.engine} engine cannot run the model"
        )
        console.print(f"plan   none is drawn: {why}")
        return
    glyphs = _UNICODE if console.encoding.lower().startswith("utf") else _ASCII
    for line in _picture(view, glyphs):
        line.rstrip()
        console.print(line, no_wrap=True, overflow="crop", soft_wrap=True)


def _picture(view: PlanView, glyphs: _Glyphs) -> list[Text]:
    each = -(-view.times // _WIDTH)
    columns = [range(start, min(start + each, view.times)) for start in range(0, view.times, each)]
    width = min(_WIDEST, _WIDTH // len(columns))
    across = width * len(columns)

    def border(address: int, content: str) -> Text:
        return _row(f"{address:,}", " ", f"{glyphs.line * 3} {content} ".ljust(across, glyphs.line))

    lines = [Text(f"plan   address over operators: {_legend(view, glyphs)}")]
    if view.above:
        lines.append(border(view.planned + view.above, f"{view.above_name} {view.above:,} B"))
    lines.append(border(view.planned, view.parts))
    rows = min(_ROWS, max(1, view.planned // 16))
    pens = _pens(view.blocks, glyphs)
    for row in reversed(range(rows)):
        low, high = view.planned * row // rows, view.planned * (row + 1) // rows
        line = _row(f"{low:,}" if row % 3 == 0 else "", glyphs.axis)
        for times in columns:
            glyph, style = _cell(view, times, low, high, pens, glyphs)
            line.append(glyph * width, style)
        lines.append(line)
    return [*lines, _ruler(columns, width), _marker(view, columns, width, glyphs)]


def _row(label: str, axis: str, content: str = "") -> Text:
    return Text(f"{label:>{_MARGIN - 1}}{axis}{content}")


def _legend(view: PlanView, glyphs: _Glyphs) -> str:
    parts = [f"{glyphs.tensors} tensors"]
    if view.has_scratch:
        parts.append(f"{glyphs.scratch} scratch")
    if view.shares:
        parts.append(f"{glyphs.shared} shared by two tensors")
    return ", ".join(parts)


def _pens(blocks: Sequence[PlanEntry], glyphs: _Glyphs) -> list[tuple[str, str]]:
    """Return glyph and style of each block; tensors that follow each other differ in both."""
    pens = []
    turn = 0
    for block in blocks:
        if block.tensor is None:
            pens.append((glyphs.scratch, "yellow"))
        else:
            pens.append((glyphs.tensors[turn % len(glyphs.tensors)], _STYLES[turn % len(_STYLES)]))
            turn += 1
    return pens


def _cell(
    view: PlanView, times: range, low: int, high: int, pens: Sequence[tuple[str, str]], glyphs: _Glyphs
) -> tuple[str, str]:
    """Return what fills the addresses from ``low`` to ``high``: what lies in their middle, else a thin line."""
    middle = (low + high) // 2
    found = thin = (" ", "")
    for time in times:
        inside = []
        for block, pen in zip(view.blocks, pens, strict=True):
            if block.first <= time <= block.last:
                if block.offset <= middle < block.offset + block.bytes:
                    inside.append(pen)
                elif block.offset < high and low < block.offset + block.bytes:
                    thin = (glyphs.thin, pen[1])
        if len(inside) > 1:
            return glyphs.shared, "bold red"
        if inside:
            found = inside[0]
    return found if found[0] != " " else thin


def _ruler(columns: Sequence[range], width: int) -> Text:
    """Return the indices of operators below their columns, as many as there is room for."""
    numbers = [times[0] - 1 for times in columns]
    room = len(str(numbers[-1])) + 1
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100) if step * width >= room)
    line = " " * width
    for number in numbers[1::step]:
        line += str(number).ljust(width * step)
    return _row("operator", " ", line)


def _marker(view: PlanView, columns: Sequence[range], width: int, glyphs: _Glyphs) -> Text:
    """Return a mark below the operator at the peak, and its name."""
    place = next(k for k, times in enumerate(columns) if view.peak + 1 in times) * width
    name = f"peak: operator {view.peak}, {view.peak_name}"
    if place + len(name) + 2 <= _WIDTH or place < len(name) + 1:
        return _row("", " ", f"{' ' * place}{glyphs.mark} {name}")
    return _row("", " ", f"{name.rjust(place - 1)} {glyphs.mark}")
