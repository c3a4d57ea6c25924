"""MLPerf Tiny's runner and the firmware on an emulated board: its commands in its order, and the runner itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import serial
from command_line import refused
from firmware_folder import export_folder, processes_with
from numpy.typing import NDArray

from edgekit.cli.main import run
from edgekit.flash.board import emulated_board
from edgekit.tflite.interpreter import HostInterpreter

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")

ROOT = Path(__file__).resolve().parents[2]
BOARD = "mps2-an386"
BYTES_A_COMMAND = 31
THOUSANDTH = 0.0005001
"""Results have three decimals."""
RUNNER_NEEDS = ("yaml", "serial", "usb", "numpy", "sklearn", "matplotlib", "scipy")


class Runner:
    """What the runner does on the line: nothing is drained, each answer ends with the first ``m-ready``."""

    def __init__(self, port: str) -> None:
        self._port = serial.Serial(port, 115_200, timeout=5)

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self._port.close()

    def command(self, text: str, patience: float = 5.0) -> list[str]:
        self._port.timeout = patience
        self._port.write(f"{text}%".encode())
        lines: list[str] = []
        while not lines or "m-ready" not in lines[-1]:
            line = self._port.readline()
            assert line.endswith(b"\n"), f"no answer to {text[:20]!r}: {lines} {line!r}"
            lines.append(line.decode().rstrip("\r\n"))
        return lines

    def identify(self) -> tuple[str, str]:
        """Return the device's name and the model's."""
        name, _ = self.command("name")
        _, model, _ = self.command("profile")
        found = re.fullmatch(r"m-name-dut-\[([^]]+)]", name), re.fullmatch(r"m-model-\[([^]]+)]", model)
        assert found[0] and found[1]
        return found[0][1], found[1][1]

    def download(self, data: bytes) -> None:
        self.command(f"db load {len(data)}")
        for start in range(0, len(data), BYTES_A_COMMAND):
            answer = self.command(f"db {data[start : start + BYTES_A_COMMAND].hex()}")
        assert answer == ["m-load-done", "m-ready"]

    def infer(self, count: int, warmup: int) -> tuple[list[float], int]:
        """Return the results, and the microseconds of ``count`` inferences."""
        lines = self.command(f"infer {count} {warmup}", 30.0)
        (results,) = [m[1] for line in lines if (m := re.fullmatch(r"m-results-\[([^]]+)\]", line))]
        begun, ended = [int(m[1]) for line in lines if (m := re.fullmatch(r"m-lap-us-([0-9]+)", line))]
        return [float(text) for text in results.split(",")], ended - begun


class Model:
    """The host's answers to the bytes that a runner sends: pixels from 0 to 255."""

    def __init__(self, content: bytes) -> None:
        self._host = HostInterpreter(content)
        self.shape = self._host.inputs[0].shape

    def __call__(self, pixels: bytes) -> NDArray[np.float64]:
        values = (np.frombuffer(pixels, np.uint8).astype(np.int16) - 128).astype(np.int8)
        output = self._host.outputs[0]
        raw = self._host.run([values.reshape(self.shape)])[0].reshape(-1)
        return (raw.astype(float) - output.zero_point) * output.scale

    def random(self, seed: int) -> bytes:
        return np.random.default_rng(seed).bytes(int(np.prod(self.shape)))


@pytest.fixture(scope="module")
def vww(shared_models: Path) -> bytes:
    return (shared_models / "vww_96_int8.tflite").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "build"
    assert not processes_with(tmp_path)


def replay(content: bytes, folder: Path, accuracy: range, performance: range) -> None:
    """Go through both modes as the runner does, and compare its results with the host's."""
    export_folder(content, folder, BOARD, "--model-id", "vww01")
    model = Model(content)
    seen = set()
    with emulated_board(folder) as port:
        with Runner(port) as first:
            assert first.identify() == ("edgekit", "vww01")
        # The runner closes the port, opens it again and goes on.
        with Runner(port) as second:
            one = 0
            for count, warmup, inputs in ((1, 0, accuracy), (20, 5, performance)):
                for seed in inputs:
                    second.download(model.random(seed))
                    results, time_us = second.infer(count, warmup)
                    assert results == pytest.approx(model(model.random(seed)), abs=THOUSANDTH)
                    seen.add(tuple(results))
                    one = one or time_us
                    # The emulated time of an inference depends on nothing but the instructions.
                    assert time_us == pytest.approx(count * one, rel=0.02)
    assert len(seen) > 1


