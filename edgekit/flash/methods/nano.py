"""Arduino's Nano 33 BLE, by bossac with the boot loader that it comes with, or by adafruit-nrfutil with Adafruit's.

bossac's options are those of Arduino's own command (ArduinoCore-mbed, platform.txt, tools.bossac.upload.pattern); it
has to be Arduino's, as the one of most distributions does not know the nRF52840. adafruit-nrfutil's are those of 0.5.3
(``dfu serial --help``). Both boot loaders start when the board's serial port is opened at 1200 baud and closed again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import IO, Final

from edgekit.boards.profile import BoardProfile
from edgekit.build.flash_tools import find_bossac
from edgekit.build.tools import TOOLS, need_tool
from edgekit.errors import TaskError
from edgekit.flash import ports
from edgekit.flash.flasher import Job
from edgekit.flash.methods.method import Order, not_flashed
from edgekit.flash.ports import PortInfo
from edgekit.flash.steps import Run, Step, ToolFailed, Touch

_BOSSAC: Final = "bossac"
_NRFUTIL: Final = "adafruit-nrfutil"
_NRF52: Final = "0x0052"
"""Device type of the nRF52 in a package (Adafruit_nRF52_Arduino, platform.txt)."""
_DFU_BAUD: Final = 115_200
_GONE_S: Final = 3.0
"""How long a board may take to leave the bus after it was touched; one that stays was in its boot loader already."""
_BACK_S: Final = 10.0
_STEP_S: Final = 0.1
_MANUAL: Final = (
    "Press the RESET button twice within half a second: the LED next to USB pulses in the boot loader."
)


class Bossac:
    """bossac."""

    title = "bossac"
    urls = False
    bauds = False

    def wants_port(self, board: BoardProfile) -> bool:
        """Return that it has to be told."""
        return True

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether the board has Arduino's boot loader."""
        return board.flash_method == "bossac"

    def check(self, job: Job, board: BoardProfile) -> None:
        """Find bossac."""
        find_bossac()

    def steps(self, order: Order) -> list[Step]:
        """Return the restart into the boot loader, and the command at the port where that is."""
        port = order.known_port
        options = ("-U", "-i", "-e", "-w", str(order.file("bin")), "-R")
        return [Touch(port), RunAtBootLoader(_bossac_or_name(), port, options, order.board)]

    def manual(self, board: BoardProfile) -> str:
        """Return what to press."""
        return _MANUAL

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error for what bossac said."""
        if "Device unsupported" in failed.said or "SAM-BA operation failed" in failed.said:
            return not_flashed(
                order.board,
                failed,
                "it does not know the chip, or the boot loader does not run",
                f"{_MANUAL} If that is no help: {TOOLS[_BOSSAC].hint}",
            )
        return not_flashed(order.board, failed, "", f"{_MANUAL} Then flash it again.")


class Nrfutil:
    """adafruit-nrfutil."""

    title = "adafruit-nrfutil"
    urls = False
    bauds = True

    def wants_port(self, board: BoardProfile) -> bool:
        """Return that it has to be told."""
        return True

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether the chip is one of Nordic's with a boot loader on USB."""
        return board.mcu.upper().startswith("NRF52840")

    def check(self, job: Job, board: BoardProfile) -> None:
        """Find adafruit-nrfutil."""
        need_tool(_NRFUTIL)

    def steps(self, order: Order) -> list[Step]:
        """Return the packing, where the build has left no package, and the command that sends it."""
        steps: list[Step] = []
        job = order.job
        if job.build is not None and any(file.kind == "zip" for file in job.build.flash_files):
            package = order.file("zip")
        else:
            image = order.file("hex")
            package = image.with_suffix(".zip")
            steps.append(
                Run(
                    (
                        _NRFUTIL,
                        "dfu",
                        "genpkg",
                        "--dev-type",
                        _NRF52,
                        "--application",
                        str(image),
                        str(package),
                    )
                )
            )
        baud = str(job.wishes.baud or _DFU_BAUD)
        command = (_NRFUTIL, "dfu", "serial", "--package", str(package), "--port", order.known_port)
        return [*steps, Run((*command, "--baudrate", baud, "--singlebank", "--touch", "1200"))]

    def manual(self, board: BoardProfile) -> str:
        """Return what to press."""
        return _MANUAL

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error for what adafruit-nrfutil said."""
        return not_flashed(order.board, failed, "", f"{_MANUAL} Then flash it again.")


@dataclass(frozen=True, slots=True)
class RunAtBootLoader:
    """Running bossac at the port that the boot loader has, which may be another one than the firmware's.

    Attributes
    ----------
    program, options:
        What is run, and with what besides the port.
    port:
        Where the firmware was.
    board:
        Whose USB ids the boot loader has.
    """

    program: str
    port: str
    options: tuple[str, ...]
    board: BoardProfile

    @property
    def line(self) -> str:
        """The command, with the port as it was before."""
        return self._run(self.port).line

    def do(self, log: IO[str]) -> None:
        """Wait for the boot loader's port and run the command there."""
        self._run(self._boot_loader()).do(log)

    def _run(self, port: str) -> Run:
        return Run((self.program, f"--port={port}", *self.options))

    def _boot_loader(self) -> str:
        known = [port for port in ports.list_ports() if port.device == self.port]
        was = known[0] if known else PortInfo(self.port)
        start = time.monotonic()
        gone = not known
        while time.monotonic() - start < (_BACK_S if gone else _GONE_S):
            here = [
                port
                for port in ports.list_ports()
                if port.may_be(self.board) and (gone or port.same_device(was))
            ]
            if not here:
                gone = True
            elif gone or here[0].usb_id != was.usb_id:
                return here[0].device
            time.sleep(_STEP_S)
        if gone:
            raise TaskError(
                f"{self.board.name} has not come back in its boot loader within {_BACK_S:.0f} s.",
                f"{_MANUAL} Then flash it again.",
            )
        return self.port


def _bossac_or_name() -> str:
    """Return bossac, or where it is missing its name."""
    try:
        return find_bossac().command[0]
    except TaskError:
        return _BOSSAC
