"""PlatformIO: a project with a pinned platform, on Arduino's port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edgekit.boards.kernels import Engine
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.environment import render
from edgekit.codegen.firmware import SOURCE_FOLDER, include_folders, kernel_defines, port_sources
from edgekit.codegen.frameworks import arduino
from edgekit.codegen.frameworks.framework import Application, ProjectFramework

MAIN_FILE: Final = f"{SOURCE_FOLDER}/sketch.cpp"

TFLM_SOURCE: Final = (
    "https://github.com/tensorflow/tflite-micro-arduino-examples.git#7948b85e020470a30a83bf00e10fc43b486bfcba"
)

# Not in PlatformIO's registry, but the only one with the Pico 2; pinned by its commit.
_PICO_PLATFORM: Final = (
    "https://github.com/maxgerhardt/platform-raspberrypi.git#2d445020acf8b792768a5fa5ba1870ac9607c11c"
)


@dataclass(frozen=True, slots=True)
class PlatformioBoard:
    """What PlatformIO has to know of a board.

    Attributes
    ----------
    platform:
        The platform with its version.
    board:
        The board's id in it.
    options, flags:
        Further lines of the environment, and flags of the compiler.
    """

    platform: str
    board: str
    options: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


_ESP32: Final = "platformio/espressif32@6.13.0"
_STM32: Final = "platformio/ststm32@19.6.0"
# With 4 MB of flash: the usual table has two slots of 1.3 MB, and the limit of the board is larger.
_LARGE_APP: Final = ("board_build.partitions = huge_app.csv",)
# Serial is the chip's USB-serial-JTAG, not its first UART.
_USB_SERIAL: Final = ("-DARDUINO_USB_MODE=1", "-DARDUINO_USB_CDC_ON_BOOT=1")

PLATFORMIO_BOARDS: Final[Mapping[str, PlatformioBoard]] = {
    "esp32": PlatformioBoard(_ESP32, "esp32dev", _LARGE_APP),
    "esp32s3": PlatformioBoard(_ESP32, "esp32-s3-devkitc-1", flags=_USB_SERIAL),
    "esp32c3": PlatformioBoard(_ESP32, "esp32-c3-devkitm-1", _LARGE_APP, _USB_SERIAL),
    "rp2040": PlatformioBoard(_PICO_PLATFORM, "rpipico", ("board_build.core = earlephilhower",)),
    "rp2350": PlatformioBoard(_PICO_PLATFORM, "rpipico2", ("board_build.core = earlephilhower",)),
    "nano33ble": PlatformioBoard("platformio/nordicnrf52@10.11.0", "nano33ble"),
    "teensy41": PlatformioBoard("platformio/teensy@5.2.0", "teensy41", ("upload_protocol = teensy-cli",)),
    "nucleo-h743zi": PlatformioBoard(_STM32, "nucleo_h743zi"),
    "nucleo-l4r5zi": PlatformioBoard(_STM32, "nucleo_l4r5zi"),
    "nucleo-u575zi": PlatformioBoard(_STM32, "nucleo_u575zi_q"),
    "stm32f746g-disco": PlatformioBoard(_STM32, "disco_f746ng"),
}
"""By board profile. From boards/ of each platform at its version."""


def supports(board: BoardProfile, engine: Engine) -> bool:
    """Tell whether PlatformIO has ``board`` and, for TFLite Micro, a library that brings it."""
    return board.name in PLATFORMIO_BOARDS and arduino.supports(board, engine)


def render_platformio(application: Application) -> dict[str, str]:
    """Return the port to Arduino, platformio.ini and the sketch as C++."""
    name = application.board.name
    board = PLATFORMIO_BOARDS[name]
    files = port_sources("arduino")
    paths = {*application.generated, *files}
    # TFLite Micro is compiled along with the project, so what it must be compiled with is the library's business.
    defines = kernel_defines(application.board, application.kernels) if application.engine == "aot" else ()
    flags = [
        *(f"-I{folder}" for folder in include_folders(paths)),
        *(f"-D{define}" for define in (*defines, *arduino.ARDUINO_BOARDS[name].macros)),
        *board.flags,
    ]
    files[MAIN_FILE] = arduino.render_sketch(application, '"edgekit.h"', platformio=True)
    files["platformio.ini"] = render(
        "project/platformio/platformio.ini.j2",
        {
            "title": application.board.title,
            "env": name,
            "board": board,
            "flags": flags,
            "lib_deps": [TFLM_SOURCE] if application.engine == "tflm" else [],
        },
    )
    return files


FRAMEWORK: Final = ProjectFramework("PlatformIO", supports, render_platformio)
