"""Putting a build folder's image onto its board. An emulated board is started with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from edgekit import __version__
from edgekit.boards.catalog import get_board
from edgekit.build.lock import folder_lock
from edgekit.build.process import signals_unwind
from edgekit.build.project import built_image
from edgekit.build.record import BuildRecord
from edgekit.codegen.record import load_project
from edgekit.errors import InputError, TaskError
from edgekit.files import check_writable, write_atomic
from edgekit.flash.emulated import Emulated, emulated, start_emulator
from edgekit.flash.emulator import MACHINES, Machine, find_emulator
from edgekit.flash.processes import end_process, identity_of
from edgekit.flash.record import FLASH_FILE, FLASH_LOG, FlashRecord, load_flash

Built = Callable[[BuildRecord], None]
"""Told of a build that had to be made."""
Complains = Callable[[str], None]
"""Told of each line in which the firmware says, when it starts, that something is wrong."""


def machine_of(folder: Path) -> Machine:
    """Return the emulator's machine for the board of a build folder.

    Raises
    ------
    InputError
        If it is no build folder.
    TaskError
        If the board is not an emulated one: edgekit cannot put an image onto it.
    """
    board = load_project(folder).board
    if board in MACHINES:
        return MACHINES[board]
    with_what = ""
    with suppress(InputError):  # a board of the user's own, whose folder is not known here
        with_what = f" with {get_board(board).flash_method}"
    raise TaskError(
        f"edgekit cannot put firmware onto {board} yet.",
        f"Flash what you have built from the sources below src/ yourself{with_what}, then `edgekit bench --port PORT`.",
    )


def flash_board(
    folder: Path, built: Built | None = None, complains: Complains | None = None
) -> tuple[FlashRecord, BuildRecord]:
    """Start the board of ``folder`` with its image, built anew where needed, and write flash.json.

    A board that ran before is ended first, as flashing a board does.

    Raises
    ------
    InputError, TaskError
        As :func:`machine_of`, :func:`~edgekit.build.project.built_image` and
        :func:`~edgekit.flash.emulated.start_emulator`.
    """
    machine = machine_of(folder)
    find_emulator(machine)
    with built_image(folder, built) as build, signals_unwind():
        check_writable(folder)
        _stop(folder)
        return _start(machine, folder, build, complains), build


def _start(machine: Machine, folder: Path, build: BuildRecord, complains: Complains | None) -> FlashRecord:
    """Start the image and write the record; nothing runs without one, even when this process is killed."""
    record: FlashRecord | None = None

    def started(pid: int, identity: str) -> None:
        nonlocal record
        record = FlashRecord(
            pid=pid,
            identity=identity,
            emulator=machine.program,
            machine=machine.name,
            port=None,
            image_sha256=build.image.sha256,
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            edgekit_version=__version__,
        )
        write_atomic(folder / FLASH_FILE, record.to_json())

    try:
        emulator = start_emulator(machine, folder / build.image.file, folder / FLASH_LOG, started)
        assert record is not None
        record = record.model_copy(update={"port": emulator.port})
        write_atomic(folder / FLASH_FILE, record.to_json())
    except BaseException:
        if record is not None:
            end_process(record.pid, record.identity)
        _forget(folder)
        raise
    _pass_on(emulator, complains)
    return record


def _pass_on(board: Emulated, complains: Complains | None) -> None:
    if complains is not None:
        for line in board.complaints:
            complains(line)


def stop_board(folder: Path) -> FlashRecord | None:
    """End the emulator that flash.json tells of, and remove the record; return it if there was one to end.

    Raises
    ------
    InputError
        If there is no such folder, or the record is damaged.
    TaskError
        If the emulator belongs to somebody else, or another edgekit is at work in the folder.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", "Name the build folder of the board with --build.")
    with folder_lock(folder):
        return _stop(folder)


def _stop(folder: Path) -> FlashRecord | None:
    record = load_flash(folder)
    if record is None:
        return None
    try:
        ended = end_process(record.pid, record.identity)
    except PermissionError as error:
        raise TaskError(
            f"You may not end the emulator, process {record.pid}.", "Whoever started it has to."
        ) from error
    _forget(folder)
    return record if ended else None


def _forget(folder: Path) -> None:
    """Remove the record; one that cannot be removed tells of a process that has ended, and does no harm."""
    with suppress(OSError):
        (folder / FLASH_FILE).unlink()


def running_board(folder: Path) -> FlashRecord | None:
    """Return the record of the emulator of ``folder``, or ``None`` if none runs that got ready.

    Raises
    ------
    InputError
        If the record is damaged.
    """
    record = load_flash(folder)
    if record is None or record.port is None or identity_of(record.pid) != record.identity:
        return None
    return record


def port_of(folder: Path) -> str:
    """Return the port of the board that `edgekit flash` started for ``folder``.

    Raises
    ------
    InputError
        If it does not run.
    """
    record = running_board(folder)
    if record is None or record.port is None:
        emulated = load_project(folder).board in MACHINES
        raise InputError(
            f"No board of the build folder {folder} is running, and no port is given.",
            "Start it with `edgekit flash`, or give --port qemu."
            if emulated
            else "Give --port: /dev/ttyUSB0 or COM5 for the board, host for this computer in its place.",
        )
    return record.port


@contextmanager
def emulated_board(
    folder: Path, built: Built | None = None, complains: Complains | None = None
) -> Iterator[str]:
    """Start the emulated board of ``folder`` for the length of a block, and give its port.

    Raises
    ------
    InputError, TaskError
        As :func:`flash_board`.
    """
    machine = machine_of(folder)
    find_emulator(machine)
    with ExitStack() as stack:
        log = Path(stack.enter_context(TemporaryDirectory(prefix="edgekit-emulator-")), FLASH_LOG)
        with built_image(folder, built) as build:
            started = stack.enter_context(emulated(machine, folder / build.image.file, log))
        _pass_on(started, complains)
        yield started.port
