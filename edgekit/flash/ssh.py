"""Boards that are reached over the network: the system's ssh, with the user's own keys, configuration and agent.

No library is used for it: what `ssh user@host` can do, edgekit can, through jump hosts, hardware keys and aliases
alike, and nothing has to be set up twice. Each thing that is done takes one connection.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edgekit.errors import InputError, TaskError

SCHEME: Final = "ssh://"
ENVIRONMENT: Final = "EDGEKIT_SSH"
"""Environment variable with the ssh command and options, as git has ``GIT_SSH_COMMAND``."""

CONNECTION_FAILED: Final = 255
"""Exit status of ssh when it did not get as far as the command."""

_CONNECT_S: Final = 15
_OPTIONS: Final = ("-T", "-o", f"ConnectTimeout={_CONNECT_S}", "-o", "ServerAliveInterval=10")
_TARGET: Final = re.compile(
    r"(?P<host>(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]))(?::(?P<port>\d{1,5}))?"
)
_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Target:
    """Where a board is.

    Attributes
    ----------
    host:
        ``user@host``, or an alias of ssh's configuration.
    port:
        Of its ssh server, where that is not in the configuration.
    """

    host: str
    port: int | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What ssh is given: it takes no IPv6 address in brackets, and so no URL with one."""
        port = () if self.port is None else ("-p", str(self.port))
        return (*port, "--", self.host.replace("[", "").replace("]", ""))

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def parse_target(text: str) -> Target:
    """Return the target ``user@host``, ``user@host:2222`` or ``ssh://user@host:2222``.

    Raises
    ------
    InputError
        If it is something else; nothing that begins with a dash, or that a shell would take apart, gets through.
    """
    match = _TARGET.fullmatch(text.removeprefix(SCHEME))
    if match is None or int(match["port"] or 22) not in range(1, 65_536):
        raise InputError(f"{text!r} is no target for ssh.", "Give USER@HOST, such as pi@raspberrypi.local.")
    return Target(match["host"], int(match["port"]) if match["port"] else None)


def ssh_command(target: Target, *options: str) -> list[str]:
    """Return the command for a connection to ``target``, to which the command for the board may be added.

    Raises
    ------
    TaskError
        If ssh is not installed.
    """
    try:
        program = shlex.split(os.environ.get(ENVIRONMENT, "")) or ["ssh"]
    except ValueError as error:
        raise TaskError(
            f"${ENVIRONMENT} is no command: {error}.", f"Correct or unset {ENVIRONMENT}."
        ) from error
    if shutil.which(program[0]) is None:
        raise TaskError(
            f"{program[0]} is needed to reach {target}, and is not installed.",
            "Install it: `apt-get install openssh-client`; Windows and macOS have it.",
        )
    return [*program, *_OPTIONS, *options, *target.words]


def run_remote(
    target: Target,
    script: str,
    stdin: bytes = b"",
    heard: Callable[[str], None] | None = None,
    timeout: float = 120.0,
) -> tuple[int, list[str]]:
    """Run a shell script on the board.

    Parameters
    ----------
    target:
        The board.
    script:
        For ``sh``, whatever the user's own shell is there.
    stdin:
        What the script reads.
    heard:
        Told of each line that it says.
    timeout:
        Seconds after which it is given up.

    Returns
    -------
    tuple
        Its exit status, and the last lines that it said.

    Raises
    ------
    TaskError
        If the board cannot be reached, or it takes too long.
    """
    command = remote_command(target, script)
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    )
    timer = threading.Timer(timeout, process.kill)
    timer.start()
    lines: deque[str] = deque(maxlen=_LINES)
    try:
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            view = memoryview(stdin)
            while view:
                view = view[pipe.write(view) :]
        with process.stdout as said:
            for raw in iter(said.readline, b""):
                line = raw.decode(errors="replace").rstrip()
                lines.append(line)
                if heard is not None:
                    heard(line)
        status = process.wait()
    finally:
        late = not timer.is_alive()
        timer.cancel()
        process.kill()
        process.wait()
    if late:
        raise TaskError(
            f"{target} did not finish within {timeout:.0f} s.",
            "Look at the board and its network.",
            list(lines),
        )
    if status == CONNECTION_FAILED:
        raise unreachable(target, list(lines))
    return status, list(lines)


def remote_command(target: Target, script: str) -> list[str]:
    """Return the command that runs ``script`` on the board; raises as :func:`ssh_command`."""
    return [*ssh_command(target), f"sh -c {shlex.quote(script)}"]


def unreachable(target: Target, said: list[str]) -> TaskError:
    """Return the error for a board that ssh could not reach, with what ssh said."""
    why = next((line.strip().rstrip(".") for line in reversed(said) if line.strip()), "ssh does not say why")
    by_hand = " ".join(("ssh", *target.words)).replace(" -- ", " ")
    return TaskError(f"{target} cannot be reached: {why}.", f"Try `{by_hand}` by hand.", said)
