"""The model as C99 for the ``aot`` engine: ``model.h`` and ``model.c``, and the engine's sources beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgekit.aot.fold import (
    Added,
    Averaged,
    Clamped,
    Constants,
    Exponentials,
    Filled,
    Table,
    Weighted,
    fold,
)
from edgekit.aot.kernels.conv import Conv2d, Pointwise
from edgekit.aot.kernels.copy import Concat, Pad
from edgekit.aot.kernels.depthwise import Depthwise
from edgekit.aot.kernels.elementwise import Add, Lookup
from edgekit.aot.kernels.geometry import Shape, Window
from edgekit.aot.kernels.pool import AveragePool, MaxPool, Mean
from edgekit.aot.kernels.softmax import Softmax
from edgekit.aot.plan import AotPlan, CallOffsets, plan_program
from edgekit.aot.program import Call, Program
from edgekit.codegen.environment import render
from edgekit.codegen.literals import c_int8
from edgekit.memory.lifetimes import ALIGNMENT
from edgekit.resources import resource_dir

_INDENT: Final = "    "
_ROW: Final = 4
"""Channels or exponentials in a line."""
_WIDTH: Final = 108
"""Columns of a line without its indentation."""


@dataclass(frozen=True, slots=True)
class _Array:
    name: str
    c_type: str
    length: int
    text: str


@dataclass(frozen=True, slots=True)
class _Struct:
    name: str
    c_type: str
    fields: tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class _Call:
    """One call as text, for the templates."""

    op: int
    title: str
    arrays: tuple[_Array, ...]
    struct: _Struct | None
    statements: tuple[str, ...]
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Port:
    shape: tuple[int, ...]
    nbytes: int
    scale: float
    zero_point: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Model:
    arena_bytes: int
    alignment: int
    input: _Port
    output: _Port
    calls: tuple[_Call, ...]


def render_aot(program: Program, plan: AotPlan | None = None) -> dict[str, str]:
    """Return ``model.h`` and ``model.c`` for ``program``: the same program gives the same bytes.

    Parameters
    ----------
    program:
        The calls; the graph's constants must have values.
    plan:
        Where everything lies; :func:`~edgekit.aot.plan.plan_program`'s unless given.

    Raises
    ------
    InputError
        If the graph's weights have no values.
    """
    plan = plan or plan_program(program)
    calls = [
        _call(program, call, constants, offsets)
        for call, constants, offsets in zip(program.calls, fold(program), plan.calls, strict=True)
    ]
    model = _Model(
        plan.total,
        ALIGNMENT,
        _port(program, program.graph.inputs[0], plan),
        _port(program, program.graph.outputs[0], plan),
        tuple(calls),
    )
    return {name: render(f"aot/{name}.j2", {"model": model}) for name in ("model.h", "model.c")}


def engine_folder() -> Path:
    """Return the folder with the engine's C sources and headers."""
    return resource_dir("firmware") / "engine" / "aot"


def _port(program: Program, tensor: int, plan: AotPlan) -> _Port:
    about = program.graph.tensors[tensor]
    assert about.quantization is not None
    scale, zero_point = about.quantization.scale[0], about.quantization.zero_point[0]
    return _Port(about.shape, about.nbytes, scale, zero_point, plan.offset_of[program.memory_of[tensor]])


def _call(program: Program, call: Call, constants: Constants, offsets: CallOffsets) -> _Call:
    writer = _Writer(program, call, offsets)
    parts = writer.write(constants)
    return _Call(call.op, _title(program, call), *parts)


def _title(program: Program, call: Call) -> str:
    """Return operator, shapes and window for people: ``CONV_2D 96x96x3 -> 48x48x8, window 3x3, stride 2x2``."""
    op = program.graph.ops[call.op]
    shapes = [
        "x".join(map(str, _visible(program.graph.tensors[i].shape)))
        for i in (*op.inputs, op.outputs[0])
        if i >= 0 and not program.graph.tensors[i].constant
    ]
    text = f"{op.kind} {' + '.join(shapes[:-1])} -> {shapes[-1]}"
    if isinstance(call.kernel, Conv2d | Depthwise | AveragePool | MaxPool):
        window = call.kernel.window
        text += f", window {window.kernel_h}x{window.kernel_w}, stride {window.stride_h}x{window.stride_w}"
    return text


