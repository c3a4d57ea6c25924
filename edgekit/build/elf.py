"""What an ELF file says: sizes by kind of memory, functions, addresses."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection, SymbolTableSection
from elftools.elf.sections import Symbol as Entry

from edgekit.errors import InputError

_THUMB_BIT: Final = 1
_ARCHITECTURE_TAGS: Final = ("TAG_CPU_ARCH", "TAG_FP_ARCH", "TAG_ABI_VFP_ARGS")
_SIZED: Final = ("STT_FUNC", "STT_OBJECT")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function, variable or constant that takes memory.

    Attributes
    ----------
    file:
        The source file where the linker keeps it, which is for names that are private to a file; else empty.
    section:
        The section that it lies in.
    in_flash, in_ram:
        Where it takes memory; a variable with an initial value does in both.
    """

    name: str
    file: str
    section: str
    bytes: int
    in_flash: bool
    in_ram: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A section that takes memory on the target.

    Attributes
    ----------
    address, bytes:
        Where it lies when the program runs.
    writable:
        Whether the program may write to it.
    content:
        Whether the file has its bytes; otherwise it starts as zero.
    """

    name: str
    address: int
    bytes: int
    writable: bool
    content: bool


class Elf:
    """A program, linked or still to be linked.

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
        return {section.name: section.bytes for section in self.placed}

    @cached_property
    def placed(self) -> tuple[Section, ...]:
        """The same sections, with their addresses."""
        return tuple(
            Section(
                section.name,
                section["sh_addr"],
                section["sh_size"],
                bool(section["sh_flags"] & SH_FLAGS.SHF_WRITE),
                section["sh_type"] != "SHT_NOBITS",
            )
            for section in self._file.iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"]
        )

    @property
    def flash(self) -> int:
        """Bytes in flash: code, constants, and the initial values of data."""
        return sum(section.bytes for section in self.placed if section.content)

    @property
    def ram(self) -> int:
        """Bytes of RAM: data and what starts as zero, the stack included where the linker script has one."""
        return sum(section.bytes for section in self.placed if section.writable)

    @property
    def text(self) -> int:
        """Bytes of code and constants; a gap that a linker script keeps in their addresses takes none."""
        return sum(section.bytes for section in self.placed if section.content and not section.writable)

    @property
    def data(self) -> int:
        """Bytes of variables with an initial value, which take flash as well."""
        return self.flash - self.text

    @property
    def bss(self) -> int:
        """Bytes of variables that start as zero, the stack included where the linker script has one."""
        return self.ram - self.data

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """What takes memory and has a name, the largest first; two names of one thing count once."""
        found: dict[tuple[int, int], Symbol] = {}
        file = ""
        for entry in self._entries():
            info, index = entry["st_info"], entry["st_shndx"]
            if info["type"] == "STT_FILE":
                file = entry.name
            if info["type"] not in _SIZED or not entry["st_size"] or not isinstance(index, int):
                continue
            section = self._file.get_section(index)
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                symbol = Symbol(
                    entry.name,
                    file if info["bind"] == "STB_LOCAL" else "",
                    section.name,
                    entry["st_size"],
                    section["sh_type"] != "SHT_NOBITS",
                    bool(section["sh_flags"] & SH_FLAGS.SHF_WRITE),
                )
                found.setdefault((index, entry["st_value"]), symbol)
        return tuple(sorted(found.values(), key=lambda symbol: (-symbol.bytes, symbol.name)))

    @cached_property
    def functions(self) -> Mapping[str, int]:
        """Functions by name: bytes."""
        return {name: size for name, kind, _, size in self._symbols() if kind == "STT_FUNC" and size}

    @cached_property
    def objects(self) -> Mapping[str, int]:
        """Variables and constants by name: bytes."""
        return {name: size for name, kind, _, size in self._symbols() if kind == "STT_OBJECT" and size}

    @cached_property
    def architecture(self) -> Mapping[str, int]:
        """What of an Arm object has to be equal for two to be linked: core, FPU, how numbers are handed over."""
        attributes = self._file.get_section_by_name(".ARM.attributes")
        if not isinstance(attributes, ARMAttributesSection):
            return {}
        return {
            attribute.tag: attribute.value
            for vendor in attributes.iter_subsections()
            for scope in vendor.iter_subsubsections()
            for attribute in scope.iter_attributes()
            if attribute.tag in _ARCHITECTURE_TAGS
        }

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

    def address_of(self, name: str) -> int | None:
        """Return the address of a variable or constant by its name in C or, in whatever namespace, in C++.

        ``None`` if there is no such symbol. In a namespace a name is mangled with its length before and ``E`` after it.
        """
        mangled = f"{len(name)}{name}E"
        return next(
            (
                value
                for symbol, kind, value, _ in self._symbols()
                if kind == "STT_OBJECT"
                and (symbol == name or (symbol.startswith("_ZN") and symbol.endswith(mangled)))
            ),
            None,
        )

    def _symbols(self) -> list[tuple[str, str, int, int]]:
        """Return name, kind, value and size of every symbol."""
        return [
            (symbol.name, symbol["st_info"]["type"], symbol["st_value"], symbol["st_size"])
            for symbol in self._entries()
        ]

    def _entries(self) -> Iterable[Entry]:
        """Return the entries of the symbol table; none if there is no table."""
        table = self._file.get_section_by_name(".symtab")
        return table.iter_symbols() if isinstance(table, SymbolTableSection) else ()
