"""Writing files so that nothing half-written is left behind and no earlier result is lost.

Everything is first written beside its place under a temporary name, flushed to disk, and only then renamed. A full
disk, an unwritable folder or Ctrl-C therefore leaves what was there before.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgekit.errors import InputError, TaskError


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write ``content`` (text as UTF-8) to ``path`` in one step.

    Raises
    ------
    InputError, TaskError
        As :func:`write_all`.
    """
    write_all(path.parent, {path.name: content})


def write_all(folder: Path, contents: Mapping[str, bytes | str]) -> None:
    """Write several files below ``folder``: all of them, or none.

    Parameters
    ----------
    folder:
        Where the files go; made if it is missing.
    contents:
        Relative name (with ``/``) to content; text is written as UTF-8.

    Raises
    ------
    InputError
        If the folder cannot be made or written to.
    TaskError
        If the disk is full or writing fails in another way.
    """
    staged: list[tuple[Path, Path]] = []
    made: list[Path] = []
    try:
        for name, content in contents.items():
            target = folder / name
            if target.is_dir():
                raise InputError(f"{target} is a folder, not a file.", "Give the name of a file to write.")
            made += _make_folder(target.parent)
            staged.append((_stage(target, content), target))
        while staged:
            temporary, target = staged[0]
            os.replace(temporary, target)
            staged.pop(0)
        made.clear()
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise InputError(
            f"Cannot write to {folder}: {error.strerror}.", "Choose a folder that you may write to with -o."
        ) from error
    except OSError as error:
        raise TaskError(
            f"Could not write to {folder}: {error.strerror or error}.",
            "Free some space or choose another folder; what was there before is unchanged.",
        ) from error
    finally:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink()
        for empty in reversed(made):
            with contextlib.suppress(OSError):
                empty.rmdir()


def check_writable(folder: Path) -> None:
    """Check that files can be written to ``folder``, before long work whose result should go there.

    The folder is not made; the nearest one that exists is tried.

    Raises
    ------
    InputError
        If it is no folder or cannot be written to.
    TaskError
        If the disk is full.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    name = f".edgekit-{os.getpid()}"
    write_all(place, {name: b"\0" * 4096})
    (place / name).unlink()


def read_bytes(path: Path, what: str, limit: int) -> bytes:
    """Return the content of a file that the user named.

    Parameters
    ----------
    path:
        The file.
    what:
        What it should be, for the message: ``"model"``.
    limit:
        Largest accepted size in bytes.

    Raises
    ------
    InputError
        If it is missing, not a file, unreadable or larger than ``limit``.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a {what} file.", "Give the path of a file.")
        size = path.stat().st_size
        if size > limit:
            raise InputError(
                f"{path} has {size:,} bytes, more than the {limit:,} that a {what} may have.",
                f"Check that it really is a {what}.",
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"There is no {what} file {path}.", "Check the path.") from error
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}.", "Check the file and its permissions."
        ) from error


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _make_folder(folder: Path) -> list[Path]:
    """Make ``folder`` and its parents; return those that were new, outermost first."""
    missing = []
    current = folder
    while not current.exists():
        missing.append(current)
        current = current.parent
    missing.reverse()
    for path in missing:
        path.mkdir(exist_ok=True)
    return missing


def _stage(target: Path, content: bytes | str) -> Path:
    """Write ``content`` to a new temporary file beside ``target`` and return its path."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
