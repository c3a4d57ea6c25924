"""Zephyr: an application for west, whose own manifest pins Zephyr and the modules that the board needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edgekit.boards.kernels import Engine
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.environment import render
from edgekit.codegen.firmware import (
    TFLM_DEFINES,
    include_folders,
    kernel_defines,
    port_sources,
    to_compile,
)
from edgekit.codegen.frameworks.framework import Application, ProjectFramework

ZEPHYR_VERSION: Final = "v4.3.0"
"""The release that the manifest pins."""
TFLM_REVISION: Final = "8d404de73acf7687831e16d88e86e4f73cfddf8e"
"""Of Zephyr's clone of TFLite Micro, branch zephyr-v4.1.0; it came along with CMSIS-NN 7.0.0 (pull request 85547)."""

_ENGINE_SOURCE: Final = "src/engine/ek_engine_tflm.cc"


@dataclass(frozen=True, slots=True)
class ZephyrBoard:
    """What a project has to know of a board in Zephyr's tree.

    Attributes
    ----------
    target:
        What ``west build -b`` takes, with the SoC and whatever follows it.
    hal:
        Zephyr's module of the chip's maker.
    line:
        The devicetree's label of the bench line; a node that the overlay makes where ``usb`` is true.
    usb:
        Whether the line is a serial port on the board's own USB.
    console, console_pins:
        The label of a UART beside the line for Zephyr's console and where it comes out, for people; both empty where
        there is none.
    overlay:
        What else the devicetree's overlay has to say.
    mve:
        Whether Zephyr has to be told that the core has Helium.
    """

    target: str
    hal: str
    line: str
    usb: bool = False
    console: str = ""
    console_pins: str = ""
    overlay: str = ""
    mve: bool = False

    @property
    def file_name(self) -> str:
        """Stem of the board's files in ``boards/``, as Zephyr looks for them."""
        return self.target.replace("/", "_")


_USB_LINE: Final = "edgekit_uart"

_L4R5_CLOCK: Final = """\
/* 120 MHz instead of the board's 80: 16 MHz / 4 * 60 / 2. Zephyr switches the regulator to boost mode for that. */
&pll {
	mul-n = <60>;
};

&rcc {
	clock-frequency = <DT_FREQ_M(120)>;
};"""

_BOARDS: Final[Mapping[str, tuple[ZephyrBoard, ...]]] = {
    "nano33ble": (
        ZephyrBoard(
            "arduino_nano_33_ble/nrf52840",
            "hal_nordic",
            _USB_LINE,
            usb=True,
            console="uart0",
            console_pins="TX and RX",
        ),
        ZephyrBoard("nrf52840dk/nrf52840", "hal_nordic", "uart0"),
    ),
    "nrf5340dk": (ZephyrBoard("nrf5340dk/nrf5340/cpuapp", "hal_nordic", "uart0"),),
    "stm32f746g-disco": (
        ZephyrBoard(
            "stm32f746g_disco/stm32f746xx",
            "hal_stm32",
            "usart1",
            console="usart6",
            console_pins="PC6 and PC7, D1 and D0 of the Arduino connector",
        ),
    ),
    "nucleo-h743zi": (ZephyrBoard("nucleo_h743zi/stm32h743xx", "hal_stm32", "usart3"),),
    "nucleo-l4r5zi": (
        ZephyrBoard(
            "nucleo_l4r5zi/stm32l4r5xx",
            "hal_stm32",
            "lpuart1",
            console="usart3",
            console_pins="PD8 and PD9",
            overlay=_L4R5_CLOCK,
        ),
    ),
    "nucleo-u575zi": (
        ZephyrBoard(
            "nucleo_u575zi_q/stm32u575xx",
            "hal_stm32",
            "usart1",
            console="usart2",
            console_pins="PD5 and PD6",
        ),
    ),
    "teensy41": (
        ZephyrBoard(
            "teensy41/mimxrt1062",
            "hal_nxp",
            _USB_LINE,
            usb=True,
            console="lpuart6",
            console_pins="pins 1 and 0",
        ),
    ),
    "ek-ra6m4": (ZephyrBoard("ek_ra6m4/r7fa6m4af3cfb", "hal_renesas", "uart0"),),
    "ek-ra8d1": (ZephyrBoard("ek_ra8d1/r7fa8d1bhecbd", "hal_renesas", "uart9", mve=True),),
}
"""By board profile; the first is the board itself, others take the same firmware. From boards/ of Zephyr."""


def supports(board: BoardProfile, engine: Engine) -> bool:
    """Tell whether Zephyr has ``board``; its projects have both engines."""
    return board.name in _BOARDS and engine in board.engines


def render_zephyr(application: Application) -> dict[str, str]:
    """Return the port to Zephyr, and the application's files: CMake's, Kconfig's, the devicetree's and west's."""
    boards = _BOARDS[application.board.name]
    engine = application.engine
    cmsis_nn = application.kernels.startswith("cmsis_nn")
    files = port_sources("zephyr")
    paths = {*application.generated, *files}
    modules = {"cmsis", "cmsis_6"} | {board.hal for board in boards}
    if cmsis_nn:
        modules |= {"cmsis-dsp", "cmsis-nn"}
    context = {
        "title": application.board.title,
        "target": boards[0].target,
        "engine": engine,
        "cmsis_nn": cmsis_nn,
        "sources": to_compile(paths),
        "include": include_folders(paths),
        "defines": [
            name
            for name in kernel_defines(application.board, application.kernels)
            if name not in TFLM_DEFINES
        ],
        "engine_source": _ENGINE_SOURCE,
        "zephyr": ZEPHYR_VERSION,
        "modules": sorted(modules),
        "tflm_revision": TFLM_REVISION,
    }
    for name in ("CMakeLists.txt", "prj.conf", "west.yml"):
        files[name] = render(f"project/zephyr/{name}.j2", context)
    for board in boards:
        for kind in ("conf", "overlay"):
            files[f"boards/{board.file_name}.{kind}"] = render(
                f"project/zephyr/board.{kind}.j2", {"board": board}
            )
    if cmsis_nn and boards[0].mve:
        files["Kconfig"] = render("project/zephyr/Kconfig.j2", context)
    return files


FRAMEWORK: Final = ProjectFramework("Zephyr", supports, render_zephyr)
