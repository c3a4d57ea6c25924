"""``host://MODEL.tflite``: a line whose other end is the host interpreter in this process.

The path is taken as it stands after ``host://``, relative or (``host:///tmp/model.tflite``) absolute; percent
escapes are decoded, so that any name can be written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from serial.serialutil import PortNotOpenError, SerialException, to_bytes

from edgekit.device.host import HostEngine
from edgekit.device.line.in_process import InProcessDevice
from edgekit.device.line.lineless import Lineless
from edgekit.errors import EdgekitError, InputError
from edgekit.files import read_bytes

if TYPE_CHECKING:
    from edgekit.device.engine import Engine

SCHEME: Final = "host://"
MODEL_MAX_BYTES: Final = 512 * 1024**2


def model_path(url: str) -> Path:
    """Return the path of the model in ``url``.

    Raises
    ------
    InputError
        If the URL is of another kind or names nothing.
    """
    if not url.lower().startswith(SCHEME) or len(url) == len(SCHEME):
        raise InputError(f"{url} names no model.", "Write host://PATH/MODEL.tflite, or just the word host.")
    return Path(unquote(url[len(SCHEME) :]))


class Serial(Lineless):
    """pyserial's interface to a device in this process; line settings are accepted and have no effect."""

    is_open: bool
    _device: InProcessDevice | None = None

    def open(self) -> None:
        """Load the model and start the device.

        Raises
        ------
        SerialException
            If the model cannot be used; the cause is the :class:`EdgekitError` that says why.
        """
        if self.is_open:
            raise SerialException("Port is already open.")
        if self._port is None:
            raise SerialException("Port must be configured before it can be used.")
        try:
            self._device = InProcessDevice(self.engine())
        except EdgekitError as error:
            raise SerialException(f"could not open port {self._port}: {error}") from error
        self.is_open = True

    def engine(self) -> Engine:
        """Return the engine that the URL names; a subclass may put something in front of it."""
        return HostEngine(read_bytes(model_path(self._port), "model", MODEL_MAX_BYTES))

    def close(self) -> None:
        """Stop the device."""
        if self.is_open:
            self.is_open = False
            self._opened().close()
            self._device = None

    def read(self, size: int = 1) -> bytes:
        """Return up to ``size`` bytes, fewer after the timeout."""
        device = self._opened()
        data = device.read(size, self._timeout)
        if not data and not device.alive:
            raise SerialException("the device has stopped")
        return data

    def write(self, b: Any) -> int:
        """Send bytes to the device and return how many."""
        data = to_bytes(b)
        device = self._opened()
        if not device.alive:
            raise SerialException("the device has stopped")
        device.write(data)
        return len(data)

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        return self._opened().waiting

    def flush(self) -> None:
        """Return at once: what was written has arrived."""
        self._opened()

    def reset_input_buffer(self) -> None:
        """Throw away what has come from the device."""
        self._opened().discard_outbound()

    def reset_output_buffer(self) -> None:
        """Throw away what the device has not taken yet."""
        self._opened().discard_inbound()

    def _opened(self) -> InProcessDevice:
        if self._device is None:
            raise PortNotOpenError()
        return self._device
