"""ESP32s, by Espressif's esptool over a serial port.

The options are those of esptool 5.6 (``esptool write-flash --help``); version 4, which ESP-IDF 5 brings, has the same
with underscores instead of dashes in commands, options of commands and their values.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from edgekit.boards.profile import BoardProfile
from edgekit.build.flash_tools import FlashTool, find_esptool
from edgekit.build.record import OUT_FOLDER
from edgekit.build.tools import older
from edgekit.errors import TaskError
from edgekit.flash.flasher import Job
from edgekit.flash.methods.method import Order, not_flashed
from edgekit.flash.steps import Run, ToolFailed

BAUD: Final = 460_800
"""What ESP-IDF flashes with by default."""
_NAME: Final = "esptool"
_DASHES: Final = "5.0"
"""From this version on words are joined by dashes."""
_SETTINGS: Final = ("mode", "freq", "size")

_BUTTONS: Final = "Hold BOOT, press and release RESET (or EN), release BOOT"
_REASONS: Final = (
    # What esptool says, what that means, what to do.
    (
        "Wrong boot mode detected",
        "the chip is not in download mode",
        f"{_BUTTONS}, and flash it again: the board's circuit for automatic reset does not work here.",
    ),
    (
        "No serial data received",
        "nothing answers at the port",
        f"Check the cable and that it is the right port; if the board has no automatic reset: {_BUTTONS}, then again.",
    ),
    (
        "Invalid head of packet",
        "something else than the boot loader answers",
        f"{_BUTTONS}, and flash it again; use a better cable or --baud 115200 if that does not help.",
    ),
    (
        "chip argument?",
        "the chip at this port is another one",
        "Name the right port with --port, or make the build folder for the board that is there.",
    ),
    (
        "the port is busy or doesn't exist",
        "the port cannot be opened",
        "Close the monitor, IDE or other session that has it, and check that the board is plugged in.",
    ),
    (
        "Permission denied",
        "you may not open the port",
        "Add yourself to its group (on most Linux systems `sudo usermod -aG dialout $USER`), and log in again.",
    ),
    (
        "will not fit in",
        "the flash memory is smaller than the image needs",
        "Choose the flash size of the module in sdkconfig.defaults, and build again.",
    ),
)
_WRITING: Final = "Writing at"
_LOST: Final = (
    _WRITING,
    "the connection was lost while the image was written",
    "Check cable and power, plug the board in again, and flash it again; --baud 115200 helps with long cables.",
)
_DAMAGED: Final = (
    "MD5 of file does not match",
    "what was written is not what was sent",
    "Flash it again with --baud 115200; if it stays, check cable and power supply.",
)


class Esptool:
    """esptool."""

    title = "esptool"
    urls = True
    bauds = True

    def wants_port(self, board: BoardProfile) -> bool:
        """Return that it has to be told."""
        return True

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether it is an ESP32."""
        return board.mcu.upper().startswith("ESP32")

    def check(self, job: Job, board: BoardProfile) -> None:
        """Find esptool."""
        find_esptool()

    def steps(self, order: Order) -> list[Run]:
        """Return one command, which writes all files of the build to their addresses."""
        job, tool = order.job, _find_or_newest()
        word = partial(_word, tool.version)
        settings = job.build.flash_settings if job.build is not None else {}
        chip = settings.get("chip") or order.board.mcu.lower().replace("-", "")
        command = [*tool.command, "--chip", chip, "--port", order.known_port]
        command += ["--baud", str(job.wishes.baud or BAUD)]
        command += ["--before", word(settings.get("before", "default-reset"))]
        command += ["--after", word(settings.get("after", "hard-reset"))]
        command.append(word("write-flash"))
        if job.build is None:
            # ESP-IDF's build writes the options and files of this command there.
            return [Run((*command, "@flash_args"), cwd=job.folder / OUT_FOLDER)]
        for name in _SETTINGS:
            if name in settings:
                command += [word(f"--flash-{name}"), settings[name]]
        return [Run((*command, *_files(order)))]

    def manual(self, board: BoardProfile) -> str:
        """Return which buttons start the boot loader."""
        return f"If it stays silent: {_BUTTONS[0].lower()}{_BUTTONS[1:]}."

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error for what esptool said."""
        written = _WRITING in failed.said and _DAMAGED[0] not in failed.said
        for words, why, hint in (_LOST, *_REASONS) if written else (_DAMAGED, *_REASONS):
            if words in failed.said:
                return not_flashed(order.board, failed, why, hint)
        return not_flashed(order.board, failed)


def _word(version: str, name: str) -> str:
    """Return a command, an option of a command or a value as ``version`` spells it."""
    if not older(version, _DASHES):
        return name.replace("_", "-")
    dashes = "--" if name.startswith("--") else ""
    return dashes + name.removeprefix("--").replace("-", "_")


def _find_or_newest() -> FlashTool:
    """Return esptool, or where it is missing how the newest one would be called."""
    try:
        return find_esptool()
    except TaskError:
        return FlashTool((_NAME,), _DASHES)


def _files(order: Order) -> list[str]:
    """Return address and file of all that is written, in the order of the addresses."""
    files = [file for file in order.job.image.flash_files if file.kind == "bin" and file.address is not None]
    if not files:
        raise TaskError(
            "The build has left no files with an address in flash, which esptool needs.",
            "Build again with `edgekit build`.",
        )
    placed = sorted(files, key=lambda file: file.address or 0)
    return [word for file in placed for word in (f"{file.address:#x}", str(order.job.folder / file.file))]
