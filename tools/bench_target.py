"""The aot engine on emulated microcontrollers: RAM, flash, stack, and instructions of each operator.

Instructions are not cycles, and an emulator keeps no time: these figures compare programs, they tell no milliseconds.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from bench_rows import Row, make_console, print_rows
from bench_vww import MODELS, ROOT, vww
from rich.console import Console
from rich.table import Table

from edgekit.aot.program import lower
from edgekit.boards.cores import get_core
from edgekit.build.toolchain import build_part, compiler_version
from edgekit.cli.main import show_error
from edgekit.codegen.aot import render_aot
from edgekit.errors import EdgekitError
from edgekit.files import write_atomic
from edgekit.latency.work import op_work
from edgekit.tflite.graph import Graph, Op
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.macs import op_mult_adds
from edgekit.tflite.reader import read_graph

sys.path.insert(0, str(ROOT / "tests"))

from aot_networks import random_inputs
from aot_target import TargetRun, build_harness, model_sources, run_harness

INPUTS = 5
CSV_COLUMNS = (
    *("model", "core", "kernels", "op", "operator", "input", "output", "op_class", "steps", "outputs"),
    *("weights", "pixels", "mult_adds", "instructions"),
)
ENTRY_POINTS = ("ek_model_invoke", "ek_model_input", "ek_model_output")


@dataclass(frozen=True)
class Setting:
    """A machine, and the core and code path that are compiled for: mostly the machine's own core."""

    label: str
    machine: str
    core: str
    kernels: str
    defines: tuple[str, ...] = ()


M4F = Setting("M4F", "mps2-an386", "cortex-m4f", "dsp")
M4F_PORTABLE = Setting("M4F portable", "mps2-an386", "cortex-m4f", "portable", ("EK_PORTABLE",))
M3 = Setting("M3", "mps2-an385", "cortex-m3", "portable")
RV32 = Setting("RV32IMAC", "rv32-virt", "rv32imac", "portable")
M0 = Setting("M0+ code on an M3", "mps2-an385", "cortex-m0+", "portable")
M7 = Setting("M7", "mps2-an500", "cortex-m7", "dsp")
M33 = Setting("M33", "mps2-an505", "cortex-m33", "dsp")
M55 = Setting("M55, no MVE kernels", "mps3-an547", "cortex-m55", "dsp")
SHOWN = (M4F, M4F_PORTABLE, M3, RV32)
SETTINGS = (*SHOWN, M0, M7, M33, M55)


@dataclass(frozen=True)
class Goal:
    """What VWW has to reach, what it should reach, and what stock TFLite Micro takes.

    TFLite Micro (2026-08) was measured once with the same compiler and emulator: its arena with reference kernels, its
    flash with CMSIS-NN and int8-only registrations, model included, and instructions with the kernels named.
    """

    must: int
    aim: int
    stock: str


RAM = Goal(38_500, 36_880, "100,660 B")
FLASH = Goal(250_000, 240_000, "388,840 B")
INSTRUCTIONS = {
    M4F: Goal(24_100_000, 15_000_000, "24.1 M with CMSIS-NN, 100.2 M with reference kernels"),
    M3: Goal(50_000_000, 30_000_000, "32.0 M with CMSIS-NN"),
    RV32: Goal(50_000_000, 30_000_000, "109.9 M with reference kernels"),
}
STOCK = {M55: "6.56 M with CMSIS-NN for MVE"}


@dataclass(frozen=True)
class Figures:
    """What was measured of a model.

    Attributes
    ----------
    name:
        The model's.
    graph:
        Its graph.
    runs:
        What each setting reported.
    wrong:
        Outputs that differ from the host interpreter's, over all runs.
    ram:
        Bytes of static RAM of model and engine.
    flash:
        Bytes of code and constants of model and engine on the Cortex-M4F, without the C library.
    constants:
        The constants' share of it.
    libc:
        What the functions of the C library that the engine calls add to it.
    """

    name: str
    graph: Graph
    runs: dict[Setting, TargetRun]
    wrong: int
    ram: int
    flash: int
    constants: int
    libc: int

    def instructions(self, setting: Setting) -> int:
        """Median instructions of an inference."""
        return int(median(self.runs[setting].instructions))


