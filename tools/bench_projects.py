"""How long the project of a framework takes to render, and whether it is the same each time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench_rows import Row, print_rows
from bench_vww import vww
from rich.console import Console

from edgekit.aot.plan import plan_program
from edgekit.aot.program import lower
from edgekit.boards.catalog import get_board, load_catalog
from edgekit.boards.profile import BoardProfile
from edgekit.codegen.frameworks import FRAMEWORKS, frameworks_of
from edgekit.codegen.project import ProjectSpec, render_project
from edgekit.codegen.record import ArenaRecord
from edgekit.memory.arena import predict_arena
from edgekit.tflite.reader import read_graph

LIMIT_S = 0.3
TRIES = 3


def project_section(console: Console, models: Path) -> list[Row]:
    """Print how long projects take to render, for every framework, and return the rows."""
    name, model = vww(models)
    return print_rows(console, f"Projects of {name}, rendered {TRIES} times each", project_rows(model))


def project_rows(model: bytes) -> Iterator[Row]:
    """Render the project of each framework for all of its boards and engines; a row tells of the slowest."""
    base = tflm_spec(get_board("mps2-an386"), model)
    bases = {"tflm": base, "aot": _aot_spec(base)}
    for framework, of in FRAMEWORKS.items():
        slowest, count, same, files = 0.0, 0, True, 0
        for board in load_catalog().values():
            for engine in board.engines:
                if framework not in frameworks_of(board, engine):
                    continue
                kernels = board.kernels_of(engine)[0]
                spec = replace(bases[engine], board=board, kernels=kernels, framework=framework)
                results, seconds = [], []
                for _ in range(TRIES):
                    start = time.perf_counter()
                    results.append(render_project(spec))
                    seconds.append(time.perf_counter() - start)
                slowest = max(slowest, min(seconds))
                same = same and all(result == results[0] for result in results)
                files = max(files, len(results[0]))
                count += 1
        met = slowest < LIMIT_S and same and count > 0
        note = f"slowest of {count} boards and engines, best of {TRIES}; up to {files} files"
        bytes_are = "the same bytes" if same else "OTHER BYTES"
        yield Row(
            f"project for {of.title}", f"< {LIMIT_S} s, same", f"{slowest:.3f} s, {bytes_are}", met, note
        )


def tflm_spec(board: BoardProfile, model: bytes) -> ProjectSpec:
    """Return what a project of ``model`` for ``board`` with TFLite Micro is rendered from; golden vectors are noise."""
    graph = read_graph(model)
    kernels = board.kernels[0]
    arena = predict_arena(graph, kernels, board.core)
    rng = np.random.default_rng(0)
    return ProjectSpec(
        board=board,
        engine="tflm",
        kernels=kernels,
        plan="greedy",
        model=model,
        graph=graph,
        arena=ArenaRecord(
            head=arena.head, tail=arena.tail, scratch=arena.scratch, total=arena.total, basis=arena.basis
        ),
        arena_bytes=arena.required,
        golden_inputs=rng.integers(-128, 128, (1, *graph.input.shape), np.int8),
        golden_outputs=rng.integers(-128, 128, (1, *graph.output.shape), np.int8),
    )


def _aot_spec(spec: ProjectSpec) -> ProjectSpec:
    plan = plan_program(lower(spec.graph))
    arena = ArenaRecord(head=plan.activations, tail=0, scratch=plan.scratch, total=plan.total, basis="exact")
    return replace(spec, engine="aot", kernels="dsp", plan="overlap", arena=arena, arena_bytes=arena.total)
