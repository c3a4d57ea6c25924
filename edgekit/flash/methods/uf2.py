"""Raspberry Pi's Picos, by copying a UF2 file onto the drive of their boot loader; no program is needed for it."""

from __future__ import annotations

import errno
import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from edgekit.boards.profile import BoardProfile
from edgekit.doctor.boot import INFO_FILE
from edgekit.errors import InputError, TaskError
from edgekit.flash import uf2
from edgekit.flash.flasher import Job
from edgekit.flash.methods.method import Order, not_flashed
from edgekit.flash.steps import Step, ToolFailed, Touch

PATIENCE_S: Final = 60.0
"""How long a person may take to press a button."""
_TOUCHED_S: Final = 10.0
"""How long a board that was restarted into its boot loader may take until its drive is mounted."""
_STEP_S: Final = 0.2
_CHUNK: Final = 64 * 512
_GONE: Final = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESTALE)
"""What the system says of a drive whose board has restarted with the last block."""
_MOUNT: Final = "Mount its drive (`udisksctl mount -b /dev/sdX1`, see `lsblk`), or install picotool."
BOOTSEL: Final = "Hold the BOOTSEL button, plug the board in, and release the button"


class Uf2:
    """Copying onto the boot loader's drive."""

    title = "Copying a UF2 file"
    urls = False
    bauds = False

    def wants_port(self, board: BoardProfile) -> bool:
        """Return that it need not be told: it looks for the board itself."""
        return False

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether its chip's family is known."""
        return _chip(board) in uf2.FAMILIES.values()

    def check(self, job: Job, board: BoardProfile) -> None:
        """Nothing is needed."""

    def steps(self, order: Order) -> list[Step]:
        """Return the restart into the boot loader, where that is needed and possible, and the copying."""
        file, chip = order.file("uf2"), _chip(order.board)
        if order.job.build is not None and (found := uf2.chip_of(file)) != chip:
            raise TaskError(
                f"{file} is for an {found}, and {order.board.name} has an {chip}.", "Build it again."
            )
        says = order.job.told.says
        drive = _only_drive(chip)
        if drive is not None:
            return [Copy(file, chip, drive, 0, says, self.manual(order.board))]
        copy = Copy(
            file, chip, None, _TOUCHED_S if order.port else PATIENCE_S, says, self.manual(order.board)
        )
        return [Touch(order.port), copy] if order.port else [copy]

    def manual(self, board: BoardProfile) -> str:
        """Return which button starts the boot loader."""
        return f"{BOOTSEL}."

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error as it is: no tool is run."""
        return not_flashed(order.board, failed)


@dataclass(frozen=True, slots=True)
class Copy:
    """Copying a UF2 file onto a drive.

    Attributes
    ----------
    file, chip:
        What is copied, and the chip whose drive takes it.
    drive:
        Where it is mounted; ``None`` where it has to be waited for.
    patience_s:
        Seconds to wait for it.
    says:
        Told what to press.
    manual:
        That, as a sentence.
    """

    file: Path
    chip: str
    drive: Path | None
    patience_s: float
    says: Callable[[str], None]
    manual: str

    @property
    def line(self) -> str:
        """The command that copies; a drive that is not there yet is shown as ``DRIVE``."""
        return shlex.join(["cp", str(self.file), str(self.drive or "DRIVE")])

    def do(self, log: IO[str]) -> None:
        """Wait for the drive and copy; raises ``TaskError`` if it does not come, or does not take the file."""
        drive = self.drive or self._wait()
        log.write(f"$ {shlex.join(['cp', str(self.file), str(drive)])}\n")
        content = self.file.read_bytes()
        sent = 0
        try:
            with (drive / self.file.name).open("wb", buffering=0) as target:
                for start in range(0, len(content), _CHUNK):
                    target.write(content[start : start + _CHUNK])
                    sent = min(start + _CHUNK, len(content))
                os.fsync(target.fileno())
        except OSError as error:
            if sent == len(content) and error.errno in _GONE and not (drive / INFO_FILE).exists():
                return
            raise TaskError(
                f"{self.file.name} could not be copied to {drive}: {error.strerror or error}.",
                "Check that the board is still plugged in, start its boot loader again, and repeat. "
                + self.manual,
            ) from error

    def _wait(self) -> Path:
        end = time.monotonic() + self.patience_s
        told = self.patience_s != PATIENCE_S
        while (drive := _only_drive(self.chip)) is None:
            unmounted = uf2.on_usb(self.chip)
            if not told:
                missing = f"No {self.chip} is in its boot loader. {self.manual}"
                said = f"An {self.chip} is in its boot loader. {_MOUNT}" if unmounted else missing
                self.says(f"{said} Waiting for {self.patience_s:.0f} s.")
                told = True
            if time.monotonic() > end:
                raise TaskError(
                    f"The drive of an {self.chip} in its boot loader is not mounted."
                    if unmounted
                    else f"No drive of an {self.chip} in its boot loader has come within {self.patience_s:.0f} s.",
                    _MOUNT if unmounted else self.manual,
                )
            time.sleep(_STEP_S)
        return drive


def _only_drive(chip: str) -> Path | None:
    """Return where the drive of the board in its boot loader is mounted, if there is one.

    Raises
    ------
    InputError
        If there are several.
    """
    here = uf2.find_drives(chip)
    if len(here) > 1:
        raise InputError(
            f"{len(here)} boards with an {chip} are in their boot loader.",
            "Leave only the one plugged in that is to be flashed.",
            [str(drive.path) for drive in here],
        )
    return here[0].path if here else None


def _chip(board: BoardProfile) -> str:
    """Return the chip of ``board`` as the families have it: an RP2350A is an RP2350."""
    return board.mcu[:6].upper()
