"""pyserial's handlers for edgekit's own URLs, and one for sockets; :func:`register` makes pyserial find them."""

from __future__ import annotations

import serial


def register() -> None:
    """Make ``serial.serial_for_url("host://MODEL.tflite")`` work; may be called again."""
    if __name__ not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.insert(0, __name__)
