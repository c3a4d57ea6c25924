"""Linux boards: model and agent are installed over ssh, in the user's home, and the agent is started."""

from __future__ import annotations

import json
import shlex
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from edgekit import __version__
from edgekit.errors import InputError, TaskError
from edgekit.files import write_atomic
from edgekit.flash.flasher import Job, refuse_wishes
from edgekit.flash.payload import INSTALLER, Payload, make_payload
from edgekit.flash.record import FLASH_FILE, AgentRecord, AnyRecord, load_flash
from edgekit.flash.ssh import SCHEME, Target, parse_target, remote_command, run_remote, ssh_command
from edgekit.units import format_size

_ADDRESS: Final = "127.0.0.1"
_PORT: Final = 4747
_PACKAGES: Final = "ai-edge-litert>=1.2 numpy click>=8.1"
"""What the agent imports. ai-edge-litert has XNNPACK for int8 models, and wheels for every Python from 3.10 on."""
_INSTALL_S: Final = 1800.0
"""pip on a slow card and a slow network takes its time."""
_STOP_S: Final = 60.0
_READY: Final = "ready "
_GOES_ON: Final = " ..."
"""Ends what the installer says of work that takes long; all else belongs to a failure."""
_ERROR: Final = "Error: "

_FULL: Final = ("No space left on device", "Disk quota exceeded")
"""In what tar, pip and Python say of a full disk."""

_HINTS: Final = {
    10: "Wait until it is done, and repeat.",
    11: "Install Python there: `sudo apt-get install python3 python3-venv`, or name one with --python.",
    12: "Use an operating system with Python 3.10 or later, such as Raspberry Pi OS 12, or name one with --python.",
    13: "Install what is missing there: `sudo apt-get install python3-venv`.",
    14: "Give the board a network, or its packages with --wheels; a 32-bit system has none, so use a 64-bit one.",
    15: "What the board says is below.",
    16: "What the board says is below; the agent before, if there was one, runs again.",
}
"""By exit status of the installer."""


class LinuxFlasher:
    """Installs agents."""

    def check(self, job: Job) -> None:
        """Check that the board runs Linux, that there is an ssh, and a target that is named or known from before."""
        if job.project.framework != "linux":
            raise InputError(
                f"{job.project.board} does not run Linux, so nothing can be installed on it over ssh.",
                "Leave --method out.",
            )
        refuse_wishes(job.wishes, "baud", board="A Linux board")
        _agent_port(job)
        if job.wishes.python is not None and job.wishes.wheels is not None:
            raise InputError(
                "A Python that has the packages needs no wheels.", "Give --python or --wheels, not both."
            )
        ssh_command(_target(job))

    def commands(self, job: Job) -> list[str]:
        """Return the command that is run; what goes into it is named in a comment, as is what it does there."""
        self.check(job)
        payload = make_payload(job.folder, job.project, job.wishes.wheels)
        command = shlex.join(remote_command(_target(job), _script(job, payload)))
        script = payload.files[INSTALLER].decode().splitlines()
        return [
            f"# {INSTALLER}, which runs on the board:",
            *(f"#   {line}".rstrip() for line in script),
            f"# stdin: a .tar.gz of {len(payload.files)} files, {payload.size:,} bytes unpacked: edgekit's modules, "
            f"{job.project.model.file}, {INSTALLER} ...",
            command,
        ]

    def flash(self, job: Job) -> AgentRecord:
        """Install, start, and write the record; a failure leaves the agent before, and the record of it."""
        target = _target(job)
        payload = make_payload(job.folder, job.project, job.wishes.wheels)
        archive = payload.archive()
        job.told.says(f"Installing on {target} ({format_size(len(archive))}) ...")

        def heard(line: str) -> None:
            if line.endswith(_GOES_ON):
                job.told.says(line)

        status, said = run_remote(target, _script(job, payload), archive, heard, _INSTALL_S)
        ready = next((line for line in reversed(said) if line.startswith(_READY)), None)
        if status or ready is None:
            raise _failure(target, status, said)
        record = _record(job, target, ready)
        write_atomic(job.folder / FLASH_FILE, record.to_json())
        return record

    def stop(self, folder: Path, record: AnyRecord) -> bool:
        """End the agent on the board."""
        assert isinstance(record, AgentRecord)
        script = "s=.edgekit/stop.sh; if [ -f $s ]; then exec sh $s; else echo 'No agent was running.'; fi"
        status, said = run_remote(parse_target(record.target), script, timeout=_STOP_S)
        if status:
            raise TaskError(
                f"The agent on {record.target} could not be ended.", "What the board says is below.", said
            )
        return "Ended the agent." in said

    def port(self, record: AnyRecord) -> str | None:
        """Return the way to the agent; whether it still runs shows when the line is opened."""
        return record.port


