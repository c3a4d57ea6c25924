"""The kernels of the aot engine as a shared library of the host, called through ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, byref, c_int8, c_int32, c_int64, c_uint16, c_uint32, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from aot_paths import ENGINE, PATHS, compile_c
from numpy.typing import NDArray

from edgekit.aot import packing
from edgekit.aot.kernels.conv import Conv2d, Pointwise
from edgekit.aot.kernels.copy import Concat, Pad
from edgekit.aot.kernels.depthwise import Depthwise
from edgekit.aot.kernels.elementwise import Add, Lookup
from edgekit.aot.kernels.geometry import Kernel, Shape, Window
from edgekit.aot.kernels.pool import AveragePool, MaxPool, Mean
from edgekit.aot.kernels.softmax import Softmax
from edgekit.aot.tables import quantize_multiplier, softmax_table
from edgekit.memory.lifetimes import align

TESTS = Path(__file__).parent
GUARD = 256
"""Bytes around each buffer that no kernel may touch."""

Bytes = NDArray[np.int8]


def compile_library(folder: Path, path: str, *flags: str) -> Path:
    """Compile all kernels for the code path ``path`` to a library and return where it is."""
    return link_library(folder, [*PATHS[path], *flags], sorted(ENGINE.glob("*.c")))


def compile_traced(folder: Path, path: str) -> Path:
    """Compile all kernels, and faulty ones, so that ``aot_trace/trace.c`` sees every access to memory."""
    flags = [*PATHS[path], "-O1"]
    hooks = [f"-D{name}=trace_{name}" for name in ("memcpy", "memmove", "memset")]
    sources = [*sorted(ENGINE.glob("*.c")), TESTS / "aot_trace" / "faulty.c"]
    compile_c(folder, *flags, *hooks, "-fsanitize=thread", "-fno-builtin", "-c", *sources)
    objects = [folder / f"{source.stem}.o" for source in sources]
    return link_library(folder, flags, [*objects, TESTS / "aot_trace" / "trace.c"])


def link_library(folder: Path, flags: list[str], parts: list[Path]) -> Path:
    """Compile or link ``parts`` to a library in ``folder``, with the warnings that every file of the engine stands."""
    library = folder / "kernels.so"
    compile_c(folder, *flags, "-shared", "-Wl,-Bsymbolic", "-o", library, *parts)
    return library


def struct(name: str, **fields: Any) -> type[Structure]:
    """Return a structure type of C with these fields."""
    return type(name, (Structure,), {"_fields_": list(fields.items())})


_I8 = c_int8
_SHAPE = struct("ek_shape", h=c_uint16, w=c_uint16, c=c_uint16)
_WINDOW = struct(
    "ek_window",
    **dict.fromkeys(("kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left"), c_uint16),
)
_BAND = struct("ek_band", in_first=c_uint16, out_first=c_uint16, out_rows=c_uint16)
_LIMITS = {"out_zero": _I8, "out_min": _I8, "out_max": _I8}
_PACKED = {"weights": c_void_p, "channels": c_void_p}
# "in" is a word of Python.
_IN_OUT: dict[str, Any] = {"in": _SHAPE, "out": _SHAPE, "window": _WINDOW}
_CONV2D = struct("ek_conv2d_op", **_IN_OUT, in_zero=_I8, **_LIMITS, **_PACKED)
_POINTWISE = struct("ek_pointwise_op", pixels=c_uint32, in_c=c_uint16, out_c=c_uint16, **_LIMITS, **_PACKED)
_DEPTHWISE = struct("ek_depthwise_op", **_IN_OUT, multiplier=c_uint16, in_zero=_I8, **_LIMITS, **_PACKED)
_POOL = struct("ek_pool_op", **_IN_OUT, out_min=_I8, out_max=_I8)
_MEAN = struct(
    "ek_mean_op",
    pixels=c_uint32,
    channels=c_uint16,
    in_zero=_I8,
    out_zero=_I8,
    multiplier=c_int32,
    shift=c_int32,
)
_FACTORS = ("a_multiplier", "a_shift", "b_multiplier", "b_shift", "out_multiplier", "out_shift")
_ADD = struct(
    "ek_add_op", size=c_uint32, a_zero=_I8, b_zero=_I8, **_LIMITS, **dict.fromkeys(_FACTORS, c_int32)
)
_FOUR = c_uint16 * 4
_PAD: Any = struct("ek_pad_op", **{"in": _FOUR}, out=_FOUR, before=_FOUR, value=_I8)
_SOFTMAX = struct(
    "ek_softmax_op", rows=c_uint32, depth=c_uint16, table_size=c_uint16, exp_table=POINTER(c_int32)
)


class TraceResult(Structure):
    """The smallest safe lead, the faults (bits, see ``trace.c``), and how many accesses they are derived from."""

    _fields_ = (("lead", c_int64), ("faults", c_uint32), ("reads", c_uint32), ("writes", c_uint32))


@dataclass
class Call:
    """A kernel with everything it needs but memory.

    Attributes
    ----------
    kernel:
        The Python side.
    name:
        Of the function in C.
    op:
        Its first argument, unless the function takes none.
    input_sizes, output_size:
        In bytes.
    keep:
        What ``op`` points to.
    """

    kernel: Kernel
    name: str
    op: Any
    input_sizes: tuple[int, ...]
    output_size: int
    keep: tuple[Any, ...] = ()

    def run(
        self,
        library: ctypes.CDLL,
        inputs: list[int],
        output: int,
        scratch: int,
        band: tuple[int, int, int] | None = None,
    ) -> None:
        """Run it with memory at these addresses; ``band`` is the whole tensor unless given."""
        function = getattr(library, self.name)
        function.restype = None
        pointers = [c_void_p(address) for address in (*inputs, output)]
        kernel = self.kernel
        match kernel:
            case Conv2d():
                rows = _BAND(*(band or (0, 0, kernel.output.h)))
                function(byref(self.op), rows, *pointers, c_void_p(scratch))
            case Pointwise():
                function(byref(self.op), c_uint32(kernel.pixels), *pointers, c_void_p(scratch))
            case Depthwise() | AveragePool() | MaxPool():
                function(byref(self.op), _BAND(*(band or (0, 0, kernel.output.h))), *pointers)
            case Lookup():
                function(self.op, c_uint32(kernel.size), *pointers)
            case Concat():
                place = 0
                for run, address in zip(kernel.runs, inputs, strict=True):
                    sizes = map(c_uint32, (kernel.outer, run, sum(kernel.runs)))
                    function(*sizes, c_void_p(address), c_void_p(output + place))
                    place += run
            case _:
                function(byref(self.op), *pointers)

    def stated_leads(self, library: ctypes.CDLL) -> tuple[int, ...]:
        """Return the leads that the C function states."""
        kernel = self.kernel
        name = self.name.removesuffix("_wide")
        if isinstance(kernel, AveragePool | MaxPool):
            name = "ek_pool"
        function = getattr(library, f"{name}_lead")
        function.restype = c_int32
        if isinstance(kernel, Concat):
            places = [sum(kernel.runs[:i]) for i in range(len(kernel.runs))]
            return tuple(
                function(*map(c_uint32, (kernel.outer, run, sum(kernel.runs), place)))
                for run, place in zip(kernel.runs, places, strict=True)
            )
        argument = c_uint32(kernel.size) if isinstance(kernel, Lookup) else byref(self.op)
        return (function(argument),) * len(self.input_sizes)

    def stated_scratch(self, library: ctypes.CDLL) -> int:
        """Return the scratch that the C function states; 0 for kernels without such a function."""
        if not isinstance(self.kernel, Conv2d | Pointwise):
            return 0
        function = getattr(library, f"{self.name.removesuffix('_wide')}_scratch")
        function.restype = c_int32
        return int(function(byref(self.op)))

    def run_apart(self, library: ctypes.CDLL, inputs: list[Bytes]) -> Bytes:
        """Return the output with every buffer in memory of its own."""
        memory = Memory(*self.input_sizes, self.output_size, self.kernel.scratch)
        for i, data in enumerate(inputs):
            memory.view(i)[:] = data
        self.run(library, [memory.address(i) for i in range(len(inputs))], *memory.addresses()[-2:])
        assert memory.guards_are_whole()
        return memory.view(len(inputs)).copy()

    def run_overlapped(self, library: ctypes.CDLL, inputs: list[Bytes], which: int, lead: int) -> Bytes:
        """Return the output with input ``which`` placed ``lead`` bytes after the output's address, overlapping it."""
        size = self.input_sizes[which]
        low, high = min(0, lead), max(self.output_size, lead + size)
        memory = Memory(high - low, self.kernel.scratch, *self.input_sizes)
        for i, data in enumerate(inputs):
            memory.view(2 + i)[:] = data
        shared = memory.view(0)
        shared[lead - low : lead - low + size] = inputs[which]
        addresses = memory.addresses()[2:]
        addresses[which] = memory.address(0) + lead - low
        self.run(library, addresses, memory.address(0) - low, memory.address(1))
        return shared[-low : -low + self.output_size].copy()

    def trace(
        self, library: ctypes.CDLL, inputs: list[Bytes], which: int, scratch: int | None = None
    ) -> TraceResult:
        """Run it on buffers of their own and return what was seen of input ``which`` and the output.

        ``scratch`` is what the tracer takes for the size of the scratch.
        """
        memory = Memory(*self.input_sizes, self.output_size, self.kernel.scratch)
        for i, data in enumerate(inputs):
            memory.view(i)[:] = data
        addresses = memory.addresses()
        scratch = self.kernel.scratch if scratch is None else scratch
        sizes = (self.input_sizes[which], self.output_size, scratch)
        arguments: list[Any] = []
        for address, size in zip((addresses[which], *addresses[-2:]), sizes, strict=True):
            arguments += [c_void_p(address), ctypes.c_size_t(size)]
        library.trace_begin(*arguments)
        self.run(library, addresses[: len(inputs)], *addresses[-2:])
        assert memory.guards_are_whole()
        return end_trace(library)


