"""Measures the code of the aot engine for each instruction set, and writes edgekit/search/code_sizes.toml."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.boards.cores import get_core
from edgekit.boards.kernels import AotKernels
from edgekit.build.toolchain import Sources, build_part, compile_objects, compiler_version
from edgekit.cli.main import show_error
from edgekit.codegen.aot import engine_folder
from edgekit.errors import EdgekitError
from edgekit.files import write_atomic
from edgekit.search.code_size import CODE_SIZES_FILE

ENGINE = engine_folder()
OPTIMIZE = "-O2"

TARGETS: tuple[tuple[AotKernels, str, tuple[str, ...]], ...] = (
    # kernel set, core that is compiled for, cores that take its figures
    ("portable", "cortex-m3", ("cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33")),
    ("portable", "cortex-m0+", ("cortex-m0+", "cortex-m0")),
    ("portable", "rv32imac", ("rv32imac", "rv32imc", "rv32imafc")),
    ("dsp", "cortex-m4f", ("cortex-m4f", "cortex-m4", "cortex-m7")),
)

HEADER = """\
# Bytes of code of the aot engine's functions, by kernel set and core. Written by `make code-sizes`; do not edit.
#
# `bytes` are symbol sizes, constants included; `calls` names what a function needs beside itself: helpers of its file
# as FUNCTION.HELPER, and other functions of the engine. What is of the C library and the compiler is not counted.
# The first table of a kernel set also serves cores that are in none.

schema = "edgekit.code-sizes/1"
"""


@dataclass
class Measured:
    """Sizes for one kernel set on one core.

    Attributes
    ----------
    sizes:
        Part to bytes.
    calls:
        Function to the other parts that it needs.
    """

    kernels: AotKernels
    cores: tuple[str, ...]
    compiler: str
    flags: str
    sizes: dict[str, int] = field(default_factory=dict)
    calls: dict[str, tuple[str, ...]] = field(default_factory=dict)


def engine_functions() -> tuple[str, ...]:
    """Return the engine's kernels, which are the functions of its header that return nothing."""
    text = (ENGINE / "ek_aot.h").read_text()
    return tuple(sorted(re.findall(r"^void (ek_\w+)\(", text, re.MULTILINE)))


def measure(kernels: AotKernels, core_name: str, cores: tuple[str, ...]) -> Measured:
    """Compile the engine for ``core_name`` and measure every function with what it needs.

    Raises
    ------
    TaskError
        If the compiler is missing or refuses the sources.
    """
    core = get_core(core_name)
    defines = ("EK_PORTABLE",) if kernels == "portable" else ()
    sources = Sources(tuple(sorted(ENGINE.glob("*.c"))), (ENGINE,), defines, optimize=OPTIMIZE)
    result = Measured(kernels, cores, compiler_version(core), " ".join((*core.flags, OPTIMIZE)))
    with tempfile.TemporaryDirectory(prefix="edgekit-sizes-") as folder:
        objects = compile_objects(core, sources, Path(folder))
        parts = {function: build_part(core, objects, (function,)) for function in engine_functions()}
    for function, elf in parts.items():
        needed = []
        for name, size in sorted({**elf.functions, **elf.objects}.items()):
            # The engine's external names begin so; others are a file's own, and another file may have them too.
            part = name if name.startswith("ek_") else f"{function}.{name}"
            result.sizes[part] = size
            if name != function:
                needed.append(part)
        if needed:
            result.calls[function] = tuple(needed)
    return result


def measure_all() -> Iterator[Measured]:
    """Measure every target."""
    for target in TARGETS:
        yield measure(*target)


def render(tables: list[Measured]) -> str:
    """Return the text of the file."""
    lines = [HEADER]
    for table in tables:
        lines += [
            "[[table]]",
            f'kernels = "{table.kernels}"',
            f"cores = [{_quoted(table.cores)}]",
            f'compiler = "{table.compiler}"',
            f'flags = "{table.flags}"',
            "[table.bytes]",
            *(f'"{part}" = {size}' for part, size in sorted(table.sizes.items())),
            "[table.calls]",
            *(f'"{name}" = [{_quoted(parts)}]' for name, parts in sorted(table.calls.items())),
            "",
        ]
    return "\n".join(lines)


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def main() -> int:
    """Measure, write the file and say what came out; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=CODE_SIZES_FILE)
    output: Path = parser.parse_args().output
    try:
        tables = list(measure_all())
        write_atomic(output, render(tables))
    except EdgekitError as error:
        show_error(error)
        return 1
    for table in tables:
        total = sum(table.sizes.values())
        print(
            f"{table.kernels:8} {table.cores[0]:10} {len(table.sizes):3} parts, {total:,} B ({table.compiler})"
        )
    print(f"Written to {output}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
