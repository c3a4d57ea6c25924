"""One edgekit at a time works in a build folder; a second one waits for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from edgekit.errors import TaskError

LOCK_FILE: Final = ".edgekit.lock"
"""Stays in the build folder; the lock itself is gone with the process that holds it, however that ends."""
_PATIENCE_S: Final = 30.0


@contextmanager
def folder_lock(folder: Path, patience_s: float = _PATIENCE_S) -> Iterator[None]:
    """Keep other edgekits from building, flashing or writing ``folder`` for the length of a block.

    Parameters
    ----------
    folder:
        A build folder. Where it is missing or nothing can be written to it, nothing can be disturbed either, and
        nothing is locked.
    patience_s:
        Seconds to wait for another one.

    Raises
    ------
    TaskError
        If another one is not done by then.
    """
    if not os.path.isdir(folder):
        yield
        return
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=patience_s)
    except Timeout as error:
        raise TaskError(
            f"Another edgekit is at work in {folder}.", "Wait until it is done, or end it, and repeat."
        ) from error
    except (OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()
