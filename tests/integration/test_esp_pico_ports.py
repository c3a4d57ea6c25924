"""The ports to ESP-IDF and the Pico SDK on this computer: bytes, counters and resets, and the bench through each."""

from __future__ import annotations

import ctypes
import json
import os
import random
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import serial
from firmware_folder import export_folder
from firmware_posix import running
from hypothesis import given
from hypothesis import strategies as st
from sdk_ports import PORTS, STUBS, build_port

from edgekit.bench.client import Client
from edgekit.bench.line import open_line
from edgekit.cli.main import run
from edgekit.codegen.record import changed_files, load_project
from edgekit.resources import resource_dir

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")

CLOCKS = {"esp_idf": 240_000_000, "rp2040": 125_000_000, "rp2350": 150_000_000}
ECHO = STUBS / "host" / "echo.c"
MINUTE = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build folder of the tiny model with the aot engine."""
    model = Path(__file__).parents[1] / "golden" / "tiny.tflite"
    return export_folder(model.read_bytes(), tmp_path_factory.mktemp("ports") / "build", "mps2-an385")


@pytest.fixture(scope="module", params=PORTS)
def echo(request: pytest.FixtureRequest, folder: Path) -> tuple[str, Path]:
    """A port's name, and the program that sends back what it hears, with the port's sanitizers on."""
    return request.param, build_port(folder, request.param, ECHO)


def exactly(port: serial.Serial, count: int) -> bytes:
    """Return the next ``count`` bytes."""
    data = port.read(count)
    assert len(data) == count, data
    return bytes(data)


def looks(port: serial.Serial) -> list[int]:
    """Return ten looks at the counter, in ticks."""
    port.write(b"\xfft")
    return list(struct.unpack("<10Q", exactly(port, 80)))


def information(port: serial.Serial) -> list[int]:
    """Return the port's clock and rate in Hz, and its reset reason."""
    port.write(b"\xffi")
    return [int(word) for word in port.readline().split()]


@pytest.mark.parametrize("name", PORTS)
def test_the_bench_through_a_port_is_bit_exact_in_both_protocols(name: str, folder: Path) -> None:
    with running(build_port(folder, name)) as device:
        for extra in ([], ["--mlperf"]):
            arguments = ["--port", device.port, "--build", str(folder), "--runs", "20", "--inputs", "20"]
            status = run(["bench", *arguments, *extra])
            record = json.loads((folder / "bench.json").read_text())
            assert status == 0 and record["outputs"] == {"compared": 20, "mismatched": 0}
        line = open_line(device.port)
        identity = Client(line, seed=1).connect().identity
        line.close()
        clock = CLOCKS[name.partition("-")[0]]
        assert identity.clock_hz == clock == identity.ticks_per_second


def test_bytes_pass_unchanged_in_both_directions(echo: tuple[str, Path]) -> None:
    with running(echo[1]) as device, serial.Serial(device.port, timeout=20) as port:
        data = bytes(random.Random(1).choices(range(255), k=3000)) + bytes(range(255))
        for start in range(0, len(data), 500):
            port.write(data[start : start + 500])
            assert exactly(port, len(data[start : start + 500])) == data[start : start + 500]
        port.write(b"\n")  # one byte alone, which comes while the port waits for it
        assert exactly(port, 1) == b"\n"
        port.write(b"\xffb")
        assert exactly(port, 1500) == bytes(i & 255 for i in range(1500))
        port.write(b"\xff\xff\r\n")
        assert exactly(port, 4) == b"\xff\xff\r\n"


