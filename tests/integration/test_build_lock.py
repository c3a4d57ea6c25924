"""Two edgekits at once in one build folder, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import edgekit
from firmware_folder import export_folder, processes_with, wait_until

from edgekit.build.lock import LOCK_FILE, folder_lock
from edgekit.build.record import load_build
from edgekit.cli.main import run
from edgekit.errors import TaskError


@pytest.fixture
def folder(tiny_model: bytes, tmp_path: Path) -> Path:
    return export_folder(tiny_model, tmp_path / "edgekit-build")


def test_builds_at_once_come_one_after_the_other_and_give_the_same_image(folder: Path) -> None:
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: edgekit("build", "--build", folder, "--json"), range(3)))
    assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]
    images = {json.loads(one.stdout)["image"]["sha256"] for one in done}
    record = load_build(folder)
    assert record is not None and images == {record.image.sha256}


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
def test_flashes_and_benches_at_once_leave_one_board(folder: Path) -> None:
    commands = (["flash"], ["bench", "--port", "qemu"], ["flash"], ["build"], ["bench", "--port", "qemu"])
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda words: edgekit(*words, "--build", folder), commands))
    assert [one.returncode for one in done] == [0] * len(commands), [one.stderr for one in done]
    record = json.loads((folder / "flash.json").read_text())
    assert processes_with(folder) == [record["pid"]]
    assert run(["bench", "--build", str(folder)]) == 0
    assert run(["flash", "--stop", "--build", str(folder)]) == 0
    assert not processes_with(folder)


def test_who_has_waited_long_enough_is_told_and_a_killed_build_locks_nobody_out(folder: Path) -> None:
    mark = f"53.{time.monotonic_ns() % 10**9}"
    toolchain = folder / "toolchain.cmake"
    toolchain.write_text(f"{toolchain.read_text()}execute_process(COMMAND sleep {mark})\n")
    command = [sys.executable, "-m", "edgekit", "build", "--build", str(folder)]
    with subprocess.Popen(command) as build:
        wait_until(lambda: bool(processes_with(f"sleep\0{mark}")))
        with pytest.raises(TaskError, match="Another edgekit is at work"), folder_lock(folder, 0.1):
            pass
        build.kill()
    with folder_lock(folder, 0.1):
        pass
    for pid in processes_with(f"sleep\0{mark}"):
        os.kill(pid, signal.SIGKILL)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "none"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_where_no_lock_can_be_made_the_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).mkdir()
    with folder_lock(tmp_path, 0.1):
        pass
