"""Flash that a program's constants take on a 32-bit target, and the functions of the engine that it calls.

The bytes are those of the read-only data of ``model.c`` as compilers lay them out: every array and struct starts at a
multiple of four. Without weights the compact form of the channels is assumed, as nearly all trained layers have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edgekit.aot.fold import Weighted, fold
from edgekit.aot.kernels.conv import Conv2d, Pointwise
from edgekit.aot.kernels.copy import Concat, Pad
from edgekit.aot.kernels.depthwise import Depthwise
from edgekit.aot.kernels.elementwise import Add, Lookup
from edgekit.aot.kernels.geometry import Kernel
from edgekit.aot.kernels.pool import AveragePool, MaxPool, Mean
from edgekit.aot.kernels.softmax import Softmax
from edgekit.aot.packing import GROUP, PAIR, WORD
from edgekit.aot.problems import quantization_of
from edgekit.aot.program import Call, Program
from edgekit.aot.tables import softmax_table
from edgekit.memory.lifetimes import align

_ALIGNMENT: Final = 4
_CHANNEL: Final = 8
_WIDE_CHANNEL: Final = 12
_LOOKUP_TABLE: Final = 256
_EXPONENTIAL: Final = 4


_STRUCT: Final[dict[type[Kernel], int]] = {
    Conv2d: 36,
    Pointwise: 20,
    Depthwise: 40,
    AveragePool: 26,
    MaxPool: 26,
    Mean: 16,
    Add: 36,
    Lookup: 0,
    Pad: 26,
    Concat: 0,
    Softmax: 12,
}
"""``sizeof`` of a kernel's struct where pointers have 4 bytes."""


@dataclass(frozen=True, slots=True)
class ProgramSizes:
    """Bytes of flash.

    Attributes
    ----------
    weights:
        Packed weights.
    channels:
        Biases and multipliers.
    tables:
        Lookup and exponential tables.
    parameters:
        The operators' structs.
    functions:
        The engine's functions that are called, each once, in order of first use.
    """

    weights: int
    channels: int
    tables: int
    parameters: int
    functions: tuple[str, ...]

    @property
    def total(self) -> int:
        """All read-only data of the model."""
        return self.weights + self.channels + self.tables + self.parameters


def program_sizes(program: Program) -> ProgramSizes:
    """Return what ``program`` takes in flash: exact where the weights have values, else without wide channels."""
    wide = [False] * len(program.calls)
    if _has_values(program):
        wide = [isinstance(constants, Weighted) and constants.wide for constants in fold(program)]
    weights = channels = tables = parameters = 0
    functions: dict[str, None] = {}
    for call, is_wide in zip(program.calls, wide, strict=True):
        weights += weight_bytes(call.kernel)
        channels += _packed_channels(call.kernel) * (_WIDE_CHANNEL if is_wide else _CHANNEL)
        tables += _table_bytes(program, call)
        parameters += align(_STRUCT[type(call.kernel)], _ALIGNMENT)
        functions[f"{call.kernel.function}_wide" if is_wide else call.kernel.function] = None
    return ProgramSizes(weights, channels, tables, parameters, tuple(functions))


def weight_bytes(kernel: Kernel) -> int:
    """Return the bytes of the packed weights of a call."""
    match kernel:
        case Conv2d(source, target, window):
            depth = window.kernel_h * window.kernel_w * source.c
            return align(target.c, PAIR) * align(depth, WORD)
        case Pointwise(_, depth, channels):
            return align(channels, PAIR) * align(depth, WORD)
        case Depthwise(_, target, window, _):
            return align(target.c, GROUP) * window.kernel_h * window.kernel_w
    return 0


def _packed_channels(kernel: Kernel) -> int:
    match kernel:
        case Conv2d():
            return align(kernel.output.c, PAIR)
        case Pointwise():
            return align(kernel.out_c, PAIR)
        case Depthwise():
            return align(kernel.output.c, GROUP)
    return 0


def _table_bytes(program: Program, call: Call) -> int:
    match call.kernel:
        case Lookup():
            return _LOOKUP_TABLE
        case Softmax():
            op = program.graph.ops[call.op]
            scale = quantization_of(program.graph.tensors[op.inputs[0]]).scale
            return len(softmax_table(scale, op.options["beta"])) * _EXPONENTIAL
    return 0


def _has_values(program: Program) -> bool:
    """Return whether all weights of ``program`` have values."""
    graph = program.graph
    weighted = [call.op for call in program.calls if weight_bytes(call.kernel)]
    return all(graph.tensors[graph.ops[op].inputs[1]].data is not None for op in weighted)
