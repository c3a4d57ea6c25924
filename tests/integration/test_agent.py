"""``edgekit agent`` from its command line to a bench and back: TCP, a terminal, the background, other outputs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from agents import agent_process, pty_pair, serving
from click import Option
from command_line import edgekit, refused

from edgekit.cli.main import run
from edgekit.codegen.golden import golden_to_npz, load_golden
from edgekit.device.agent import background
from edgekit.device.agent.background import read_record
from edgekit.device.linux import LinuxEngine, read_subject
from edgekit.errors import TaskError
from edgekit.flash.processes import identity_of
from edgekit.tflite.interpreter import HostInterpreter

needs_litert = pytest.mark.skipif(
    find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed"
)
REFERENCE = ("--kernels", "reference", "--listen", "127.0.0.1:0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build folder of a small network for a Raspberry Pi 4."""
    path = tmp_path_factory.mktemp("linux") / "a build"
    tiny = Path(__file__).parents[1] / "golden" / "tiny.tflite"
    assert run(["export", str(tiny), "--board", "rpi4", "-o", str(path)]) == 0
    return path


def bench(folder: Path, port: str, *options: str) -> dict[str, Any]:
    """Bench and return the record; ``ok`` and the exit status must agree."""
    status = run(["bench", "--build", str(folder), "--port", port, "--inputs", "8", *options])
    record: dict[str, Any] = json.loads((folder / "bench.json").read_text())
    assert status == (0 if record["ok"] else 1)
    return record


@pytest.mark.parametrize("extra", [(), ("--mlperf",)])
def test_the_agent_on_tcp_is_bit_exact(folder: Path, extra: tuple[str, ...]) -> None:
    with agent_process("--build", folder, *REFERENCE) as where:
        assert where.startswith("socket://127.0.0.1:")
        record = bench(folder, where, *extra)
    assert record["outputs"] == {"compared": 8, "mismatched": 0} and record["ok"]
    if not extra:
        assert (record["board"], record["kernels"]) == ("rpi4", "reference")
        assert record["engine"] == HostInterpreter((folder / "model.tflite").read_bytes()).runtime
        assert record["selftest"] == "passed" and record["predicted_latency"] is None
        assert record["judge"]["kernels"] == "reference" and record["judge"]["exact"] is True


def test_the_agent_on_a_terminal_is_bit_exact(folder: Path) -> None:
    with (
        pty_pair() as (board, host),
        agent_process("--build", folder, "--kernels", "reference", "--serial", board) as where,
    ):
        assert where == board
        for _ in range(2):
            assert bench(folder, host)["outputs"] == {"compared": 8, "mismatched": 0}


def test_the_trained_model_is_bit_exact_over_tcp(shared_models: Path, tmp_path: Path) -> None:
    model, record = shared_models / "vww_96_int8.tflite", tmp_path / "record.json"
    with agent_process("--model", model, "--listen", "127.0.0.1:0") as where:
        args = ["bench", "--port", where, "--model", str(model), "--inputs", "4", "-o", str(record)]
        assert run(args) == 0
    document = json.loads(record.read_text())
    assert document["outputs"] == {"compared": 4, "mismatched": 0} and document["board"] == "linux"


class Flipping(LinuxEngine):
    """A board that computes one bit wrong."""

    def output(self) -> bytes:
        out = bytearray(super().output())
        out[1] ^= 1
        return bytes(out)


def test_one_wrong_bit_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Flipping(read_subject(folder), "reference")) as port:
        record = bench(folder, f"socket://127.0.0.1:{port}")
        assert not record["ok"] and record["outputs"]["mismatched"] == 8 and record["selftest"] == "failed"
        assert "They differ from" not in capsys.readouterr().err, (
            "there is no excuse for the reference kernels"
        )
        refused(
            capsys, "bench", "--build", folder, "--port", f"socket://127.0.0.1:{port}", "--tolerance", "1"
        )


