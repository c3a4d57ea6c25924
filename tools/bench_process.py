"""Time and peak memory of whole processes.

Run as a program of its own that imports only the standard library: Linux counts what the starting process has in memory
towards the peak of the process that it starts, so the one who starts has to be small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

RUNS = 5


@dataclass(frozen=True)
class ProcessCost:
    """What a command took.

    Attributes
    ----------
    seconds:
        Wall-clock time of each run, from start to exit.
    peak:
        Largest resident memory of all runs, bytes.
    """

    seconds: tuple[float, ...]
    peak: int

    @property
    def median(self) -> float:
        """Median time, seconds."""
        return median(self.seconds)


def measure_processes(commands: Mapping[str, Sequence[str]]) -> dict[str, ProcessCost]:
    """Run every command once to warm up, then all of them in turn, :data:`RUNS` times.

    ``edgekit fit`` may end with 1, which is how it says that nothing fits; that is no failure to be timed.

    Raises
    ------
    subprocess.CalledProcessError
        If a command ends with another status; the launcher says which on stderr.
    """
    launcher = subprocess.run(
        [sys.executable, "-I", "-S", __file__],
        input=json.dumps(list(commands.values())),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    costs = [
        ProcessCost(tuple(s for s, _ in runs), max(p for _, p in runs))
        for runs in json.loads(launcher.stdout)
    ]
    return dict(zip(commands, costs, strict=True))


def _run(command: list[str]) -> tuple[float, int]:
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    accepted = (0, 1) if command[1:2] == ["fit"] else (0,)
    if os.waitstatus_to_exitcode(status) not in accepted:
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss * 1024  # Linux counts in KiB


def _main() -> None:
    commands = json.load(sys.stdin)
    for command in commands:
        _run(command)
    rounds = [[_run(command) for command in commands] for _ in range(RUNS)]
    json.dump(list(zip(*rounds, strict=True)), sys.stdout)


if __name__ == "__main__":
    _main()