def measure(name: str, model: bytes, settings: Sequence[Setting] = SETTINGS) -> Figures:
    """Build ``model`` for every setting, run it there and compare its outputs with the host interpreter's.

    Raises
    ------
    EdgekitError
        If a compiler or emulator is missing, or the engine does not take the model.
    """
    graph = read_graph(model)
    texts = render_aot(lower(graph))
    inputs = random_inputs(graph.input.shape, INPUTS, seed=1)
    host = HostInterpreter(model)
    outputs = np.stack([host.run([one])[0].reshape(-1) for one in inputs])
    runs = {
        s: run_harness(s.machine, build_harness(s.machine, texts, *s.defines, core=s.core), inputs)
        for s in settings
    }
    wrong = sum(int((run.outputs != outputs).any(axis=1).sum()) for run in runs.values())
    core = get_core(M4F.core)
    part, whole = (build_part(core, model_sources(texts), ENTRY_POINTS, libc=libc) for libc in (False, True))
    constants = part.sections.get(".rodata", 0) + part.sections.get(".data", 0)
    return Figures(name, graph, runs, wrong, part.ram, part.flash, constants, whole.flash - part.flash)


def rows(figures: Figures) -> Iterator[Row]:
    """Return the table of VWW's figures against their targets."""
    compared = len(figures.runs) * INPUTS
    yield Row(
        "outputs that differ from the host interpreter's",
        "0",
        f"{figures.wrong} of {compared}",
        not figures.wrong,
        f"{INPUTS} inputs on {len(figures.runs)} cores and code paths",
    )
    yield _row("static RAM (activations and scratch)", RAM, figures.ram, "B", "arena")
    deepest = max(figures.runs.items(), key=lambda item: item[1].stack)
    note = f"most on {deepest[0].label}; high-water mark of a painted stack"
    yield Row("stack of an inference", "-", f"{deepest[1].stack:,} B", None, note)
    detail = (
        f"code {figures.flash - figures.constants:,} + constants {figures.constants:,} B; the C library's"
        f" functions would add {figures.libc:,} B;"
    )
    yield _row("flash, engine + model, M4F, -O2", FLASH, figures.flash, "B", "", detail)
    for setting in figures.runs:
        metric = f"instructions an inference, {setting.label}"
        goal = INSTRUCTIONS.get(setting)
        count = figures.instructions(setting)
        if goal:
            yield _row(metric, goal, count, "M", "")
        else:
            note = f"stock TFLite Micro {STOCK[setting]}" if setting in STOCK else ""
            yield Row(metric, "-", f"{count / 1e6:.2f} M", None, note)
    ratio = figures.instructions(M4F) / figures.instructions(M4F_PORTABLE)
    note = "the same core, compiler and run: what the DSP extension saves"
    yield Row("M4F, DSP path / portable path", "< 1", f"{ratio:.2f}", ratio < 1, note)


def _row(metric: str, goal: Goal, value: int, unit: str, what: str, detail: str = "") -> Row:
    texts = [f"{n / 1e6:.2f} M" if unit == "M" else f"{n:,} {unit}" for n in (goal.must, goal.aim, value)]
    aim = f"aim {texts[1]}: {'met' if value <= goal.aim else f'+{value / goal.aim - 1:.0%}'}"
    stock = " ".join(part for part in ("stock TFLite Micro", what, goal.stock) if part)
    note = " ".join(part for part in (detail, f"{aim}; {stock}") if part)
    return Row(metric, f"<= {texts[0]}", texts[2], value <= goal.must, note)


