"""Specifications to render from, and commands to compile with, for the tests of rendered code."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.aot.plan import plan_program
from edgekit.aot.program import lower
from edgekit.boards.profile import BoardProfile, Limits, MemoryRegion, Sdk
from edgekit.codegen.golden import make_golden
from edgekit.codegen.project import ProjectSpec
from edgekit.codegen.record import ArenaRecord, BudgetRecord, ImageSizeRecord, LatencyRecord
from edgekit.tflite.reader import read_graph

STRICT = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-Wconversion", "-Wshadow"]
STRICT_C = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-Wshadow"]

LABELS = ("cat", 'quote " back\\slash', "line\nbreak ??= ?? \u00e9\u2713\U0001f600 1")


def make_board(**changes: Any) -> BoardProfile:
    """Return a board that no catalog has, so that golden files do not change with the catalog."""
    sdk: dict[str, Any] = {
        "framework": "bare_metal",
        "name": "none",
        "tflm_package": "own",
        "tflm_release": "1",
        "tflm_source": "x",
    }
    sdk |= changes.pop("sdk", {})
    values: dict[str, Any] = {
        "name": "golden-board",
        "title": "Golden Board",
        "mcu": "none",
        "core": "cortex-m4f",
        "clock_mhz": 100,
        "simd": "DSP",
        "kernels": ("cmsis_nn_dsp", "reference"),
        "memory": (
            MemoryRegion(name="sram", kind="sram", total=65536, source="x", arena=True),
            MemoryRegion(name="flash", kind="flash", total=1 << 20, source="x"),
        ),
        "flash_method": "qemu",
        "limits": Limits(latency_ms=1000.0),
        "sources": ("x",),
    }
    return BoardProfile(**(values | changes), sdk=Sdk(**sdk))


def make_spec(model: bytes, **changes: Any) -> ProjectSpec:
    """Return a specification for ``model`` with figures made up for the test."""
    inputs, outputs = make_golden(model, count=4, seed=1)
    values: dict[str, Any] = {
        "board": make_board(),
        "engine": "tflm",
        "kernels": "cmsis_nn_dsp",
        "plan": "greedy",
        "arena": ArenaRecord(head=160, tail=2412, scratch=112, total=2572, basis="exact"),
        "arena_bytes": 2688,
        "golden_inputs": inputs,
        "golden_outputs": outputs,
        "latency": LatencyRecord(estimate=1.25, low=1.0, high=1.5, basis="estimated"),
        "flash": ImageSizeRecord(model=2016, code=40000, total=42016, basis="estimated"),
        "budget": BudgetRecord(ram_bytes=65536, ram_reserved=0, flash_bytes=1 << 20),
    }
    return ProjectSpec(model=model, graph=read_graph(model), **(values | changes))


def aot_variant(spec: ProjectSpec) -> ProjectSpec:
    """Return ``spec`` for the aot engine, with the arena that its plan takes."""
    plan = plan_program(lower(spec.graph))
    arena = ArenaRecord(head=plan.activations, tail=0, scratch=plan.scratch, total=plan.total, basis="exact")
    return replace(spec, engine="aot", kernels="dsp", plan="overlap", arena=arena, arena_bytes=arena.total)


def compilers() -> list[str]:
    """Return the C++ compilers for this host that are installed."""
    return [name for name in ("g++", "clang++") if shutil.which(name)]


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command and show what it said when it fails."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert not check or result.returncode == 0, (
        f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}"
    )
    return result
