"""``edgekit flash`` and what finds the board it starts, with a real emulator at a real pseudo-terminal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import edgekit, refused
from firmware_folder import (
    BOARDS,
    LISTENER,
    SAY,
    export_folder,
    processes_with,
    set_main,
    spoil_golden_output,
    wait_until,
)

from edgekit.cli.main import run
from edgekit.errors import InputError
from edgekit.flash.board import emulated_board, port_of
from edgekit.flash.emulated import start_emulator
from edgekit.flash.emulator import get_machine
from edgekit.flash.processes import identity_of
from edgekit.flash.record import FLASH_FILE
from edgekit.resources import resource_dir

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")


@pytest.fixture
def folder(tiny_model: bytes, tmp_path: Path) -> Iterator[Path]:
    """A build folder; the board that a test starts with it is ended."""
    path = export_folder(tiny_model, tmp_path / "edgekit-build")
    set_main(path, LISTENER)
    yield path
    run(["flash", "--stop", "--build", str(path)])
    assert not processes_with(tmp_path)


def flash(folder: Path) -> dict[str, object]:
    done = edgekit("flash", "--build", folder, "--json")
    assert done.returncode == 0, done.stderr
    record: dict[str, object] = json.loads(done.stdout)
    return record


@pytest.mark.parametrize("board", BOARDS)
def test_the_board_runs_until_it_is_stopped(board: str, tiny_model: bytes, tmp_path: Path) -> None:
    folder = export_folder(tiny_model, tmp_path / "edgekit-build", board)
    set_main(folder, LISTENER)
    done = edgekit("flash", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / FLASH_FILE).read_text())
    assert done.stdout == f"{record['port']}\n" and record["schema"] == "edgekit.flash/1"
    assert record["machine"] == board
    assert record["image_sha256"] == json.loads((folder / "build.json").read_text())["image"]["sha256"]
    assert processes_with(folder) == [record["pid"]]
    seen = edgekit("monitor", "--send", "name", "--for", "2s", cwd=tmp_path)
    assert seen.stdout == "heard\\x1b\nm-ready\n", seen.stderr
    assert edgekit("flash", "--stop", cwd=tmp_path).returncode == 0
    assert not processes_with(folder) and not (folder / FLASH_FILE).exists()
    again = edgekit("flash", "--stop", cwd=tmp_path)
    assert again.returncode == 0 and "No board" in again.stderr


@pytest.mark.parametrize("board", BOARDS)
def test_export_flash_and_bench_in_a_row(board: str, tiny_model: bytes, tmp_path: Path) -> None:
    export_folder(tiny_model, tmp_path / "edgekit-build", board)
    record = tmp_path / "edgekit-build" / "bench.json"
    for command in (["flash"], ["bench"], ["bench", "--mlperf"], ["flash", "--stop"]):
        done = edgekit(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert not processes_with(tmp_path)
    done = edgekit("bench", "--port", "qemu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(record.read_text())
    assert found["board"] == board and found["ok"] and found["latency"]["unit"] == "instructions"
    assert found["arena"]["measured"] == found["arena"]["predicted"]
    assert not processes_with(tmp_path)


def test_what_the_firmware_says_is_wrong_when_it_starts_is_shown(tiny_model: bytes, tmp_path: Path) -> None:
    folder = export_folder(tiny_model, tmp_path / "edgekit-build")
    spoil_golden_output(folder, vector=0, offset=1)
    for command, status in ((["flash"], 0), (["flash", "--stop"], 0), (["bench", "--port", "qemu"], 1)):
        done = edgekit(*command, cwd=tmp_path)
        assert done.returncode == status, done.stderr
        assert ("The device says: e-[Self-test failed]" in done.stderr) == ("--stop" not in command)
    assert "first byte 1 of vector 0" in done.stderr.replace("\n", " ")
    assert not processes_with(tmp_path)


def test_flashing_again_takes_the_place_of_the_first_and_builds_only_what_changed(folder: Path) -> None:
    first = flash(folder)
    built = (folder / "build.json").read_bytes()
    second = flash(folder)
    assert (folder / "build.json").read_bytes() == built
    assert processes_with(folder) == [second["pid"]] and second["pid"] != first["pid"]
    set_main(folder, LISTENER.replace("heard", "other"))
    third = flash(folder)
    assert third["image_sha256"] != second["image_sha256"]
    assert processes_with(folder) == [third["pid"]]


def test_a_process_that_only_has_the_same_number_is_left_alone(folder: Path) -> None:
    record = flash(folder)
    assert run(["flash", "--stop", "--build", str(folder)]) == 0
    with subprocess.Popen(["sleep", "60"]) as other:
        (folder / FLASH_FILE).write_text(json.dumps({**record, "pid": other.pid}))
        with pytest.raises(InputError, match="no port is given"):
            port_of(folder)
        assert run(["flash", "--stop", "--build", str(folder)]) == 0
        assert other.poll() is None
        other.kill()
    assert not (folder / FLASH_FILE).exists()


def test_a_damaged_record_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("", "{}", "[1]", '{"schema": "edgekit.flash/1", "pid": 1}'):
        (folder / FLASH_FILE).write_text(text)
        for arguments in (["flash", "--stop"], ["bench"], ["monitor"]):
            refused(capsys, *arguments, "--build", folder, words="damaged")
    (folder / FLASH_FILE).unlink()


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (SAY + 'int main(void) { say("hello\\r\\n"); return *(volatile int *)0xFFFFFF00u; }', "fault"),
        (SAY + 'int main(void) { say("hello\\r\\n"); for (;;) {} }', "did not say m-ready"),
    ],
)
def test_firmware_that_does_not_get_ready_is_ended_and_what_it_said_is_shown(
    main: str, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgekit.flash.qemu.start_emulator", impatient)
    set_main(folder, main)
    assert "hello" in refused(capsys, "flash", "--build", folder, status=1, words=words)
    assert not processes_with(folder) and not (folder / FLASH_FILE).exists()


def impatient(*args: object) -> object:
    return start_emulator(*args, boot_s=1.0)  # type: ignore[arg-type]


KILLED = """
import os, sys
from pathlib import Path
import edgekit.flash.qemu as qemu
from edgekit.flash.board import flash_board
from edgekit.flash.emulated import start_emulator

