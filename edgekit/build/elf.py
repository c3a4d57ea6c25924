"""What an ELF file says: sizes by kind of memory, functions, addresses."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cached_property
from typing import Final

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from edgekit.errors import InputError

_THUMB_BIT: Final = 1


class Elf:
    """A linked program.

    Parameters
    ----------
    content:
        The file's bytes.

    Raises
    ------
    InputError
        If it is no ELF file.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        try:
            self._file = ELFFile(io.BytesIO(content))
        except ELFError as error:
            raise InputError(f"This is no ELF file: {error}.", "Build the program again.") from error

    @cached_property
    def sections(self) -> Mapping[str, int]:
        """Sections that take memory on the target, by name: bytes."""
        return {
            section.name: section["sh_size"]
            for section in self._file.iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"]
        }

    @property
    def flash(self) -> int:
        """Bytes in flash: code, constants, and the initial values of data."""
        return sum(size for _, content, size in self._kinds() if content)

    @property
    def ram(self) -> int:
        """Bytes of RAM: data and what starts as zero, the stack included where the linker script has one."""
        return sum(size for flags, _, size in self._kinds() if flags & SH_FLAGS.SHF_WRITE)

    @cached_property
    def functions(self) -> Mapping[str, int]:
        """Functions by name: bytes."""
        return {name: size for name, kind, _, size in self._symbols() if kind == "STT_FUNC" and size}

    @cached_property
    def objects(self) -> Mapping[str, int]:
        """Variables and constants by name: bytes."""
        return {name: size for name, kind, _, size in self._symbols() if kind == "STT_OBJECT" and size}

    def address(self, symbol: str) -> int:
        """Return the address of ``symbol``.

        Raises
        ------
        KeyError
            If there is no such symbol.
        """
        for name, kind, value, _ in self._symbols():
            if name == symbol:
                return value & ~_THUMB_BIT if kind == "STT_FUNC" else value
        raise KeyError(symbol)

    def _kinds(self) -> list[tuple[int, bool, int]]:
        """Return flags, whether it has content, and size of every section that takes memory."""
        return [
            (section["sh_flags"], section["sh_type"] != "SHT_NOBITS", section["sh_size"])
            for section in self._file.iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC
        ]

    def _symbols(self) -> list[tuple[str, str, int, int]]:
        """Return name, kind, value and size of every symbol."""
        table = self._file.get_section_by_name(".symtab")
        if not isinstance(table, SymbolTableSection):
            return []
        return [
            (symbol.name, symbol["st_info"]["type"], symbol["st_value"], symbol["st_size"])
            for symbol in table.iter_symbols()
        ]