def end_trace(library: ctypes.CDLL) -> TraceResult:
    """Stop recording and return what was seen."""
    library.trace_end.restype = TraceResult
    result: TraceResult = library.trace_end()
    return result


class Memory:
    """Buffers in one block, 16-byte aligned, with guards of a known pattern between them."""

    def __init__(self, *sizes: int) -> None:
        self._places = []
        place = GUARD
        for size in sizes:
            self._places.append((place, size))
            place = align(place + size) + GUARD
        raw = np.full(place + 16, -86, np.int8)
        self._block = raw[-raw.ctypes.data % 16 :][:place]
        self._free = np.ones(place, bool)
        for start, size in self._places:
            self._free[start : start + size] = False

    def view(self, index: int) -> Bytes:
        """Return one buffer."""
        start, size = self._places[index]
        return self._block[start : start + size]

    def address(self, index: int) -> int:
        """Return the address of one buffer, a null pointer if it has no bytes."""
        start, size = self._places[index]
        return int(self._block.ctypes.data) + start if size else 0

    def addresses(self) -> list[int]:
        """Return the address of every buffer."""
        return [self.address(i) for i in range(len(self._places))]

    def guards_are_whole(self) -> bool:
        """Return whether nothing was written between the buffers."""
        return bool((self._block[self._free] == -86).all())