def test_an_agent_with_another_build_is_not_benched(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = Path(__file__).parents[1] / "golden" / "tiny.tflite"
    other = tmp_path / "other"
    assert run(["export", str(tiny), "--board", "rpi5", "-o", str(other)]) == 0
    with agent_process("--build", other, *REFERENCE) as where:
        refused(capsys, "bench", "--build", folder, "--port", where, status=1, words="board is 'rpi5'")


@needs_litert
class TestXnnpack:
    """Kernels that need not be the reference's."""

    def test_it_is_compared_with_xnnpack_here(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with agent_process("--build", folder, "--threads", "2", "--listen", "127.0.0.1:0") as where:
            record = bench(folder, where)
        judge = record["judge"]
        assert record["kernels"] == "xnnpack" and record["ok"] and record["engine"] == judge["interpreter"]
        assert judge["kernels"] == "xnnpack" and judge["exact"] is True and judge["differing"] == 0
        # It really is something else than the reference, whose outputs are told apart.
        assert set(judge["reference"]) == {"differing", "largest"}
        assert "equal those of the host's XNNPACK" in capsys.readouterr().err

    def test_a_wrong_bit_on_the_same_machine_fails(self, folder: Path) -> None:
        with serving(Flipping(read_subject(folder), "xnnpack", 1)) as port:
            record = bench(folder, f"socket://127.0.0.1:{port}")
        assert not record["ok"] and record["outputs"]["mismatched"] == 8 and record["judge"]["exact"] is True

    def test_on_another_machine_it_fails_too_unless_it_is_allowed(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        engine = Flipping(read_subject(folder), "xnnpack", 1)
        engine.identity = replace(engine.identity, plan="riscv64 x1")
        with serving(engine) as port:
            record = bench(folder, f"socket://127.0.0.1:{port}")
            assert not record["ok"] and record["judge"]["exact"] is False
            assert (record["judge"]["differing"], record["judge"]["largest"]) == (8, 1)
            assert "--tolerance" in capsys.readouterr().err
            record = bench(folder, f"socket://127.0.0.1:{port}", "--tolerance", "1")
            assert record["ok"] and record["outputs"] == {"compared": 8, "mismatched": 0}
            assert record["judge"]["tolerance"] == 1 and record["judge"]["differing"] == 8
            said = capsys.readouterr().err
            assert "are within 1 step of" in said and "8 of them differ" in said

    def test_a_package_without_it_is_refused(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        if find_spec("tflite_runtime") is None:
            pytest.skip("tflite-runtime is not installed")
        args = ("agent", "--build", folder, "--runtime", "tflite-runtime", "--check")
        refused(capsys, *args, words="does not run this model with XNNPACK")


def test_a_check_says_who_would_answer(folder: Path) -> None:
    done = edgekit("agent", "--build", folder, "--kernels", "reference", "--check")
    said = json.loads(done.stdout)
    assert done.returncode == 0 and said["board"] == "rpi4" and said["golden"] == 3


def test_a_check_finds_golden_vectors_that_do_not_hold(folder: Path, tmp_path: Path) -> None:
    spoiled = tmp_path / "spoiled"
    spoiled.mkdir()
    for name in ("model.tflite", "project.json"):
        (spoiled / name).write_bytes((folder / name).read_bytes())
    inputs, outputs = load_golden(folder)
    outputs[2, 0, 1] ^= 1
    (spoiled / "golden.npz").write_bytes(golden_to_npz(inputs, outputs))
    done = edgekit("agent", "--build", spoiled, "--kernels", "reference", "--check")
    assert done.returncode == 1 and "1 of 3 golden vectors" in done.stderr


class TestBackground:
    """Started, replaced, ended; a failure leaves the one before."""

    def start(self, folder: Path, record: Path, *options: str) -> subprocess.CompletedProcess[str]:
        return edgekit("agent", "--build", folder, "--background", record, *REFERENCE, *options)

    def test_it_runs_until_it_is_stopped(self, folder: Path, tmp_path: Path) -> None:
        record = tmp_path / "agent.json"
        started = self.start(folder, record)
        assert started.returncode == 0, started.stderr
        running = read_record(record)
        assert running is not None and started.stdout.strip() == running.address
        try:
            assert bench(folder, f"socket://{running.address}")["ok"]
            again = self.start(folder, record)
            assert again.returncode == 0, again.stderr
            second = read_record(record)
            assert second is not None and second.pid != running.pid
            assert identity_of(running.pid) != running.identity, "the one before still runs"
            failed = self.start(folder, record, "--runtime", "ai-edge-litert", "--model", "nowhere.tflite")
            assert failed.returncode == 2
            assert identity_of(second.pid) == second.identity
        finally:
            stopped = edgekit("agent", "--stop", record)
        assert stopped.returncode == 0 and "Ended" in stopped.stderr and not record.exists()
        assert identity_of(second.pid) != second.identity
        assert "No agent" in edgekit("agent", "--stop", record).stderr

    def test_one_that_does_not_start_leaves_the_one_before(self, folder: Path, tmp_path: Path) -> None:
        record = tmp_path / "agent.json"
        assert self.start(folder, record).returncode == 0
        try:
            failed = edgekit("agent", "--build", tmp_path / "nothing", "--background", record, *REFERENCE)
            assert failed.returncode == 1 and "ended before it was ready" in failed.stderr
            assert "There is no project file" in failed.stderr, "it does not say why"
            running = read_record(record)
            assert running is not None and identity_of(running.pid) == running.identity
            assert bench(folder, f"socket://{running.address}")["ok"]
        finally:
            edgekit("agent", "--stop", record)

    def test_one_whose_record_cannot_be_written_does_not_go_on(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[background.Running] = []
        launch = background._launch

        def noted(*args: Any) -> background.Running:
            started.append(launch(*args))
            return started[-1]

        def full(*_: object) -> None:
            raise TaskError("There is no room left.", "Free some.")

        monkeypatch.setattr(background, "_launch", noted)
        monkeypatch.setattr(background, "write_atomic", full)
        with pytest.raises(TaskError, match="no room left"):
            background.start(tmp_path / "agent.json", ["--build", str(folder), *REFERENCE])
        (one,) = started
        assert identity_of(one.pid) != one.identity, "it runs, and nobody knows"

    def test_a_damaged_record_is_said_to_be_one(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for text in ("{", "[]", '{"pid": 1}', '{"pid": "x", "command": []}'):
            record = tmp_path / "agent.json"
            record.write_text(text)
            refused(capsys, "agent", "--stop", record, words="is damaged")


def test_an_address_that_others_reach_is_said_to_be_open(folder: Path) -> None:
    for address, words in (("127.0.0.1:0", ""), ("0.0.0.0:0", "Everybody who reaches this address")):
        command = [sys.executable, "-m", "edgekit", "agent", "--build", str(folder), *REFERENCE[:2]]
        with subprocess.Popen([*command, "--listen", address], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None and "answers at" in process.stderr.readline()
            if words:
                assert words in process.stderr.readline()
            process.terminate()
            assert process.stderr.read() == "Ended.\n"


def test_sigterm_and_ctrl_c_end_it(folder: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        command = [sys.executable, "-m", "edgekit", "agent", "--build", str(folder), *REFERENCE]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None and "answers at" in process.stderr.readline()
            process.send_signal(number)
            assert process.wait(30) == 0
            assert process.stderr.read() == "Ended.\n"


def test_only_a_few_modules_are_needed_on_the_board(folder: Path) -> None:
    """What the board has to have is numpy, click, the interpreter, and pyserial for a serial line."""
    program = (
        "import sys\n"
        "for name in ('pydantic', 'rich', 'flatbuffers', 'tflite', 'jinja2', 'PIL', 'elftools', 'filelock', 'serial',"
        " 'tensorflow'):\n"
        "    sys.modules[name] = None\n"
        "from edgekit.cli.main import run\n"
        f"sys.exit(run(['agent', '--build', {str(folder)!r}, '--kernels', 'reference', '--check']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--listen", "127.0.0.1"), "HOST:PORT"),
        (("--listen", "127.0.0.1:70000"), "HOST:PORT"),
        (("--listen", ":4747"), "HOST:PORT"),
        (("--listen", ""), "HOST:PORT"),
        (("--listen", "127.0.0.1:1", "--serial", "/dev/ttyS0"), "not both"),
        (("--model", "x.tflite"), "not both"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    folder: Path, args: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["agent", "--build", str(folder), *args]) == 2
    assert words in capsys.readouterr().err


def test_what_cannot_be_served_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    micro = tmp_path / "micro"
    tiny = Path(__file__).parents[1] / "golden" / "tiny.tflite"
    assert run(["export", str(tiny), "--board", "rp2040", "-o", str(micro)]) == 0
    refused(capsys, "agent", "--build", micro, words="does not run Linux")
    refused(capsys, "agent", "--build", folder, "--listen", "192.0.2.1:4747", status=1, words="Cannot listen")
    refused(
        capsys, "agent", "--build", folder, "--serial", "/dev/null", words="cannot be opened as a serial line"
    )
    with agent_process("--build", folder, *REFERENCE) as where:
        address = where.removeprefix("socket://")
        refused(capsys, "agent", "--build", folder, "--listen", address, status=1, words="Cannot listen")


def test_flash_and_agent_tell_the_same_default_of_threads() -> None:
    from edgekit.cli import agent, flash

    told = [
        next(
            option.help
            for option in command.params
            if isinstance(option, Option) and option.name == "threads"
        )
        for command in (agent.command, flash.command)
    ]
    assert all(text is not None and "[default: one a core with XNNPACK, else 1]" in text for text in told)
