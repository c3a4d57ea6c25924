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
from dataclasses import replace
from pathlib import Path

import pytest
import serial
from aot_networks import random_network
from conversations import conversation
from firmware_folder import export_folder, random_input, spoil_golden_output
from firmware_posix import SANITIZED, Running, build_posix, running

from edgekit.bench.client import Client
from edgekit.bench.line import Line, open_line
from edgekit.cli.main import run
from edgekit.codegen.golden import load_golden
from edgekit.device import Device
from edgekit.device.host import HostEngine
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.writer import write_model
from edgekit.wire import declaration as d
from edgekit.wire.frames import decode

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
    spoil_golden_output(folder, vector=1, offset=golden.shape[1] - 1)
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


def test_a_host_that_goes_away_in_the_middle_is_followed_by_another(tiny: Path) -> None:
    with running(tiny / "sanitized", "--listen", "0") as device:
        host, _, number = device.port.removeprefix("socket://").partition(":")
        for cut in range(1, 40, 3):
            with socket.create_connection((host, int(number))) as connection:
                connection.sendall((b"db load 108%infer 1000000 0%" + b"a" * 40)[:cut])
        status, record = bench(tiny, device.port)
        assert status == 0 and record["ok"] is True
