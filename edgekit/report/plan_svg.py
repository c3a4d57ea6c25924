"""The picture of a memory plan as SVG: addresses upwards, operators to the right, each tensor a rectangle."""

from __future__ import annotations

from typing import Any, Final

from edgekit.codegen.environment import render
from edgekit.report.plan import PlanView, alive_at, view_plan
from edgekit.search.inspection import InspectRecord, PlanEntry

_LEFT: Final = 76
_RIGHT_MARGIN: Final = 20
_TOP: Final = 84
_PLOT: Final = 440
_WIDTH: Final = 1000
"""Pixels for the operators, as long as a column is not too narrow or too wide."""
_COLUMN: Final = (16, 64)
_MOST_ABOVE: Final = 0.3
"""Share of the plot that what lies above the plan takes at most."""
_CHARACTER: Final = 5.8
"""Width of a character of a label; bold and in capitals it is a sixth wider."""
_LINE: Final = 12
_KINDS: Final = 4


def plan_svg(record: InspectRecord, name: str) -> str | None:
    """Return the plan of ``record`` as SVG, or ``None`` if it has none.

    Parameters
    ----------
    record:
        An inspected model.
    name:
        What the model is called.
    """
    view = view_plan(record)
    if view is None:
        return None
    return render("report/plan.svg.j2", _Drawing(view, record, _plain(name)).context())


