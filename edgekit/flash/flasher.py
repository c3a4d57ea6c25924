"""What putting an image onto a board takes, and what everything that does it has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgekit.build.record import BuildRecord
from edgekit.codegen.record import FirmwareProject
from edgekit.errors import InputError
from edgekit.flash.identity import Ask
from edgekit.flash.record import AnyRecord


def _quiet(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user has said of the way onto the board; ``None`` where nothing was said.

    Attributes
    ----------
    port:
        Serial port or URL.
    target:
        ``user@host`` of a board that is reached over the network.
    baud:
        Speed of the transfer, where the tool has one.
    method:
        How, instead of the board's own way.
    threads:
        Threads of one inference on a Linux board.
    python:
        A Python on a Linux board that has the packages already.
    wheels:
        Folder with packages for a Linux board.
    """

    port: str | None = None
    target: str | None = None
    baud: int | None = None
    method: str | None = None
    threads: int | None = None
    python: str | None = None
    wheels: Path | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told what while a board is flashed.

    Attributes
    ----------
    built:
        A build that had to be made.
    complains:
        Each line in which the firmware says, when it starts, that something is wrong.
    says:
        What goes on, and what to press, a sentence each.
    shows:
        What a tool writes, as it comes.
    """

    built: Callable[[BuildRecord], None] | None = None
    complains: Callable[[str], None] = _quiet
    says: Callable[[str], None] = _quiet
    shows: Callable[[str], None] = _quiet


@dataclass(frozen=True, slots=True)
class Job:
    """An image and the board that it is for.

    Attributes
    ----------
    folder:
        The build folder.
    project:
        Its record.
    build:
        What was built there; ``None`` where only the commands are asked for, and nothing is built yet.
    ask:
        Asks a device who it is; ``None`` where nothing may be touched.
    """

    folder: Path
    project: FirmwareProject
    build: BuildRecord | None
    wishes: Wishes
    told: Told
    ask: Ask | None = None

    @property
    def image(self) -> BuildRecord:
        """The build, where there has to be one."""
        assert self.build is not None
        return self.build


def refuse_wishes(wishes: Wishes, *names: str, board: str) -> None:
    """Check that nothing is wished for that a way of flashing has no use for.

    Parameters
    ----------
    wishes:
        What the user has said.
    names:
        The attributes that mean nothing to it.
    board:
        What it is, as the beginning of a sentence: ``"An emulated board"``.

    Raises
    ------
    InputError
        If one of them was said.
    """
    for name in names:
        if getattr(wishes, name) is not None:
            raise InputError(f"{board} takes no --{name}.", f"Leave --{name} out.")


class Flasher(Protocol):
    """Puts images onto boards of one kind, by one method."""

    def check(self, job: Job) -> None:
        """Check, before anything is built, that its tools are there and the wishes can be fulfilled.

        Raises
        ------
        InputError, TaskError
            If not.
        """
        ...

    def commands(self, job: Job) -> list[str]:
        """Return the commands that flashing runs, each a line for a shell; nothing is touched for it.

        Raises
        ------
        InputError, TaskError
            If it cannot be done this way.
        """
        ...

    def flash(self, job: Job) -> AnyRecord:
        """Put the image onto the board, and return the record; what it needs while it runs is in flash.json before.

        The record of what was there before is still in the folder: it is ended, and its record removed or replaced.

        Raises
        ------
        InputError, TaskError
            If it could not be done. No record is in the folder then.
        """
        ...

    def stop(self, folder: Path, record: AnyRecord) -> bool:
        """End what runs on this computer, or on the board, since ``record`` was written; return whether something did.

        Raises
        ------
        TaskError
            If it cannot be ended.
        """
        ...

    def port(self, record: AnyRecord) -> str | None:
        """Return where the line of the board is now; ``None`` if it is gone."""
        ...
