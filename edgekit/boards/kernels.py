"""The engines, and the kernel libraries that each of them can be built with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Engine = Literal["tflm", "aot"]
"""What runs the model: TFLite Micro (LiteRT on Linux boards), or edgekit's own engine of plain C99."""
ENGINES: Final[tuple[Engine, ...]] = get_args(Engine)

TflmKernels = Literal[
    "reference", "cmsis_nn", "cmsis_nn_dsp", "cmsis_nn_mve", "esp_nn", "esp_nn_s3", "esp_nn_p4", "xnnpack"
]
TFLM_KERNELS: Final[tuple[TflmKernels, ...]] = get_args(TflmKernels)
"""Kernel libraries of TFLite Micro, and of LiteRT on Linux boards; what a board's profile lists."""

AotKernels = Literal["portable", "dsp"]
AOT_KERNELS: Final[tuple[AotKernels, ...]] = get_args(AotKernels)
"""Kernel sets of the aot engine: the two ways in which its sources compile."""

KernelLibrary = Literal[TflmKernels, AotKernels]
KERNEL_LIBRARIES: Final[tuple[KernelLibrary, ...]] = (*TFLM_KERNELS, *AOT_KERNELS)
"""All kernel libraries, by the name they have in JSON."""

KERNEL_TITLES: Final[Mapping[KernelLibrary, str]] = {
    "reference": "TFLite reference kernels (portable C++)",
    "cmsis_nn": "CMSIS-NN, plain C",
    "cmsis_nn_dsp": "CMSIS-NN with the DSP extension",
    "cmsis_nn_mve": "CMSIS-NN with Helium (MVE)",
    "esp_nn": "ESP-NN, generic C",
    "esp_nn_s3": "ESP-NN with the ESP32-S3's vector instructions",
    "esp_nn_p4": "ESP-NN with the ESP32-P4's vector instructions",
    "xnnpack": "XNNPACK (LiteRT on Linux)",
    "portable": "edgekit's kernels, portable C99",
    "dsp": "edgekit's kernels with Arm's DSP extension",
}
"""What each of them is, for people."""

_DSP_CORES: Final = frozenset(
    {"cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33", "cortex-m35p", "cortex-m55", "cortex-m85"}
)
"""Cores with Arm's DSP extension. It is optional in the Cortex-M33; every MCU of the catalog has it."""


def engine_of(kernels: KernelLibrary) -> Engine:
    """Return the engine that ``kernels`` belongs to; no name belongs to two."""
    return "aot" if kernels in AOT_KERNELS else "tflm"


def aot_kernels(core: str) -> tuple[AotKernels, ...]:
    """Return the kernel sets of the aot engine that ``core`` (:class:`BoardProfile`'s name of it) can run, best first.

    Empty for application processors: their boards run Linux, and the engine is for microcontrollers.
    """
    if core.startswith("cortex-a"):
        return ()
    return ("dsp", "portable") if core in _DSP_CORES else ("portable",)