class _Drawing:
    """Where everything goes, in pixels."""

    def __init__(self, view: PlanView, record: InspectRecord, name: str) -> None:
        self._view, self._record, self._name = view, record, name
        self._column = min(max(_WIDTH // view.times, _COLUMN[0]), _COLUMN[1])
        self._bottom = _TOP + _PLOT
        self._right = _LEFT + self._column * view.times
        whole = _PLOT * view.above / (view.planned + view.above)
        self._above = min(whole, _MOST_ABOVE * _PLOT)
        self._to_scale = self._above == whole
        self._scale = (_PLOT - self._above) / view.planned
        self._names = ["input", *(f"{op.index} {op.op}" for op in record.ops)]
        self._written: list[tuple[float, float, float, float]] = []

    def context(self) -> dict[str, Any]:
        view, record = self._view, self._record
        total = view.planned + view.above
        parts = view.parts + (f" + {view.above_name} {view.above:,} B" if view.above else "")
        blocks = [self._block(block, kind) for block, kind in zip(view.blocks, self._kinds(), strict=True)]
        return {
            "width": max(self._right + _RIGHT_MARGIN, 560),
            "height": self._bottom + 20 + round(max(map(len, self._names)) * _CHARACTER * 7 / 6),
            "left": _LEFT,
            "right": self._right,
            "top": _TOP,
            "bottom": self._bottom,
            "title": f"{self._name}: {total:,} B of arena, {record.engine} engine, {record.kernels} kernels",
            "description": f"{parts}. Address over operators; hover for details.",
            "keys": self._keys(),
            "ticks": self._ticks(),
            "bands": self._bands(),
            "blocks": blocks,
            "shared": self._shared(),
            "labels": [label for block in view.blocks for label in self._labels(block)],
            "peak": {
                "y": self._y(view.planned),
                "label": f"{view.planned:,} B: peak at operator {view.peak}, {view.peak_name}",
            },
            "names": self._operators(),
        }

    def _x(self, time: int) -> int:
        return _LEFT + time * self._column

    def _y(self, address: int) -> float:
        return round(self._bottom - address * self._scale, 2)

    def _rectangle(self, first: int, last: int, start: int, end: int) -> dict[str, Any]:
        top = self._y(end)
        return {
            "x": self._x(first),
            "y": top,
            "width": self._column * (last + 1 - first),
            "height": round(max(self._y(start) - top, 0.5), 2),
        }

    def _kinds(self) -> list[str]:
        kinds = []
        turn = 0
        for block in self._view.blocks:
            kinds.append("scratch" if block.tensor is None else f"block t{turn % _KINDS}")
            turn += block.tensor is not None
        return kinds

    def _block(self, block: PlanEntry, kind: str) -> dict[str, Any]:
        rectangle = self._rectangle(block.first, block.last, block.offset, block.offset + block.bytes)
        what = f"scratch of operator {block.op}" if block.tensor is None else self._tensor(block.tensor)
        title = f"{what}: {block.bytes:,} B at {block.offset:,}"
        return {**rectangle, "kind": kind, "title": title}

    def _tensor(self, index: int) -> str:
        for op in self._record.ops:
            for tensor in (*op.inputs, *op.outputs):
                if tensor.tensor == index:
                    return f"tensor {index}, {tensor.dtype} {'x'.join(map(str, tensor.shape))}"
        return f"tensor {index}"

    def _shared(self) -> list[dict[str, Any]]:
        """Return the areas that an operator's input and output have in common."""
        areas = []
        for time in range(self._view.times):
            alive = alive_at(self._view.blocks, time)
            for k, one in enumerate(alive):
                for other in alive[:k]:
                    low = max(one.offset, other.offset)
                    high = min(one.offset + one.bytes, other.offset + other.bytes)
                    if low < high:
                        title = f"{high - low:,} B shared by tensors {other.tensor} and {one.tensor}"
                        areas.append({**self._rectangle(time, time, low, high), "title": title})
        return areas

    def _labels(self, block: PlanEntry) -> list[dict[str, Any]]:
        """Return the lines that fit into a block: its tensor above its bytes, or both upright."""
        area = self._rectangle(block.first, block.last, block.offset, block.offset + block.bytes)
        width, height = area["width"], area["height"]
        size = f"{block.bytes:,}"
        both = [*([] if block.tensor is None else [f"t{block.tensor}"]), size]
        if len(size) * _CHARACTER + 4 <= width and height >= _LINE:
            return self._level(area, both if height >= _LINE * len(both) else [size])
        text = next((t for t in (" ".join(both), size) if len(t) * _CHARACTER + 4 <= height), None)
        if text is None or width < _LINE:
            return []
        y = round(area["y"] + height / 2, 2)
        return [{"x": area["x"] + width / 2, "y": y, "text": text, "turned": True}]

    def _level(self, area: dict[str, Any], lines: list[str]) -> list[dict[str, Any]]:
        """Return ``lines`` in the middle of ``area``, or as near to it as other labels leave room."""
        x, half = area["x"] + area["width"] / 2, max(map(len, lines)) * _CHARACTER / 2
        tall = _LINE * len(lines)
        middle, slack = area["y"] + (area["height"] - tall) / 2, (area["height"] - tall) / 2
        steps = [0.0, *(sign * k * _LINE for k in range(1, int(slack // _LINE) + 1) for sign in (1, -1))]
        for step in steps:
            box = (x - half, middle + step, x + half, middle + step + tall)
            if not any(_meet(box, other) for other in self._written):
                break
        else:
            return []
        self._written.append(box)
        return [
            {"x": x, "y": round(box[1] + 9.5 + k * _LINE, 2), "text": text, "turned": False}
            for k, text in enumerate(lines)
        ]

    def _keys(self) -> list[dict[str, Any]]:
        keys = [("block t0", "tensor")]
        if self._view.has_scratch:
            keys.append(("scratch", "scratch"))
        if self._view.shares:
            keys.append(("shared", "shared by two tensors"))
        if self._view.above:
            keys.append(("above", self._view.above_name))
        x, placed = _LEFT, []
        for kind, name in keys:
            placed.append({"kind": kind, "name": name, "x": x})
            x += 23 + round(len(name) * _CHARACTER) + 22
        return placed

    def _ticks(self) -> list[dict[str, Any]]:
        step = _nice_step(self._view.planned)
        return [
            {"y": self._y(address), "label": _address(address)}
            for address in range(0, self._view.planned + 1, step)
        ]

    def _bands(self) -> list[dict[str, Any]]:
        if not self._view.above:
            return []
        note = "" if self._to_scale else " (not to scale)"
        label = f"{self._view.above_name}: {self._view.above:,} B{note}"
        return [{"y": float(_TOP), "height": round(self._above, 2), "label": label}]

    def _operators(self) -> list[dict[str, Any]]:
        return [
            {
                "x": self._x(time) + self._column / 2,
                "text": text,
                "kind": "peak-label" if time == self._view.peak + 1 else "muted",
            }
            for time, text in enumerate(self._names)
        ]


def _nice_step(size: int) -> int:
    """Return the distance of about six ticks: a power of two, so that labels are short."""
    step = 1
    while size / step > 7:
        step *= 2
    return step


def _address(address: int) -> str:
    if not address:
        return "0"
    return f"{address // 1024} KB" if address % 1024 == 0 else f"{address} B"


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _plain(text: str) -> str:
    """Return ``text`` without what XML cannot hold."""
    return "".join(c if c.isprintable() else "?" for c in text)
