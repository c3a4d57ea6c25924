"""Putting a build folder's image onto its board, and finding the board again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from edgekit.build.lock import folder_lock
from edgekit.build.process import signals_unwind
from edgekit.build.record import BuildRecord, load_build
from edgekit.codegen.record import FirmwareProject, load_project
from edgekit.errors import InputError, TaskError
from edgekit.files import check_writable
from edgekit.flash.emulated import emulated
from edgekit.flash.emulator import MACHINES, find_emulator
from edgekit.flash.flasher import Flasher, Job, Told, Wishes, refuse_wishes
from edgekit.flash.flashers import FLASHERS, flasher_of
from edgekit.flash.identity import Ask
from edgekit.flash.record import FLASH_FILE, FLASH_LOG, AnyRecord, load_flash


def flash_board(
    folder: Path, wishes: Wishes | None = None, told: Told | None = None, ask: Ask | None = None
) -> AnyRecord:
    """Put the image of ``folder``, built anew where needed, onto its board, and write flash.json.

    An emulated board is started with it; one that ran before is ended first, as flashing a board does.

    Raises
    ------
    InputError, TaskError
        As :func:`~edgekit.flash.flashers.flasher_of`, :func:`~edgekit.build.project.built_image` and
        :meth:`~edgekit.flash.flasher.Flasher.flash`.
    """
    from edgekit.build.project import built_image

    wishes, told = wishes or Wishes(), told or Told()
    project = load_project(folder)
    flasher = _flasher(project, wishes)
    flasher.check(Job(folder, project, None, wishes, told, ask))
    if not _has_image(project):
        with folder_lock(folder), signals_unwind():
            check_writable(folder)
            return flasher.flash(Job(folder, project, None, wishes, told, ask))
    with built_image(folder, told.built) as build, signals_unwind():
        check_writable(folder)
        _stop(folder)
        return flasher.flash(Job(folder, project, build, wishes, told, ask))


def flash_commands(folder: Path, wishes: Wishes | None = None, told: Told | None = None) -> list[str]:
    """Return the commands that flashing ``folder`` would run, each a line for a shell; nothing is touched.

    Where the image is not built yet, the first one builds it.

    Raises
    ------
    InputError, TaskError
        As :func:`~edgekit.flash.flashers.flasher_of` and :meth:`~edgekit.flash.flasher.Flasher.commands`.
    """
    wishes = wishes or Wishes()
    project = load_project(folder)
    flasher = _flasher(project, wishes)
    build = load_build(folder)
    lines = (
        []
        if build is not None or not _has_image(project)
        else [shlex.join(["edgekit", "build", "--build", str(folder)])]
    )
    return [*lines, *flasher.commands(Job(folder, project, build, wishes, told or Told()))]


def _flasher(project: FirmwareProject, wishes: Wishes) -> Flasher:
    """Return what puts the image onto the board, once nothing is wished for that only Linux boards have."""
    if _has_image(project):
        refuse_wishes(wishes, "threads", "python", "wheels", board="A board without Linux")
    return flasher_of(project, wishes.method)


def _has_image(project: FirmwareProject) -> bool:
    """Whether there is an image to build: a Linux board gets the model itself, and an agent."""
    return project.framework != "linux"


def stop_board(folder: Path) -> AnyRecord | None:
    """End what flash.json tells of, where it runs until it is ended, and remove the record.

    Returns
    -------
    AnyRecord | None
        The record, if there was something to end.

    Raises
    ------
    InputError
        If there is no such folder, or the record is damaged.
    TaskError
        If it cannot be ended, or another edgekit is at work in the folder.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", "Name the build folder of the board with --build.")
    with folder_lock(folder):
        return _stop(folder)


def _stop(folder: Path) -> AnyRecord | None:
    record = load_flash(folder)
    if record is None:
        return None
    ended = FLASHERS[record.method].stop(folder, record)
    with suppress(OSError):  # a record that cannot be removed tells of what has ended, and does no harm
        (folder / FLASH_FILE).unlink()
    return record if ended else None


def port_of(folder: Path) -> str:
    """Return where the line of the board is that `edgekit flash` has put the image of ``folder`` onto.

    Raises
    ------
    InputError
        If there is none, or it is gone, or the record is damaged.
    """
    record = load_flash(folder)
    port = FLASHERS[record.method].port(record) if record is not None else None
    if port is None:
        raise InputError(
            f"No board of the build folder {folder} is running, and no port is given.",
            _how_to_start(load_project(folder)),
        )
    return port


def _how_to_start(project: FirmwareProject) -> str:
    if project.board in MACHINES:
        return "Start it with `edgekit flash`, or give --port qemu."
    if project.framework == "linux":
        return (
            "Install an agent with `edgekit flash --target USER@HOST`, or give --port: socket://HOST:4747 for one that "
            "runs, host for this computer in its place."
        )
    return (
        "Put the image onto it with `edgekit flash`, or give --port: /dev/ttyUSB0 or COM5 for the board, host for this "
        "computer in its place."
    )


@contextmanager
def emulated_board(
    folder: Path,
    built: Callable[[BuildRecord], None] | None = None,
    complains: Callable[[str], None] | None = None,
) -> Iterator[str]:
    """Start the emulated board of ``folder`` for the length of a block, and give its port.

    Raises
    ------
    InputError, TaskError
        As :func:`flash_board`; also if the board is not an emulated one.
    """
    from edgekit.build.project import built_image

    project = load_project(folder)
    if project.board not in MACHINES:
        raise TaskError(
            f"{project.board} is no board that can be emulated.",
            "Give the port of a real one, or leave --port out after `edgekit flash`.",
        )
    machine = MACHINES[project.board]
    find_emulator(machine)
    with ExitStack() as stack:
        log = Path(stack.enter_context(TemporaryDirectory(prefix="edgekit-emulator-")), FLASH_LOG)
        with built_image(folder, built) as build:
            started = stack.enter_context(emulated(machine, folder / build.image.file, log))
        if complains is not None:
            for line in started.complaints:
                complains(line)
        yield started.port