def test_ticks_go_on_over_the_counter_s_wraps(echo: tuple[str, Path]) -> None:
    with running(echo[1]) as device, serial.Serial(device.port, timeout=20) as port:
        clock, hertz, _ = information(port)
        assert clock == hertz == CLOCKS[echo[0].partition("-")[0]]
        before = time.monotonic()
        seen = looks(port)
        # The 32-bit counters wrap 150 ms after the start, SysTick every 134 ms.
        while time.monotonic() < before + 0.3:
            seen += looks(port)
        port.write(b"\xffj")
        jumped = looks(port)
        elapsed = time.monotonic() - before
        assert seen == sorted(seen) and jumped == sorted(jumped)
        assert {tick % (hertz // 1_000_000) for tick in seen} != {0}, "the ticks are microseconds, not cycles"
        assert (seen[-1] - seen[0]) / hertz >= 0.2 and (seen[-1] - seen[0]) / hertz <= elapsed
        assert MINUTE <= (jumped[0] - seen[-1]) / hertz <= MINUTE + elapsed
        assert MINUTE + 0.2 <= (jumped[-1] - seen[0]) / hertz <= MINUTE + elapsed


def test_ticks_count_the_time_in_which_the_core_slept(echo: tuple[str, Path]) -> None:
    """The counters of some cores stand still meanwhile, and so do the stubs'."""
    with running(echo[1]) as device, serial.Serial(device.port, timeout=20) as port:
        hertz = information(port)[1]
        before = looks(port)
        started = time.monotonic()
        time.sleep(0.5)
        elapsed = time.monotonic() - started
        after = looks(port)
        assert elapsed <= (after[0] - before[-1]) / hertz
        assert before + after == sorted(before + after)


@pytest.mark.parametrize(
    ("board", "framework", "file"),
    [("esp32c3", "esp_idf", "main/idf_component.yml"), ("pico2", "pico_sdk", "pico_sdk_import.cmake")],
)
def test_export_writes_the_project_of_the_board_s_sdk(
    board: str, framework: str, file: str, tmp_path: Path
) -> None:
    model = (Path(__file__).parents[1] / "golden" / "tiny.tflite").read_bytes()
    first, second = (export_folder(model, tmp_path / name, board) for name in ("first", "second"))
    project = load_project(first)
    assert project.framework == framework and file in project.files and changed_files(first, project) == ()
    for path in (*project.files, "project.json"):
        assert (first / path).read_bytes() == (second / path).read_bytes(), path


RESETS = {
    "esp_idf": {"1": 1, "6": 6},
    "rp2040": {"1": 1, "0x100": 2, "0x10000": 3, "0x100000": 4, "0": 0},
    "rp2350": {"1": 1, "0x10000": 2, "0x20000": 2, "0x40000": 3, "0x80000": 4, "0": 0},
}


def test_the_reset_s_reason_is_told(echo: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for text, reason in RESETS[echo[0].partition("-")[0]].items():
        monkeypatch.setenv("EK_STUB_RESET", text)
        with running(echo[1]) as device, serial.Serial(device.port, timeout=20) as port:
            assert information(port)[2] == reason


def test_the_program_ends_with_a_restart(echo: tuple[str, Path]) -> None:
    with subprocess.Popen([echo[1]], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with serial.Serial(process.stdout.readline().strip(), timeout=20) as port:
                port.write(b"\xffQ")
                assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["esp_idf-usb", "rp2040-usb"])
def test_a_port_that_nobody_listens_to_does_not_stop_the_firmware(name: str, folder: Path) -> None:
    """A host that sends and never reads fills the line; afterwards the firmware still answers the next one."""
    with running(build_port(folder, name, ECHO)) as device:
        descriptor = os.open(device.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            sent, deadline = 0, time.monotonic() + 60
            while sent < 100_000 and time.monotonic() < deadline:
                try:
                    sent += os.write(descriptor, b"x" * 1000)
                except BlockingIOError:
                    time.sleep(0.01)
            assert sent >= 100_000
        finally:
            os.close(descriptor)
        # What was sent before is still on its way, and an answer may be among what is lost: so the host asks again.
        answer = b"%d %d " % ((CLOCKS[name.partition("-")[0]],) * 2)
        with serial.Serial(device.port, timeout=0.2) as port:
            heard, deadline = b"", time.monotonic() + 60
            while answer not in heard and time.monotonic() < deadline:
                port.write(b"\xffi")
                heard = heard[-len(answer) :] + port.read(200_000)
            assert answer in heard


@pytest.fixture(scope="module")
def extend(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int, int], int]:
    """The function that extends counters, called through a library."""
    folder = tmp_path_factory.mktemp("extend")
    source = folder / "extend.c"
    header = resource_dir("firmware") / "ports" / "ek_extend.h"
    source.write_text(
        f'#include "{header}"\nuint64_t f(uint64_t a, uint32_t l, unsigned b) {{ return ek_extend(a, l, b); }}\n'
    )
    library = folder / "extend.so"
    subprocess.run(["gcc", "-std=c99", "-shared", "-fPIC", "-O1", source, "-o", library], check=True)
    function = ctypes.CDLL(str(library)).f
    function.argtypes = [ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint]
    function.restype = ctypes.c_uint64
    return lambda about, low, bits: int(function(about, low, bits))


@given(st.integers(0, 2**60), st.sampled_from([24, 32]), st.data())
def test_a_counter_is_extended_to_the_nearest_value(
    extend: Callable[[int, int, int], int], value: int, bits: int, data: st.DataObject
) -> None:
    half = 2 ** (bits - 1)
    off = data.draw(st.integers(-half + 1, half - 1))
    about = max(0, value + off)
    assert extend(about, value & 0xFFFFFFFF, bits) == value
