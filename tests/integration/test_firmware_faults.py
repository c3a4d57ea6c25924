"""Whatever happens to the line or to the device, no wrong result is accepted, nothing hangs, and the device goes on.

The firmware runs as a process of this computer with sanitizers, and in QEMU; the client is the real one.
``EDGEKIT_FAULT_EXAMPLES`` is how many random faults are tried on each (3).
"""

from __future__ import annotations

import os
import random
import select
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import serial
from aot_networks import random_network
from conversations import WORDS, frame
from fake_lines import Faults
from firmware_faults import POSIX, WRITE_S, Device, FaultyPort, hung, longest, once, started, type_of
from firmware_folder import expected_output, export_folder, random_input
from firmware_posix import SANITIZED, build_posix
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from paced_wire import PacedWire, paced_wire

from edgekit.bench import loading
from edgekit.bench.client import Client
from edgekit.bench.line import Line, open_line
from edgekit.build.project import build_project
from edgekit.errors import TaskError
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.writer import write_model
from edgekit.wire import declaration as d
from edgekit.wire.frames import Frame, FrameError, unstuff

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")

EXAMPLES = int(os.environ.get("EDGEKIT_FAULT_EXAMPLES", "3"))
MACHINE = "mps2-an386"
OUTPUT_BYTES = 100
RUNS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build folder of a network whose input takes six frames, built for both targets."""
    model = write_model(random_network(NetworkSpec("mobilenet_v1", 0.25, 32, 3, OUTPUT_BYTES), seed=3))
    path = export_folder(model, tmp_path_factory.mktemp("faults") / "build", MACHINE)
    build_posix(path, *SANITIZED, name="sanitized")
    build_project(path)
    return path


@pytest.fixture(scope="module", params=[POSIX, MACHINE])
def device(
    request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Device]:
    """The same device for all tests: each has to leave it in a state in which it answers."""
    with started(request.param, folder, tmp_path_factory.mktemp("device") / "log") as running:
        yield running


def limit(folder: Path) -> float:
    return longest(len(random_input(folder, 0)), OUTPUT_BYTES, RUNS)


def attempt(port: FaultyPort, folder: Path, seed: int) -> bool:
    """Load, run and compare; return whether there was a result. It took no longer than it may."""
    data = random_input(folder, seed)
    start = time.monotonic()
    try:
        client = Client(Line(port, "faulty"))
        client.connect()
        result = client.run(data, runs=RUNS, warmup=1)
    except TaskError:
        return False
    finally:
        assert time.monotonic() - start < limit(folder)
    assert result.output == expected_output(folder, data) and len(result.ticks) == RUNS
    return True


def works(device: Device, folder: Path) -> None:
    """The device gives a right result at once."""
    device.check()
    port = FaultyPort(device.port)
    assert attempt(port, folder, seed=99)
    port.close()


KINDS = {
    "drop": Faults(drop=5e-4),
    "double": Faults(double=5e-4),
    "flip": Faults(flip=5e-4),
    "swap": Faults(swap=5e-4),
    "insert": Faults(insert=5e-4),
    "delay": Faults(delay=0.1, delay_s=0.3 + d.REPLY_TIMEOUT_MS / 1000),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_byte_in_two_thousand_is_repaired(kind: str, device: Device, folder: Path) -> None:
    port = FaultyPort(device.port, KINDS[kind], seed=11)
    assert attempt(port, folder, seed=1)
    port.close()
    works(device, folder)


rate = st.sampled_from([0.0, 0.0, 0.0, 2e-4, 1e-3])
fault_rates = st.builds(
    Faults, drop=rate, double=rate, flip=rate, swap=rate, insert=rate, delay=rate, delay_s=st.just(1.6)
)


def test_whatever_the_line_does_a_result_is_right_or_there_is_none(device: Device, folder: Path) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # what a real device does is not repeatable, so nothing can be shrunk
        suppress_health_check=list(HealthCheck),
    )
    @given(fault_rates, st.integers(0, 2**31))
    def check(faults: Faults, seed: int) -> None:
        port = FaultyPort(device.port, faults, seed)
        attempt(port, folder, seed)
        port.close()

    check()
    works(device, folder)


class Trusting(Client):
    """A client that takes results without looking at their CRC."""

    def _read_table(self, run: int, table: d.Table, size: int, crc: int) -> bytes:
        return self._must_ask(d.Type.READ, d.Read(run, table, 0, size).pack(), "").payload[d.Chunk.size() :]


def decode_without_crc(message: bytes, end: int) -> Frame:
    body = unstuff(message[len(d.FRAME_MARK) :], end)
    if len(body) < d.Header.size() + d.CRC_BYTES:
        raise FrameError("too short")
    header = d.Header.unpack(body[: d.Header.size()])
    return Frame(header.type, header.request, body[d.Header.size() : -d.CRC_BYTES], header.version)


class FlippingPort(FaultyPort):
    """A port on which every second answer to READ has a wrong bit in its second half."""

    reading = False

    def write(self, data: bytes, /) -> int:
        self.reading = type_of(data) == d.Type.READ
        return super().write(data)

    def read(self, size: int = 1, /) -> bytes:
        data = bytearray(super().read(size))
        if self.reading and len(data) > OUTPUT_BYTES and self.random.random() < 0.5:
            data[self.random.randrange(len(data) // 2, len(data) - 8)] ^= 1 << self.random.randrange(8)
        return bytes(data)


def wrong_results(client: Client, folder: Path, tries: int) -> int:
    """Return after how many wrong results the tries are over; the first one ends them."""
    client.connect()
    for seed in range(tries):
        data = random_input(folder, seed)
        try:
            output = client.run(data, runs=1, warmup=0).output
        except (TaskError, ValueError):
            continue
        if output != expected_output(folder, data):
            return 1
    return 0


def test_without_the_crc_a_wrong_result_is_accepted(
    device: Device, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = FlippingPort(device.port, seed=1)
    assert wrong_results(Client(Line(port, "flipping")), folder, tries=8) == 0
    monkeypatch.setattr("edgekit.bench.line.decode", decode_without_crc)
    assert wrong_results(Trusting(Line(port, "flipping")), folder, tries=20) == 1
    port.close()


STAGES = {"load": d.Type.DATA, "run": d.Type.RUN, "reply": d.Type.READ}


@pytest.mark.parametrize("stage", STAGES)
def test_a_reset_in_the_middle_is_noticed_and_all_is_begun_anew(
    stage: str, device: Device, folder: Path
) -> None:
    port = FaultyPort(device.port, after=once(STAGES[stage], device.reset))
    assert attempt(port, folder, seed=5)
    port.close()
    works(device, folder)


def test_resets_at_any_time_give_no_wrong_result(device: Device, folder: Path) -> None:
    source = random.Random(2)
    resets = 0

    def reset_now_and_then(message: bytes) -> None:
        nonlocal resets
        if source.random() < 1 / 8:
            port.serial.write(message[: source.randrange(len(message) + 1)])
            time.sleep(source.choice([0, 0, 0.002, 0.02]))
            resets += 1
            device.reset()

    port = FaultyPort(device.port, before=reset_now_and_then)
    while resets < 4:
        attempt(port, folder, seed=resets)
    port.close()
    works(device, folder)


@pytest.mark.parametrize("stage", STAGES)
def test_a_plug_that_is_pulled_is_told_and_after_replugging_all_works(
    stage: str, device: Device, folder: Path
) -> None:
    wire = PacedWire(device.port, d.BAUD)
    port = FaultyPort(wire.port, after=once(STAGES[stage], wire.close))
    client = Client(Line(port, "unplugged"))
    client.connect()
    start = time.monotonic()
    with pytest.raises(TaskError, match="connection to unplugged was lost"):
        client.run(random_input(folder, 1), runs=RUNS, warmup=1)
    assert time.monotonic() - start < d.REPLY_TIMEOUT_MS / 1000
    port.close()
    with paced_wire(device.port, d.BAUD) as again:
        port = FaultyPort(again.port)
        assert attempt(port, folder, seed=2)
        port.close()


def test_a_host_at_the_wrong_rate_is_told_so(device: Device, folder: Path) -> None:
    boot_s = 2.0
    with paced_wire(device.port, 115_200) as wire:
        line = open_line(wire.port, 57_600)
        start = time.monotonic()
        with pytest.raises(TaskError) as caught:
            Client(line).connect(boot_s=boot_s)
        assert "--baud" in caught.value.hint
        assert time.monotonic() - start < 3 * boot_s + d.REPLY_TIMEOUT_MS / 1000
        line.close()
        port = FaultyPort(wire.port)
        port.serial.baudrate = 115_200
        assert attempt(port, folder, seed=3)
        port.close()


def test_a_second_host_on_the_line_spoils_no_result(device: Device, folder: Path) -> None:
    other = os.open(device.port, os.O_RDWR | os.O_NOCTTY)
    source = random.Random(4)
    intruding = (
        b"db load 5%",
        b"infer 2 0%",
        frame(d.Type.LOAD, 77, d.Load(len(random_input(folder, 0)), 1).pack()),
        frame(d.Type.SELFTEST, 78),
        frame(d.Type.CANCEL, 79),
    )
    intrusions = 0

    def intrude(_: bytes) -> None:
        nonlocal intrusions
        if source.random() < 0.1:
            intrusions += 1
            os.write(other, source.choice(intruding))

    port = FaultyPort(device.port, before=intrude)
    while intrusions < 4:
        attempt(port, folder, seed=intrusions)
    port.close()
    os.close(other)
    works(device, folder)


@pytest.mark.parametrize(
    ("stage", "words"),
    [("load", "does not take data|stopped taking the input"), ("run", "did not answer when asked to run")],
)
def test_a_device_that_hangs_is_given_up_in_time(
    stage: str, words: str, device: Device, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inference_s = 3.0
    monkeypatch.setattr("edgekit.bench.client._INFERENCE_S", inference_s)
    rate = 115_200.0  # bytes a second: the window's time is what the load waits for
    window = d.WINDOW * d.MESSAGE_MAX / rate + loading._SLACK_S
    waits = {"load": (loading._STRIKES + 1) * window, "run": inference_s}
    hung_at: list[float] = []
    with ExitStack() as until_then:

        def hang(*_: object) -> None:
            if not hung_at:
                until_then.enter_context(hung(device))
                hung_at.append(time.monotonic())

        port = FaultyPort(device.port, before=once(d.Type.DATA, hang) if stage == "load" else None)
        client = Client(Line(port, "hanging", bytes_per_second=rate))
        client.connect()
        with pytest.raises(TaskError, match=words):
            # So much is left to do at the first sign of progress that the device hangs before it is done.
            client.run(random_input(folder, 1), RUNS, d.WARMUP_MAX, advance=hang)
        assert time.monotonic() - hung_at[0] < waits[stage] + WRITE_S + 1.0
    port.close()
    works(device, folder)


def test_ten_thousand_random_commands_do_no_harm(device: Device, folder: Path) -> None:
    source = random.Random(7)
    words = (*WORDS, b"infer", b"1", b"2", b"timestamp", b"\r\n", b"ek", b"results", b"help")
    with serial.Serial(device.port) as port:
        os.set_blocking(port.fd, False)
        for _ in range(10_000):
            line = b" ".join(source.choices(words, k=source.randrange(5)))
            if source.random() < 0.2:
                line = source.randbytes(source.randrange(80))
            if source.random() < 0.02:
                line = b"x" * source.randrange(2000)
            left = line + b"%"
            taken = time.monotonic()
            while left:  # a host that only writes and a device that only answers would wait for each other
                assert time.monotonic() - taken < WRITE_S
                select.select([port.fd], [port.fd], [], WRITE_S)
                with suppress(BlockingIOError):
                    os.read(port.fd, 65536)
                with suppress(BlockingIOError):
                    left = left[os.write(port.fd, left) :]
                    taken = time.monotonic()
    works(device, folder)