def random_call(
    kernel: Kernel,
    rng: np.random.Generator,
    *,
    wide: bool = False,
    limits: tuple[int, int] = (-128, 127),
) -> Call:
    """Return a call of ``kernel`` with random weights, scaled so that outputs are spread over all of int8.

    Parameters
    ----------
    kernel, rng:
        What is called, and where weights and tables come from.
    wide:
        Use the wide form of channels, where there is one.
    limits:
        The range of the fused activation, where there can be one.
    """
    match kernel:
        case Conv2d():
            depth = kernel.window.kernel_h * kernel.window.kernel_w * kernel.input.c
            weights = packing.pack_pairs(_int8(rng, kernel.output.c, depth))
            channels = _channels(rng, kernel.output.c, packing.PAIR, depth, wide)
            op = _CONV2D(*_geometry(kernel), 3, -5, *limits, weights.ctypes.data, channels.ctypes.data)
            return _spatial(kernel, _wide("ek_conv2d", wide), op, (weights, channels))
        case Depthwise():
            taps = kernel.window.kernel_h * kernel.window.kernel_w
            weights = packing.pack_groups(_int8(rng, taps, kernel.output.c))
            channels = _channels(rng, kernel.output.c, packing.GROUP, taps, wide)
            pointers = (weights.ctypes.data, channels.ctypes.data)
            op = _DEPTHWISE(*_geometry(kernel), kernel.multiplier, 3, -5, *limits, *pointers)
            return _spatial(kernel, _wide("ek_depthwise", wide), op, (weights, channels))
        case Pointwise(pixels, in_c, out_c):
            weights = packing.pack_pairs(_int8(rng, out_c, in_c))
            channels = _channels(rng, out_c, packing.PAIR, in_c, wide)
            op = _POINTWISE(pixels, in_c, out_c, -5, *limits, weights.ctypes.data, channels.ctypes.data)
            sizes = (pixels * in_c,), pixels * out_c
            return Call(kernel, _wide("ek_pointwise", wide), op, *sizes, (weights, channels))
        case AveragePool():
            return _spatial(kernel, "ek_average_pool", _POOL(*_geometry(kernel), *limits))
        case MaxPool():
            return _spatial(kernel, "ek_max_pool", _POOL(*_geometry(kernel), *limits))
        case Mean(pixels, channels_count):
            op = _MEAN(pixels, channels_count, 3, -5, *quantize_multiplier(2 / pixels))
            return Call(kernel, "ek_mean", op, (pixels * channels_count,), channels_count)
        case Add(size):
            half = quantize_multiplier(0.5)
            op = _ADD(size, 3, -7, -5, *limits, *half, *half, *quantize_multiplier(1.5 / 2**20))
            return Call(kernel, "ek_add", op, (size, size), size)
        case Lookup(size):
            return Call(kernel, "ek_lookup", rng.permutation(256).astype(np.uint8).tobytes(), (size,), size)
        case Pad():
            op = _PAD(_FOUR(*kernel.input), _FOUR(*kernel.output), _FOUR(*kernel.before), 3)
            return Call(kernel, "ek_pad", op, (int(np.prod(kernel.input)),), int(np.prod(kernel.output)))
        case Concat(outer, runs):
            return Call(kernel, "ek_concat", None, tuple(outer * run for run in runs), outer * sum(runs))
        case Softmax():
            return softmax_call(kernel, softmax_table(0.02, 1.0))
    raise AssertionError(f"no call for {kernel}")


