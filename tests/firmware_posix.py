"""The firmware as a process of this computer: built from a build folder, started on a pseudo-terminal or on TCP."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.resources import resource_dir

SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g1")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-Wshadow")


def build_posix(folder: Path, *flags: str, name: str = "firmware") -> Path:
    """Compile the sources of a build folder with the port to this computer; return the program."""
    compiler = next((name for name in ("gcc", "clang", "cc") if shutil.which(name)), None)
    assert compiler is not None, "no C compiler is installed; install gcc"
    port = resource_dir("firmware") / "ports" / "posix" / "port.c"
    sources, include = firmware_sources(folder)
    files = [folder / "src" / "main.c", port, *sources]
    program = folder / name
    # The process has a main program of its own, which reads the command line.
    command = [compiler, *STRICT, "-O2", *flags, "-Dmain=ek_firmware_main", *include]
    objects = folder / f"{name}.objects"
    objects.mkdir()
    for path in files:
        mine = [part for part in command if path != port or not part.startswith("-Dmain")]
        run(*mine, "-c", path, "-o", objects / f"{path.stem}.o")
    run(compiler, *flags, *sorted(objects.glob("*.o")), "-o", program)
    return program


def firmware_sources(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the C files below a build folder, without main program and port, and the options to compile them."""
    source = folder / "src"
    parts = [source / "engine" / "aot", source / "engine", source / "core", source / "model"]
    files = [path for part in parts for path in sorted(part.glob("*.c"))]
    return files, [f"-I{path}" for path in (*parts, source / "ports")]


def run(*command: str | Path) -> None:
    """Run a compiler and show what it says when it refuses."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stderr}"


class Running:
    """A process of the firmware; ``port`` is what a host opens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.port = process.stdout.readline().strip()
        assert self.port, process.communicate()[1]

    def reset(self) -> None:
        """Press the reset button."""
        os.kill(self.pid, signal.SIGUSR1)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def check(self) -> None:
        """Fail with what the process said if it has ended."""
        if self._process.poll() is not None:
            raise AssertionError(f"the firmware has ended: {self._process.communicate()[1]}")


@contextmanager
def running(program: Path, *arguments: str) -> Iterator[Running]:
    """Start the firmware; it must still run when the block is left, which ends it."""
    with subprocess.Popen(
        [str(program), *(arguments or ("--pty",))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            device = Running(process)
            yield device
            device.check()
        finally:
            process.kill()
