"""The kernel libraries that TFLite Micro (or LiteRT on Linux boards) can be built with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

KernelLibrary = Literal[
    "reference", "cmsis_nn", "cmsis_nn_dsp", "cmsis_nn_mve", "esp_nn", "esp_nn_s3", "esp_nn_p4", "xnnpack"
]
KERNEL_LIBRARIES: Final[tuple[KernelLibrary, ...]] = get_args(KernelLibrary)
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
}
"""What each of them is, for people."""
