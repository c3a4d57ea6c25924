"""Flash that the code takes beside the model: engine and kernels, edgekit's firmware core, the SDK.

TFLite Micro's engine and kernels are measured text sizes (tflite-micro of 2026-08 as release_with_logs, GCC 12.2,
Cortex-M4F, MobileNet's operators, INT8-only registrations), with what they take of libgcc and libm and without what
they take of the C library: 54.4 KB with reference kernels, 67.2 KB with CMSIS-NN. The aot engine's functions are
measured one by one in ``code_sizes.toml`` beside this module. The rest are estimates until an image is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from edgekit.boards.kernels import KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.tomlfile import load_toml

CODE_SIZES_FILE: Final = Path(__file__).with_name("code_sizes.toml")

_KB: Final = 1024

_ENGINE: Final[Mapping[KernelLibrary, int]] = {
    "reference": 55 * _KB,
    "cmsis_nn": 68 * _KB,
    "cmsis_nn_dsp": 68 * _KB,
    "cmsis_nn_mve": 73 * _KB,
    "esp_nn": 60 * _KB,
    "esp_nn_s3": 80 * _KB,
    "esp_nn_p4": 80 * _KB,
    "xnnpack": 0,
}

_FRAMEWORK: Final[Mapping[str, int]] = {
    "bare_metal": 16 * _KB,
    "pico_sdk": 40 * _KB,
    "zephyr": 48 * _KB,
    "arduino": 96 * _KB,
    "esp_idf": 240 * _KB,
    "linux": 0,
}

_GOLDEN_LIMIT: Final = 32 * _KB

_AOT_CALL: Final = 56
_AOT_CALL_RISCV: Final = 80
"""Bytes of ``ek_model_invoke`` for a call of a kernel, its arguments and the hook: 1,680 and 2,376 B measured for the
30 calls of MobileNet V1 (GCC 12.2, Cortex-M4F and RV32IMAC)."""


def golden_count(input_bytes: int) -> int:
    """Return how many golden vectors go into an image: three, but one where inputs are over 32 KB."""
    return 3 if input_bytes <= _GOLDEN_LIMIT else 1


def code_bytes(board: BoardProfile | None, kernels: KernelLibrary, input_bytes: int) -> int:
    """Return the estimated bytes beside the model with TFLite Micro; without a board, the engine alone.

    Parameters
    ----------
    board:
        The board, whose SDK counts.
    kernels:
        Kernel library of TFLite Micro.
    input_bytes:
        Bytes of the model's input, which golden vectors repeat.
    """
    return _ENGINE[kernels] + _surroundings(board, input_bytes)


def aot_code_bytes(
    board: BoardProfile | None, kernels: KernelLibrary, functions: Iterable[str], calls: int, input_bytes: int
) -> int:
    """Return the bytes beside the model with the aot engine: measured for its functions, else estimated.

    Parameters
    ----------
    board:
        The board, whose core and SDK count; without one, the engine's functions alone.
    kernels:
        Kernel set of the aot engine.
    functions:
        The engine's functions that the model's code calls.
    calls:
        Number of calls in the model's code.
    input_bytes:
        Bytes of the model's input, which golden vectors repeat.
    """
    core = board.core if board else ""
    engine = engine_code_bytes(kernels, core, frozenset(functions))
    call = _AOT_CALL_RISCV if core.startswith("rv32") else _AOT_CALL
    return engine + calls * call + _surroundings(board, input_bytes)


@cache
def engine_code_bytes(kernels: KernelLibrary, core: str, functions: frozenset[str]) -> int:
    """Return the bytes of ``functions`` of the aot engine and of what they call, each part counted once.

    A core that was not measured counts like the first measured for ``kernels``.

    Raises
    ------
    KeyError
        If there is no such function.
    """
    tables = [table for table in _tables() if table["kernels"] == kernels]
    table = next((table for table in tables if core in table["cores"]), tables[0])
    parts = {part for name in functions for part in (name, *table["calls"].get(name, ()))}
    return sum(table["bytes"][part] for part in parts)


@cache
def _tables() -> tuple[Mapping[str, Any], ...]:
    return tuple(load_toml(CODE_SIZES_FILE, "table of code sizes")["table"])


def _surroundings(board: BoardProfile | None, input_bytes: int) -> int:
    if board is None:
        return 0
    golden = 0 if board.linux else golden_count(input_bytes) * input_bytes
    return _FRAMEWORK[board.sdk.framework] + golden
