"""An emulated board that runs in the background, with its serial line at a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import serial

from edgekit.build.process import signals_unwind
from edgekit.errors import TaskError
from edgekit.flash.emulator import Machine, emulator_command
from edgekit.flash.processes import dies_with_parent, identity_of
from edgekit.wire.declaration import ERROR_LINE, READY

BOOT_S: Final = 20.0
"""How long a firmware may take from its start to ``m-ready``."""
_START_S: Final = 20.0
_STEP_S: Final = 0.02
_PTY: Final = re.compile(r"char device redirected to (\S+) \(")
# The emulator waits for these before it runs the program, so that nothing is said before somebody listens.
_RUN: Final = b'{"execute": "qmp_capabilities"}\n{"execute": "cont"}\n'
_FAULT: Final = "fault "
# The emulated UART holds one byte, and each costs two turns of the emulator's main loop. What is multiplexed has 32
# bytes of buffer before that and takes a third of the time. No byte is 256, so that none is a command to the emulator.
_LINE: Final = ("-chardev", "pty,id=line,mux=on", "-echr", "256")
_SHELL: Final = "/bin/sh"
_WHEN_TOLD: Final = 'read -r _ && exec "$0" "$@"'
"""Becomes the emulator with the first line, and ends when whoever would send it has ended."""


@dataclass(frozen=True, slots=True)
class Emulated:
    """A running emulator.

    Attributes
    ----------
    pid, identity:
        Its process.
    port:
        Path of its serial line.
    boot:
        The lines that the firmware said up to and with ``m-ready``.
    """

    pid: int
    identity: str
    port: str
    boot: tuple[str, ...]

    @property
    def complaints(self) -> tuple[str, ...]:
        """The lines in which the firmware said that something is wrong."""
        return tuple(line for line in self.boot if line.startswith(ERROR_LINE))


def start_emulator(
    machine: Machine,
    image: Path,
    log: Path,
    started: Callable[[int, str], None],
    *,
    boot_s: float = BOOT_S,
) -> Emulated:
    """Start ``image`` on ``machine`` in the background; it goes on when this process has ended.

    Parameters
    ----------
    machine, image:
        What runs where.
    log:
        What the emulator itself says goes there.
    started:
        Told of the process and its identity before it becomes the emulator, to leave a record of them. When this
        process is killed before that has been done, no emulator runs.
    boot_s:
        Seconds that the firmware may take to say ``m-ready``.

    Raises
    ------
    TaskError
        If the emulator is missing or does not start, or the firmware does not say that it is ready; nothing is
        left running then.
    """
    process = _launch(machine, image, log, waits=True)
    try:
        # A process has no command for an instant after it was started.
        while (identity := identity_of(process.pid)) is None:
            if process.poll() is not None:
                raise _ended(process, machine, log)
        started(process.pid, identity)
        _send(process, b"\n")
        return _boot(process, machine, log, boot_s)
    except BaseException:
        _end(process)
        raise


def board_command(machine: Machine, image: Path) -> list[str]:
    """Return the command that runs ``image`` as on a board, its serial line at a pseudo-terminal that it names.

    Raises
    ------
    TaskError
        If the emulator is missing.
    """
    return [*emulator_command(machine, image, "chardev:line", reboot=True), *_LINE]


@contextmanager
def emulated(machine: Machine, image: Path, log: Path, options: Sequence[str] = ()) -> Iterator[Emulated]:
    """Start ``image`` on ``machine`` and end it with the block: after Ctrl-C, a signal or an error as well.

    ``options`` are the emulator's own, added to those that every board is started with.

    Raises
    ------
    TaskError
        As :func:`start_emulator`.
    """
    with signals_unwind(), contextlib.ExitStack() as stack:
        process = _launch(machine, image, log, in_child=dies_with_parent(), options=options)
        stack.callback(_end, process)
        yield _boot(process, machine, log, BOOT_S, stack)


def _launch(
    machine: Machine,
    image: Path,
    log: Path,
    *,
    waits: bool = False,
    in_child: Callable[[], None] | None = None,
    options: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    command = [*board_command(machine, image.resolve()), "-qmp", "stdio", "-S", *options]
    executable = None
    if waits:
        # It has the emulator's name from the beginning, and so the same identity.
        executable, command = _SHELL, [command[0], "-c", _WHEN_TOLD, *command]
    with log.open("wb") as file:
        try:
            return subprocess.Popen(
                command,
                executable=executable,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                # Not the terminal's: Ctrl-C is for edgekit, which ends the emulator itself.
                start_new_session=True,
                preexec_fn=in_child,
            )
        except OSError as error:
            raise TaskError(
                f"{machine.program} could not be started: {error.strerror or error}.", "Install it again."
            ) from error


def _boot(
    process: subprocess.Popen[bytes],
    machine: Machine,
    log: Path,
    boot_s: float,
    held: contextlib.ExitStack | None = None,
) -> Emulated:
    port = _wait_for_port(process, machine, log)
    try:
        line = serial.Serial(port, timeout=_STEP_S, exclusive=True)
    except (OSError, serial.SerialException) as error:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
            raise _ended(process, machine, log) from error
        raise TaskError(f"The emulator's line {port} could not be opened: {error}.", "Try again.") from error
    with contextlib.closing(line):
        _send(process, _RUN)
        assert process.stdin is not None
        process.stdin.close()
        boot = _wait_until_ready(process, line, machine, log, boot_s)
        if held is not None:
            # Once a line is closed the emulator looks only every second whether it is open again.
            held.callback(os.close, os.open(port, os.O_RDWR | os.O_NOCTTY))
    identity = identity_of(process.pid)
    if identity is None:
        raise _ended(process, machine, log)
    return Emulated(process.pid, identity, port, boot)


def _send(process: subprocess.Popen[bytes], text: bytes) -> None:
    """Write to a process that may have ended already."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(text)


def _wait_for_port(process: subprocess.Popen[bytes], machine: Machine, log: Path) -> str:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        found = _PTY.search(log.read_text(errors="replace"))
        if found:
            return found[1]
        if ended:
            raise _ended(process, machine, log)
        time.sleep(_STEP_S)
    raise TaskError(
        f"{machine.program} did not open its serial line within {_START_S:.0f} s.",
        "Try again on a calmer machine.",
        _tail(log),
    )


def _wait_until_ready(
    process: subprocess.Popen[bytes], line: serial.Serial, machine: Machine, log: Path, boot_s: float
) -> tuple[str, ...]:
    heard = bytearray()
    deadline = time.monotonic() + boot_s
    while time.monotonic() < deadline:
        try:
            heard += line.read(line.in_waiting or 1)
        except (OSError, serial.SerialException) as error:
            raise _ended(process, machine, log) from error
        lines = heard.decode("ascii", "replace").splitlines()
        if READY in lines and heard.endswith(b"\n"):
            return tuple(lines)
        fault = next((text for text in lines if text.startswith(_FAULT)), None)
        if fault is not None:
            raise TaskError(
                f"The firmware ended with {fault.strip()} before it was ready.",
                "What it said is below.",
                lines[-10:],
            )
        if process.poll() is not None:
            raise _ended(process, machine, log)
    raise TaskError(
        f"The firmware did not say {READY} within {boot_s:.0f} s.",
        "What it said is below; build it again with this edgekit.",
        heard.decode("ascii", "replace").splitlines()[-10:],
    )


def _ended(process: subprocess.Popen[bytes], machine: Machine, log: Path) -> TaskError:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)
    return TaskError(
        f"{machine.program} has ended with {process.returncode}.", "What it says is below.", _tail(log)
    )


def _tail(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-10:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that this one has started."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
