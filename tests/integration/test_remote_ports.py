"""Boards behind serial servers: the firmware as a process, on a terminal that something hands on over the network."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import monitored, refused
from firmware_folder import export_folder
from firmware_posix import Running, build_posix, running
from serial_servers import Rfc2217Server, find_ser2net, ser2net

from edgekit.bench.client import Client
from edgekit.bench.line import open_line
from edgekit.cli.main import run

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")

TINY = Path(__file__).parents[1] / "golden" / "tiny.tflite"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_folder(TINY.read_bytes(), tmp_path_factory.mktemp("remote") / "build", "mps2-an386")


@pytest.fixture(scope="module")
def program(folder: Path) -> Path:
    return build_posix(folder, "-O0")  # compiled sooner


@pytest.fixture
def device(program: Path) -> Iterator[Running]:
    with running(program) as board:
        yield board


def bench(folder: Path, port: str, *options: str) -> dict[str, Any]:
    status = run(["bench", "--build", str(folder), "--port", port, *options])
    record: dict[str, Any] = json.loads((folder / "bench.json").read_text())
    assert status == (0 if record["ok"] else 1)
    return record


def check(folder: Path, port: str) -> None:
    """Bench with the binary commands, and once more with text."""
    for options in ((), ("--mlperf",)):
        record = bench(folder, port, *options)
        assert record["ok"] and record["outputs"] == {"compared": 5, "mismatched": 0}
        assert record["port"] == port


def test_a_board_behind_rfc2217_is_bit_exact(
    folder: Path, device: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    with Rfc2217Server(device.port) as server:
        check(folder, server.url)
        monitored(capsys, "m-name-dut-[edgekit]", "--port", server.url, "--baud", "57600", "--send", "name")
        assert server.baud_rates == [115_200, 57_600], "--baud does not reach the line"


@pytest.mark.skipif(find_ser2net() is None, reason="ser2net is not installed")
def test_a_board_behind_ser2net_is_bit_exact(
    folder: Path, device: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ser2net(tmp_path, device.port) as (settings, plain):
        check(folder, f"{settings}?ign_set_control")
        check(folder, plain)
        refused(
            capsys,
            "bench",
            "--build",
            folder,
            "--port",
            settings,
            status=1,
            words="does not answer when it is to set DTR",
        )


def test_every_byte_value_goes_through_telnet(folder: Path, device: Running) -> None:
    """0xFF is telnet's own, and has to be doubled on the way."""
    with Rfc2217Server(device.port) as server:
        line = open_line(server.url)
        client = Client(line)
        size = client.connect().input_bytes
        for data in (b"\xff" * size, bytes(range(256))[-size:], b"\x00" * size):
            client.load(data)
        line.close()


def test_a_server_that_is_gone_is_reported(
    folder: Path, device: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    with Rfc2217Server(device.port) as server:
        url = server.url
    refused(capsys, "bench", "--build", folder, "--port", url, status=1, words="Nothing listens at")
    plain = url.replace("rfc2217", "socket")
    refused(capsys, "bench", "--build", folder, "--port", plain, status=1, words="Nothing listens at")


def test_what_speaks_no_rfc2217_is_said_to_be_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rfc2217://127.0.0.1:{silent.getsockname()[1]}?timeout=0.2"
        refused(
            capsys,
            "bench",
            "--build",
            folder,
            "--port",
            url,
            status=1,
            words="does not seem to support RFC2217",
        )


def test_the_line_breaks_in_the_middle(folder: Path, device: Running) -> None:
    from edgekit.errors import TaskError

    with Rfc2217Server(device.port) as server:
        line = open_line(server.url)
        client = Client(line)
        client.connect()
    with pytest.raises(TaskError, match="was lost"):
        client.load(bytes(108))
        client.load(bytes(108))
    line.close()
