"""Sizes of TFLite Micro's own records, by release and by how the target lays out C structures.

They are properties of a release: every field that upstream adds moves the tail of the arena. Measured with
``sizeof`` and ``alignof`` in the compilers named below, not counted by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from edgekit.boards.kernels import KernelLibrary

Abi = Literal["arm32", "ilp32", "lp64"]
"""How structures are laid out.

``arm32``: bare-metal Arm, where an enumeration takes the fewest bytes that hold it (arm-none-eabi-gcc);
``ilp32``: 32-bit RISC-V and Xtensa, enumerations of 4 bytes; ``lp64``: x86-64 and AArch64 Linux.
"""

ABIS: Final[tuple[Abi, ...]] = ("arm32", "ilp32", "lp64")

KernelFamily = Literal["reference", "cmsis_nn", "esp_nn"]


class Layout(NamedTuple):
    """Size and alignment of a structure, bytes."""

    nbytes: int
    alignment: int


@dataclass(frozen=True)
class TflmRelease:
    """What one release of TFLite Micro allocates for its records.

    Attributes
    ----------
    name:
        Release with the date and commit it was read from.
    commits:
        Commits of the sources that the sizes and the scratch formulas were verified on.
    builtin_data:
        Operator to the layout of the parameters parsed from the file, for each ABI. Operators not named have
        none.
    op_data:
        Operator to the bytes of its kernel's own record, for each ABI, in the reference kernels. Operators
        not named are not known; 0 stands for kernels that have none.
    optimized_op_data:
        The same for operators that a kernel family implements with a larger record.
    structs:
        Records of the interpreter itself, by their C++ names.
    built_for_speed:
        Whether CMSIS-NN's kernels are built with ``KERNELS_OPTIMIZED_FOR_SPEED``, the default of upstream's
        Makefile: with MVE the sums of a fully connected layer's constant filter then stay in the tail. Built
        for size, they are scratch.
    """

    name: str
    commits: Mapping[str, str]
    builtin_data: Mapping[str, Mapping[Abi, Layout]]
    op_data: Mapping[str, Mapping[Abi, int]]
    optimized_op_data: Mapping[KernelFamily, Mapping[str, Mapping[Abi, int]]]
    structs: Mapping[str, Mapping[Abi, Layout]]
    built_for_speed: bool = True

    def op_data_bytes(self, kind: str, family: KernelFamily, abi: Abi) -> int:
        """Return the bytes of the record that the kernel of operator ``kind`` keeps.

        Raises
        ------
        KeyError
            If the operator is not known.
        """
        sizes = self.optimized_op_data[family].get(kind) or self.op_data[kind]
        return sizes[abi]


def kernel_family(kernels: KernelLibrary) -> KernelFamily:
    """Return the implementation that ``kernels`` is a build of.

    Raises
    ------
    ValueError
        If it is not a kernel library of TFLite Micro.
    """
    if kernels == "reference":
        return "reference"
    if kernels in ("cmsis_nn", "cmsis_nn_dsp", "cmsis_nn_mve"):
        return "cmsis_nn"
    if kernels in ("esp_nn", "esp_nn_s3", "esp_nn_p4"):
        return "esp_nn"
    raise ValueError(f"{kernels} is not a kernel library of TFLite Micro")


def _layouts(arm32: tuple[int, int], ilp32: tuple[int, int], lp64: tuple[int, int]) -> Mapping[Abi, Layout]:
    return {"arm32": Layout(*arm32), "ilp32": Layout(*ilp32), "lp64": Layout(*lp64)}


def _same(nbytes: int, alignment: int) -> Mapping[Abi, Layout]:
    return _layouts((nbytes, alignment), (nbytes, alignment), (nbytes, alignment))


def _bytes(ilp32: int, lp64: int | None = None) -> Mapping[Abi, int]:
    return {"arm32": ilp32, "ilp32": ilp32, "lp64": ilp32 if lp64 is None else lp64}


def _for_all(kinds: str, value: Mapping[Abi, int]) -> Mapping[str, Mapping[Abi, int]]:
    return dict.fromkeys(kinds.split(), value)


_ENUM: Final = _layouts((1, 1), (4, 4), (4, 4))
_ENUM_AND_BOOL: Final = _layouts((2, 1), (8, 4), (8, 4))
_POOL: Final = _same(40, 4)

_BUILTIN_DATA: Final[Mapping[str, Mapping[Abi, Layout]]] = {
    "ADD": _ENUM_AND_BOOL,
    "ARG_MAX": _ENUM,
    "ARG_MIN": _ENUM,
    "AVERAGE_POOL_2D": _POOL,
    "CAST": _layouts((2, 1), (8, 4), (8, 4)),
    "CONCATENATION": _same(8, 4),
    "CONV_2D": _same(28, 4),
    "CUMSUM": _same(2, 1),
    "DEPTHWISE_CONV_2D": _same(28, 4),
    "DEPTH_TO_SPACE": _same(4, 4),
    "DIV": _ENUM,
    "FULLY_CONNECTED": _layouts((5, 1), (16, 4), (16, 4)),
    "GATHER": _same(8, 4),
    "L2_NORMALIZATION": _ENUM,
    "L2_POOL_2D": _POOL,
    "LEAKY_RELU": _same(4, 4),
    "MAX_POOL_2D": _POOL,
    "MEAN": _same(1, 1),
    "MIRROR_PAD": _ENUM,
    "MUL": _ENUM,
    "PACK": _same(8, 4),
    "REDUCE_MAX": _same(1, 1),
    "REDUCE_MIN": _same(1, 1),
    "RESHAPE": _same(36, 4),
    "RESIZE_BILINEAR": _same(2, 1),
    "RESIZE_NEAREST_NEIGHBOR": _same(2, 1),
    "SHAPE": _ENUM,
    "SOFTMAX": _same(4, 4),
    "SPACE_TO_DEPTH": _same(4, 4),
    "SPLIT": _same(4, 4),
    "SPLIT_V": _same(4, 4),
    "SQUEEZE": _same(36, 4),
    "STRIDED_SLICE": _same(24, 4),
    "SUB": _ENUM_AND_BOOL,
    "SUM": _same(1, 1),
    "TRANSPOSE_CONV": _layouts((16, 4), (20, 4), (20, 4)),
    "UNPACK": _same(8, 4),
}

_OP_DATA: Final[Mapping[str, Mapping[Abi, int]]] = {
    "ABS": _bytes(28),
    "ADD": _bytes(60),
    "ADD_N": _bytes(40),
    "AVERAGE_POOL_2D": _bytes(32),
    "CONCATENATION": _bytes(24, 40),
    "CONV_2D": _bytes(56, 72),
    "CUMSUM": _bytes(36),
    "DEPTHWISE_CONV_2D": _bytes(56, 72),
    "DEQUANTIZE": _bytes(32),
    "DIV": _bytes(28),
    "ELU": _bytes(256),
    "FULLY_CONNECTED": _bytes(48, 64),
    "HARD_SWISH": _bytes(20),
    "L2_NORMALIZATION": _bytes(4),
    "LEAKY_RELU": _bytes(24),
    "LOGISTIC": _bytes(16),
    "LOG_SOFTMAX": _bytes(28, 40),
    "MAX_POOL_2D": _bytes(32),
    "MEAN": _bytes(44),
    "MIRROR_PAD": _bytes(20),
    "MUL": _bytes(36),
    "PAD": _bytes(56),
    "PADV2": _bytes(56),
    "PRELU": _bytes(28),
    "QUANTIZE": _bytes(32),
    "REDUCE_MAX": _bytes(44),
    "REDUCE_MIN": _bytes(44),
    "RELU": _bytes(28),
    "RELU6": _bytes(8),
    "RSQRT": _bytes(28),
    "SELECT_V2": _bytes(1),
    "SOFTMAX": _bytes(56, 80),
    "SPACE_TO_BATCH_ND": _bytes(4),
    "SQUARED_DIFFERENCE": _bytes(112),
    "STRIDED_SLICE": _bytes(84),
    "SUB": _bytes(52),
    "SUM": _bytes(44),
    "TANH": _bytes(16),
    "TRANSPOSE_CONV": _bytes(72, 80),
    **_for_all("EQUAL NOT_EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL", _bytes(32)),
    **_for_all("ARG_MAX ARG_MIN BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CAST CEIL COS", _bytes(0)),
    **_for_all("DEPTH_TO_SPACE EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD GATHER GATHER_ND", _bytes(0)),
    **_for_all(
        "L2_POOL_2D LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR MAXIMUM MINIMUM NEG PACK RESHAPE", _bytes(0)
    ),
    **_for_all("RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ROUND SHAPE SIN SLICE SPACE_TO_DEPTH", _bytes(0)),
    **_for_all("SPLIT SPLIT_V SQRT SQUARE SQUEEZE TRANSPOSE UNPACK ZEROS_LIKE", _bytes(0)),
}

_OPTIMIZED_OP_DATA: Final[Mapping[KernelFamily, Mapping[str, Mapping[Abi, int]]]] = {
    "reference": {},
    "cmsis_nn": {
        "AVERAGE_POOL_2D": _bytes(36),
        "CONV_2D": _bytes(60, 80),
        "DEPTHWISE_CONV_2D": _bytes(60, 80),
        "FULLY_CONNECTED": _bytes(72, 96),
        "MAX_POOL_2D": _bytes(36),
        "SOFTMAX": _bytes(64, 88),
        "TRANSPOSE_CONV": _bytes(76, 88),
    },
    "esp_nn": {
        "CONV_2D": _bytes(60, 80),
        "DEPTHWISE_CONV_2D": _bytes(60, 80),
        "SOFTMAX": _bytes(64, 88),
    },
}

_STRUCTS: Final[Mapping[str, Mapping[Abi, Layout]]] = {
    "SingleArenaBufferAllocator": _layouts((36, 4), (36, 4), (72, 8)),
    "GreedyMemoryPlanner": _layouts((44, 4), (44, 4), (72, 8)),
    "MicroAllocator": _layouts((36, 4), (36, 4), (72, 8)),
    "MicroBuiltinDataAllocator": _layouts((8, 4), (8, 4), (16, 8)),
    "SubgraphAllocations": _layouts((8, 4), (8, 4), (16, 8)),
    "TfLiteEvalTensor": _layouts((12, 4), (12, 4), (24, 8)),
    "NodeAndRegistration": _layouts((32, 4), (32, 4), (64, 8)),
    "ScratchBufferHandle": _layouts((4, 4), (4, 4), (8, 8)),
    "TfLiteTensor": _layouts((32, 4), (40, 4), (64, 8)),
    "TfLiteAffineQuantization": _layouts((12, 4), (12, 4), (24, 8)),
    "TfLiteIntArray": _same(4, 4),  # its size field; 4 bytes an element follow
    "pointer": _layouts((4, 4), (4, 4), (8, 8)),
    # Used while planning only, above the head.
    "ScratchBufferRequest": _layouts((12, 4), (12, 4), (16, 8)),
    "AllocationInfo": _layouts((24, 4), (24, 4), (32, 8)),
}

TFLM_2026_08: Final = TflmRelease(
    name="tflite-micro 2026-08-20 (90b983c2b)",
    commits={
        "tensorflow/tflite-micro": "90b983c2b3f1480642e040bbd2ddb37b998f3424",
        # The commit that this release of tflite-micro downloads, 4ab83cc3, has the same formulas.
        "ARM-software/CMSIS-NN": "99f736a63036613032f9b70de36b493bcd7802d4",
        # Its kernels outside esp_nn/ allocate the same as the release above.
        "espressif/esp-tflite-micro": "99f49e1498b0984f4db54d9bf3938aceb99ad422",
        "espressif/esp-nn": "d45b843ca5f873ca9d0706ab0e7f14eafd132e98",
    },
    builtin_data=_BUILTIN_DATA,
    op_data=_OP_DATA,
    optimized_op_data=_OPTIMIZED_OP_DATA,
    structs=_STRUCTS,
)
"""Measured with arm-none-eabi-gcc 12.2 (Cortex-M4, M55), riscv64-unknown-elf-gcc 12.2 (rv32imac, ilp32),
xtensa-lx106-elf-gcc 12.2 and x86-64 gcc 12.2, built as TFLite Micro is: ``TF_LITE_STATIC_MEMORY``, no
compression."""

VERIFIED_RELEASE: Final = TFLM_2026_08
"""The release that predictions are exact for."""


def _on_lp64(nbytes: int, alignment: int) -> Mapping[Abi, Layout]:
    return {"lp64": Layout(nbytes, alignment)}


TFLM_WHEEL: Final = replace(
    TFLM_2026_08,
    name="tflite-micro wheel 0.dev20261023182759 (x86-64, recording allocator)",
    commits={"tensorflow/tflite-micro": "not published; the wheel of 2026-10-23"},
    builtin_data={**_BUILTIN_DATA, "FULLY_CONNECTED": _on_lp64(32, 8)},
    op_data={
        **_OP_DATA,
        "CONCATENATION": {"lp64": 80},
        "CONV_2D": {"lp64": 80},
        "DEPTHWISE_CONV_2D": {"lp64": 80},
        "FULLY_CONNECTED": {"lp64": 72},
        "TRANSPOSE_CONV": {"lp64": 88},
    },
    optimized_op_data={"reference": {}, "cmsis_nn": {}, "esp_nn": {}},
    structs={
        **_STRUCTS,
        "SingleArenaBufferAllocator": _on_lp64(104, 8),
        "MicroAllocator": _on_lp64(272, 8),
        "SubgraphAllocations": _on_lp64(24, 8),
    },
)
"""The Python wheel: reference kernels, ``lp64`` alone. It is built with compression and, where it reports
its arena, uses the recording allocator, so its tail is longer than a target's. Inferred from its reports on
173 models."""
