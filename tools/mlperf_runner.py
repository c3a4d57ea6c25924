"""Starts MLPerf Tiny's benchmark runner with a serial port that it would not find by itself, such as an emulator's.

The runner looks for its device among USB serial ports. This program tells it of one more and changes nothing else; it
is run by the runner's own Python and needs only the runner's pyserial. Between the two is a wire of a serial line's
rate: a pseudo-terminal takes bytes as fast as they come, and the runner refuses a measurement of less than 10 seconds.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

import serial.tools.list_ports
from serial.tools.list_ports_common import ListPortInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from paced_wire import paced_wire

VENDOR, PRODUCT = 0xFFFF, 0x0001
"""What the list of devices has below ``usb`` for the port; no real device has these numbers."""
BAUD = 115_200


def offered(port: str) -> ListPortInfo:
    """Return ``port`` as a USB serial device."""
    info = ListPortInfo(port)
    info.vid, info.pid, info.description = VENDOR, PRODUCT, "edgekit"
    return info


def main() -> None:
    """Offer a wire to the port, then run the runner as if it had been started itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", required=True, help="the serial port, as `edgekit flash` prints it")
    parser.add_argument("runner", type=Path, help="the runner's main.py")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the runner's own arguments")
    given = parser.parse_args()
    found = serial.tools.list_ports.comports
    sys.path.insert(0, str(given.runner.resolve().parent))
    sys.argv = [str(given.runner), *given.arguments]
    with paced_wire(given.port, BAUD) as wire:
        serial.tools.list_ports.comports = lambda *args, **kwargs: [
            *found(*args, **kwargs),
            offered(wire.port),
        ]
        runpy.run_path(str(given.runner), run_name="__main__")


if __name__ == "__main__":
    main()
