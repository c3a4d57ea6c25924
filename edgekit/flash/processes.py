"""Telling whether a process that was started long ago is still that one, and ending it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_PR_SET_PDEATHSIG: Final = 1
_STEP_S: Final = 0.02


def identity_of(pid: int) -> str | None:
    """Return when process ``pid`` was started and what it runs; ``None`` if there is none, or only its remains.

    Pids are used again, but never with the same text.
    """
    if (_PROC / "self" / "stat").exists():
        try:
            # The second field is the program's name, which may hold anything, parentheses too.
            fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
            command = (_PROC / str(pid) / "cmdline").read_bytes()
        except OSError:
            return None
        state, started = fields[0], fields[19]
        # A process that is ending has given its memory, and with it its command, back before it is a zombie.
        if state in "ZX" or not command:
            return None
        return f"{started} {command.split(bytes(1))[0].decode(errors='replace')}"
    done = subprocess.run(
        ["ps", "-p", str(pid), "-o", "stat=,lstart=,comm="],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    state, _, rest = done.stdout.strip().partition(" ")
    return None if done.returncode or state.startswith("Z") else " ".join(rest.split())


def end_process(pid: int, identity: str, patience: float = 5.0) -> bool:
    """End process ``pid`` if it is still ``identity``; return whether there was something to end.

    It is asked first, and killed when it has not followed after ``patience`` seconds.

    Raises
    ------
    PermissionError
        If it belongs to somebody else.
    """
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        if identity_of(pid) != identity:
            return number is not signal.SIGTERM
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while identity_of(pid) == identity and time.monotonic() < deadline:
            time.sleep(_STEP_S)
    return True


def dies_with_parent() -> Callable[[], None] | None:
    """Return what a new process has to call so that it ends with this one even when this one is killed.

    ``None`` where the system has no such thing; only Linux has.
    """
    if sys.platform != "linux":
        return None
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return None

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return ask
