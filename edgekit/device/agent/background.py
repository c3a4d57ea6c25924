"""The agent in the background: started, replaced and ended, with a record of what runs.

The record is what the next start and ``--stop`` go by, on the board itself. A start waits until the new agent answers;
when it does not, the one before is started again.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from edgekit.errors import EdgekitError, InputError, TaskError
from edgekit.files import write_atomic
from edgekit.flash.processes import end_process, identity_of

_READY: Final = "ready "
_TAIL: Final = 12
_ENDS_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """An agent in the background.

    Attributes
    ----------
    pid, identity:
        Its process; see :func:`~edgekit.flash.processes.identity_of`.
    address:
        Where it listens: ``127.0.0.1:4747``, or the terminal.
    command, folder, path:
        How it was started: the words, the working folder, and the folders of Python's modules.
    """

    pid: int
    identity: str
    address: str
    command: tuple[str, ...]
    folder: str
    path: str


def start(record: Path, options: Sequence[str]) -> Running:
    """Start an agent with ``options`` in place of the one that ``record`` tells of, and write the record.

    Parameters
    ----------
    record:
        File of the record; what the agent says goes into a file of the same name that ends in ``.log``.
    options:
        Those of ``edgekit agent``, without the ones for the background.

    Raises
    ------
    InputError
        If the record is damaged, or cannot be written.
    TaskError
        If the agent does not start, or there is no room for its record; the one before runs again then.
    """
    before = read_record(record)
    if before is not None:
        _end(before)
    command = (sys.executable, "-m", "edgekit", "agent", *options)
    try:
        return _launch_recorded(record, command, os.getcwd(), os.environ.get("PYTHONPATH", ""))
    except EdgekitError:
        if before is not None:
            with contextlib.suppress(EdgekitError, OSError):
                _launch_recorded(record, before.command, before.folder, before.path)
        raise


def stop(record: Path) -> bool:
    """End the agent that ``record`` tells of, and remove the record; return whether one ran.

    Raises
    ------
    InputError
        If the record is damaged.
    TaskError
        If the agent belongs to somebody else.
    """
    running = read_record(record)
    if running is None:
        return False
    ended = _end(running)
    record.unlink(missing_ok=True)
    return ended


def read_record(path: Path) -> Running | None:
    """Return what a record says, or ``None`` if there is none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    try:
        document = json.loads(path.read_bytes())
        running = Running(**{**document, "command": tuple(document["command"])})
        if not (isinstance(running.pid, int) and running.pid > 1 and isinstance(running.identity, str)):
            raise ValueError("it names no process")
        return running
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged, so it is not known which agent it tells of.",
            f"Look for one that runs (`ps`), end it, and delete {path}.",
        ) from error


def tell_ready(descriptor: int, address: str) -> None:
    """Tell whoever started this agent that it serves now."""
    with contextlib.suppress(OSError):
        os.write(descriptor, f"{_READY}{address}\n".encode())
        os.close(descriptor)


def _launch_recorded(record: Path, command: Sequence[str], folder: str, path: str) -> Running:
    """Start an agent and write its record; none goes on without one, for nobody would find it again."""
    running = _launch(record, command, folder, path)
    try:
        write_atomic(record, json.dumps(asdict(running), indent=2) + "\n")
    except BaseException:
        _end(running)
        raise
    return running


def _launch(record: Path, command: Sequence[str], folder: str, path: str) -> Running:
    log = record.with_suffix(".log")
    reader, writer = os.pipe()
    try:
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--ready-fd", str(writer)],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # It outlives the login that started it.
                start_new_session=True,
                pass_fds=(writer,),
            )
        os.close(writer)
        writer = -1
        # The pipe ends with the process at the latest.
        with open(reader, encoding="utf-8", closefd=False) as pipe:
            said = pipe.readline()
        identity = identity_of(process.pid)
        if said.startswith(_READY) and identity is not None:
            address = said[len(_READY) :].strip()
            return Running(process.pid, identity, address, tuple(command), folder, path)
    except OSError as error:
        raise TaskError(
            f"The agent could not be started: {error.strerror or error}.", "Look at disk and permissions."
        ) from error
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    process.wait(_ENDS_S)
    raise TaskError(
        "The agent ended before it was ready.",
        "What it said is below.",
        log.read_text(errors="replace").strip().splitlines()[-_TAIL:],
    )


def _end(running: Running) -> bool:
    try:
        return end_process(running.pid, running.identity)
    except PermissionError as error:
        raise TaskError(
            f"You may not end the agent that runs, process {running.pid}.", "Whoever started it has to."
        ) from error