def die(*_):
    os.kill(os.getpid(), {number})

def start(machine, image, log, started, **others):
    def told(pid, identity):
        if {before}:
            die()
        started(pid, identity)
    return start_emulator(machine, image, log, told, **others)

qemu.start_emulator = start
if not {before}:
    import edgekit.flash.emulated as emulated
    emulated.{step} = die
flash_board(Path({folder!r}))
"""


@pytest.mark.parametrize("step", ["started", "_send", "_wait_for_port", "_wait_until_ready"])
def test_a_flash_that_is_killed_leaves_no_emulator_that_cannot_be_found(step: str, folder: Path) -> None:
    script = KILLED.format(before=step == "started", step=step, folder=str(folder), number=9)
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    if step in ("started", "_send"):
        wait_until(lambda: not processes_with(folder))
        assert (folder / FLASH_FILE).exists() is (step == "_send")
    else:
        (pid,) = processes_with(folder)
        assert json.loads((folder / FLASH_FILE).read_text())["pid"] == pid
        with pytest.raises(InputError, match="no port is given"):
            port_of(folder)
    assert run(["flash", "--stop", "--build", str(folder)]) == 0
    assert not processes_with(folder) and not (folder / FLASH_FILE).exists()


def test_a_damaged_image_is_told_as_the_emulator_tells_it(tmp_path: Path) -> None:
    image = tmp_path / "none.elf"
    with pytest.raises(Exception, match="has ended with 1") as caught:
        start_emulator(get_machine("mps2-an386"), image, tmp_path / "log", lambda pid, identity: None)
    assert "none.elf" in str(getattr(caught.value, "details", ""))
    assert not processes_with(image)


def test_a_missing_emulator_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for arguments in (["flash"], ["bench", "--port", "qemu"]):
        said = refused(capsys, *arguments, "--build", folder, status=1, words="qemu-system-arm")
        assert "apt-get install qemu-system-arm" in said


def test_stopping_the_board_of_no_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "flash", "--stop", "--build", tmp_path / "none", words="There is no folder")


def test_in_a_folder_that_cannot_be_written_nothing_is_started_but_what_is_built_is_benched(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(resource_dir("firmware") / "main.c", folder / "src" / "main.c")
    assert run(["build", "--build", str(folder)]) == 0
    mount = ["mount", "--bind", str(folder), str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a folder can only be mounted as root, and where mounting is allowed")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        refused(capsys, "flash", "--build", folder, status=1, words="Could not write")
        refused(capsys, "build", "--build", folder, status=1, words="Could not build")
        command = ["bench", "--port", "qemu", "--build", str(folder), "-o", str(tmp_path / "bench.json")]
        assert run(command) == 0
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", ["_send", "_wait_for_port", "_wait_until_ready"])
def test_a_flash_that_is_ended_leaves_no_emulator(step: str, number: int, folder: Path) -> None:
    script = KILLED.format(before=False, step=step, folder=str(folder), number=int(number))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode != 0
    wait_until(lambda: not processes_with(folder))
    assert not (folder / FLASH_FILE).exists()


def test_a_board_of_silicon_is_not_emulated(
    tiny_model: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silicon = export_folder(tiny_model, tmp_path / "silicon", "esp32s3")
    refused(capsys, "bench", "--port", "qemu", "--build", silicon, status=1, words="can be emulated")


def test_what_an_emulated_board_has_no_use_for_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--port", "--target", "--python", "--wheels"):
        refused(capsys, "flash", "--build", folder, option, "x", words=f"takes no {option}")
    refused(capsys, "flash", "--build", folder, "--method", "ssh", words="does not run Linux")
    assert not (folder / "build.json").exists()


def test_a_dry_run_ends_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flash", "--build", str(folder)]) == 0
    try:
        refused(capsys, "flash", "--build", folder, "--stop", "--dry-run", words="--dry-run touches nothing")
        assert port_of(folder)
    finally:
        assert run(["flash", "--build", str(folder), "--stop"]) == 0


def test_a_dry_run_prints_commands_that_start_the_board_and_starts_nothing(folder: Path) -> None:
    done = edgekit("flash", "--build", folder, "--dry-run")
    build, start = done.stdout.splitlines()
    assert done.returncode == 0 and not (folder / "build.json").exists()
    bash = ["bash", "-ec", build.replace("edgekit", f"{sys.executable} -m edgekit", 1)]
    assert subprocess.run(bash, capture_output=True, check=False).returncode == 0
    assert edgekit("flash", "--build", folder, "--dry-run").stdout.splitlines() == [start]
    assert not processes_with(folder) and not (folder / FLASH_FILE).exists()
    with subprocess.Popen(["bash", "-c", f"exec {start}"], stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout is not None and "/dev/pts/" in emulator.stdout.readline()
        emulator.kill()


def test_without_a_port_there_must_be_a_running_board(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("bench", "monitor"):
        said = refused(capsys, name, "--build", folder, words="no port is given")
        assert "edgekit flash" in said and "--port" in said
    record = flash(folder)
    os.kill(int(str(record["pid"])), signal.SIGKILL)
    wait_until(lambda: identity_of(int(str(record["pid"]))) is None)
    refused(capsys, "bench", "--build", folder, words="no port is given")
    refused(capsys, "bench", "--build", tmp_path / "none", words="not a build folder")


def test_an_emulator_ends_with_its_block_whatever_happens(folder: Path) -> None:
    for error in (None, RuntimeError, KeyboardInterrupt, SystemExit):
        seen = ""
        try:
            with emulated_board(folder) as port:
                seen = port
                assert Path(port).exists() and len(processes_with(folder)) == 1
                if error is not None:
                    raise error
        except BaseException as caught:
            assert error is not None and isinstance(caught, error), caught
        assert seen and not processes_with(folder)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_a_bench_that_is_ended_leaves_no_emulator(number: signal.Signals, status: int, folder: Path) -> None:
    if number == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("only Linux ends a process with its parent")
    assert run(["build", "--build", str(folder)]) == 0
    command = [sys.executable, "-m", "edgekit", "bench", "--port", "qemu", "--build", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as bench:
        image = folder / "out" / "firmware.elf"
        wait_until(lambda: bool(processes_with(image)))
        bench.send_signal(number)
        assert bench.stderr is not None and "Traceback" not in bench.stderr.read()
    assert bench.returncode == status
    wait_until(lambda: not processes_with(image))


def test_a_strange_device_is_told_and_its_emulator_ended(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "bench", "--port", "qemu", "--build", folder, status=1, words="is not edgekit's firmware")
    assert not processes_with(folder)
