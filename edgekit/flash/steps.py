"""The steps that put an image onto a board: each can be shown as a line for a shell, and done."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Protocol

from edgekit.build.process import run_logged
from edgekit.errors import TaskError

TIMEOUT_S: Final = 600.0
"""Seconds that a tool may take: 16 MB at 460,800 baud take six minutes."""
TOUCH_BAUD: Final = 1200
"""A USB serial port of a board that is opened at this rate and closed again restarts it into its boot loader."""
_TOUCH_S: Final = 0.2
_TAIL: Final = 5
"""Lines of a tool that an error repeats; all of them were shown, and are in the log."""


class Step(Protocol):
    """One step; some have a ``program`` that has to be installed."""

    @property
    def line(self) -> str:
        """It as a line for a shell, to be copied."""
        ...

    def do(self, log: IO[str]) -> None:
        """Do it; what happens goes to ``log``.

        Raises
        ------
        TaskError
            If it fails.
        """
        ...


class ToolFailed(TaskError):
    """A program has failed; ``lines`` is all that it wrote, ``said`` the same without its line breaks."""

    def __init__(self, program: str, status: int, said: str) -> None:
        lines = [line.rstrip() for line in said.replace("\r", "\n").splitlines() if line.strip()]
        super().__init__(f"{program} ended with {status}.", "What it says is below.", lines[-_TAIL:])
        self.program = program
        self.lines = tuple(lines)
        # Some break their lines to the width of a terminal, and with it the words that tell the reason.
        self.said = " ".join(" ".join(lines).split())


@dataclass(frozen=True, slots=True)
class Run:
    """Running a program.

    Attributes
    ----------
    command:
        The program and its arguments.
    cwd:
        The folder that it is run in; ``None`` for that of this process.
    environment:
        Variables that are set for it.
    """

    command: tuple[str, ...]
    cwd: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def program(self) -> str:
        """What has to be installed for it."""
        return self.command[0]

    @property
    def line(self) -> str:
        """The command, quoted; in a subshell where it needs a folder of its own."""
        variables = "".join(f"{name}={shlex.quote(value)} " for name, value in self.environment.items())
        line = variables + shlex.join(self.command)
        return line if self.cwd is None else f"(cd {shlex.quote(str(self.cwd))} && {line})"

    def do(self, log: IO[str]) -> None:
        """Run it; raises :class:`ToolFailed` if it does not end with 0."""
        start = log.seek(0, os.SEEK_END)
        status = run_logged(self.command, log, TIMEOUT_S, cwd=self.cwd, environment=self.environment)
        if status:
            log.seek(start)
            raise ToolFailed(Path(self.command[0]).name, status, "".join(log.readlines()[1:]))


@dataclass(frozen=True, slots=True)
class Touch:
    """Opening a USB serial port at 1200 baud and closing it: the board restarts into its boot loader."""

    port: str

    @property
    def line(self) -> str:
        """What does the same in a shell."""
        option = "-f" if sys.platform == "darwin" else "-F"
        return f"stty {option} {shlex.quote(self.port)} {TOUCH_BAUD} hupcl"

    def do(self, log: IO[str]) -> None:
        """Touch the port; a board that is gone before the port is closed has done what it should."""
        import serial

        log.write(f"$ {self.line}\n")
        try:
            port = serial.Serial(self.port, TOUCH_BAUD)
        except (OSError, ValueError, serial.SerialException) as error:
            raise TaskError(
                f"{self.port} could not be opened to restart the board: {error}.",
                "Close what else uses it, or press the board's buttons for its boot loader.",
            ) from error
        with contextlib.suppress(OSError, serial.SerialException):
            port.dtr = False
            time.sleep(_TOUCH_S)
        with contextlib.suppress(OSError, serial.SerialException):
            port.close()


@contextmanager
def passed_on(path: Path, show: Callable[[str], None]) -> Iterator[IO[str]]:
    """Open the log ``path`` for a block, and pass what programs write to it on to ``show`` as it comes."""
    with path.open("w+", encoding="utf-8", errors="replace", newline="") as log:
        stop = threading.Event()
        follower = threading.Thread(target=_follow, args=(path, show, stop), daemon=True)
        follower.start()
        try:
            yield log
        finally:
            log.flush()
            stop.set()
            follower.join()


def _follow(path: Path, show: Callable[[str], None], stop: threading.Event) -> None:
    with path.open(encoding="utf-8", errors="replace", newline="") as log:
        while True:
            last = stop.wait(0.1)
            if text := log.read():
                with contextlib.suppress(OSError, ValueError):
                    show(text)
            if last:
                return
