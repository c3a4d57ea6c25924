"""Flash that the code takes beside the model: engine and kernels, edgekit's firmware core, the SDK.

Engine and kernels are measured text sizes (GCC 12.2, Cortex-M4F, MobileNet's operators, -DNDEBUG, INT8-only
registrations): 42.9 KB with reference kernels, 54.9 KB with CMSIS-NN. The rest are estimates until an image is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edgekit.boards.kernels import KernelLibrary
from edgekit.boards.profile import BoardProfile

_KB: Final = 1024

_ENGINE: Final[Mapping[KernelLibrary, int]] = {
    "reference": 43 * _KB,
    "cmsis_nn": 55 * _KB,
    "cmsis_nn_dsp": 55 * _KB,
    "cmsis_nn_mve": 60 * _KB,
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


def golden_count(input_bytes: int) -> int:
    """Return how many golden vectors go into an image: three, but one where inputs are over 32 KB."""
    return 3 if input_bytes <= _GOLDEN_LIMIT else 1


def code_bytes(board: BoardProfile | None, kernels: KernelLibrary, input_bytes: int) -> int:
    """Return the estimated bytes beside the model: code and golden vectors; without a board, the engine alone.

    Parameters
    ----------
    board:
        The board, whose SDK counts.
    kernels:
        Kernel library.
    input_bytes:
        Bytes of the model's input, which golden vectors repeat.
    """
    if board is None:
        return _ENGINE[kernels]
    golden = 0 if board.linux else golden_count(input_bytes) * input_bytes
    return _ENGINE[kernels] + _FRAMEWORK[board.sdk.framework] + golden