def operator_table(figures: Figures, settings: Sequence[Setting] = SHOWN) -> Table:
    """Return instructions, and instructions per Mult-Add, of each operator and class of operators."""
    graph = figures.graph
    table = Table(title=f"Operators of {figures.name}: instructions (per Mult-Add)", title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("operator")
    for column in ("output", "Mult-Adds", *(setting.label for setting in settings)):
        table.add_column(column, justify="right")
    counts = [dict(figures.runs[setting].ops) for setting in settings]
    groups: dict[str, list[Op]] = {}
    for op in graph.ops:
        if op.index in counts[0]:
            groups.setdefault(op_work(graph, op).op_class, []).append(op)
            macs = op_mult_adds(graph, op)
            cells = [_count(each[op.index], macs) for each in counts]
            table.add_row(str(op.index), _title(graph, op), _shape(graph, op.outputs[0]), f"{macs:,}", *cells)
    table.add_section()
    groups["all"] = [op for ops in groups.values() for op in ops]
    for name, ops in groups.items():
        macs = sum(op_mult_adds(graph, op) for op in ops)
        cells = [_count(sum(each[op.index] for op in ops), macs) for each in counts]
        table.add_row("", f"{name} ({len(ops)})", "", f"{macs:,}", *cells)
    return table


def _count(instructions: int, macs: int) -> str:
    return f"{instructions:,} ({instructions / macs:.2f})" if macs else f"{instructions:,}"


def _shape(graph: Graph, tensor: int) -> str:
    shape = graph.tensors[tensor].shape
    return "x".join(map(str, shape[1:] if len(shape) > 1 else shape))


def _title(graph: Graph, op: Op) -> str:
    """Return the operator with its kernel and stride, if it has them."""
    if "stride_h" not in op.options:
        return op.kind
    weights = graph.tensors[op.inputs[1]].shape if len(op.inputs) > 1 else ()
    window = weights[1:3] if weights else (op.options["filter_height"], op.options["filter_width"])
    return f"{op.kind} {window[0]}x{window[1]}/{op.options['stride_h']}"


def operator_csv(all_figures: Sequence[Figures]) -> str:
    """Return the instructions of every operator on every core as CSV, with the work that the latency model knows."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for figures in all_figures:
        for setting, run in figures.runs.items():
            for index, instructions in run.ops:
                op = figures.graph.ops[index]
                work = op_work(figures.graph, op)
                shapes = [_shape(figures.graph, i) for i in (op.inputs[0], op.outputs[0])]
                row = [figures.name, setting.core, setting.kernels, index, _title(figures.graph, op), *shapes]
                row += [
                    work.op_class,
                    work.steps,
                    work.outputs,
                    work.weights,
                    work.pixels,
                    op_mult_adds(figures.graph, op),
                ]
                writer.writerow([*row, instructions])
    return file.getvalue()


def target_section(console: Console, models: Path) -> list[Row]:
    """Measure VWW, or a network of its shape where it is missing, print the tables and return the rows."""
    figures = measure(*vww(models))
    compiler = compiler_version(get_core(M4F.core))
    title = f"aot engine, {figures.name}, measured: instructions under emulation, not cycles ({compiler})"
    shown = print_rows(console, title, rows(figures))
    console.print(
        "Stock TFLite Micro: as of 2026-08 with the trained VWW model, measured once with GCC 12.2 and QEMU 7.2;"
        " arena of the reference kernels, flash with CMSIS-NN registered for int8 only, model file included."
    )
    console.print(operator_table(figures))
    return shown


def main() -> int:
    """Measure the models that are named, or VWW, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "model", nargs="*", type=Path, help="a .tflite file; VWW with its targets unless given"
    )
    parser.add_argument("--csv", type=Path, help="write the instructions of every operator there")
    arguments = parser.parse_args()
    console = make_console()
    try:
        if not arguments.model and not arguments.csv:
            return 1 if any(row.met is False for row in target_section(console, MODELS)) else 0
        paths = arguments.model or [MODELS / "vww_96_int8.tflite"]
        measured = [measure(path.stem, path.read_bytes()) for path in paths]
        for figures in measured:
            console.print(operator_table(figures))
        if arguments.csv:
            write_atomic(arguments.csv, operator_csv(measured))
    except EdgekitError as error:
        show_error(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