def _target(job: Job) -> Target:
    """Return the target that was named, or the one of the last time."""
    if job.wishes.target is not None:
        return parse_target(job.wishes.target)
    earlier = load_flash(job.folder)
    if isinstance(earlier, AgentRecord):
        return parse_target(earlier.target)
    raise InputError(
        f"{job.project.board} is reached over the network, and it is not said where it is.",
        "Give --target USER@HOST, such as --target pi@raspberrypi.local.",
    )


def _agent_port(job: Job) -> int:
    """Return where the agent is to listen on the board's loopback; 0 is any free port."""
    text = job.wishes.port or str(_PORT)
    if not (text.isascii() and text.isdecimal() and int(text) < 65_536):
        raise InputError(
            f"{text} is no port of an agent on a Linux board.",
            f"Give a number, or leave --port out for {_PORT}.",
        )
    return int(text)


def _script(job: Job, payload: Payload) -> str:
    """Return what the board's shell runs: it unpacks what comes, and hands over to the installer."""
    wishes, name = job.wishes, payload.name
    options = ["--threads", str(wishes.threads)] if wishes.threads is not None else []
    arguments = [name, f"{_ADDRESS}:{_agent_port(job)}", wishes.python or "-", _PACKAGES, *options]
    # What is half unpacked would keep a full disk full.
    return (
        f"umask 077; d=.edgekit/agents/{name}.new; rm -rf $d && mkdir -p $d && tar xzf - -C $d || "
        f"{{ s=$?; rm -rf $d; exit $s; }}; exec sh $d/{INSTALLER} {shlex.join(arguments)}"
    )


def _failure(target: Target, status: int, said: list[str]) -> TaskError:
    why = f"the installation ended with status {status}"
    details = [line for line in said if not line.endswith(_GOES_ON)]
    full = [line for line in details if any(mark in line for mark in _FULL)]
    if full:
        return TaskError(
            f"The agent could not be installed on {target}: there is no room left on its disk.",
            "Free some in the user's home there; what was there before is unchanged.",
            full[-1:],
        )
    if details and status in _HINTS:
        why = details.pop().rstrip(".")
    reason = next((line.partition(_ERROR)[2] for line in reversed(details) if _ERROR in line), "")
    return TaskError(
        f"The agent could not be installed on {target}: {why}{': ' if reason else ''}{reason.rstrip('.')}.",
        _HINTS.get(status, "What the board says is below; what was there before is unchanged."),
        [line.replace(_ERROR, "") for line in details],
    )


def _record(job: Job, target: Target, ready: str) -> AgentRecord:
    """Return the record of an agent that says that it is ready, and who it is."""
    try:
        address, _, about = ready[len(_READY) :].partition(" ")
        port = int(address.rpartition(":")[2])
        identity = json.loads(about)
        return AgentRecord(
            board=job.project.board,
            target=str(target),
            agent_port=port,
            engine=identity["engine"],
            kernels=identity["kernels"],
            plan=identity["plan"],
            port=f"{SCHEME}{target}/{port}",
            image_sha256=job.project.model.sha256,
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            edgekit_version=__version__,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise TaskError(
            f"What {target} says makes no sense: {ready[:80]}.", "Look at what runs there when you log in."
        ) from error
