"""``edgekit flash`` of a Linux board over a real ssh server on loopback, and the bench through it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import monitored, refused
from ssh_board import ALIAS, Board, find_sshd, ssh_board, stub_wheels

from edgekit.bench.client import Client
from edgekit.bench.line import open_line
from edgekit.cli.main import run
from edgekit.codegen.golden import golden_to_npz, load_golden
from edgekit.codegen.record import load_project
from edgekit.errors import InputError, TaskError
from edgekit.flash.payload import make_payload
from edgekit.flash.record import AgentRecord, load_flash
from edgekit.flash.ssh import ENVIRONMENT, parse_target, ssh_command

pytestmark = pytest.mark.skipif(find_sshd() is None, reason="sshd is not installed (openssh-server)")

TINY = Path(__file__).parents[1] / "golden" / "tiny.tflite"
HERE = ("--python", sys.executable, "--port", "0", "--threads", "1")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with ssh_board(tmp_path_factory.mktemp("board")) as made:
        earlier = os.environ.get(ENVIRONMENT)
        os.environ[ENVIRONMENT] = made.ssh
        try:
            yield made
        finally:
            del os.environ[ENVIRONMENT]
            if earlier is not None:
                os.environ[ENVIRONMENT] = earlier


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "build"
    assert run(["export", str(TINY), "--board", "rpi4", "-o", str(path)]) == 0
    project = json.loads((path / "project.json").read_text())
    # So that the tests do not depend on ai-edge-litert, which alone has XNNPACK.
    project["kernels"] = "reference"
    (path / "project.json").write_text(json.dumps(project))
    return path


@pytest.fixture
def flashed(board: Board, folder: Path) -> Iterator[Path]:
    """A build folder whose agent runs on the board."""
    assert run(["flash", "--build", str(folder), "--target", ALIAS, *HERE]) == 0
    yield folder
    run(["flash", "--build", str(folder), "--stop"])


def record_of(folder: Path) -> AgentRecord:
    record = load_flash(folder)
    assert isinstance(record, AgentRecord)
    return record


def bench(folder: Path, *options: str) -> dict[str, Any]:
    status = run(["bench", "--build", str(folder), *options])
    record: dict[str, Any] = json.loads((folder / "bench.json").read_text())
    assert status == (0 if record["ok"] else 1)
    return record


def agents(board: Board) -> list[str]:
    return sorted(path.name for path in (board.home / ".edgekit" / "agents").iterdir())


def test_what_is_flashed_is_benched_through_ssh_and_ended(
    board: Board, flashed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = record_of(flashed)
    assert record.target == ALIAS and record.port == f"ssh://{ALIAS}/{record.agent_port}"
    assert record.kernels == "reference" and record.plan.endswith(" x1")
    found = bench(flashed)
    assert (
        found["ok"] and found["port"] == record.port and found["outputs"] == {"compared": 5, "mismatched": 0}
    )
    assert found["selftest"] == "passed" and found["board"] == "rpi4"
    monitored(capsys, "m-name-dut-[edgekit]", "--build", flashed, "--send", "name")
    assert run(["flash", "--build", str(flashed), "--stop"]) == 0
    assert "Ended the agent" in capsys.readouterr().err and not (flashed / "flash.json").exists()
    refused(capsys, "bench", "--build", flashed, "--port", record.port, status=1, words="No agent listens")


def test_another_build_replaces_the_one_before(board: Board, flashed: Path, tmp_path: Path) -> None:
    before, first = agents(board), record_of(flashed)
    other = tmp_path / "other"
    assert run(["export", str(TINY), "--board", "rpi5", "-o", str(other)]) == 0
    (other / "project.json").write_text(
        (other / "project.json").read_text().replace('"kernels": "xnnpack"', '"kernels": "reference"')
    )
    assert run(["flash", "--build", str(other), "--target", ALIAS, *HERE]) == 0
    assert len(agents(board)) == 1 and agents(board) != before, "what was there before is still there"
    assert bench(other)["board"] == "rpi5"
    with pytest.raises(TaskError, match="No agent listens"):
        open_line(str(first.port))
    # The same again, from the record: nothing is named, and nothing goes wrong with a folder that is there already.
    assert run(["flash", "--build", str(other), *HERE]) == 0
    assert bench(other)["ok"]


def test_a_failure_leaves_the_one_before(
    board: Board, flashed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, first = agents(board), record_of(flashed)
    args = ("flash", "--build", flashed, "--target", ALIAS)
    # The model does not run there: a golden vector is wrong.
    golden = (flashed / "golden.npz").read_bytes()
    inputs, outputs = load_golden(flashed)
    outputs[0, 0, 0] ^= 1
    (flashed / "golden.npz").write_bytes(golden_to_npz(inputs, outputs))
    said = refused(capsys, *args, *HERE, status=1, words="the model does not run")
    assert said.count("1 of 3 golden vectors give other outputs") == 2
    (flashed / "golden.npz").write_bytes(golden)
    # There is no such Python; the port is none.
    refused(capsys, *args, "--python", "/no/python", status=1, words="/no/python is not on this board")
    refused(capsys, *args, *HERE[:2], "--port", "22x", words="is no port of an agent")
    assert agents(board) == before and record_of(flashed) == first
    assert bench(flashed)["ok"]


def test_one_that_does_not_start_is_followed_by_the_one_before(
    board: Board, flashed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        args = ("flash", "--build", flashed, "--target", ALIAS, *HERE[:2], "--threads", "1")
        words = "the agent does not start: Cannot listen at 127.0.0.1"
        refused(capsys, *args, "--port", taken, status=1, words=words)
    running = json.loads((board.home / ".edgekit" / "agent.json").read_text())
    line = open_line(f"ssh://{ALIAS}/{running['address'].rpartition(':')[2]}")
    assert Client(line).connect().identity.board == "rpi4"
    line.close()


def test_an_environment_is_made_without_a_network(
    board: Board, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheels = stub_wheels(tmp_path / "wheels", "numpy", "click")
    args = ("flash", "--build", folder, "--target", ALIAS, "--port", "0", "--wheels", wheels)
    refused(capsys, *args, status=1, words="pip could not install ai-edge-litert")
    refused(capsys, *args[:-1], tmp_path / "nothing", words="There are no wheels")
    stub_wheels(wheels, "ai-edge-litert")
    assert run([str(arg) for arg in args]) == 0
    try:
        assert bench(folder)["ok"]
        (made,) = (board.home / ".edgekit" / "environments").iterdir()
        command = json.loads((board.home / ".edgekit" / "agent.json").read_text())["command"]
        assert Path(command[0]).is_relative_to(made) and (made / "complete").exists()
    finally:
        run(["flash", "--build", str(folder), "--stop"])


def test_a_dry_run_touches_nothing_and_says_what_would_be_run(
    board: Board, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connections = board.log.read_text().count("Accepted")
    capsys.readouterr()
    assert run(["flash", "--build", str(folder), "--target", ALIAS, "--threads", "3", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (command,) = (line for line in lines if not line.startswith("#"))
    assert command.startswith("ssh -F ") and f"-- {ALIAS} 'sh -c" in command
    assert "--threads 3" in command and "127.0.0.1:4747" in command
    assert board.log.read_text().count("Accepted") == connections and not (folder / "flash.json").exists()


def test_the_printed_command_does_what_flash_does(
    board: Board, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["flash", "--build", str(folder), "--target", ALIAS, *HERE, "--dry-run"]) == 0
    command = capsys.readouterr().out.splitlines()[-1]
    payload = make_payload(folder, load_project(folder))
    assert payload.archive() == make_payload(folder, load_project(folder)).archive()
    done = subprocess.run(
        ["sh", "-c", command], input=payload.archive(), capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done
    assert done.stdout.decode().splitlines()[-1].startswith("ready 127.0.0.1:")
    stop = subprocess.run([*board.ssh.split(), ALIAS, "sh .edgekit/stop.sh"], timeout=60, check=False)
    assert stop.returncode == 0


def test_an_installation_that_nobody_waits_for_any_more_replaces_nothing(
    folder: Path, tmp_path: Path
) -> None:
    payload = make_payload(folder, load_project(folder))
    home = tmp_path / ".edgekit"
    new = home / "agents" / "some.new"
    for name, content in payload.files.items():
        path = new / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    arguments = ["some", "127.0.0.1:0", sys.executable, "packages"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        ["sh", str(new / "install.sh"), *arguments],
        stdout=writer,
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert done.returncode != 0
    assert not (home / "agent.json").exists() and list((home / "agents").iterdir()) == []


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("-oProxyCommand=touch${IFS}x", "is no target for ssh"),
        ("pi@host;reboot", "is no target for ssh"),
        ("pi@host:99999", "is no target for ssh"),
        ("", "is no target for ssh"),
    ],
)
def test_a_target_that_is_none_is_refused(
    folder: Path, target: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "flash", "--build", folder, f"--target={target}", "--dry-run", words=words)


def test_targets_are_read_in_all_their_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    for text, user, host, port in (
        ("pi@host", "pi", "host", "22"),
        ("pi@board", "pi", "board", "22"),
        ("ssh://pi@host:2222", "pi", "host", "2222"),
        ("pi@host:2222", "pi", "host", "2222"),
        ("pi@[fe80::1]:2222", "pi", "fe80::1", "2222"),
        ("pi@[::1]", "pi", "::1", "22"),
    ):
        # What ssh itself makes of it; without a configuration, which could say otherwise.
        command = ssh_command(parse_target(text), "-G", "-F", "none")
        understood = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        assert {f"user {user}", f"hostname {host}", f"port {port}"} <= {*understood.splitlines()}, text
    with pytest.raises(InputError):
        parse_target("pi@host:0")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a script in place of ssh, which runs in the home folder that is returned."""

    def make(script: str) -> Path:
        home = tmp_path / "home"
        (home / "bin").mkdir(parents=True)
        program = tmp_path / "stand-in"
        program.write_text(
            f'#!/bin/sh\nfor script; do :; done\ncd "{home}"; HOME=$PWD PATH=$PWD/bin:$PATH\n{script}\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv(ENVIRONMENT, str(program))
        return home

    return make


def test_a_full_disk_is_named_and_nothing_is_left_on_it(
    folder: Path, stand_in: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    home = stand_in('exec sh -c "$script"')
    full = "tar: edgekit/x.py: Cannot write: No space left on device"
    (home / "bin" / "tar").write_text(
        f"#!/bin/sh\ncat > .edgekit/agents/*.new/part\necho '{full}' >&2\necho 'tar: Exiting' >&2; exit 2\n"
    )
    (home / "bin" / "tar").chmod(0o755)
    args = ("flash", "--build", folder, "--target", "me@board", *HERE)
    said = refused(capsys, *args, status=1, words="no room left on its disk")
    assert "Free some" in said and full in said and "Exiting" not in said
    assert list((home / ".edgekit" / "agents").iterdir()) == []


@pytest.mark.parametrize("path", ["bin/python", "./bin/python", "~/bin/python"])
def test_the_path_of_a_python_is_from_the_home(
    path: str, folder: Path, stand_in: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    home = stand_in('exec sh -c "$script"')
    (home / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (home / "bin" / "python").chmod(0o755)
    args = ("--target", "me@board", "--python", path, *HERE[2:])
    assert run(["flash", "--build", str(folder), *args]) == 0, capsys.readouterr().err
    assert run(["flash", "--build", str(folder), "--stop"]) == 0


def test_a_line_that_ends_says_what_ssh_said_last(stand_in: Callable[[str], Path]) -> None:
    stand_in("echo 'Warning: first' >&2; printf 'm-ready\\n'; sleep 1; echo 'Connection closed by host.' >&2")
    line = open_line("ssh://me@board/4747")
    with pytest.raises(TaskError, match=r"was lost: Connection closed by host\."):
        line.drain(60.0, 60.0)
    line.close()


def test_what_cannot_be_reached_is_said(
    board: Board, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(capsys, "flash", "--build", folder, words="it is not said where it is")
    refused(
        capsys, "flash", "--build", folder, "--target", "127.0.0.1:1", status=1, words="cannot be reached"
    )
    refused(
        capsys,
        "bench",
        "--build",
        folder,
        "--port",
        "ssh://127.0.0.1:1/4747",
        status=1,
        words="cannot be reached",
    )
    refused(capsys, "bench", "--build", folder, "--port", f"ssh://{ALIAS}", words="names no port of an agent")
    monkeypatch.setenv(ENVIRONMENT, "no-such-ssh -v")
    refused(capsys, "flash", "--build", folder, "--target", ALIAS, status=1, words="no-such-ssh is needed")


def test_what_means_nothing_to_a_board_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "flash", "--build", folder, "--target", ALIAS, "--baud", "9600", words="takes no --baud")
    args = ("flash", "--build", folder, "--target", ALIAS, "--python", "python3", "--wheels", folder)
    refused(capsys, *args, words="needs no wheels")
