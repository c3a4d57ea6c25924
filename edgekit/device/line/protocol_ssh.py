"""``ssh://USER@HOST/4747``: the agent on a board's loopback, through ssh.

``ssh -W`` connects its own input and output with the agent's port on the board. No port is opened on this computer, so
nobody else here can use the way, and nothing is left behind when the line is closed.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from typing import IO, Any, Final

from serial.serialutil import PortNotOpenError, SerialException, to_bytes

from edgekit.device.line.lineless import Lineless
from edgekit.errors import EdgekitError, InputError, TaskError
from edgekit.flash.ssh import SCHEME, parse_target, ssh_command, unreachable

_LOOPBACK: Final = "127.0.0.1"
_NO_AGENT: Final = "open failed"
"""In what ssh says when the board was reached, but not the port on it."""
_OPEN_S: Final = 30.0
"""How long it may take until the agent says something, which it does as soon as it is connected."""
_END_S: Final = 5.0
_CHUNK: Final = 4096


class Serial(Lineless):
    """pyserial's interface to an agent behind ssh."""

    is_open: bool
    _process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Connect.

        Raises
        ------
        SerialException
            If the board or its agent cannot be reached; the cause is the :class:`EdgekitError` that says why.
        """
        if self.is_open:
            raise SerialException("Port is already open.")
        if self._port is None:
            raise SerialException("Port must be configured before it can be used.")
        try:
            self._connect(self._port)
        except EdgekitError as error:
            raise SerialException(f"could not open port {self._port}: {error}") from error

    def _connect(self, url: str) -> None:
        place, _, port = url[len(SCHEME) :].partition("/")
        if not port.isdecimal() or int(port) not in range(1, 65_536):
            raise InputError(f"{url} names no port of an agent.", "Write ssh://USER@HOST/4747.")
        target = parse_target(place)
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the line
        self._inbound = bytearray()
        self._ended = False
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            ssh_command(target, "-W", f"{_LOOPBACK}:{port}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            bufsize=0,
        )
        self._reader = threading.Thread(
            target=self._pump, args=(self._process,), name="edgekit-ssh", daemon=True
        )
        self._reader.start()
        self.is_open = True
        with self._changed:
            heard = self._changed.wait_for(lambda: self._inbound or self._ended, _OPEN_S)
        if not self._inbound:
            said = self._complaints() or ["" if heard else f"the agent said nothing for {_OPEN_S:.0f} s"]
            self.close()
            if any(_NO_AGENT in line for line in said):
                raise TaskError(
                    f"No agent listens on {target}, port {port}.",
                    "Start it with `edgekit flash --target USER@HOST`; it does not outlive a restart of the board.",
                    said,
                )
            raise unreachable(target, said)

    def _complaints(self) -> list[str]:
        self._said.seek(0)
        return self._said.read().decode(errors="replace").splitlines()

    def _pump(self, process: subprocess.Popen[bytes]) -> None:
        """Take what comes until the connection ends."""
        assert process.stdout is not None
        while data := process.stdout.read(_CHUNK):
            with self._changed:
                self._inbound += data
                self._changed.notify_all()
        process.wait()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """End the connection."""
        process, self._process = self._process, None
        self.is_open = False
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join(_END_S)
        for pipe in (process.stdin, process.stdout, self._said):
            if pipe is not None:
                pipe.close()

    def read(self, size: int = 1) -> bytes:
        """Return up to ``size`` bytes, fewer after the timeout."""
        self._opened()
        with self._changed:
            self._changed.wait_for(lambda: len(self._inbound) >= size or self._ended, self._timeout)
            data = bytes(self._inbound[:size])
            del self._inbound[:size]
            if not data and self._ended:
                said = [line.strip() for line in self._complaints() if line.strip()]
                # ssh warns first, and says last why it ends.
                raise SerialException(said[-1].rstrip(".") if said else "the connection has ended")
        return data

    def write(self, b: Any) -> int:
        """Send bytes and return how many."""
        data = to_bytes(b)
        pipe = self._opened().stdin
        assert pipe is not None
        view = memoryview(data)
        try:
            while view:
                view = view[pipe.write(view) or 0 :]
        except (BrokenPipeError, ValueError) as error:
            raise SerialException("the connection has ended") from error
        return len(data)

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once; 1 at the end of the connection, where reading says so."""
        self._opened()
        with self._changed:
            return len(self._inbound) or int(self._ended)

    def flush(self) -> None:
        """Return at once: what was written is on its way."""
        self._opened()

    def reset_input_buffer(self) -> None:
        """Throw away what has come."""
        self._opened()
        with self._changed:
            self._inbound.clear()

    def reset_output_buffer(self) -> None:
        """Do nothing: what was written is on its way."""
        self._opened()

    def _opened(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise PortNotOpenError()
        return self._process
