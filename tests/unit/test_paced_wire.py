"""The wire of the tests and of the benchmark: bytes in order, garbled at another rate, never faster than the rate."""

from __future__ import annotations

import os
import random
import time
import tty

import pytest
import serial
from paced_wire import BITS, as_received, paced_wire

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")


def test_the_same_rate_gives_the_same_bytes() -> None:
    data = bytes(range(256))
    assert as_received(data, 115_200, 115_200) == data
    assert as_received(data, 115_200, 117_000) == data


def test_another_rate_gives_other_bytes_and_framing_errors() -> None:
    data = bytes(range(32, 127))
    slower = as_received(data, 115_200, 57_600)
    assert len(data) / 3 < len(slower) < len(data) and slower != data[: len(slower)]
    # One start bit and the four zeros of 0xF0 are ten bits at twice the rate: no stop bit.
    assert as_received(b"\xf0", 57_600, 115_200)[0] == 0
    # A start bit that is longer than a whole byte.
    assert as_received(b"\xff", 9_600, 115_200) == b"\x00"


def test_bytes_pass_in_order_and_never_faster_than_the_rate() -> None:
    device, end = os.openpty()
    tty.setraw(end)
    data = random.Random(1).randbytes(3_000)
    start = time.monotonic()
    with paced_wire(os.ttyname(end), 115_200) as wire, serial.Serial(wire.port, 115_200, timeout=5) as host:
        host.write(data)
        got = bytearray()
        while len(got) < len(data):
            got += os.read(device, 4096)
        assert got == data and time.monotonic() - start > len(data) * BITS / 115_200
        os.write(device, data)
        assert host.read(len(data)) == data
    os.close(device)
    os.close(end)


def test_a_host_at_another_rate_hears_and_says_nonsense() -> None:
    device, end = os.openpty()
    tty.setraw(end)
    with paced_wire(os.ttyname(end), 115_200) as wire, serial.Serial(wire.port, 57_600, timeout=0.2) as host:
        host.write(b"name%")
        time.sleep(0.1)
        assert b"name" not in os.read(device, 4096)
        os.write(device, b"m-ready\r\n")
        assert b"ready" not in host.read(100)
    os.close(device)
    os.close(end)
