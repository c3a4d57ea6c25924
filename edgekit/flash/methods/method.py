"""What a method is: it knows the commands of one tool, and nothing of ports, logs and records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgekit.boards.profile import BoardProfile
from edgekit.build.record import FileKind, FlashFile
from edgekit.errors import TaskError
from edgekit.flash.flasher import Job
from edgekit.flash.steps import Step, ToolFailed

PLACEHOLDER = "PORT"
"""Stands in a command that is only shown for a port that is not known."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be put where.

    Attributes
    ----------
    job:
        Folder, project, build and wishes.
    board:
        The board's profile.
    port:
        Its serial port; :data:`PLACEHOLDER` where the commands are only shown and it is not known, ``None`` where it
        has none now.
    """

    job: Job
    board: BoardProfile
    port: str | None

    @property
    def known_port(self) -> str:
        """The port, for a tool that wants one: it was looked for."""
        assert self.port is not None
        return self.port

    def file(self, *kinds: FileKind) -> Path:
        """Return the file to flash: the first of ``kinds`` that was built.

        Raises
        ------
        TaskError
            If there is none.
        """
        if self.job.build is None:
            return self.job.folder / "out" / f"firmware.{kinds[0]}"
        return self.job.folder / self.built(*kinds).file

    def built(self, *kinds: FileKind) -> FlashFile:
        """Return what was built, as :meth:`file`."""
        for kind in kinds:
            for file in self.job.image.flash_files:
                if file.kind == kind:
                    return file
        raise TaskError(
            f"The build has left no file of the kind {' or '.join(kinds)}, which this way of flashing needs.",
            "Build again with `edgekit build`, or choose another way with --method.",
        )


class Method(Protocol):
    """The commands of one tool."""

    @property
    def title(self) -> str:
        """The tool, for people, as the beginning of a sentence."""
        ...

    @property
    def urls(self) -> bool:
        """Whether the port may be a URL of pyserial's."""
        ...

    @property
    def bauds(self) -> bool:
        """Whether the speed of the transfer can be chosen."""
        ...

    def wants_port(self, board: BoardProfile) -> bool:
        """Return whether the tool has to be told the serial port of ``board``."""
        ...

    def suits(self, job: Job, board: BoardProfile) -> bool:
        """Return whether the tool can flash ``board``."""
        ...

    def check(self, job: Job, board: BoardProfile) -> None:
        """Check that the tool is there.

        Raises
        ------
        TaskError
            If it is missing or too old.
        """
        ...

    def steps(self, order: Order) -> Sequence[Step]:
        """Return what is done, in order.

        Raises
        ------
        TaskError
            If something needed is missing.
        """
        ...

    def manual(self, board: BoardProfile) -> str:
        """Return what to press on ``board`` so that it takes an image, as a sentence."""
        ...

    def explain(self, failed: ToolFailed, order: Order) -> TaskError:
        """Return the error for a tool that has failed, from what it said."""
        ...


def not_flashed(board: BoardProfile, failed: ToolFailed, why: str = "", hint: str = "") -> TaskError:
    """Return the error that says that the image is not on the board, and in the details what the tool said."""
    said = failed.details[-1].strip() if failed.details else failed.message
    return TaskError(
        f"{failed.program} could not put the image onto {board.name}: {why or said.rstrip('.?!')}.",
        hint or "What it says is below; the board may hold a part of the image now, so flash it again.",
        failed.details,
    )