def softmax_call(kernel: Softmax, table: Sequence[int]) -> Call:
    """Return a call of softmax with this table of exponentials."""
    numbers = (c_int32 * len(table))(*table)
    op = _SOFTMAX(kernel.rows, kernel.depth, len(table), numbers)
    size = kernel.rows * kernel.depth
    return Call(kernel, "ek_softmax", op, (size,), size, (numbers,))


def random_inputs(call: Call, rng: np.random.Generator) -> list[Bytes]:
    """Return random values for each input."""
    return [_int8(rng, size) for size in call.input_sizes]


def _int8(rng: np.random.Generator, *shape: int) -> Bytes:
    return rng.integers(-128, 128, shape).astype(np.int8)


def _geometry(kernel: Any) -> tuple[Any, Any, Any]:
    shapes: tuple[Shape, Shape] = (kernel.input, kernel.output)
    window: Window = kernel.window
    kernel_size = (window.kernel_h, window.kernel_w)
    strides = (window.stride_h, window.stride_w)
    both = [_SHAPE(shape.h, shape.w, shape.c) for shape in shapes]
    return both[0], both[1], _WINDOW(*kernel_size, *strides, window.pad_top, window.pad_left)


def _spatial(kernel: Any, name: str, op: Any, keep: tuple[Any, ...] = ()) -> Call:
    return Call(kernel, name, op, (kernel.input.size,), kernel.output.size, keep)


def _wide(name: str, wide: bool) -> str:
    return f"{name}_wide" if wide else name


def _channels(
    rng: np.random.Generator, count: int, multiple: int, depth: int, wide: bool
) -> NDArray[np.int32]:
    bias = rng.integers(-500, 500, count)
    factors = [quantize_multiplier(rng.uniform(0.01, 0.02) / depth**0.5) for _ in range(count)]
    pack = packing.wide_channels if wide else packing.compact_channels
    multipliers, shifts = np.array(factors, np.int64).T
    return pack(bias, multipliers, shifts, multiple)
