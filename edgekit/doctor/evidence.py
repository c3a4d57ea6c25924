"""With which options an image's sources were compiled: from compile_commands.json, or else from its DWARF."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.elffile import ELFFile

from edgekit.build.record import OUT_FOLDER
from edgekit.doctor.system import read_text

_FILE: Final = "compile_commands.json"
_PLACES: Final = ("", "arduino")
"""Where below the build's own folder it lies: CMake's is at its top, arduino-cli's in its build path."""
_LEVEL: Final = re.compile(r"-O(?:[0-3sgz]|fast)?")


@dataclass(frozen=True, slots=True)
class Compilation:
    """How one source was compiled.

    Attributes
    ----------
    file:
        The source.
    options:
        What the compiler was told; by DWARF only what it keeps of that, which has no definitions.
    source:
        What tells of it.
    """

    file: str
    options: tuple[str, ...]
    source: str

    @property
    def name(self) -> str:
        """The source's name without folders."""
        return PurePosixPath(self.file).name

    @property
    def optimization(self) -> str:
        """The level that counts, the last one: ``"-O2"``; ``"-O0"`` where there is none."""
        levels = [option for option in self.options if _LEVEL.fullmatch(option)]
        return {"": "-O0", "-O": "-O1"}.get(levels[-1] if levels else "", levels[-1] if levels else "")

    def defines(self, name: str) -> bool:
        """Return whether the preprocessor definition ``name`` is among the options."""
        flags = [option.removeprefix("-D") for option in self.options if option.startswith("-D")]
        return any(flag.partition("=")[0] == name for flag in flags)


def compilations(folder: Path, image: bytes) -> list[Compilation]:
    """Return how the sources of the image that was built in ``folder`` were compiled; empty if nothing tells."""
    for place in _PLACES:
        path = folder / OUT_FOLDER / place / _FILE
        found = _from_commands(path)
        if found:
            return found
    return _from_dwarf(image)


def of_sources(found: Collection[Compilation], names: Collection[str]) -> list[Compilation]:
    """Return those of ``found`` whose sources have one of the file names ``names``."""
    return [one for one in found if one.name in names]


def _from_commands(path: Path) -> list[Compilation]:
    try:
        entries = json.loads(read_text(path) or "[]")
        return [Compilation(str(entry["file"]), tuple(_arguments(entry)), path.name) for entry in entries]
    except (ValueError, KeyError, TypeError):
        return []


def _arguments(entry: dict[str, Any]) -> list[str]:
    if "arguments" in entry:
        return [str(argument) for argument in entry["arguments"]]
    return shlex.split(str(entry["command"]))


def _from_dwarf(image: bytes) -> list[Compilation]:
    """Return what each unit's producer says, which GCC gives its options to (-grecord-gcc-switches)."""
    found = []
    try:
        file = ELFFile(io.BytesIO(image))
        if not file.has_dwarf_info():
            return []
        for unit in file.get_dwarf_info().iter_CUs():
            attributes = unit.get_top_DIE().attributes
            name, producer = attributes.get("DW_AT_name"), attributes.get("DW_AT_producer")
            if name is not None and producer is not None:
                text = _text(producer.value)
                if "GNU C" in text:  # assembly has no level
                    found.append(Compilation(_text(name.value), tuple(text.split()), "DWARF"))
    except (ELFError, DWARFError, KeyError, ValueError, AssertionError):
        return []
    return found


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