def _visible(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without its batch of 1."""
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


_Parts = tuple[tuple[_Array, ...], _Struct | None, tuple[str, ...], tuple[str, ...]]
"""Arrays, struct, statements, and conditions that must hold of the plan."""


class _Writer:
    """Writes the constants, the call and the checks of one call of a program."""

    def __init__(self, program: Program, call: Call, offsets: CallOffsets) -> None:
        self._call = call
        self._offsets = offsets
        self._in_bytes = [program.memory_bytes(i) for i in call.inputs]
        self._out_bytes = program.memory_bytes(call.output)
        self._struct = f"ek_op_{call.op}"

    def write(self, constants: Constants) -> _Parts:
        """Return all of it."""
        match self._call.kernel, constants:
            case (Conv2d() | Depthwise() | Pointwise() as kernel, Weighted() as weighted):
                return self._weighted(kernel, weighted)
            case (AveragePool() | MaxPool() as kernel, Clamped(low, high)):
                fields = [*_geometry(kernel), ("out_min", low), ("out_max", high)]
                return self._plain("ek_pool", fields, band=kernel.output)
            case (Mean() as kernel, Averaged(in_zero, out_zero, factor)):
                fields = [("pixels", kernel.pixels), ("channels", kernel.channels)]
                fields += [("in_zero", in_zero), ("out_zero", out_zero), *_factor("", factor)]
                return self._plain("ek_mean", fields)
            case (Add() as kernel, Added() as added):
                return self._plain("ek_add", _add_fields(kernel, added))
            case (Pad() as kernel, Filled(value)):
                four = [(name, _braces(getattr(kernel, of))) for name, of in _PAD_FIELDS]
                return self._plain("ek_pad", [*four, ("value", value)])
            case (Softmax() as kernel, Exponentials(values)):
                return self._softmax(kernel, values)
            case (Lookup(size), Table(answers)):
                table = _bytes(f"ek_table_{self._call.op}", np.frombuffer(answers, np.int8))
                calls = (_statement(self._call.kernel.function, [table.name, size, *self._addresses()]),)
                return (table,), None, calls, self._checks([f"ek_lookup_lead({size})"])
            case (Concat() as kernel, None):
                return self._concat(kernel)
        raise TypeError(f"{self._call.kernel} with {constants}")

    def _weighted(self, kernel: Conv2d | Depthwise | Pointwise, constants: Weighted) -> _Parts:
        op = self._call.op
        weights = _bytes(f"ek_weights_{op}", constants.weights.reshape(-1))
        channels = _channels(f"ek_channels_{op}", constants)
        name = kernel.function
        fields: list[tuple[str, object]]
        if isinstance(kernel, Pointwise):
            fields = [("pixels", kernel.pixels), ("in_c", kernel.in_c), ("out_c", kernel.out_c)]
            extent: object = kernel.pixels
        else:
            fields, extent = _geometry(kernel), _band(kernel.output)
            if isinstance(kernel, Depthwise):
                fields.append(("multiplier", kernel.multiplier))
            fields.append(("in_zero", constants.in_zero))
        fields += [("out_zero", constants.out_zero), ("out_min", constants.out_min)]
        fields += [("out_max", constants.out_max), ("weights", weights.name), ("channels", channels.name)]
        arguments = [f"&{self._struct}", extent, *self._addresses()]
        checks = self._checks([f"{name}_lead(&{self._struct})"])
        if not isinstance(kernel, Depthwise):
            scratch = self._offsets.scratch
            arguments.append("NULL" if scratch is None else f"ek_arena + {scratch}")
            checks += self._scratch_checks(f"{name}_scratch(&{self._struct})", kernel.scratch)
        call = _statement(f"{name}_wide" if constants.wide else name, arguments)
        struct = _Struct(self._struct, f"{name}_op", tuple(fields))
        return (weights, channels), struct, (call,), checks

    def _plain(
        self,
        name: str,
        fields: Sequence[tuple[str, object]],
        arrays: tuple[_Array, ...] = (),
        band: Shape | None = None,
    ) -> _Parts:
        struct = _Struct(self._struct, f"{name}_op", tuple(fields))
        extent = [] if band is None else [_band(band)]
        call = _statement(self._call.kernel.function, [f"&{self._struct}", *extent, *self._addresses()])
        lead = f"{name}_lead(&{self._struct})"
        return arrays, struct, (call,), self._checks([lead] * len(self._in_bytes))

    def _softmax(self, kernel: Softmax, values: tuple[int, ...]) -> _Parts:
        table = _Array(f"ek_exp_{self._call.op}", "int32_t", len(values), _rows(map(str, values)))
        fields = [("rows", kernel.rows), ("depth", kernel.depth)]
        return self._plain(
            "ek_softmax",
            [*fields, ("table_size", table.length), ("exp_table", table.name)],
            (table,),
        )

    def _concat(self, kernel: Concat) -> _Parts:
        width, before = sum(kernel.runs), 0
        calls, leads = [], []
        for run, source in zip(kernel.runs, self._offsets.inputs, strict=True):
            target = f"ek_arena + {self._offsets.output + before}"
            calls.append(
                _statement(kernel.function, [kernel.outer, run, width, f"ek_arena + {source}", target])
            )
            leads.append(f"ek_concat_lead({kernel.outer}, {run}, {width}, {before})")
            before += run
        return (), None, tuple(calls), self._checks(leads)

    def _addresses(self) -> list[str]:
        return [f"ek_arena + {offset}" for offset in (*self._offsets.inputs, self._offsets.output)]

    def _checks(self, leads: Sequence[str]) -> tuple[str, ...]:
        out = f"{self._offsets.output}, {self._out_bytes}"
        return tuple(
            _expression("ek_led", [offset, size, out, lead])
            for offset, size, lead in zip(self._offsets.inputs, self._in_bytes, leads, strict=True)
        )

    def _scratch_checks(self, wanted: str, planned: int) -> tuple[str, ...]:
        offset = self._offsets.scratch
        checks = [f"{wanted} <= {planned}"]
        if offset is not None:
            places = [*zip(self._offsets.inputs, self._in_bytes, strict=True)]
            for other, size in (*places, (self._offsets.output, self._out_bytes)):
                checks.append(_expression("ek_apart", [offset, planned, other, size]))
            checks.append(f"{offset} % 4 == 0 && {offset + planned} <= EK_MODEL_ARENA_BYTES")
        return tuple(checks)


_PAD_FIELDS: Final = (("in", "input"), ("out", "output"), ("before", "before"))


def _geometry(kernel: Conv2d | Depthwise | AveragePool | MaxPool) -> list[tuple[str, object]]:
    shapes: list[tuple[str, Shape]] = [("in", kernel.input), ("out", kernel.output)]
    fields: list[tuple[str, object]] = [
        (name, _braces((shape.h, shape.w, shape.c))) for name, shape in shapes
    ]
    return [*fields, ("window", _window(kernel.window))]


def _window(window: Window) -> str:
    kernel, stride = (window.kernel_h, window.kernel_w), (window.stride_h, window.stride_w)
    return _braces((*kernel, *stride, window.pad_top, window.pad_left))


def _band(output: Shape) -> str:
    return f"(ek_band){{0, 0, {output.h}}}"


def _add_fields(kernel: Add, added: Added) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [("size", kernel.size)]
    fields += [
        (name, getattr(added, name)) for name in ("a_zero", "b_zero", "out_zero", "out_min", "out_max")
    ]
    for prefix in ("a", "b", "out"):
        fields += _factor(f"{prefix}_", getattr(added.factors, prefix))
    return fields


def _factor(prefix: str, factor: Any) -> list[tuple[str, object]]:
    return [(f"{prefix}multiplier", factor.multiplier), (f"{prefix}shift", factor.shift)]


def _channels(name: str, constants: Weighted) -> _Array:
    entries = [_braces(row) for row in constants.channels.tolist()]
    c_type = "ek_wide_channel" if constants.wide else "ek_channel"
    return _Array(name, c_type, len(entries), _rows(entries))


def _bytes(name: str, values: NDArray[np.int8]) -> _Array:
    return _Array(name, "int8_t", values.size, c_int8(values))


def _braces(values: Iterable[int]) -> str:
    return f"{{{', '.join(map(str, values))}}}"


def _rows(items: Iterable[str]) -> str:
    texts = list(items)
    rows = (texts[i : i + _ROW] for i in range(0, len(texts), _ROW))
    return "\n".join(f"{_INDENT}{', '.join(row)}," for row in rows)


def _expression(function: str, arguments: Sequence[object]) -> str:
    return f"{function}({', '.join(map(str, arguments))})"


def _statement(function: str, arguments: Sequence[object]) -> str:
    """Return a call as one or more lines, broken as clang-format does."""
    lines, line = [], f"{function}("
    margin = " " * len(line)
    for number, argument in enumerate(arguments, 1):
        item = f"{argument}{',' if number < len(arguments) else ');'}"
        joined = f"{line}{item}" if line.endswith("(") or line == margin else f"{line} {item}"
        if len(joined) > _WIDTH:
            lines.append(line)
            joined = f"{margin}{item}"
        line = joined
    return "\n  ".join([*lines, line])
