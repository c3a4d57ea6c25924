"""A board of silicon: a tool puts the image onto it, and then it is asked who it is."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from edgekit import __version__
from edgekit.boards.catalog import get_board
from edgekit.boards.profile import BoardProfile
from edgekit.build.tools import TOOLS
from edgekit.errors import InputError, TaskError
from edgekit.files import write_atomic
from edgekit.flash import ports
from edgekit.flash.comeback import wait_for_board
from edgekit.flash.find import Found, check_named, check_there, find_port, no_port
from edgekit.flash.flasher import Job, refuse_wishes
from edgekit.flash.methods.method import PLACEHOLDER, Method, Order
from edgekit.flash.ports import PortInfo, is_url
from edgekit.flash.record import FLASH_FILE, FLASH_LOG, AnyRecord, CheckedIdentity, DeviceRecord
from edgekit.flash.steps import Step, ToolFailed, passed_on
from edgekit.wire.declaration import Identity

_INTERRUPTED = (
    "Interrupted while the board was being written: it may hold a part of the image, so flash it again."
)


def _with_port(error: TaskError, port: str | None) -> TaskError:
    """Return ``error`` with what may be wrong with the port."""
    from edgekit.doctor.explain import as_details, explain_port

    found = as_details(explain_port(port)) if port is not None else []
    return TaskError(error.message, error.hint, [*error.details, *found])


@dataclass(frozen=True, slots=True)
class DeviceFlasher:
    """Puts images onto boards with one tool.

    Attributes
    ----------
    name:
        The method, as ``--method`` and flash.json have it.
    method:
        What the tool is told.
    """

    name: str
    method: Method

    def check(self, job: Job) -> None:
        """Check that tool and board are there, and that the wishes can be fulfilled; no device is asked yet."""
        self._check_wishes(job)
        board = self._board(job)
        self.method.check(job, board)
        self._find(replace(job, ask=None), board)

    def commands(self, job: Job) -> list[str]:
        """Return what would be done; a port that is not known is shown as ``PORT``."""
        self._check_wishes(job)
        board = self._board(job)
        found = find_port(job, board)
        port = found.port.device if found.port is not None else None
        if found.others:
            names = ", ".join(other.device for other in found.others)
            job.told.says(
                f"Each of {names} may be {board.name}: they will be asked, or name one with --port."
            )
        if port is None and self.method.wants_port(board):
            if not found.others:
                job.told.says(f"No port of {board.name} is here now; {PLACEHOLDER} stands for it.")
            port = PLACEHOLDER
        steps = self.method.steps(Order(job, board, port))
        for program in dict.fromkeys(getattr(step, "program", None) for step in steps):
            if program is not None and shutil.which(program) is None:
                job.told.says(
                    f"{program} is not installed here. {TOOLS[program].hint if program in TOOLS else ''}"
                )
        return [step.line for step in steps]

    def flash(self, job: Job) -> DeviceRecord:
        """Run the tool, wait for the board to come back, check who it is, and write the record."""
        board = self._board(job)
        found = self._find(job, board).port
        order = Order(job, board, found.device if found is not None else None)
        before = ports.list_ports()
        steps = self.method.steps(order)
        self._do(order, steps)
        job.told.says(f"Waiting for {board.name} to start.")
        port, identity = wait_for_board(job, board, before, found)
        record = self._record(job, board, steps, port, identity)
        write_atomic(job.folder / FLASH_FILE, record.to_json())
        return record

    def stop(self, folder: Path, record: AnyRecord) -> bool:
        """Do nothing: what runs on the board is not edgekit's to end."""
        return False

    def port(self, record: AnyRecord) -> str | None:
        """Return where the board is now: at the port it was at, or where its serial number is."""
        assert isinstance(record, DeviceRecord)
        was = record.port
        if was is None or is_url(was):
            return was
        here = ports.list_ports()
        if record.serial_number is not None:
            same = [port.device for port in here if port.serial_number == record.serial_number]
            if same:
                return was if was in same else same[0]
        return was if any(port.device == was for port in here) or Path(was).exists() else None

    def _board(self, job: Job) -> BoardProfile:
        board = get_board(job.project.board)
        if self.name != board.flash_method and not self.method.suits(job, board):
            raise InputError(
                f"{self.method.title} cannot put {job.project.framework} firmware onto {board.name}.",
                "Leave --method out.",
            )
        return board

    def _find(self, job: Job, board: BoardProfile) -> Found:
        """Return where the board is; raises ``InputError`` if it is not, or not where the user says."""
        found = find_port(job, board)
        if self.method.wants_port(board):
            if job.wishes.port is not None:
                check_there(job.wishes.port)
            elif found.port is None and not found.others:
                raise no_port(board, self.method.manual(board))
        return found

    def _check_wishes(self, job: Job) -> None:
        refuse_wishes(job.wishes, "target", board=f"{job.project.board}, which is no Linux board,")
        if not self.method.bauds:
            refuse_wishes(job.wishes, "baud", board=self.method.title)
        check_named(job, self.method.title, urls=self.method.urls)

    def _do(self, order: Order, steps: Sequence[Step]) -> None:
        job = order.job
        try:
            with passed_on(job.folder / FLASH_LOG, job.told.shows) as log:
                for step in steps:
                    step.do(log)
        except ToolFailed as failed:
            raise _with_port(self.method.explain(failed, order), order.port) from failed
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_INTERRUPTED) from None
        except SystemExit:
            job.told.says(_INTERRUPTED)
            raise
        except OSError as error:
            raise TaskError(
                f"{self.method.title} could not put the image onto {order.board.name}: {error.strerror or error}.",
                "Check that it is still plugged in, and flash it again.",
            ) from error

    def _record(
        self, job: Job, board: BoardProfile, steps: Sequence[Step], port: PortInfo, identity: Identity
    ) -> DeviceRecord:
        return DeviceRecord.model_validate(
            {
                "method": self.name,
                "board": board.name,
                "port": port.device,
                "usb_id": port.usb_id,
                "serial_number": port.serial_number,
                "commands": [step.line for step in steps],
                "identity": CheckedIdentity.of(identity),
                "image_sha256": job.image.image.sha256,
                "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "edgekit_version": __version__,
            }
        )
