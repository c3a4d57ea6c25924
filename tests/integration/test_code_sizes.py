"""The table of the aot engine's code: compiled anew it is the same, and it tells the size of linked programs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from aot_networks import random_network
from aot_target import model_sources

from edgekit.aot.program import lower
from edgekit.aot.sizes import program_sizes
from edgekit.boards.catalog import load_catalog
from edgekit.boards.cores import get_core
from edgekit.boards.kernels import AOT_KERNELS, AotKernels
from edgekit.build.toolchain import build_part
from edgekit.codegen.aot import render_aot
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.search.code_size import CODE_SIZES_FILE, aot_code_bytes, engine_code_bytes
from edgekit.tflite.reader import read_graph
from edgekit.tflite.writer import write_model
from edgekit.tomlfile import load_toml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from code_sizes import TARGETS, engine_functions, measure  # noqa: E402

TABLES: list[dict[str, Any]] = load_toml(CODE_SIZES_FILE, "table of code sizes")["table"]
MEASURED_WITH = "12"
ENTRY_POINTS = ("ek_model_invoke", "ek_model_input", "ek_model_output")


def major(compiler: str) -> str:
    """Return the compiler's major version, from what it says of itself."""
    return re.sub(r"\(.*?\)", "", compiler).split()[1].split(".")[0]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target[0]}-{target[1]}")
def test_the_committed_sizes_are_what_the_compiler_gives(
    target: tuple[AotKernels, str, tuple[str, ...]],
) -> None:
    kernels, core, cores = target
    (committed,) = [t for t in TABLES if (t["kernels"], tuple(t["cores"])) == (kernels, cores)]
    fresh = measure(kernels, core, cores)
    total = sum(fresh.sizes.values())
    assert major(committed["compiler"]) == MEASURED_WITH
    if major(fresh.compiler) != MEASURED_WITH:
        assert sum(committed["bytes"].values()) == pytest.approx(total, rel=0.3)
        return
    again = "run `make code-sizes`"
    assert set(committed["bytes"]) == set(fresh.sizes), again
    assert sum(committed["bytes"].values()) == pytest.approx(total, rel=0.01), again
    for part, size in fresh.sizes.items():
        assert committed["bytes"][part] == pytest.approx(size, rel=0.02, abs=16), f"{part}: {again}"


def test_every_function_of_the_header_is_in_every_table() -> None:
    functions = set(engine_functions())
    assert len(functions) > 10 and {table["kernels"] for table in TABLES} == set(AOT_KERNELS)
    for table in TABLES:
        assert functions <= set(table["bytes"])
        assert set(table["calls"]) <= functions
        assert {part for parts in table["calls"].values() for part in parts} <= set(table["bytes"])


def test_what_two_functions_share_counts_once() -> None:
    one, other = (frozenset({name}) for name in ("ek_conv2d", "ek_pointwise"))
    alone = [engine_code_bytes("portable", "cortex-m3", names) for names in (one, other)]
    assert max(alone) < engine_code_bytes("portable", "cortex-m3", one | other) < sum(alone)


def test_every_board_gets_a_size_and_an_unknown_core_the_nearest() -> None:
    functions = frozenset(engine_functions())
    for board in load_catalog().values():
        for kernels in board.kernels_of("aot"):
            assert 5_000 < engine_code_bytes(kernels, board.core, functions) < 25_000
    nearest = engine_code_bytes("portable", "cortex-m3", functions)
    assert engine_code_bytes("portable", "xtensa-lx7", functions) == nearest
    with pytest.raises(KeyError):
        engine_code_bytes("portable", "cortex-m3", frozenset({"ek_conv3d"}))


@pytest.mark.parametrize(("kernels", "core"), [("dsp", "cortex-m4f"), ("portable", "cortex-m3")])
def test_the_figure_of_a_network_is_that_of_its_linked_program(kernels: AotKernels, core: str) -> None:
    model = write_model(random_network(NetworkSpec("mobilenet_v1", 0.25, 96, 3, 2), seed=1))
    program = lower(read_graph(model))
    linked = build_part(get_core(core), model_sources(render_aot(program)), ENTRY_POINTS)
    sizes = program_sizes(program)
    code = aot_code_bytes(None, kernels, sizes.functions, len(program.calls), program.graph.input.nbytes)
    assert sizes.total + code == pytest.approx(linked.flash, abs=300)
