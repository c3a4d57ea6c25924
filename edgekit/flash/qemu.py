"""An emulated board is started with its image, and runs until it is stopped."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from edgekit import __version__
from edgekit.errors import InputError, TaskError
from edgekit.files import write_atomic
from edgekit.flash.emulated import Emulated, board_command, start_emulator
from edgekit.flash.emulator import MACHINES, Machine, find_emulator
from edgekit.flash.flasher import Job, refuse_wishes
from edgekit.flash.processes import end_process, identity_of
from edgekit.flash.record import FLASH_FILE, FLASH_LOG, AnyRecord, EmulatorRecord


class EmulatorFlasher:
    """Starts emulated boards."""

    def check(self, job: Job) -> None:
        """Check that the emulator is installed, and that nothing is wished for that it has not."""
        if job.project.board not in MACHINES:
            raise InputError(
                f"An emulator cannot put firmware onto {job.project.board}.", "Leave --method out."
            )
        refuse_wishes(job.wishes, "port", "target", "baud", board="An emulated board")
        find_emulator(MACHINES[job.project.board])

    def commands(self, job: Job) -> list[str]:
        """Return the command that starts the emulator; edgekit adds what it needs to wait for the firmware."""
        from edgekit.build.drivers.bare_metal import IMAGE_FILE

        self.check(job)
        image = job.build.image.file if job.build is not None else IMAGE_FILE
        return [shlex.join(board_command(MACHINES[job.project.board], job.folder / image))]

    def flash(self, job: Job) -> EmulatorRecord:
        """Start the image and write the record; nothing runs without one, even when this process is killed."""
        machine = MACHINES[job.project.board]
        record: EmulatorRecord | None = None

        def started(pid: int, identity: str) -> None:
            nonlocal record
            record = EmulatorRecord(
                board=job.project.board,
                pid=pid,
                identity=identity,
                emulator=machine.program,
                machine=machine.name,
                port=None,
                image_sha256=job.image.image.sha256,
                started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                edgekit_version=__version__,
            )
            write_atomic(job.folder / FLASH_FILE, record.to_json())

        try:
            emulator = _start(machine, job, started)
            assert record is not None
            record = record.model_copy(update={"port": emulator.port})
            write_atomic(job.folder / FLASH_FILE, record.to_json())
        except BaseException:
            if record is not None:
                end_process(record.pid, record.identity)
            with suppress(OSError):
                (job.folder / FLASH_FILE).unlink()
            raise
        for line in emulator.complaints:
            job.told.complains(line)
        return record

    def stop(self, folder: Path, record: AnyRecord) -> bool:
        """End the emulator."""
        assert isinstance(record, EmulatorRecord)
        try:
            return end_process(record.pid, record.identity)
        except PermissionError as error:
            raise TaskError(
                f"You may not end the emulator, process {record.pid}.", "Whoever started it has to."
            ) from error

    def port(self, record: AnyRecord) -> str | None:
        """Return the emulator's line, or ``None`` if it does not run, or did not get ready."""
        assert isinstance(record, EmulatorRecord)
        return record.port if identity_of(record.pid) == record.identity else None


def _start(machine: Machine, job: Job, started: Callable[[int, str], None]) -> Emulated:
    return start_emulator(machine, job.folder / job.image.image.file, job.folder / FLASH_LOG, started)
