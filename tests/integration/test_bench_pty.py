"""The same bench through a real terminal device: pyserial, the kernel, and a device at the other end."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest
import serial
from fake_lines import PtyDevice

from edgekit.bench.client import Client
from edgekit.bench.line import open_line
from edgekit.cli.main import run
from edgekit.device.host import HostEngine
from edgekit.device.line.in_process import InProcessDevice
from edgekit.errors import InputError, TaskError

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")


@pytest.mark.parametrize("extra", [[], ["--mlperf"]])
def test_a_bench_over_a_pty_is_bit_exact(tiny_model: bytes, tmp_path: Path, extra: list[str]) -> None:
    model, record = tmp_path / "tiny.tflite", tmp_path / "record.json"
    model.write_bytes(tiny_model)
    with PtyDevice(HostEngine(tiny_model)) as device:
        args = ["bench", "--port", device.path, "--model", str(model), "--inputs", "10", "-o", str(record)]
        assert run([*args, *extra]) == 0
        assert run([*args, *extra]) == 0, "a second host finds a device that has booted long ago"
    assert json.loads(record.read_text())["outputs"] == {"compared": 10, "mismatched": 0}


def test_a_large_input_goes_through_the_small_buffers_of_a_terminal(shared_models: Path) -> None:
    model = (shared_models / "vww_96_int8.tflite").read_bytes()
    with PtyDevice(HostEngine(model)) as device:
        line = open_line(device.path)
        client = Client(line)
        client.connect()
        first = client.run(bytes(range(256)) * 108, runs=1, warmup=0)
        assert client.run(bytes(range(256)) * 108, runs=3, warmup=0).output == first.output
        line.close()


def test_a_bench_over_tcp_is_bit_exact(tiny_model: bytes, tmp_path: Path) -> None:
    model, record = tmp_path / "tiny.tflite", tmp_path / "record.json"
    model.write_bytes(tiny_model)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                device = InProcessDevice(HostEngine(tiny_model))
                reader = threading.Thread(target=pump, args=(device, connection), daemon=True)
                reader.start()
                while data := connection.recv(4096):
                    device.write(data)
                device.close()
                reader.join()

        def pump(device: InProcessDevice, connection: socket.socket) -> None:
            while device.alive:
                connection.sendall(device.read(1, 0.02) + device.read(device.waiting, 0))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        args = ["bench", "--port", url, "--model", str(model), "--inputs", "10", "-o", str(record)]
        assert run(args) == 0
        thread.join(timeout=10)
    assert json.loads(record.read_text())["outputs"] == {"compared": 10, "mismatched": 0}


def test_a_port_in_use_is_reported(tiny_model: bytes) -> None:
    with (
        PtyDevice(HostEngine(tiny_model)) as device,
        serial.Serial(device.path, exclusive=True),
        pytest.raises(TaskError, match="in use by another program"),
    ):
        open_line(device.path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may open everything")
def test_a_port_that_may_not_be_opened_names_the_group(tiny_model: bytes) -> None:
    with PtyDevice(HostEngine(tiny_model)) as device:
        os.chmod(device.path, 0)
        with pytest.raises(InputError, match="permission denied") as caught:
            open_line(device.path)
    assert "dialout" in caught.value.hint


def test_pulling_the_plug_is_reported(tiny_model: bytes) -> None:
    with PtyDevice(HostEngine(tiny_model)) as device:
        line = open_line(device.path)
        client = Client(line)
        client.connect()
        device.unplug()
        with pytest.raises(TaskError, match="was lost"):
            client.load(bytes(108))
        line.close()
