"""Programs that a build runs: asking their version, running them with a log."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Final

from edgekit.errors import TaskError

_VERSION_TIMEOUT_S: Final = 30
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
    # ESP-IDF, Zephyr, PlatformIO and the Pico SDK take these for a project's own settings.
    "IDF_TARGET",
    "SDKCONFIG_DEFAULTS",
    "EXTRA_COMPONENT_DIRS",
    "BOARD",
    "SHIELD",
    "SNIPPET",
    "CONF_FILE",
    "EXTRA_CONF_FILE",
    "OVERLAY_CONFIG",
    "DTC_OVERLAY_FILE",
    "EXTRA_DTC_OVERLAY_FILE",
    "PLATFORMIO_BUILD_FLAGS",
    "PLATFORMIO_DEFAULT_ENVS",
    "PLATFORMIO_SRC_DIR",
    "PICO_BOARD",
    "PICO_PLATFORM",
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


def version_line(path: Path, arguments: Sequence[str] = ("--version",)) -> str:
    """Return the first line that the program at ``path`` says when it is asked for its version with ``arguments``.

    Raises
    ------
    TaskError
        If it does not run.
    """
    try:
        done = subprocess.run(
            [str(path), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TaskError(f"{path.stem} at {path} does not run: {error}.", "Install it again.") from error
    # Some tell it on the other stream.
    lines = [line for line in (*done.stdout.splitlines(), *done.stderr.splitlines()) if line.strip()]
    if done.returncode or not lines:
        raise TaskError(
            f"{path.stem} at {path} does not run.",
            "Install it again.",
            done.stderr.strip().splitlines()[-10:],
        )
    return lines[0].strip()


def run_logged(
    command: Sequence[str],
    log: IO[str],
    timeout: float,
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run ``command``, write it and what it says to ``log``, and return its exit status.

    It and everything it has started are ended when it takes longer than ``timeout`` seconds, or on Ctrl-C and
    SIGTERM. ``environment`` is added to this process's own.

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
            cwd=cwd,
            env=build_environment() | {**(environment or {})},
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


def build_environment() -> dict[str, str]:
    """Return this process's environment without what would change an image, and with plain English messages."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _HIDDEN and not name.startswith("CMAKE_")
    } | {"LC_ALL": "C"}
