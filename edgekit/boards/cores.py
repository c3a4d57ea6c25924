"""The cores that edgekit compiles for, and what the compiler has to be told about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from edgekit.errors import InputError

Family = Literal["arm", "riscv"]


@dataclass(frozen=True, slots=True)
class Compiler:
    """A cross compiler.

    Attributes
    ----------
    program:
        Its name, looked for on the path.
    apt, brew:
        What installs it, for people.
    apt_cxx:
        What of apt adds the C++ library; empty where there is none for it.
    specs:
        Selects the C library where the compiler comes without one; others have it built in.
    """

    program: str
    apt: str
    brew: str
    apt_cxx: str = ""
    specs: str = ""

    @property
    def cxx(self) -> str:
        """The C++ compiler of the same package."""
        return self.program.removesuffix("gcc") + "g++"


COMPILERS: Final[Mapping[Family, Compiler]] = {
    "arm": Compiler(
        "arm-none-eabi-gcc",
        "gcc-arm-none-eabi libnewlib-arm-none-eabi",
        "--cask gcc-arm-embedded",
        apt_cxx="libstdc++-arm-none-eabi-newlib",
    ),
    "riscv": Compiler(
        "riscv64-unknown-elf-gcc",
        "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
        "riscv-software-src/riscv/riscv-gnu-toolchain",
        specs="picolibc.specs",
    ),
}


@dataclass(frozen=True, slots=True)
class Core:
    """One core.

    Attributes
    ----------
    name:
        As board profiles have it: ``"cortex-m4f"``.
    family:
        Which compiler it takes.
    flags:
        What selects the core's instruction set and calling convention.
    """

    name: str
    family: Family
    flags: tuple[str, ...]

    @property
    def compiler(self) -> Compiler:
        """The compiler it takes."""
        return COMPILERS[self.family]


def _arm(name: str, cpu: str, fpu: str | None = None) -> Core:
    """Return a Cortex-M; ``fpu`` is ``None`` without one, ``"auto"`` where the CPU's name implies it."""
    flags = [f"-mcpu={cpu}", "-mthumb", f"-mfloat-abi={'hard' if fpu else 'soft'}"]
    if fpu:
        flags.append(f"-mfpu={fpu}")
    return Core(name, "arm", tuple(flags))


def _riscv(isa: str, abi: str) -> Core:
    # Without Zicsr, which GCC 12 has no variant of the C library for; what needs it says so in its assembly.
    return Core(isa, "riscv", (f"-march={isa}", f"-mabi={abi}", "-mcmodel=medany"))


CORES: Final[Mapping[str, Core]] = {
    core.name: core
    for core in (
        _arm("cortex-m0+", "cortex-m0plus"),
        _arm("cortex-m3", "cortex-m3"),
        _arm("cortex-m4f", "cortex-m4", "fpv4-sp-d16"),
        _arm("cortex-m7", "cortex-m7", "fpv5-d16"),
        _arm("cortex-m33", "cortex-m33", "fpv5-sp-d16"),
        _arm("cortex-m55", "cortex-m55", "auto"),
        _riscv("rv32imac", "ilp32"),
        _riscv("rv32imc", "ilp32"),
        _riscv("rv32imafc", "ilp32f"),
    )
}


def get_core(name: str) -> Core:
    """Return the core ``name``.

    Raises
    ------
    InputError
        If edgekit has no compiler flags for it.
    """
    try:
        return CORES[name]
    except KeyError:
        raise InputError(
            f"edgekit has no compiler settings for the core {name}.", f"It knows {', '.join(CORES)}."
        ) from None
