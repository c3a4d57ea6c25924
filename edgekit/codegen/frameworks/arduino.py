"""Arduino: the build folder as a library with an example sketch, and what PlatformIO's projects share with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from edgekit import __version__
from edgekit.boards.kernels import Engine
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.environment import render
from edgekit.codegen.firmware import SOURCE_FOLDER, kernel_defines, port_sources, with_suffix
from edgekit.codegen.frameworks.framework import Application, ProjectFramework

SKETCH: Final = "examples/edgekit_bench/edgekit_bench.ino"
LIBRARY_NAME: Final = "edgekit_model"

TFLM_LIBRARY: Final = "Arduino_TensorFlowLite"
TFLM_HEADER: Final = "TensorFlowLite.h"
"""Whose inclusion makes a build find the library."""


@dataclass(frozen=True, slots=True)
class ArduinoBoard:
    """What Arduino's tools have to know of a board.

    Attributes
    ----------
    fqbn:
        Its fully qualified name, with the options that matter.
    tflm:
        Whether there is a library that brings TFLite Micro to it.
    receive_buffer:
        Whether ``Serial`` has a receive buffer that the sketch can set, and a small one if it does not.
    macros:
        What makes the sketch's receive buffer larger where the core takes it from the command line.
    """

    fqbn: str
    tflm: bool = False
    receive_buffer: bool = False
    macros: tuple[str, ...] = ()

    @property
    def architecture(self) -> str:
        """The platform's architecture, as library.properties has it."""
        return self.fqbn.split(":")[1]


_STM32_BUFFER: Final = ("SERIAL_RX_BUFFER_SIZE=1024",)

ARDUINO_BOARDS: Final[Mapping[str, ArduinoBoard]] = {
    "nano33ble": ArduinoBoard("arduino:mbed_nano:nano33ble", tflm=True),
    "esp32": ArduinoBoard("esp32:esp32:esp32:PartitionScheme=huge_app", receive_buffer=True),
    "esp32s3": ArduinoBoard(
        "esp32:esp32:esp32s3:CDCOnBoot=cdc,PartitionScheme=huge_app", receive_buffer=True
    ),
    "esp32c3": ArduinoBoard(
        "esp32:esp32:esp32c3:CDCOnBoot=cdc,PartitionScheme=huge_app", receive_buffer=True
    ),
    "rp2040": ArduinoBoard("rp2040:rp2040:rpipico:opt=Optimize2"),
    "rp2350": ArduinoBoard("rp2040:rp2040:rpipico2:opt=Optimize2"),
    "teensy41": ArduinoBoard("teensy:avr:teensy41:usb=serial,speed=600,opt=o2std"),
    "nucleo-h743zi": ArduinoBoard(
        "STMicroelectronics:stm32:Nucleo_144:pnum=NUCLEO_H743ZI,opt=o2std", macros=_STM32_BUFFER
    ),
    "nucleo-l4r5zi": ArduinoBoard(
        "STMicroelectronics:stm32:Nucleo_144:pnum=NUCLEO_L4R5ZI,opt=o2std", macros=_STM32_BUFFER
    ),
    "nucleo-u575zi": ArduinoBoard(
        "STMicroelectronics:stm32:Nucleo_144:pnum=NUCLEO_U575ZI_Q,opt=o2std", macros=_STM32_BUFFER
    ),
    "stm32f746g-disco": ArduinoBoard(
        "STMicroelectronics:stm32:Disco:pnum=DISCO_F746NG,opt=o2std", macros=_STM32_BUFFER
    ),
}
"""By board profile. From each core's boards.txt; an ESP32's usual slot of 1.3 MB is less than what its limit allows."""


def supports(board: BoardProfile, engine: Engine) -> bool:
    """Tell whether Arduino's tools have ``board`` and, for TFLite Micro, a library that brings it."""
    found = ARDUINO_BOARDS.get(board.name)
    return found is not None and engine in board.engines and (engine == "aot" or found.tflm)


def forwarding_headers(paths: Collection[str]) -> dict[str, str]:
    """Return headers in ``src/`` that include those of its subfolders, as only ``src/`` is on the include path.

    Raises
    ------
    ValueError
        If two headers have one name.
    """
    headers: dict[str, str] = {}
    for path in with_suffix(paths, ".h"):
        name = PurePosixPath(path).name
        if f"{SOURCE_FOLDER}/{name}" in headers:
            raise ValueError(f"there are two headers {name}")
        inside = str(PurePosixPath(path).relative_to(SOURCE_FOLDER))
        headers[f"{SOURCE_FOLDER}/{name}"] = render("project/arduino/forward.h.j2", {"path": inside})
    return headers


def render_sketch(application: Application, header: str, *, platformio: bool = False) -> str:
    """Return the sketch, which includes ``header``; with ``platformio`` as a C++ file of its own."""
    board = ARDUINO_BOARDS[application.board.name]
    context = {
        "title": application.board.title,
        "platformio": platformio,
        "tflm_header": TFLM_HEADER if application.engine == "tflm" else "",
        "header": header,
        "receive_buffer": board.receive_buffer,
    }
    return render("project/arduino/sketch.j2", context)


def render_arduino(application: Application) -> dict[str, str]:
    """Return the port to Arduino, the library's properties and headers, and the example sketch."""
    board = ARDUINO_BOARDS[application.board.name]
    files = port_sources("arduino")
    files |= forwarding_headers({*application.generated, *files})
    defines = kernel_defines(application.board, application.kernels) if application.engine == "aot" else ()
    if defines:
        files[f"{SOURCE_FOLDER}/edgekit_options.h"] = "".join(f"#define {define}\n" for define in defines)
    files["library.properties"] = render(
        "project/arduino/library.properties.j2",
        {
            "name": LIBRARY_NAME,
            "version": __version__,
            "paragraph": f"Written for {application.board.title} with edgekit's {application.engine} engine; "
            f"compile for {board.fqbn}.",
            "architectures": board.architecture,
            "depends": TFLM_LIBRARY if application.engine == "tflm" else "",
        },
    )
    files[SKETCH] = render_sketch(application, "<edgekit.h>")
    if board.macros:
        options = "".join(f"-D{macro}\n" for macro in board.macros)
        files[str(PurePosixPath(SKETCH).parent / "build_opt.h")] = options
    return files


FRAMEWORK: Final = ProjectFramework("Arduino", supports, render_arduino)
