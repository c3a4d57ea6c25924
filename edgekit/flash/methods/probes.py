"""Boards with a debug probe, by pyOCD, OpenOCD or SEGGER's J-Link Commander.

The options are those of pyOCD 0.46 (``pyocd load --help``), OpenOCD 0.12 (user's guide, "Flash Programming") and J-Link
Commander as Zephyr's runner uses it (zephyr, scripts/west_commands/runners/jlink.py). The names of the targets are
those of Zephyr's ``boards/*/*/board.cmake``, of ``pyocd list --targets``, and of OpenOCD's own scripts.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from edgekit.boards.profile import BoardProfile
from edgekit.build.tools import need_tool
from edgekit.errors import TaskError
from edgekit.flash.flasher import Job
from edgekit.flash.methods.method import Order, not_flashed
from edgekit.flash.steps import Run, Step, ToolFailed

_PYOCD: Final[Mapping[str, str]] = {
    "nano33ble": "nrf52840",
    "nucleo-h743zi": "stm32h743xx",
    "nucleo-u575zi": "stm32u575zitx",
    "ek-ra6m4": "r7fa6m4af",
    "ek-ra8d1": "r7fa8d1bh",
    "rp2040": "rp2040",
    "rp2350": "rp2350",
    "teensy41": "mimxrt1060",
}
_OPENOCD: Final[Mapping[str, tuple[str, ...]]] = {
    "stm32f746g-disco": ("board/stm32f746g-disco.cfg",),
    "nucleo-h743zi": ("board/st_nucleo_h743zi.cfg",),
    "nucleo-l4r5zi": ("board/st_nucleo_l4.cfg",),
    "nucleo-u575zi": ("interface/stlink.cfg", "target/stm32u5x.cfg"),
    # Without a speed OpenOCD takes 100 kHz there.
    "rp2040": ("interface/cmsis-dap.cfg", "target/rp2040.cfg", "adapter speed 5000"),
}
_JLINK: Final[Mapping[str, str]] = {
    "stm32f746g-disco": "STM32F746NG",
    "nucleo-h743zi": "STM32H743ZI",
    "nucleo-l4r5zi": "STM32L4R5ZI",
    "nucleo-u575zi": "STM32U575ZI",
    "nrf5340dk": "nrf5340_xxaa_app",
    "ek-ra6m4": "R7FA6M4AF",
    "ek-ra8d1": "R7FA8D1BH",
}

_NO_PROBE: Final = (
    "Plug in the board's debug connector; on Linux install the probe's udev rule, see docs/flashing.md."
)
_REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "not recognized": ("it does not know the chip", "Install its pack: `pyocd pack install {target}`."),
    "No connected debug probes": ("no debug probe is there", _NO_PROBE),
    "Unable to open CMSIS-DAP": ("no debug probe is there", _NO_PROBE),
    "unable to find a matching CMSIS-DAP": ("no debug probe is there", _NO_PROBE),
    "open failed": ("no debug probe is there, or you may not open it", _NO_PROBE),
    "LIBUSB_ERROR_ACCESS": ("you may not open the debug probe", _NO_PROBE),
    "Permission denied": ("you may not open the debug probe", _NO_PROBE),
    "Cannot connect to J-Link": ("no J-Link is there", _NO_PROBE),
    "init mode failed": (
        "the probe does not reach the chip",
        "Hold the board's RESET button while it starts, and check the jumpers of the debug connector.",
    ),
    "Error connecting DP": (
        "the probe does not reach the chip",
        "Check power and jumpers of the debug connector.",
    ),
}


@dataclass(frozen=True, slots=True)
class Probe:
    """What the three have in common.

    Attributes
    ----------
    name:
        The method.
    title:
        For people.
    tool:
        Its name in :data:`~edgekit.build.tools.TOOLS`.
    targets:
        What it calls the chips: one name, or several words, by board.
    """

    name: str
    title: str
    tool: str
    targets: Mapping[str, str | tuple[str, ...]]
    urls: bool = False
    bauds: bool = False

    def wants_port(self, board: BoardProfile) -> bool:
        """Return that it need not be told: it looks for the board itself."""
        return False

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether the name of its target is known."""
        return board.name in self.targets

    def check(self, job: Job, board: BoardProfile) -> None:
        """Find the tool, and the name of the target."""
        need_tool(self.tool)
        self.target(board)

    def target(self, board: BoardProfile) -> tuple[str, ...]:
        """Return what the tool calls the target of ``board``.

        Raises
        ------
        TaskError
            If that is not known.
        """
        if board.flash_method == self.name and board.flash_target is not None:
            return tuple(board.flash_target.split())
        found = self.targets.get(board.name)
        if found is None:
            raise TaskError(
                f"What {self.title} calls the target of {board.name} is not known.",
                "Name it in the board's file: flash_target.",
            )
        return (found,) if isinstance(found, str) else found

    def steps(self, order: Order) -> list[Step]:
        """Return the commands."""
        raise NotImplementedError

    def manual(self, board: BoardProfile) -> str:
        """Return nothing: a probe needs no button."""
        return ""

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error for what the tool said."""
        for words, (why, hint) in _REASONS.items():
            if words in failed.said:
                target = " ".join(self.target(order.board))
                return not_flashed(order.board, failed, why, hint.format(target=target))
        return not_flashed(order.board, failed)


class Pyocd(Probe):
    """pyOCD."""

    def steps(self, order: Order) -> list[Step]:
        """Return one command, which does not wait for a probe that is not there."""
        (target,) = self.target(order.board)
        file = str(order.file("hex", "elf"))
        return [Run(("pyocd", "load", "--no-wait", "--target", target, file))]


class Openocd(Probe):
    """OpenOCD."""

    def steps(self, order: Order) -> list[Step]:
        """Return one command: write, verify, reset."""
        target = self.target(order.board)
        scripts = [word for part in target for word in ("-f" if part.endswith(".cfg") else "-c", part)]
        program = f"program {{{order.file('hex', 'elf')}}} verify reset exit"
        return [Run(("openocd", *scripts, "-c", program))]


class Jlink(Probe):
    """J-Link Commander, which takes its commands from a file."""

    def steps(self, order: Order) -> list[Step]:
        """Return the writing of that file, and the command that reads it."""
        (device,) = self.target(order.board)
        script = order.job.folder / "out" / "flash.jlink"
        commands = (f'loadfile "{order.file("hex", "elf")}"', "r", "g", "exit")
        options = ("-nogui", "1", "-if", "swd", "-speed", "4000", "-device", device)
        return [
            Write(script, commands),
            Run(
                (
                    "JLinkExe",
                    *options,
                    "-AutoConnect",
                    "1",
                    "-ExitOnError",
                    "1",
                    "-CommanderScript",
                    str(script),
                )
            ),
        ]


@dataclass(frozen=True, slots=True)
class Write:
    """Writing a small file for a tool."""

    path: Path
    lines: tuple[str, ...]

    @property
    def line(self) -> str:
        """What does the same in a shell."""
        return f"printf '%s\\n' {shlex.join(self.lines)} > {shlex.quote(str(self.path))}"

    def do(self, log: IO[str]) -> None:
        """Write it."""
        log.write(f"$ {self.line}\n")
        self.path.write_text("".join(f"{line}\n" for line in self.lines))


PYOCD: Final = Pyocd("pyocd", "pyOCD", "pyocd", _PYOCD)
OPENOCD: Final = Openocd("openocd", "OpenOCD", "openocd", _OPENOCD)
JLINK: Final = Jlink("jlink", "J-Link Commander", "JLinkExe", _JLINK)
