"""Processes that were started earlier: known again, ended, and never mistaken for another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from firmware_folder import wait_until

from edgekit.build.process import signals_unwind
from edgekit.flash import processes
from edgekit.flash.processes import dies_with_parent, end_process, identity_of

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
)


def start(*command: str) -> tuple[subprocess.Popen[bytes], str]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    # Between one program and the next a process has no command.
    wait_until(lambda: identity_of(process.pid) is not None)
    return process, str(identity_of(process.pid))


def test_a_process_keeps_its_identity_and_loses_it_when_it_ends() -> None:
    process, identity = start("sleep", "60")
    with process:
        assert identity_of(process.pid) == identity != identity_of(os.getpid())
        assert end_process(process.pid, identity)
        assert identity_of(process.pid) is None, (
            "what is left of it, before its parent has asked, is no process"
        )
    assert process.returncode == -signal.SIGTERM
    assert not end_process(process.pid, identity)


def test_another_process_with_the_number_is_left_alone() -> None:
    process, identity = start("sleep", "60")
    with process:
        assert not end_process(process.pid, f"{identity}x")
        assert process.poll() is None
        process.kill()


def test_a_process_that_does_not_listen_is_killed() -> None:
    process, _ = start(sys.executable, "-c", STUBBORN)
    with process:
        assert process.stdout is not None and process.stdout.readline() == b"\n"
        identity = identity_of(process.pid)
        assert identity is not None and end_process(process.pid, identity, patience=0.2)
    assert process.returncode == -signal.SIGKILL


def test_systems_without_proc_are_asked_with_ps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    process, identity = start("sleep", "60")
    with process:
        assert identity.endswith("sleep") and identity == identity_of(process.pid)
        assert end_process(process.pid, identity)
        assert identity_of(process.pid) is None
    assert process.returncode == -signal.SIGTERM


def test_numbers_without_a_process_have_no_identity() -> None:
    assert identity_of(2**22 + 1) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_unwind_the_stack_and_are_what_they_were_afterwards(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    ended = []
    with pytest.raises(SystemExit) as caught, signals_unwind():
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            ended.append(number)
    assert caught.value.code == 128 + number and ended == [number]
    assert signal.getsignal(number) == before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_unwind():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_process_ends_with_a_parent_that_is_killed() -> None:
    code = (
        "import subprocess, sys, time\n"
        "from edgekit.flash.processes import dies_with_parent\n"
        "child = subprocess.Popen(['sleep', '60'], preexec_fn=dies_with_parent())\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    assert dies_with_parent() is not None
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        wait_until(lambda: identity_of(child) is not None)
        parent.kill()
    wait_until(lambda: identity_of(child) is None)
