"""ESP-IDF: a project of `idf.py` for the ESP32, ESP32-S3, ESP32-C3 and ESP32-P4."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edgekit.boards.kernels import Engine
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.environment import render
from edgekit.codegen.firmware import include_folders, port_sources, to_compile
from edgekit.codegen.frameworks.framework import Application, ProjectFramework
from edgekit.errors import InputError
from edgekit.units import format_size

PORT_FOLDER: Final = "esp_idf"

ESP_NN_VERSION: Final = "1.2.3"
"""Of espressif/esp-nn: what its idf_component.yml says at d45b843, whose scratch sizes the arena is predicted with."""

_PACKAGE: Final = re.compile(r"(espressif/esp-tflite-micro) (\d+\.\d+\.\d+)")
"""How a board's profile names the component that brings TFLite Micro, with its release."""

_APP_OFFSET: Final = 0x10000
_APP_ALIGNMENT: Final = 0x10000
_MARGIN: Final = 1.1
"""How much larger than predicted an image may become."""

_TEMPLATES: Final = (
    "CMakeLists.txt",
    "main/CMakeLists.txt",
    "main/Kconfig.projbuild",
    "main/idf_component.yml",
    "partitions.csv",
    "sdkconfig.defaults",
    "sdkconfig.defaults.chip",
)


@dataclass(frozen=True, slots=True)
class Chip:
    """What a project must know of a chip.

    Attributes
    ----------
    target:
        Its name in ESP-IDF: ``CONFIG_IDF_TARGET``.
    cores:
        High-performance cores.
    uarts, uart_tx, uart_rx:
        UARTs, and the GPIOs that UART0 is at by default (``ESP_CONSOLE_UART_TX_GPIO`` in ESP-IDF's Kconfig).
    usb_serial_jtag:
        Whether it has a USB Serial/JTAG controller (``SOC_USB_SERIAL_JTAG_SUPPORTED``).
    radio:
        Whether it has one, so that Wi-Fi and Bluetooth can keep their calibration.
    table:
        Address in flash of the partition table.
    idf:
        The first ESP-IDF that a project works with: esp-tflite-micro 1.4.0 needs 5.1, the ESP32-P4 5.3.
    """

    target: str
    cores: int
    uarts: int
    uart_tx: int
    uart_rx: int
    usb_serial_jtag: bool = True
    radio: bool = True
    table: int = 0x8000
    idf: str = "5.1"


CHIPS: Final[Mapping[str, Chip]] = {
    "ESP32": Chip("esp32", 2, 3, 1, 3, usb_serial_jtag=False),
    "ESP32-S3": Chip("esp32s3", 2, 3, 43, 44),
    "ESP32-C3": Chip("esp32c3", 1, 2, 21, 20),
    # Its boot loader starts at 0x2000 and takes more than the 0x6000 bytes before the usual place of the table.
    "ESP32-P4": Chip("esp32p4", 2, 5, 37, 38, radio=False, table=0xC000, idf="5.3"),
}
"""By the name of the microcontroller in board profiles."""


def supports(board: BoardProfile, engine: Engine) -> bool:
    """Tell whether there is a project for ``board``: with tflm its profile must name the component."""
    known = engine == "aot" or _PACKAGE.fullmatch(board.sdk.tflm_package) is not None
    return board.mcu in CHIPS and engine in board.engines and known


def render_esp_idf(application: Application) -> dict[str, str]:
    """Return the port and the files of an ESP-IDF project.

    Raises
    ------
    InputError
        If ESP-IDF does not know the size of the board's flash.
    """
    board = application.board
    chip = CHIPS[board.mcu]
    files = port_sources(PORT_FOLDER)
    paths = {*application.generated, *files}
    psram = any(region.kind == "psram" for region in board.memory)
    context = {
        "title": board.title,
        "chip": chip,
        "mcu": board.mcu,
        "clock_mhz": board.clock_mhz,
        "flash_mb": _flash_megabytes(board),
        "psram": psram,
        "sources": to_compile(paths),
        "include": include_folders(paths),
        "dependencies": _dependencies(application),
        "idf": chip.idf,
        "reference": application.kernels == "reference",
        **_partitions(board, chip, application.image_bytes),
    }
    for name in (*_TEMPLATES, *(["sdkconfig.psram"] if psram else [])):
        path = name.replace(".chip", f".{chip.target}")
        files[path] = render(f"project/esp_idf/{name}.j2", context)
    return files


def _dependencies(application: Application) -> list[tuple[str, str]]:
    """Return the components that the project takes from Espressif's registry, with their versions."""
    package = _PACKAGE.fullmatch(application.board.sdk.tflm_package)
    if application.engine == "aot" or package is None:
        return []
    return [(package[1], package[2]), ("espressif/esp-nn", ESP_NN_VERSION)]


def _flash_megabytes(board: BoardProfile) -> int:
    total = board.flash_region.total
    if total % (1 << 20) or total >> 20 not in (1, 2, 4, 8, 16, 32, 64, 128):
        raise InputError(
            f"{board.title} has {format_size(total)} of flash, a size that ESP-IDF does not know.",
            "Correct `total` of the flash region in the board's file: 1, 2, 4, 8, 16, 32, 64 or 128 MB.",
        )
    return total >> 20


def _partitions(board: BoardProfile, chip: Chip, image_bytes: int | None) -> dict[str, object]:
    """Return offset and size in bytes of each partition.

    The firmware's is as large as what the board's profile leaves for the image, and larger if the image is; the
    prediction may be a tenth too low.
    """
    flash = board.flash_region
    wanted = max(flash.available, int((image_bytes or 0) * _MARGIN))
    size = min(-(-wanted // _APP_ALIGNMENT) * _APP_ALIGNMENT, flash.total - _APP_OFFSET)
    first = chip.table + 0x1000
    phy = (_APP_OFFSET - 0x1000, 0x1000) if chip.radio else None
    end = phy[0] if phy else _APP_OFFSET
    return {"nvs": (first, end - first), "phy": phy, "app": (_APP_OFFSET, size)}


FRAMEWORK: Final = ProjectFramework("ESP-IDF", supports, render_esp_idf)
