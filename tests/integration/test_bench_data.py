"""What ``edgekit bench`` finds beyond equal outputs: top-1, operators, the self-test, an older image on the device."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial
from aot_networks import random_network
from command_line import refused, write_image_classes
from firmware_folder import export_folder, spoil_golden_output, wait_until
from firmware_posix import build_posix, running

from edgekit.bench.images import choose_images
from edgekit.cli.main import run
from edgekit.codegen.record import load_project
from edgekit.errors import InputError
from edgekit.latency.store import DATA_VARIABLE
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.macs import op_mult_adds
from edgekit.tflite.reader import read_graph
from edgekit.tflite.writer import write_model
from edgekit.training.dataset import load_dataset
from edgekit.training.folder import ImageFolder, scan_folder

BOARD = "mps2-an385"
LABELS = ("upright", "across", "none")
"""Not in the order of the folders' names: the order of the outputs is the project's."""

posix = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")


@pytest.fixture(scope="module")
def model() -> bytes:
    return write_model(random_network(NetworkSpec("mobilenet_v1", 0.25, 32, 1, 3), seed=0))


@pytest.fixture(scope="module")
def build(model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build folder whose model knows its classes, with the firmware in it."""
    folder = labelled(model, tmp_path_factory.mktemp("labelled"))
    build_posix(folder)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_classes(tmp_path_factory.mktemp("images") / "data", count=12)


def labelled(model: bytes, parent: Path, labels: tuple[str, ...] = LABELS) -> Path:
    names = parent / "labels.txt"
    names.write_text("".join(f"{label}\n" for label in labels))
    return export_folder(model, parent / "build", BOARD, "--labels", str(names))


def bench(folder: Path, port: str, *extra: str, status: int = 0) -> dict[str, Any]:
    record = folder / "bench.json"
    record.unlink(missing_ok=True)
    assert run(["bench", "--port", port, "--build", str(folder), *extra]) == status
    document: dict[str, Any] = json.loads(record.read_text())
    return document


def top1_of(model: bytes, images: Path) -> float:
    """Percent of the images that the model gets right, counted without the bench."""
    folder = scan_folder(images)
    dataset = load_dataset(folder, 32, 32, 1)
    interpreter = HostInterpreter(model)
    right = 0
    for pixels, label in zip(dataset.images, dataset.labels.tolist(), strict=True):
        (output,) = interpreter.run([(pixels.astype(np.int16) - 128).astype(np.int8)[None]])
        right += LABELS[output.argmax()] == folder.labels[label]
    return 100 * right / len(dataset.images)


