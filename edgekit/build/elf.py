"""What an ELF file says: sizes by kind of memory, functions, addresses."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection, SymbolTableSection

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


@contextmanager
def _checked(what: str = "This is no whole ELF file") -> Iterator[None]:
    """Say of an error in a file that it is the file's."""
    try:
        yield
    except ELFError as error:
        raise InputError(f"{what}: {error}.", "Build the program again.") from error


class _Entry(NamedTuple):
    """An entry of the symbol table; ``section`` is its section's number, where it lies in one."""

    name: str
    kind: str
    local: bool
    value: int
    bytes: int
    section: int | None


class Elf:
    """A program, linked or still to be linked.

    Parameters
    ----------
    content:
        The file's bytes.

    Raises
    ------
    InputError
        If it is no ELF file; also later, when what is asked for is damaged.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        with _checked("This is no ELF file"):
            self._file = ELFFile(io.BytesIO(content))

    @cached_property
    def sections(self) -> Mapping[str, int]:
        """Sections that take memory on the target, by name: bytes."""
        return {section.name: section.bytes for section in self.placed}

    @cached_property
    def placed(self) -> tuple[Section, ...]:
        """The same sections, with their addresses."""
        with _checked():
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
        for entry in self._entries:
            if entry.kind == "STT_FILE":
                file = entry.name
            if entry.kind not in _SIZED or not entry.bytes or entry.section is None:
                continue
            with _checked():
                section = self._file.get_section(entry.section)
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                symbol = Symbol(
                    entry.name,
                    file if entry.local else "",
                    section.name,
                    entry.bytes,
                    section["sh_type"] != "SHT_NOBITS",
                    bool(section["sh_flags"] & SH_FLAGS.SHF_WRITE),
                )
                found.setdefault((entry.section, entry.value), symbol)
        return tuple(sorted(found.values(), key=lambda symbol: (-symbol.bytes, symbol.name)))

    @cached_property
    def functions(self) -> Mapping[str, int]:
        """Functions by name: bytes."""
        return self._sizes("STT_FUNC")

    @cached_property
    def objects(self) -> Mapping[str, int]:
        """Variables and constants by name: bytes."""
        return self._sizes("STT_OBJECT")

    @cached_property
    def architecture(self) -> Mapping[str, int]:
        """What of an Arm object has to be equal for two to be linked: core, FPU, how numbers are handed over."""
        with _checked():
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

    def address(self, name: str) -> int | None:
        """Return the address of a symbol; of a variable or constant in C++ by its name in whatever namespace.

        ``None`` if there is no such symbol. In a namespace a name is mangled with its length before and ``E`` after it.
        """
        mangled = f"{len(name)}{name}E"
        for entry in self._entries:
            variable = entry.kind == "STT_OBJECT" and entry.name.startswith("_ZN")
            if entry.name == name or (variable and entry.name.endswith(mangled)):
                return entry.value & ~_THUMB_BIT if entry.kind == "STT_FUNC" else entry.value
        return None

    def _sizes(self, kind: str) -> dict[str, int]:
        return {entry.name: entry.bytes for entry in self._entries if entry.kind == kind and entry.bytes}

    @cached_property
    def _entries(self) -> tuple[_Entry, ...]:
        """The entries of the symbol table; none if there is no table."""
        with _checked():
            table = self._file.get_section_by_name(".symtab")
            if not isinstance(table, SymbolTableSection):
                return ()
            return tuple(
                _Entry(
                    symbol.name,
                    symbol["st_info"]["type"],
                    symbol["st_info"]["bind"] == "STB_LOCAL",
                    symbol["st_value"],
                    symbol["st_size"],
                    index if isinstance(index := symbol["st_shndx"], int) else None,
                )
                for symbol in table.iter_symbols()
            )
