"""Cross compilers: finding them, and turning C sources into an ELF file."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from edgekit.boards.cores import Compiler, Core, get_core
from edgekit.boards.ports import Port
from edgekit.build.elf import Elf
from edgekit.build.process import version_line
from edgekit.errors import TaskError

_TIMEOUT_S: Final = 300
_CXX_LIBRARY: Final = "libstdc++.a"
_COMMON: Final = (
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-g0",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
)
_PART_SCRIPT: Final = """
MEMORY { CODE (rx) : ORIGIN = 0x10000, LENGTH = 256M  RAM (rw) : ORIGIN = 0x20000000, LENGTH = 256M }
SECTIONS
{
  .text : { *(.text .text.*) } > CODE
  .rodata : { *(.rodata .rodata.* .srodata .srodata.*) } > CODE
  .data : { *(.data .data.* .sdata .sdata.*) } > RAM
  .bss (NOLOAD) : { *(.bss .bss.* .sbss .sbss.* COMMON) } > RAM
  /DISCARD/ : { *(.ARM.exidx* .ARM.extab*) }
}
"""


@dataclass(frozen=True, slots=True)
class Sources:
    """What to compile.

    Attributes
    ----------
    files:
        C sources that exist, or what :func:`compile_objects` made of them.
    include:
        Folders to look for headers in.
    defines:
        ``NAME`` or ``NAME=VALUE``.
    texts:
        Further sources and headers by file name, such as generated ones; they are written to the build's folder,
        which is searched for headers as well.
    optimize:
        The level of optimization.
    """

    files: tuple[Path, ...]
    include: tuple[Path, ...] = ()
    defines: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    optimize: str = "-O2"


def find_compiler(core: Core) -> Path:
    """Return the C compiler for ``core``.

    Raises
    ------
    TaskError
        If it is not installed; the hint names the packages.
    """
    return find_gcc(core.compiler, core.name)


def find_cxx_compiler(core: Core) -> Path:
    """Return the C++ compiler for ``core``; its library is there too.

    Raises
    ------
    TaskError
        If either is not installed; the hint names the packages.
    """
    return find_gcc(core.compiler, core.name, cxx=True)


def find_gcc(compiler: Compiler, target: str, *, cxx: bool = False) -> Path:
    """Return the C compiler of a package, or with ``cxx`` the C++ compiler, having looked for its library.

    ``target`` is what it is needed for, for people.

    Raises
    ------
    TaskError
        If it is not installed; the hint names the packages.
    """
    packages = f"{compiler.apt} {compiler.apt_cxx}".strip() if cxx else compiler.apt
    program = compiler.cxx if cxx else compiler.program
    found = shutil.which(program)
    if found is None:
        raise _missing(compiler, f"{'C++ ' if cxx else ''}compiler for {target}, {program},", packages)
    if cxx and not _has_file(Path(found), _CXX_LIBRARY):
        raise _missing(compiler, f"C++ library of {program}", packages)
    return Path(found)


def _missing(compiler: Compiler, what: str, packages: str) -> TaskError:
    return TaskError(
        f"The {what} is not installed.",
        f"Install it: `apt-get install {packages}`, or on macOS `brew install {compiler.brew}`.",
    )


def _has_file(compiler: Path, name: str) -> bool:
    # What the compiler does not find it echoes as it is.
    return _run([str(compiler), f"-print-file-name={name}"], Path.cwd()).strip() != name


def find_binutil(core: Core, name: str) -> Path:
    """Return the program ``name`` of the binutils that the compiler for ``core`` needs itself.

    Raises
    ------
    TaskError
        If the compiler is not installed.
    """
    compiler = find_compiler(core)
    program = compiler.name.removesuffix("gcc") + name
    return Path(shutil.which(program) or compiler.with_name(program))


def compile_nothing(core: Core) -> bytes:
    """Return an object without code for ``core``, which tells what the compiler's options mean.

    Raises
    ------
    TaskError
        If the compiler is missing.
    """
    with tempfile.TemporaryDirectory(prefix="edgekit-build-") as name:
        source, result = Path(name, "nothing.c"), Path(name, "nothing.o")
        source.touch()
        _run([str(find_compiler(core)), *core.flags, "-c", str(source), "-o", str(result)], Path(name))
        return result.read_bytes()


def compiler_version(core: Core) -> str:
    """Return what the compiler says of itself: ``"arm-none-eabi-gcc (...) 12.2.1"``."""
    return version_line(find_compiler(core))


def build_program(port: Port, sources: Sources) -> Elf:
    """Compile and link a program for the machine of ``port``, with the port's own sources.

    Raises
    ------
    TaskError
        If the compiler is missing, or what it says when it refuses the sources.
    """
    whole = Sources(
        (*sources.files, *port.sources),
        (*sources.include, port.path.parent),
        (*sources.defines, *port.defines),
        sources.texts,
        sources.optimize,
    )
    link = ("-nostartfiles", f"-L{port.path}", f"-T{port.path / port.script}", "-Wl,--fatal-warnings")
    return _build(get_core(port.core), whole, link)


def build_part(core: Core, sources: Sources, roots: Sequence[str], *, libc: bool = False) -> Elf:
    """Compile ``sources`` and keep what the functions ``roots`` need of them; the result cannot be run.

    It tells how much flash and RAM that part of a program takes, with or without what it calls of the C library.

    Raises
    ------
    TaskError
        As :func:`build_program`.
    """
    link = ["-nostartfiles", "-Wl,--entry=0", *(f"-Wl,--undefined={root}" for root in roots), "-Tpart.ld"]
    link += [] if libc else ["-nodefaultlibs", "-Wl,--unresolved-symbols=ignore-all"]
    return _build(core, replace(sources, texts={**sources.texts, "part.ld": _PART_SCRIPT}), link)


def compile_objects(core: Core, sources: Sources, folder: Path) -> Sources:
    """Compile ``sources`` to objects in ``folder``, and return these: they can be linked several times.

    Raises
    ------
    TaskError
        As :func:`build_program`.
    """
    if sources.texts:
        raise ValueError("only sources that exist can be compiled apart")
    _run([*_compile_command(core, sources), "-c"], folder)
    return replace(sources, files=tuple(folder / f"{path.stem}.o" for path in sources.files))


def _build(core: Core, sources: Sources, link: Sequence[str]) -> Elf:
    with tempfile.TemporaryDirectory(prefix="edgekit-build-") as name:
        folder = Path(name)
        for text_name, text in sources.texts.items():
            (folder / text_name).write_text(text, encoding="utf-8")
        written = tuple(folder / name for name in sources.texts if name.endswith(".c"))
        whole = replace(sources, files=(*sources.files, *written), include=(*sources.include, folder))
        elf = folder / "program.elf"
        last = ("-Wl,--gc-sections", "-Wl,--build-id=none", "-o", str(elf))
        _run([*_compile_command(core, whole), *link, *last], folder)
        return Elf(elf.read_bytes())


def _compile_command(core: Core, sources: Sources) -> list[str]:
    compiler = find_compiler(core)
    return [
        str(compiler),
        *core.flags,
        *_library(core, compiler),
        *_COMMON,
        sources.optimize,
        *(f"-D{define}" for define in sources.defines),
        *(f"-I{path}" for path in sources.include),
        *map(str, sources.files),
    ]


def _library(core: Core, compiler: Path) -> list[str]:
    specs = core.compiler.specs
    return [f"--specs={specs}"] if specs and _has_file(compiler, specs) else []


def _run(command: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TaskError(
            f"{Path(command[0]).name} did not finish within {_TIMEOUT_S} s.", "Try again on a calmer machine."
        ) from error
    if done.returncode:
        raise TaskError(
            f"{Path(command[0]).name} could not build the program.",
            "What the compiler says is below; if the code is edgekit's own, report it.",
            (done.stderr or done.stdout).strip().splitlines()[-30:],
        )
    return done.stdout
