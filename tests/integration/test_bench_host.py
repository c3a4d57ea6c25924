"""``edgekit bench`` from the command line to the device and back, with the host in the device's place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import serial
from command_line import refused

from edgekit.cli.main import run
from edgekit.codegen.golden import golden_to_npz, make_golden
from edgekit.codegen.record import (
    ArenaRecord,
    FirmwareProject,
    InputRecord,
    LatencyRecord,
    ModelRecord,
    TensorRecord,
)
from edgekit.device.line import register
from edgekit.tflite.interpreter import HostInterpreter


@pytest.fixture
def build(tmp_path: Path, tiny_model: bytes) -> Path:
    """A build folder as ``fit`` leaves it, without the sources."""
    folder = tmp_path / "a build"
    folder.mkdir()
    (folder / "model.tflite").write_bytes(tiny_model)
    inputs, outputs = make_golden(tiny_model)
    (folder / "golden.npz").write_bytes(golden_to_npz(inputs, outputs))
    source, result = HostInterpreter(tiny_model).inputs[0], HostInterpreter(tiny_model).outputs[0]
    project = FirmwareProject(
        board="esp32s3",
        engine="tflm",
        kernels="reference",
        plan="greedy",
        model=ModelRecord(
            file="model.tflite", sha256=hashlib.sha256(tiny_model).hexdigest(), bytes=len(tiny_model)
        ),
        arena=ArenaRecord(head=1000, tail=500, scratch=0, total=1500, basis="exact"),
        arena_bytes=1500,
        input=InputRecord(
            shape=source.shape, dtype="int8", scale=source.scale, zero_point=source.zero_point, offset=-128
        ),
        output=TensorRecord(
            shape=result.shape, dtype="int8", scale=result.scale, zero_point=result.zero_point
        ),
        labels=(),
        framework="esp_idf",
        latency_ms=LatencyRecord(estimate=12.0, low=8.0, high=20.0, basis="estimated"),
        edgekit_version="0.1.0",
        files={},
    )
    (folder / "project.json").write_text(project.to_json())
    return folder


@pytest.fixture
def flipping_port() -> Iterator[None]:
    serial.protocol_handler_packages.append("broken_lines")
    yield
    serial.protocol_handler_packages.remove("broken_lines")


def record_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "bench.json").read_text())
    return document


def test_the_build_folder_is_benched_and_the_record_written(
    build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(["bench", "--port", "host", "--build", str(build), "--runs", "12", "--inputs", "6", "--json"])
        == 0
    )
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert record == record_of(build)
    assert record["schema"] == "edgekit.bench/1"
    assert record["outputs"] == {"compared": 6, "mismatched": 0} and record["ok"] is True
    assert record["runs"] == 12 and record["board"] == "host" and record["kernels"] == "reference"
    latency = record["latency"]
    assert latency["unit"] == "ms"
    assert 0 < latency["min"] <= latency["median"] <= latency["p95"] <= latency["max"]
    assert record["arena"]["predicted"] == 1500
    assert record["top1"] is None and record["ops"] is None
    assert "1.5 KB" in printed.err and "12 ms" in printed.err and "OK: all 6 outputs" in printed.err


def test_many_inputs_are_bit_exact(tmp_path: Path, tiny_model: bytes) -> None:
    model = tmp_path / "tiny.tflite"
    model.write_bytes(tiny_model)
    record = tmp_path / "record.json"
    args = ["bench", "--port", "host", "--model", str(model), "--runs", "300", "--inputs", "300"]
    assert run([*args, "-o", str(record)]) == 0
    assert json.loads(record.read_text())["outputs"] == {"compared": 300, "mismatched": 0}


def test_one_wrong_bit_fails(build: Path, flipping_port: None, capsys: pytest.CaptureFixture[str]) -> None:
    model, junit = build / "model.tflite", build / "junit.xml"
    args = ["bench", "--port", f"flip://{model}", "--build", str(build), "--junit", str(junit)]
    assert run(args) == 1
    record = record_of(build)
    assert record["ok"] is False and record["outputs"] == {"compared": 5, "mismatched": 5}
    first = record["mismatches"][0]
    assert first["offset"] == 0 and first["got"] == first["expected"] ^ 1 and first["differing"] == 1
    assert "output byte 0 is" in capsys.readouterr().err
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("6", "5")
    assert len(suite.findall("testcase/failure")) == 5


def test_a_latency_above_the_limit_fails(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    junit = build / "junit.xml"
    args = ["bench", "--port", "host", "--build", str(build), "--junit", str(junit)]
    assert run([*args, "--max-latency", "0.001us"]) == 1
    assert "more than the limit" in capsys.readouterr().err
    (failed,) = ElementTree.parse(junit).getroot().iterfind("testcase[failure]")
    assert failed.get("classname") == "edgekit.bench.latency"
    assert run([*args, "--max-latency", "60s"]) == 0
    assert ElementTree.parse(junit).getroot().get("failures") == "0"


def test_the_text_protocol_alone_gives_the_same_verdict(build: Path, flipping_port: None) -> None:
    assert run(["bench", "--port", "host", "--build", str(build), "--mlperf"]) == 0
    record = record_of(build)
    assert record["protocol"] == "mlperf" and record["outputs"] == {"compared": 5, "mismatched": 0}
    assert record["latency"]["median"] > 0
    port = f"flip://{build / 'model.tflite'}"
    assert run(["bench", "--port", port, "--build", str(build), "--mlperf"]) == 1
    assert record_of(build)["outputs"]["mismatched"] == 5


def test_the_trained_model_is_bit_exact_in_both_protocols(shared_models: Path, tmp_path: Path) -> None:
    model = str(shared_models / "vww_96_int8.tflite")
    for extra in ([], ["--mlperf"]):
        record = tmp_path / "record.json"
        args = [
            "bench",
            "--port",
            "host",
            "--model",
            model,
            "--runs",
            "6",
            "--inputs",
            "3",
            "-o",
            str(record),
        ]
        assert run([*args, *extra]) == 0
        assert json.loads(record.read_text())["outputs"] == {"compared": 3, "mismatched": 0}


def test_another_model_on_the_device_is_not_benched(
    build: Path, shared_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = f"host://{shared_models / 'vww_96_int8.tflite'}"
    for extra in ([], ["--mlperf"]):
        assert run(["bench", "--port", port, "--build", str(build), *extra]) == 1
        assert "runs another model" in capsys.readouterr().err
    assert not (build / "bench.json").exists()


def test_golden_vectors_that_do_not_hold_fail(build: Path, tiny_model: bytes) -> None:
    inputs, outputs = make_golden(tiny_model)
    outputs[1, 0, 2] ^= 4
    (build / "golden.npz").write_bytes(golden_to_npz(inputs, outputs))
    assert run(["bench", "--port", "host", "--build", str(build)]) == 1
    (mismatch,) = record_of(build)["mismatches"]
    assert (mismatch["input"], mismatch["offset"]) == (1, 2)


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["--port", "/dev/there-is-none", "--build", "BUILD"], 2, "There is no port"),
        (["--port", "/dev/null", "--build", "BUILD"], 2, "is not a serial port"),
        (["--port", "socket://127.0.0.1:1", "--build", "BUILD"], 1, "Nothing listens"),
        (["--port", "gopher://x", "--build", "BUILD"], 2, "is not a port"),
        (["--port", "host", "--build", "nowhere"], 2, "is not a build folder"),
        (["--port", "host", "--model", "nowhere.tflite"], 2, "There is no model file"),
        (["--port", "host://nowhere.tflite"], 2, "There is no model file"),
        (["--port", "host://", "--build", "BUILD"], 2, "names no model"),
        (
            ["--port", "host", "--build", "BUILD", "--model", "BUILD/golden.npz"],
            2,
            "not the model of the build",
        ),
        (["--port", "host", "--model", "BUILD/golden.npz"], 2, "is not a .tflite file"),
        (["--port", "host", "--build", "BUILD", "--runs", "3", "--inputs", "4"], 2, "needs at least as many"),
        (["--port", "host", "--build", "BUILD", "--runs", "0"], 2, "--runs"),
        (["--port", "host", "--build", "BUILD", "--max-latency", "-3ms"], 2, "negative"),
        (["--port", "host", "--build", "BUILD", "--baud", "1"], 2, "--baud"),
        (["--build", "BUILD"], 2, "--port"),
        (["--port", "host", "--build", "BUILD", "-o", "BUILD/model.tflite/x.json"], 2, "Cannot write"),
        (["--port", "socket://pi", "--build", "BUILD"], 2, "does not name a host and a port"),
        (["--port", "ssh:///4747", "--build", "BUILD"], 2, "'' is no target for ssh"),
        (["--model", "BUILD/model.tflite"], 2, "Nothing says where the board is"),
    ],
)
def test_what_the_user_gets_wrong_is_said_in_a_sentence(
    args: list[str],
    status: int,
    words: str,
    build: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled = [arg.replace("BUILD", str(build)) for arg in args]
    monkeypatch.chdir(build.parent)
    assert run(["bench", *filled]) == status
    printed = capsys.readouterr()
    assert words in printed.err and "Traceback" not in printed.err and printed.out == ""
    assert not (build / "bench.json").exists()


@pytest.mark.parametrize("option", ["--output", "--junit"])
def test_a_folder_in_place_of_a_file_is_refused_before_anything_runs(
    option: str, build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(
        capsys,
        "bench",
        "--build",
        build,
        "--port",
        "socket://127.0.0.1:1",
        option,
        tmp_path,
        words="is a folder",
    )


class TestHostUrl:
    """The URL handler by itself, as any program with pyserial uses it."""

    @pytest.fixture
    def port(self, tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        folder = tmp_path / "a 100% folder"
        folder.mkdir()
        (folder / "tiny model.tflite").write_bytes(tiny_model)
        monkeypatch.chdir(tmp_path)
        register()
        register()
        assert serial.protocol_handler_packages.count("edgekit.device.line") == 1
        with serial.serial_for_url("host://a 100%25 folder/tiny%20model.tflite", timeout=5) as port:
            assert port.read_until(b"m-ready\r\n").endswith(b"m-init-done\r\nm-ready\r\n")
            yield port

    def test_it_answers(self, port: Any) -> None:
        port.write(b"na")
        port.write(b"me%")
        assert port.read_until(b"m-ready\r\n") == b"m-name-dut-[edgekit]\r\nm-ready\r\n"
        assert port.in_waiting == 0

    def test_it_times_out_with_what_there_is(self, port: Any) -> None:
        port.write(b"name%")
        port.timeout = 0.05
        assert len(port.read(10_000)) == len(b"m-name-dut-[edgekit]\r\nm-ready\r\n")
        port.timeout = 0
        assert port.read(1) == b""

    def test_its_input_can_be_thrown_away(self, port: Any) -> None:
        port.write(b"name%timestamp%")
        assert port.read_until(b"m-ready\r\n")
        port.timeout = 0.2
        while port.read(100):
            pass
        port.reset_input_buffer()
        assert port.in_waiting == 0

    def test_it_can_be_closed_and_opened_again(self, port: Any) -> None:
        port.close()
        with pytest.raises(serial.SerialException):
            port.write(b"name%")
        port.open()
        assert port.read_until(b"m-ready\r\n")
        with pytest.raises(serial.SerialException, match="already open"):
            port.open()

    def test_a_missing_model_is_an_error_of_the_port(self) -> None:
        with pytest.raises(serial.SerialException, match="There is no model file"):
            serial.serial_for_url("host://nowhere.tflite")
