"""The predicted arena against what TFLite Micro reported on emulated targets, to the byte."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from operators import OPERATORS

from edgekit.boards.kernels import TFLM_KERNELS
from edgekit.memory.arena import Arena, tflm_arena
from edgekit.memory.releases import VERIFIED_RELEASE, Abi
from edgekit.mobilenet.architecture import ARCHS, NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph

TABLE = Path(__file__).parent / "arena_on_target.csv"
LIBRARIES = [kernels for kernels in TFLM_KERNELS if kernels != "xnnpack"]


def rows(source: str) -> Iterator[dict[str, str]]:
    with TABLE.open() as file:
        table = csv.DictReader(line for line in file if not line.startswith("#"))
        yield from (row for row in table if row["model"].startswith(source + "/"))


@cache
def graph_of(model: str, folder: Path | None = None) -> Graph:
    source, _, name = model.partition("/")
    if source == "op":
        return OPERATORS[name]()
    if source == "file":
        assert folder is not None
        return read_graph((folder / f"{name}.tflite").read_bytes())
    arch, alpha, resolution, channels, classes = name.split("/")
    spec = NetworkSpec(
        next(known for known in ARCHS if known == arch),
        float(alpha),
        int(resolution),
        int(channels),
        int(classes),
    )
    return network_graph(spec)


def differences(source: str, folder: Path | None = None) -> list[str]:
    """Return the rows of ``source`` that the prediction misses."""
    wrong = []
    for row in rows(source):
        arena = predict(row, folder)
        expected = (int(row["head"]), int(row["tail"]))
        if (arena.head + arena.scratch, arena.tail) != expected:
            wrong.append(f"{row}: head {arena.head} + {arena.scratch}, tail {arena.tail}")
    return wrong


def predict(row: dict[str, str], folder: Path | None = None) -> Arena:
    kernels = next(known for known in LIBRARIES if known == row["kernels"])
    abi: Abi = "ilp32" if row["abi"] == "ilp32" else "arm32"
    return tflm_arena(graph_of(row["model"], folder), kernels, abi, VERIFIED_RELEASE)


@pytest.mark.parametrize("source", ["net", "op"])
def test_every_prediction_is_exact(source: str) -> None:
    assert {row["kernels"] for row in rows(source)} == set(LIBRARIES)
    assert differences(source) == []


def test_trained_models_are_exact_too(shared_models: Path) -> None:
    assert differences("file", shared_models) == []


@pytest.mark.parametrize(("source", "waste"), [("net", 15), ("op", 240)])
def test_the_required_arena_suffices_and_wastes_little(source: str, waste: int) -> None:
    for row in rows(source):
        required = predict(row).required
        assert 0 <= required - int(row["least"]) <= waste, row


def test_every_operator_of_the_table_is_known() -> None:
    assert {row["model"].partition("/")[2] for row in rows("op")} == set(OPERATORS)
    assert {predict(row).basis for row in rows("op")} == {"exact"}