def test_the_commands_of_both_modes_give_the_hosts_results(tiny_model: bytes, folder: Path) -> None:
    replay(tiny_model, folder, range(6), range(3))


def test_the_commands_of_both_modes_give_the_hosts_results_for_the_trained_model(
    vww: bytes, folder: Path
) -> None:
    replay(vww, folder, range(1), range(1, 2))


def test_bench_knows_a_model_by_the_name_that_it_was_given(
    tiny_model: bytes, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export_folder(tiny_model, folder, BOARD, "--model-id", "vww01")
    other = export_folder(tiny_model, tmp_path / "other", BOARD, "--model-id", "kws01")
    with emulated_board(folder) as port:
        bench = ["bench", "--port", port, "--mlperf", "--runs", "1", "--build"]
        assert run([*bench, str(folder)]) == 0
        refused(capsys, *bench, other, words="'vww01'", status=1)


@pytest.mark.parametrize("name", ["", "vww 01", "a]", "100%", "ä", "x" * 33])
def test_a_model_id_that_the_protocol_cannot_carry_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.tflite"
    refused(capsys, "export", model, "--board", BOARD, "--model-id", name, words="model-id", hint=False)


@pytest.fixture(scope="module")
def runner() -> tuple[str, Path]:
    """The Python that has what the runner needs, and the runner."""
    checkout = os.environ.get("EDGEKIT_MLPERF_DIR")
    if not checkout:
        pytest.skip("set EDGEKIT_MLPERF_DIR to a checkout of mlcommons/tiny to run its own runner")
    python = os.environ.get("EDGEKIT_MLPERF_PYTHON", sys.executable)
    needs = subprocess.run(
        [python, "-c", f"import {', '.join(RUNNER_NEEDS)}"], capture_output=True, text=True
    )
    if needs.returncode:
        pytest.skip(
            f"the runner's packages are missing (EDGEKIT_MLPERF_PYTHON): {needs.stderr.splitlines()[-1]}"
        )
    return python, Path(checkout) / "benchmark" / "runner"


def person(model: Model, seed: int) -> bytes:
    """Return coloured squares that the model takes for a person: of random changes those stay that it likes."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 256, (8, 8, 3), np.uint8)

    def drawn(image: NDArray[np.uint8]) -> bytes:
        return image.repeat(12, axis=0).repeat(12, axis=1).tobytes()

    likes = model(drawn(squares))[1]
    while likes < 0.55:
        changed = squares.copy()
        changed[tuple(rng.integers(0, 8, 2))] = rng.integers(0, 256, 3)
        if (now := model(drawn(changed))[1]) >= likes:
            squares, likes = changed, now
    return drawn(squares)


def write_data(folder: Path, model: Model) -> None:
    """Write ten inputs as the runner reads them: half of them persons, the last of which is said to be none."""
    folder.mkdir(parents=True)
    lines = []
    for number in range(10):
        image = person(model, number) if number % 2 else model.random(number)
        (folder / f"{number}.bin").write_bytes(image)
        lines.append(f"{number}.bin, 2, {number % 2 if number != 9 else 0}\n")
    (folder / "y_labels.csv").write_text("".join(lines))


def test_the_runner_completes_accuracy_and_performance_modes(
    runner: tuple[str, Path], vww: bytes, folder: Path, tmp_path: Path
) -> None:
    python, program = runner
    export_folder(vww, folder, BOARD, "--model-id", "vww01")
    write_data(tmp_path / "data" / "vww01", Model(vww))
    devices = tmp_path / "devices.yaml"
    devices.write_text("- name: edgekit\n  type: dut\n  baud: 115200\n  usb:\n    0xFFFF: 0x0001\n")
    assert run(["build", "--build", str(folder)]) == 0

    def said(mode: str, port: str) -> str:
        command = [python, str(ROOT / "tools" / "mlperf_runner.py"), "--port", port, str(program / "main.py")]
        command += ["-d", str(devices), "-s", str(tmp_path / "data"), "-m", mode[0]]
        command += ["-t", str(program / f"tests_{mode}.yaml")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    with emulated_board(folder) as port:
        accuracy = said("accuracy", port)
        # One of five persons is said to be none.
        assert "ulp-mlperf: Top 1% = 90.0" in accuracy
        performance = said("performance", port)
        assert performance.count("Runtime requirements have been met.") == 5
        assert re.search(r"Median throughput is +\d+\.\d+ inf\./sec\.", performance)
