"""``flip://MODEL.tflite``: a device with one wrong bit in every output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.device.host import HostEngine
from edgekit.device.line import protocol_host
from edgekit.files import read_bytes

if TYPE_CHECKING:
    from edgekit.device.engine import Engine


class FlippingEngine(HostEngine):
    """The host interpreter with one wrong bit."""

    def output(self) -> bytes:
        right = super().output()
        return bytes([right[0] ^ 1]) + right[1:]


class Serial(protocol_host.Serial):
    """A line to it."""

    def engine(self) -> Engine:
        path = protocol_host.model_path(self._port.replace("flip://", "host://"))
        return FlippingEngine(read_bytes(path, "model", 1 << 20))
