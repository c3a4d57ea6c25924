"""Programs that a build runs: finding them, asking their version, running them with a log."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Final

from edgekit.errors import TaskError

_VERSION_TIMEOUT_S: Final = 30
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")
# What a user has set for other projects must not change the image.
_HIDDEN: Final = (
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "CC",
    "CXX",
    "MAKEFLAGS",
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "LIBRARY_PATH",
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that a build needs.

    Attributes
    ----------
    name:
        What it is called on the path.
    path:
        Where it is.
    version:
        What it says of itself: a number, or for a compiler the whole line, which tells who built it.
    """

    name: str
    path: Path
    version: str


def find_tool(names: Sequence[str], install: str) -> Tool:
    """Return the first of ``names`` that is installed, with the number of its version.

    Parameters
    ----------
    names:
        Programs that do the same, best first.
    install:
        How to install one, as a sentence.

    Raises
    ------
    TaskError
        If there is none, or it does not run.
    """
    for name in names:
        found = shutil.which(name)
        if found is not None:
            line = version_line(Path(found))
            number = _VERSION.search(line)
            return Tool(name, Path(found), line if number is None else number[0])
    raise TaskError(f"{' or '.join(names)} is needed to build, and is not installed.", install)


def version_line(path: Path) -> str:
    """Return the first line that the program at ``path`` says to ``--version``.

    Raises
    ------
    TaskError
        If it does not run.
    """
    try:
        done = subprocess.run(
            [str(path), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TaskError(f"{path.stem} at {path} does not run: {error}.", "Install it again.") from error
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise TaskError(
            f"{path.stem} at {path} does not run.",
            "Install it again.",
            done.stderr.strip().splitlines()[-10:],
        )
    return lines[0].strip()


def run_logged(command: Sequence[str], log: IO[str], timeout: float) -> int:
    """Run ``command``, write it and what it says to ``log``, and return its exit status.

    It and everything it has started are ended when it takes longer than ``timeout`` seconds, or on Ctrl-C and
    SIGTERM.

    Raises
    ------
    TaskError
        If it takes too long.
    """
    log.write(f"$ {shlex.join(command)}\n")
    log.flush()
    with signals_unwind():
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
        )
        try:
            return process.wait(timeout)
        except BaseException as error:
            _end_group(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise TaskError(
                    f"{Path(command[0]).name} did not finish within {timeout:.0f} s.",
                    "Try again on a calmer machine.",
                ) from error
            raise


@contextmanager
def signals_unwind() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack, as Ctrl-C does, so that ``finally`` ends what was started."""

    def unwind(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    earlier = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # Only the main thread may set handlers; `nohup` ignores SIGHUP, and that stays.
        with contextlib.suppress(ValueError):
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                earlier[number] = signal.signal(number, unwind)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children: a compiler must not go on writing to the folder."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _HIDDEN and not name.startswith("CMAKE_")
    } | {"LC_ALL": "C"}
