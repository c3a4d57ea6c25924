"""The firmware in C as a process of this computer, with and without sanitizers, on real serial lines."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import serial
from aot_networks import random_network
from conversations import WORDS, conversation
from fake_lines import Faults
from firmware_folder import export_folder
from firmware_posix import SANITIZED, FaultyPort, Running, build_posix, running

from edgekit.bench.client import Client
from edgekit.bench.line import Line, open_line
from edgekit.cli.main import run
from edgekit.codegen.golden import load_golden
from edgekit.device import Device
from edgekit.device.host import HostEngine
from edgekit.errors import TaskError
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.writer import write_model
from edgekit.wire import declaration as d
from edgekit.wire.frames import decode, encode

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")

BOARD = "mps2-an385"
NAME = b"m-name-dut-[edgekit]\r\nm-ready\r\n"


@pytest.fixture(scope="module")
def tiny(tiny_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build folder of the tiny model with both builds of its firmware."""
    folder = export_folder(tiny_model, tmp_path_factory.mktemp("tiny") / "build", BOARD)
    build_posix(folder)
    build_posix(folder, *SANITIZED, name="sanitized")
    return folder


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build folder of a network whose input takes six frames, and its firmware with sanitizers."""
    model = write_model(random_network(NetworkSpec("mobilenet_v1", 0.25, 32, 3, 10), seed=3))
    folder = export_folder(model, tmp_path_factory.mktemp("larger") / "build", BOARD)
    build_posix(folder, *SANITIZED, name="sanitized")
    return folder


def bench(folder: Path, port: str, *extra: str) -> tuple[int, dict[str, object]]:
    status = run(["bench", "--port", port, "--build", str(folder), "--runs", "20", "--inputs", "20", *extra])
    record: dict[str, object] = json.loads((folder / "bench.json").read_text())
    return status, record


def expected(folder: Path, data: bytes) -> bytes:
    interpreter = HostInterpreter((folder / "model.tflite").read_bytes())
    shape = interpreter.inputs[0].shape
    interpreter.set_inputs([np.frombuffer(data, np.int8).reshape(shape)])
    interpreter.invoke()
    return interpreter.output_bytes()


def random_input(folder: Path, seed: int) -> bytes:
    shape = json.loads((folder / "project.json").read_text())["input"]["shape"]
    return random.Random(seed).randbytes(int(np.prod(shape)))


@pytest.mark.parametrize("name", ["firmware", "sanitized"])
def test_the_bench_over_a_pty_is_bit_exact_in_both_protocols(name: str, tiny: Path) -> None:
    with running(tiny / name) as device:
        for extra in ([], ["--mlperf"], []):
            status, record = bench(tiny, device.port, *extra)
            assert status == 0 and record["outputs"] == {"compared": 20, "mismatched": 0}
        assert record["board"] == BOARD and record["engine"] == "aot" and record["arena"] is not None


def test_the_trained_model_is_bit_exact_in_both_protocols(shared_models: Path, tmp_path: Path) -> None:
    model = (shared_models / "vww_96_int8.tflite").read_bytes()
    folder = export_folder(model, tmp_path / "vww", BOARD)
    for name, flags in (("firmware", ()), ("sanitized", SANITIZED)):
        with running(build_posix(folder, *flags, name=name)) as device:
            for extra in ([], ["--mlperf"]):
                status, record = bench(folder, device.port, *extra)
                assert status == 0 and record["outputs"] == {"compared": 20, "mismatched": 0}


def test_the_bench_over_tcp_is_bit_exact_and_hosts_come_and_go(tiny: Path) -> None:
    with running(tiny / "sanitized", "--listen", "0") as device:
        for _ in range(2):
            status, record = bench(tiny, device.port)
            assert status == 0 and record["outputs"] == {"compared": 20, "mismatched": 0}


def test_a_changed_weight_is_found(tiny_model: bytes, tmp_path: Path) -> None:
    folder = export_folder(tiny_model, tmp_path / "build", BOARD)
    model = folder / "src" / "model" / "model.c"
    text = model.read_text()
    weight = re.search(r"ek_weights_3.*\n +(-?\d+)", text)
    assert weight is not None
    model.write_text(f"{text[: weight.start(1)]}{int(weight[1]) ^ 64}{text[weight.end(1) :]}")
    with running(build_posix(folder)) as device:
        status, record = bench(folder, device.port)
    assert status == 1 and record["ok"] is False


def test_the_self_test_passes_and_names_the_byte_that_differs(tiny: Path, tmp_path: Path) -> None:
    _, outputs = load_golden(tiny)
    with running(tiny / "sanitized") as device:
        tested = connected(device)[0].selftest()
    assert tested.vectors == tested.passed == len(outputs) > 1
    golden = outputs.reshape(len(outputs), -1)
    folder = export_folder((tiny / "model.tflite").read_bytes(), tmp_path / "build", BOARD)
    settings = folder / "src" / "model" / "settings.c"
    head, start, tail = settings.read_text().partition("golden_outputs[")
    text = ", ".join(str(value) for value in golden[1])
    rows = tail.split("  {\n")
    rows[2] = f"    {', '.join(text.split(', ')[:-1])}, {golden[1][-1] ^ 1},\n  }},\n"
    settings.write_text(head + start + "  {\n".join(rows))
    with running(build_posix(folder)) as device:
        tested = connected(device)[0].selftest()
    assert (tested.passed, tested.vector) == (tested.vectors - 1, 1)
    assert tested.offset == golden.shape[1] - 1
    assert tested.expected == (int(golden[1][-1]) ^ 1) & 0xFF and tested.got == int(golden[1][-1]) & 0xFF


def test_the_profile_has_every_kernel_call_with_its_operator(tiny: Path) -> None:
    with running(tiny / "sanitized") as device:
        profile = connected(device)[0].profile(random_input(tiny, 1))
    assert profile is not None
    assert [(op.index, op.builtin) for op in profile.ops] == [(0, 3), (1, 4), (2, 1), (3, 3), (5, 25)]


def connected(device: Running, seed: int = 1) -> tuple[Client, Line]:
    line = open_line(device.port)
    client = Client(line, seed=seed)
    client.connect()
    return client, line


def test_a_reset_is_told_and_half_a_message_forgotten(tiny: Path) -> None:
    with running(tiny / "sanitized") as device:
        client, line = connected(device)
        assert client.connect().identity.reset_reason == 0
        device.reset()
        assert client.connect().identity.reset_reason == 1
        line.close()
        with serial.Serial(device.port, timeout=5) as port:
            port.write(b"infer 1")
            time.sleep(d.MESSAGE_TIMEOUT_MS / 1000 + 0.2)
            port.write(b"name%")
            assert port.read(len(NAME)) == NAME


def test_wrong_arguments_are_told(tiny: Path) -> None:
    for arguments in ([], ["--listen", "70000"], ["--listen", "x"], ["--pty", "more"]):
        done = subprocess.run([tiny / "firmware", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and done.stderr and not done.stdout


class Twin(HostEngine):
    """The host interpreter that says it is the firmware, and keeps its input as little."""

    def __init__(self, model: bytes, folder: Path, identity: d.Identity) -> None:
        inputs, outputs = load_golden(folder)
        super().__init__(model, [(i.tobytes(), o.tobytes()) for i, o in zip(inputs, outputs, strict=True)])
        self.keeps_input = False
        self.identity = identity
        digest = hashlib.sha256(model).hexdigest()[:16]
        self.settings = replace(self.settings, profile="edgekit aot portable", model_id=digest)


def without_times(line: bytes) -> bytes:
    """Return a line without what depends on the clock."""
    if line.startswith(b"m-lap-us-"):
        assert line[9:].isdigit()
        return line[:9]
    if line.startswith(d.FRAME_MARK):
        frame = decode(line, d.LINE_END)
        if frame.type == d.Type.RAN:
            ran = d.Ran.unpack(frame.payload)
            return repr((frame.request, replace(ran, ticks_crc=0))).encode()
    return line


@pytest.mark.parametrize("seed", range(12))
def test_the_device_in_c_answers_as_the_device_in_python_does(seed: int, tiny: Path, larger: Path) -> None:
    folder = (tiny, larger)[seed % 2]
    model = (folder / "model.tflite").read_bytes()
    source = random.Random(seed)
    with running(folder / "sanitized") as process:
        client, line = connected(process)
        identity = client.connect().identity
        line.close()
        twin = Twin(model, folder, identity)
        said = bytearray()
        device = Device(twin, said.extend)
        device.boot()
        with serial.Serial(process.port, timeout=10) as port:
            for message in conversation(source, len(twin.input)):
                said.clear()
                device.feed(message)
                while device.poll():
                    pass
                port.write(message)
                wanted = bytes(said).split(b"\r\n")[:-1]
                got = [port.read_until(b"\n")[:-2] for _ in wanted]
                assert list(map(without_times, got)) == list(map(without_times, wanted)), message
            time.sleep(0.1)
            assert port.in_waiting == 0


def test_ten_thousand_random_commands_do_no_harm(tiny: Path) -> None:
    source = random.Random(7)
    words = (*WORDS, b"infer", b"1", b"2", b"timestamp", b"\r\n", b"ek", b"results", b"help")
    with running(tiny / "sanitized") as device:
        with serial.Serial(device.port, timeout=0) as port:
            for _ in range(10_000):
                line = b" ".join(source.choices(words, k=source.randrange(5)))
                if source.random() < 0.2:
                    line = source.randbytes(source.randrange(80))
                if source.random() < 0.02:
                    line = b"x" * source.randrange(2000)
                port.write(line + b"%")
                port.read(65536)
                device.check()
        assert connected(device)[0].run(bytes(108), runs=1, warmup=0).output == expected(tiny, bytes(108))


RATES = ({"drop": 1e-3}, {"double": 1e-3}, {"flip": 1e-3}, {"swap": 1e-3}, {"insert": 1e-3})


@pytest.mark.parametrize("rates", RATES, ids=lambda rates: str(next(iter(rates))))
def test_on_a_bad_line_a_result_is_right_or_there_is_none(rates: dict[str, float], larger: Path) -> None:
    with running(larger / "sanitized") as device:
        port = FaultyPort(device.port, Faults(**rates), seed=11)
        client = Client(Line(port, "faulty"), seed=5)
        right = 0
        for seed in range(6):
            data = random_input(larger, seed)
            try:
                client.connect()
                result = client.run(data, runs=2, warmup=1)
            except TaskError:
                continue
            assert result.output == expected(larger, data)
            right += 1
        assert right >= 3
        port.faults = Faults()
        client.connect()
        data = random_input(larger, 99)
        assert client.run(data, runs=1, warmup=0).output == expected(larger, data)


class ResettingPort(FaultyPort):
    """A port that resets the device before, within or after one message out of eight."""

    def __init__(self, path: str, reset: Callable[[], None], seed: int) -> None:
        super().__init__(path, Faults(), seed)
        self._reset = reset
        self.resets = 0

    def before_write(self, data: bytes) -> None:
        if self.random.random() < 1 / 8:
            cut = self.random.randrange(len(data) + 1)
            self._port.write(data[:cut])
            time.sleep(self.random.choice([0, 0, 0.002, 0.02]))
            self.resets += 1
            self._reset()


def test_a_device_that_is_reset_in_between_gives_no_wrong_result(larger: Path) -> None:
    with running(larger / "sanitized") as device:
        port = ResettingPort(device.port, device.reset, seed=2)
        client = Client(Line(port, "resetting"), seed=5)
        for seed in range(6):
            device.check()
            data = random_input(larger, seed)
            try:
                client.connect()
                result = client.run(data, runs=3, warmup=1)
            except TaskError:
                continue
            assert result.output == expected(larger, data)
        assert port.resets > 3
        port.close()
        data = random_input(larger, 99)
        assert connected(device)[0].run(data, runs=1, warmup=0).output == expected(larger, data)


def test_a_second_host_on_the_line_spoils_no_result(larger: Path) -> None:
    with running(larger / "sanitized") as device:
        port = FaultyPort(device.port, Faults(), seed=1)
        other = os.open(device.port, os.O_RDWR | os.O_NOCTTY)
        source = random.Random(4)
        intruding = (
            b"db load 5%",
            b"infer 2 0%",
            encode(d.Type.LOAD, 77, d.Load(3072, 1).pack(), d.COMMAND_END) + b"%",
            encode(d.Type.SELFTEST, 78, b"", d.COMMAND_END) + b"%",
            encode(d.Type.CANCEL, 79, b"", d.COMMAND_END) + b"%",
        )

        def intrude(_: bytes) -> None:
            if source.random() < 0.1:
                os.write(other, source.choice(intruding))

        port.before_write = intrude  # type: ignore[method-assign]
        client = Client(Line(port, "shared"), seed=5)
        for seed in range(6):
            data = random_input(larger, seed)
            try:
                client.connect()
                result = client.run(data, runs=3, warmup=1)
            except TaskError:
                continue
            assert result.output == expected(larger, data)
        os.close(other)


def test_a_host_that_goes_away_in_the_middle_is_followed_by_another(tiny: Path) -> None:
    with running(tiny / "sanitized", "--listen", "0") as device:
        host, _, number = device.port.removeprefix("socket://").partition(":")
        for cut in range(1, 40, 3):
            with socket.create_connection((host, int(number))) as connection:
                connection.sendall((b"db load 108%infer 1000000 0%" + b"a" * 40)[:cut])
        status, record = bench(tiny, device.port)
        assert status == 0 and record["ok"] is True