@posix
def test_the_device_gets_as_many_images_right_as_the_host(
    model: bytes, build: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(build / "firmware") as device:
        record = bench(build, device.port, "--data", str(images))
    expected = top1_of(model, images)
    assert 20 < expected < 80
    assert record["top1"] == {"value": expected, "images": 36, "host": expected}
    assert record["outputs"] == {"compared": 36, "mismatched": 0} and record["runs"] == 36
    assert record["selftest"] == "passed"
    printed = capsys.readouterr().err
    assert f"{expected:.1f} %" in printed and "of 36 images" in printed and "Self-test passed" in printed


@posix
def test_a_wrong_weight_is_told_with_the_image_it_shows_on(
    model: bytes, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = labelled(model, tmp_path)
    source = folder / "src" / "model" / "model.c"
    text = source.read_text()
    weight = re.search(r"ek_weights_0.*\n +(-?\d+)", text)
    assert weight is not None
    source.write_text(f"{text[: weight.start(1)]}{int(weight[1]) ^ 64}{text[weight.end(1) :]}")
    with running(build_posix(folder)) as device:
        record = bench(folder, device.port, "--data", str(images), status=1)
    assert record["outputs"]["mismatched"] > 0 and record["ok"] is False
    assert record["top1"]["host"] == top1_of(model, images) and record["top1"]["images"] == 36
    first = record["mismatches"][0]
    assert (images / first["name"]).is_file()
    assert record["selftest"] == "failed" and any("self-test failed" in text for text in record["failures"])
    printed = capsys.readouterr().err
    assert f"Input {first['input']} ({first['name']})" in printed and "FAILED" in printed


def test_a_limit_takes_of_every_class_and_repeats_with_its_seed(build: Path, images: Path) -> None:
    record = bench(build, "host", "--data", str(images), "--limit", "7", "--runs", "20")
    assert record["top1"]["images"] == 7 and record["runs"] == 20
    folder = scan_folder(images)
    chosen = choose_images(folder, 7, seed=3)
    assert sorted(chosen.counts().values()) == [2, 2, 3]
    assert chosen == choose_images(folder, 7, seed=3) != choose_images(folder, 7, seed=4)
    assert choose_images(folder, 36, seed=1) == folder
    uneven = ImageFolder(folder.root, folder.labels, folder.files[11:])
    assert choose_images(uneven, 7, seed=0).counts() == {"across": 1, "none": 3, "upright": 3}
    with pytest.raises(InputError, match="less than one image for each of the 3 classes"):
        choose_images(folder, 2, seed=0)


def test_damaged_images_are_left_out_and_told(
    build: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(images, data)
    damaged = sorted(data.rglob("*.png"))[0]
    damaged.write_bytes(b"no image")
    assert bench(build, "host", "--data", str(data))["top1"]["images"] == 35
    printed = capsys.readouterr().err
    assert "Left out 1 files" in printed and damaged.name in printed


def test_what_is_wrong_with_the_data_is_said_in_a_sentence(
    build: Path, model: bytes, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = export_folder(model, tmp_path / "plain", BOARD)
    other = tmp_path / "other"
    shutil.copytree(images, other)
    (other / "across").rename(other / "along")
    empty = tmp_path / "empty"
    (empty / "across").mkdir(parents=True)

    def check(words: str, *args: str | Path, folder: Path = build, hint: bool = True) -> None:
        refused(capsys, "bench", "--port", "host", "--build", folder, *args, words=words, hint=hint)

    check("Nothing says which class each output of the model is", "--data", images, folder=plain)
    check("class folders that the model does not know: along", "--data", other)
    check("There is no folder", "--data", tmp_path / "nowhere")
    check("is a file, not a folder", "--data", build / "model.tflite")
    check("There are no JPEG or PNG images", "--data", empty)
    check("36 images but no class folders", "--data", flat(images, tmp_path / "flat"))
    check("less than one image for each", "--data", images, "--limit", "2")
    check("--runs 5 is too few for 36 images", "--data", images, "--runs", "5", hint=False)
    check("--inputs is for random inputs", "--data", images, "--inputs", "5", hint=False)
    check("--limit is for the images of --data", "--limit", "5", hint=False)
    check("leave --mlperf out", "--data", images, "--mlperf", hint=False)
    check("leave --mlperf out", "--profile", "--mlperf", hint=False)
    host = f"host://{build / 'model.tflite'}"
    refused(capsys, "bench", "--port", host, "--data", images, words="Nothing says which class")


def flat(images: Path, target: Path) -> Path:
    target.mkdir()
    for number, path in enumerate(sorted(images.rglob("*.png"))):
        shutil.copy(path, target / f"{number}.png")
    return target


def test_a_model_that_takes_no_images_has_no_top1(
    shared_models: Path, images: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = (shared_models / "ad01_int8.tflite").read_bytes()
    folder = export_folder(model, tmp_path / "build", BOARD)
    args = ("bench", "--port", "host", "--build", folder, "--data", images)
    refused(capsys, *args, words="it is no int8 classifier of images")


@posix
def test_a_calibration_is_kept_and_the_next_estimate_says_when_it_was_measured(
    model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process that says that it is the board keeps time, which is all that matters here."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    folder = export_folder(model, tmp_path / "build", "nucleo-u575zi")
    build_posix(folder)
    with running(folder / "firmware") as device:
        record = bench(folder, device.port, "--profile", "--calibrate", "--runs", "3", "--inputs", "2")
        assert "Kept" in capsys.readouterr().err
        port = ("bench", "--port", device.port, "--build", folder)
        refused(capsys, *port, "--calibrate", words="give --profile too", hint=False)
    path = folder / "model.tflite"
    assert run(["inspect", str(path), "--board", "nucleo-u575zi", "--engine", "aot", "--json"]) in (0, 1)
    printed = capsys.readouterr()
    latency = json.loads(printed.out)["latency_ms"]
    assert latency["measured_on"] and f"measured on {latency['measured_on']}" in printed.err
    # Far from a microcontroller's time, however busy this computer was meanwhile.
    assert latency["estimate"] < max(5 * record["profile"]["sum"], record["predicted_latency"]["low"] / 2)
    assert run(["inspect", str(path), "--board", "nrf5340dk", "--engine", "aot", "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["latency_ms"]["measured_on"] is None


@posix
def test_a_profile_tells_every_operator_and_what_they_are_of_the_whole(
    model: bytes, build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(build / "firmware") as device:
        record = bench(build, device.port, "--profile", "--runs", "3", "--inputs", "2")
    graph = read_graph(model)
    ops = record["ops"]
    assert {op["index"] for op in ops} <= set(range(len(graph.ops)))
    for op in ops:
        source = graph.ops[op["index"]]
        assert op["op"] == source.kind and op["mult_adds"] == op_mult_adds(graph, source)
        assert tuple(op["shape"]) == graph.op_outputs(source)[0].shape and op["latency"] >= 0
    assert {op["index"] for op in ops if op["mult_adds"]} == {
        op.index for op in graph.ops if op_mult_adds(graph, op)
    }
    profile = record["profile"]
    assert profile["sum"] == pytest.approx(sum(op["latency"] for op in ops))
    assert 0 < profile["sum"] <= profile["whole"]
    printed = capsys.readouterr().err
    assert "ns/Mult-Add" in printed and "DEPTHWISE_CONV_2D" in printed and "Operators together" in printed


def test_an_engine_that_cannot_be_profiled_is_told(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ("bench", "--port", "host", "--build", build, "--profile")
    refused(capsys, *args, status=1, words="does not tell the time of single operators")


@posix
def test_a_golden_vector_that_does_not_hold_at_boot_fails_the_bench(
    model: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = labelled(model, tmp_path)
    spoil_golden_output(folder, vector=0, offset=0)
    junit = tmp_path / "junit.xml"
    with running(build_posix(folder)) as device:
        record = bench(folder, device.port, "--junit", str(junit), status=1)
        with serial.Serial(device.port, timeout=10) as port:
            device.reset()
            boot = [port.read_until(b"\r\n") for _ in range(5)]
    assert record["selftest"] == "failed" and record["outputs"]["mismatched"] == 0
    assert boot[0] == b"e-[Self-test failed]\r\n" and boot[-1] == b"m-ready\r\n"
    (failure,) = record["failures"]
    assert "1 of 3 golden vectors differ, first byte 0 of vector 0" in failure
    assert failure in capsys.readouterr().err.replace("\n", " ")
    assert 'failures="1"' in junit.read_text() and "the self-test at boot has passed" in junit.read_text()


@posix
def test_an_older_image_of_the_same_model_is_found(
    model: bytes, build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = labelled(model, tmp_path, tuple(reversed(LABELS)))
    assert load_project(newer).build != load_project(build).build
    with running(build / "firmware") as device:
        args = ("bench", "--port", device.port, "--build", newer)
        said = refused(capsys, *args, status=1, words="The device's build is")
        assert "Flash the firmware" in said
        assert bench(build, device.port)["device"] == load_project(build).build


def processor_seconds(pid: int) -> float:
    """What a process has computed so far, which is little before it runs inferences."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@posix
def test_after_an_interrupt_the_device_answers_the_next_host(build: Path, images: Path) -> None:
    with running(build / "firmware") as device:
        args = ("bench", "--port", device.port, "--build", str(build), "--data", str(images))
        command = [sys.executable, "-m", "edgekit", *args, "--runs", "100000"]
        (build / "bench.json").unlink(missing_ok=True)
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: processor_seconds(device.pid) > 0.3, seconds=60)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        assert process.returncode == 130 and "Interrupted" in said and "Traceback" not in said
        assert not (build / "bench.json").exists()
        assert bench(build, device.port, "--data", str(images), "--limit", "3")["ok"] is True


@posix
def test_an_emulated_board_counts_instructions_next_to_those_predicted(
    model: bytes, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = labelled(model, tmp_path)
    record = bench(folder, "qemu", "--data", str(images), "--limit", "6", "--profile")
    assert record["latency"]["unit"] == "instructions" and record["selftest"] == "passed"
    assert record["outputs"] == {"compared": 6, "mismatched": 0}
    assert record["top1"]["value"] == record["top1"]["host"]
    assert record["latency"]["median"] == pytest.approx(record["predicted_instructions"], rel=0.1)
    profile = record["profile"]
    assert profile["whole"] == pytest.approx(record["latency"]["median"], rel=0.02)
    assert 0.98 < profile["sum"] / profile["whole"] <= 1
    printed = capsys.readouterr().err
    assert "instr./Mult-Add" in printed and "instructions, under emulation: no time" in printed
