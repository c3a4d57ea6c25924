"""A generated model on an emulated microcontroller: ``tests/target/main.c`` around it, and what that reports."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.boards.ports import get_port
from edgekit.build.elf import Elf
from edgekit.build.toolchain import Sources, build_program
from edgekit.codegen.aot import engine_folder
from edgekit.flash.emulator import get_machine, run_program

TARGET = Path(__file__).parent / "target"
_HEADER = struct.Struct("<I12x")


@dataclass(frozen=True)
class TargetRun:
    """What one program reported.

    Attributes
    ----------
    outputs:
        int8 ``[inputs, output bytes]``.
    instructions:
        Of each inference, one an input.
    ops:
        Index of the .tflite operator and its instructions, in the order of execution, of one more inference.
    stack:
        Bytes of stack that an inference took.
    """

    outputs: NDArray[np.int8]
    instructions: tuple[int, ...]
    ops: tuple[tuple[int, int], ...]
    stack: int


def engine_sources() -> tuple[Path, ...]:
    """Return the C sources of the aot engine."""
    return tuple(sorted(engine_folder().glob("*.c")))


def model_sources(texts: Mapping[str, str], *defines: str) -> Sources:
    """Return the engine with a generated model, without anything around them."""
    return Sources(engine_sources(), (engine_folder(),), defines, texts)


def build_harness(machine: str, texts: Mapping[str, str], *defines: str, core: str = "") -> Elf:
    """Build the program that runs the generated model ``texts`` (``model.c``, ``model.h``) on ``machine``.

    ``core`` compiles for another core than the machine's, one whose code the machine's runs as well.
    """
    model = model_sources(texts, *defines)
    sources = Sources((*model.files, TARGET / "main.c"), model.include, model.defines, model.texts)
    port = get_port(machine)
    return build_program(replace(port, core=core or port.core), sources)


def run_harness(machine: str, program: Elf, inputs: NDArray[np.int8], timeout: float = 300.0) -> TargetRun:
    """Run ``program`` on ``inputs`` (the first axis counts them), as many at a time as fit into its memory."""
    start, end = program.address("ek_spare_start"), program.address("ek_spare_end")
    at_once = (end - start - _HEADER.size) // inputs[0].nbytes
    assert at_once, "not one input fits into the machine's spare memory"
    runs = []
    for first in range(0, len(inputs), at_once):
        some = np.ascontiguousarray(inputs[first : first + at_once], np.int8)
        data = _HEADER.pack(len(some)) + some.tobytes()
        said = run_program(get_machine(machine), program, {start: data}, timeout)
        runs.append(read_report(said, get_machine(machine).instructions_per_tick, len(some)))
    return replace(
        runs[0],
        outputs=np.concatenate([run.outputs for run in runs]),
        instructions=tuple(count for run in runs for count in run.instructions),
    )


def read_report(said: bytes, per_tick: Fraction, count: int) -> TargetRun:
    """Read what the program said; an incomplete report, a fault or a strange line is an error."""
    outputs, instructions, ops, stack, rate, ended = [], [], [], -1, Fraction(0), -1
    for line in said.decode("ascii", "replace").splitlines():
        match line.split():
            case ["rate", top, bottom]:
                rate = Fraction(int(top), int(bottom))
            case ["output", index, ticks, text] if int(index) == len(outputs):
                outputs.append(np.frombuffer(bytes.fromhex(text), np.int8))
                instructions.append(round(int(ticks) * per_tick))
            case ["op", index, ticks]:
                ops.append((int(index), round(int(ticks) * per_tick)))
            case ["stack", size]:
                stack = int(size)
            case ["end", total]:
                ended = int(total)
            case _:
                raise AssertionError(f"the target says {line!r}")
    assert ended == len(outputs) == count, f"the target stopped after {len(outputs)} of {count} outputs"
    assert rate == per_tick, f"the port says {rate} instructions a tick, the emulator {per_tick}"
    return TargetRun(np.stack(outputs), tuple(instructions), tuple(ops), stack)
