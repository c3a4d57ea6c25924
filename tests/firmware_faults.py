"""The firmware on this computer and in QEMU behind one interface, and ports on which things go wrong."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import serial
from fake_lines import Faults
from firmware_posix import running

from edgekit.bench import client, loading
from edgekit.flash.emulated import emulated
from edgekit.flash.emulator import get_machine
from edgekit.wire import declaration as d
from edgekit.wire.frames import FrameError, decode

POSIX = "posix"
WRITE_S = 2.0
"""How long a port waits until what is written is taken."""
_SLICE_S = 0.05
_CONTROL_S = 20.0
"""How long an emulator may take to answer."""


class Device(Protocol):
    """Firmware that runs."""

    @property
    def port(self) -> str:
        """What a host opens."""

    @property
    def pid(self) -> int:
        """Its process."""

    def reset(self) -> None:
        """Press the reset button."""

    def check(self) -> None:
        """Fail if it has ended."""


@contextmanager
def started(target: str, folder: Path, log: Path) -> Iterator[Device]:
    """Start the firmware of a build folder: the program ``sanitized`` here, or its image on one of QEMU's machines."""
    if target == POSIX:
        with running(folder / "sanitized") as process:
            yield process
        return
    control = log.with_suffix(".qmp")
    options = ("-qmp", f"unix:{control},server=on,wait=off")
    with emulated(get_machine(target), folder / "out" / "firmware.elf", log, options) as board:
        device = _Emulated(board.port, board.pid, control)
        yield device
        device.check()


class _Emulated:
    """A board in QEMU with its reset button."""

    def __init__(self, port: str, pid: int, control: Path) -> None:
        self.port, self.pid = port, pid
        self._control = control

    def reset(self) -> None:
        self._ask("system_reset")

    def check(self) -> None:
        assert self._ask("query-status")["running"]

    def _ask(self, command: str) -> Any:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CONTROL_S)
            connection.connect(str(self._control))
            with connection.makefile("rw") as stream:
                stream.readline()  # the greeting
                for name in ("qmp_capabilities", command):
                    stream.write(json.dumps({"execute": name}) + "\n")
                    stream.flush()
                    answer = json.loads(stream.readline())
                    while "event" in answer:
                        answer = json.loads(stream.readline())
        return answer["return"]


@contextmanager
def hung(device: Device) -> Iterator[None]:
    """Let a device do nothing for the length of a block."""
    os.kill(device.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(device.pid, signal.SIGCONT)


class FaultyPort:
    """A real port on which bytes are hit in both directions, and on which something may happen with a message.

    Parameters
    ----------
    path:
        The port.
    faults:
        What happens to bytes; ``delay`` is for each read, and holds back what comes for ``delay_s``.
    seed:
        Of the faults.
    before, after:
        Called with each message before it is sent, and afterwards.
    """

    def __init__(
        self,
        path: str,
        faults: Faults | None = None,
        seed: int = 0,
        *,
        before: Callable[[bytes], None] | None = None,
        after: Callable[[bytes], None] | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self.random = random.Random(seed)
        self.serial = serial.serial_for_url(path, d.BAUD, timeout=_SLICE_S, write_timeout=WRITE_S)
        self._before, self._after = before, after
        self._held = bytearray()
        self._held_until: float | None = None

    @property
    def in_waiting(self) -> int:
        return int(self.serial.in_waiting)

    def read(self, size: int = 1, /) -> bytes:
        data = self.faults.mangle(self.serial.read(size), self.random)
        if self._held_until is None and data and self.random.random() < self.faults.delay:
            self._held_until = time.monotonic() + self.faults.delay_s
        if self._held_until is None:
            return data
        self._held += data
        if time.monotonic() < self._held_until:
            return b""
        data = bytes(self._held)
        self._held.clear()
        self._held_until = None
        return data

    def write(self, data: bytes, /) -> int:
        if self._before is not None:
            self._before(data)
        self.serial.write(self.faults.mangle(data, self.random))
        if self._after is not None:
            self._after(data)
        return len(data)

    def close(self) -> None:
        self.serial.close()


def once(type_: d.Type, action: Callable[[], object]) -> Callable[[bytes], None]:
    """Return a hook that does ``action`` at the first frame of a type, a moment after it is called."""
    done = False

    def hook(message: bytes) -> None:
        nonlocal done
        if not done and type_of(message) == type_:
            done = True
            time.sleep(0.002)
            action()

    return hook


def type_of(message: bytes) -> int | None:
    """Return the type of the frame in a message of the host's, or ``None`` if there is none."""
    try:
        return decode(message[:-1], d.COMMAND_END).type if message.startswith(d.FRAME_MARK) else None
    except FrameError:
        return None


def longest(input_bytes: int, output_bytes: int, runs: int) -> float:
    """Return the seconds after which a client has connected, loaded, run and read, or has given up, at the latest.

    It is what its timeouts and its numbers of tries add up to when each of them is used up: every frame of a load comes
    through with the last try, every inference takes as long as it may.
    """
    reply, inference = d.REPLY_TIMEOUT_MS / 1000, d.INFERENCE_TIMEOUT_MS / 1000
    ask = client._TRIES * reply
    settle = ask + reply
    connect = 3 * client._BOOT_S + reply
    frames = -(-input_bytes // d.DATA_BYTES)
    window = d.WINDOW * d.MESSAGE_MAX / (d.BAUD / 10) + loading._SLACK_S
    load = client._RESTARTS * ((frames + 1) * (loading._STRIKES + 1) * window + settle)
    tables = [8 * runs, output_bytes]
    read = sum(-(-size // d.DATA_BYTES) for size in tables) * ask
    return connect + load + client._RESTARTS * (ask + runs * inference + read + settle + load)
