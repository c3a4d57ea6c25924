"""What went wrong with a build, from what its tools said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from edgekit.build.elf import Elf, Symbol
from edgekit.build.record import BUILD_LOG, OUT_FOLDER
from edgekit.codegen.record import FirmwareProject
from edgekit.errors import TaskError

_SHOWN: Final = 8
_OVERFLOW: Final = re.compile(r"region [`'](\w+)' overflowed by (\d+) bytes")
_ERROR: Final = re.compile(r"\berror\b|undefined reference|multiple definition", re.IGNORECASE)
_PARTITION: Final = re.compile(
    r"too small for binary \S+ size (0x[0-9a-fA-F]+)(?:[^(]*\(overflow (0x[0-9a-fA-F]+))?"
)
"""What ESP-IDF's check_sizes.py says of an application."""
_HINTS: Final = (
    (
        re.compile(r"TensorFlowLite\.h: No such file"),
        "The library is not in Arduino's index any more: `git clone"
        " https://github.com/tensorflow/tflite-micro-arduino-examples ~/Arduino/libraries/Arduino_TensorFlowLite`.",
    ),
    (
        re.compile(
            r"has no installed versions|Perhaps you've forgotten to run the install scripts|run the install script"
        ),
        "ESP-IDF has not got its tools yet: run the `install.sh` in its folder, and repeat.",
    ),
    (
        re.compile(
            r"HTTPClientError|Could not resolve host|Temporary failure in name resolution|Network is unreachable"
            r"|Failed to establish a new connection|Cannot establish a connection"
        ),
        "Something that the build takes could not be downloaded: look at the connection, and repeat.",
    ),
)
"""What to do about what a log says."""
_OBJECTS: Final = (".obj", ".o")


def refusal(folder: Path, project: FirmwareProject, log: str) -> TaskError:
    """Return the error for a build of ``folder`` that failed, from what its ``log`` says."""
    lines = log.splitlines()
    overflow = _OVERFLOW.search(log)
    if overflow:
        in_ram = "RAM" in overflow[1].upper()
        parts = [s for s in _symbols(folder, project) if (s.in_ram if in_ram else s.in_flash)]
        return TaskError(
            f"The firmware does not fit into the board's memory {overflow[1]}: "
            f"it is {int(overflow[2]):,} B too large.",
            "Choose a smaller network; the largest parts are below.",
            [_line(part) for part in sorted(parts, key=lambda part: -part.bytes)[:_SHOWN]],
        )
    partition = _PARTITION.search(log)
    if partition:
        over = f": it is {int(partition[2], 16):,} B too large" if partition[2] else ""
        return TaskError(
            f"The image of {int(partition[1], 16):,} B does not fit into its partition{over}.",
            "Choose a smaller network, or make the partition larger in partitions.csv where the chip's flash has more.",
            _errors(lines),
        )
    what = f"What the tools say is below, all of it in {folder / BUILD_LOG}."
    hint = next((remedy for said, remedy in _HINTS if said.search(log)), what)
    return TaskError("The firmware could not be built.", hint, _errors(lines))


def _symbols(folder: Path, project: FirmwareProject) -> list[Symbol]:
    """Return what takes memory in the objects of the project's own sources; an SDK has thousands of others."""
    sources = {PurePosixPath(name).name for name in project.files}
    stems = {PurePosixPath(name).stem for name in sources}
    objects = [path for path in (folder / OUT_FOLDER).rglob("*") if path.suffix in _OBJECTS]
    own = [path for path in objects if path.stem in sources or path.stem in stems]
    return [symbol for path in own for symbol in Elf(path.read_bytes()).symbols]


def _errors(lines: Sequence[str]) -> list[str]:
    """Return the lines of a log that say what is wrong: CMake's with what follows, else those with an error."""
    first = next((number for number, line in enumerate(lines) if line.startswith("CMake Error")), None)
    if first is not None:
        return [line for line in lines[first:] if line.strip()][:20]
    return [line for line in lines if _ERROR.search(line)][:20] or list(lines[-20:])


def _line(symbol: Symbol) -> str:
    return f"{symbol.bytes:>9,} B  {symbol.name}{f'  ({symbol.file})' if symbol.file else ''}"
