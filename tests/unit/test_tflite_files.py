"""Reading, slimming and writing .tflite files: nothing that counts changes, and damage is noticed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tflite.Model import Model

from edgekit.errors import InputError
from edgekit.memory.arena import predict_arena
from edgekit.mobilenet.architecture import ARCHS, Arch, NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.check import check_graph
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.reader import read_graph
from edgekit.tflite.slim import slim
from edgekit.tflite.writer import model_size, write_model

TINY_MODEL = Path(__file__).parents[1] / "golden" / "tiny.tflite"
TRAINED = ("vww_96_int8", "vww_96_float", "kws_ref_model", "ad01_int8")


@pytest.fixture(scope="module", params=["tiny", *TRAINED])
def model(request: pytest.FixtureRequest) -> bytes:
    """The tiny network, and trained ones of three kinds, int8 and float."""
    if request.param == "tiny":
        return TINY_MODEL.read_bytes()
    folder: Path = request.getfixturevalue("shared_models")
    return (folder / f"{request.param}.tflite").read_bytes()


def outputs(model: bytes, count: int = 50) -> list[NDArray[np.generic]]:
    """Return the outputs for random inputs, the same ones every time."""
    interpreter = HostInterpreter(model)
    rng = np.random.default_rng(5)
    results = []
    for _ in range(count):
        inputs = [
            rng.integers(-128, 128, port.shape, np.int8)
            if port.dtype == "int8"
            else rng.uniform(-1, 1, port.shape).astype(port.dtype)
            for port in interpreter.inputs
        ]
        results += interpreter.run(inputs)
    return results


def equal(one: list[NDArray[np.generic]], other: list[NDArray[np.generic]]) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def data_places(model: bytes) -> Iterator[tuple[int, int]]:
    """Yield (start, length) of the values of every buffer that has any."""
    root = Model.GetRootAs(model, 0)
    for number in range(root.BuffersLength()):
        buffer = root.Buffers(number)
        if buffer.DataLength():
            yield buffer._tab.Vector(buffer._tab.Offset(4)), buffer.DataLength()


def test_slimming_keeps_every_output_bit_and_is_idempotent(model: bytes) -> None:
    smaller = slim(model)
    assert len(smaller) <= len(model)
    assert smaller[4:8] == b"TFL3"
    assert slim(smaller) == smaller
    assert equal(outputs(model), outputs(smaller))


def test_slimming_makes_trained_models_smaller(shared_models: Path) -> None:
    before = (shared_models / "vww_96_int8.tflite").read_bytes()
    assert len(slim(before)) < 0.85 * len(before)


def test_all_values_stay_aligned_to_16_bytes(model: bytes) -> None:
    smaller = slim(model)
    places = list(data_places(smaller))
    constants = [t for t in read_graph(smaller).tensors if t.constant]
    assert len(places) >= len(constants) > 0
    assert [start % 16 for start, _ in places] == [0] * len(places)


def test_slimming_keeps_the_graph(model: bytes) -> None:
    before, after = read_graph(model), read_graph(slim(model))
    assert [op.kind for op in after.ops] == [op.kind for op in before.ops]
    # A table that is left out means what a table of defaults means.
    assert [{k: v for k, v in op.options.items() if v} for op in after.ops] == [
        {k: v for k, v in op.options.items() if v} for op in before.ops
    ]
    for side in ("inputs", "outputs"):
        old = [before.tensors[i] for i in getattr(before, side)]
        new = [after.tensors[i] for i in getattr(after, side)]
        assert [(t.shape, t.dtype, t.quantization) for t in new] == [
            (t.shape, t.dtype, t.quantization) for t in old
        ]


def test_one_changed_weight_changes_the_outputs() -> None:
    model = slim(TINY_MODEL.read_bytes())
    graph = read_graph(model)
    convolution = next(op for op in graph.ops if op.kind == "CONV_2D")
    weights = graph.tensors[convolution.inputs[1]].values()
    start = model.index(weights.tobytes())
    changed = bytearray(model)
    changed[start] ^= 0x40
    assert not equal(outputs(model), outputs(bytes(changed)))


@given(
    st.sampled_from(ARCHS),
    st.floats(0.05, 0.4),
    st.integers(32, 256),
    st.sampled_from([1, 3]),
    st.integers(2, 1500),
)
@settings(max_examples=40, deadline=None)
def test_the_size_of_a_file_is_known_before_it_is_written(
    arch: Arch, alpha: float, resolution: int, channels: int, classes: int
) -> None:
    graph = network_graph(NetworkSpec(arch, alpha, resolution, channels, classes))
    written = write_model(graph)
    assert model_size(graph) == len(written)
    assert [start % 16 for start, _ in data_places(written)] == [0] * sum(t.constant for t in graph.tensors)


def test_what_is_written_is_what_is_read() -> None:
    graph = network_graph(NetworkSpec("mobilenet_v1", 0.25, 96, 3, 10))
    again = read_graph(write_model(graph))
    assert [(t.shape, t.dtype, t.constant) for t in again.tensors] == [
        (t.shape, t.dtype, t.constant) for t in graph.tensors
    ]
    assert [(op.kind, op.inputs, op.outputs, op.version) for op in again.ops] == [
        (op.kind, op.inputs, op.outputs, op.version) for op in graph.ops
    ]
    assert (again.inputs, again.outputs) == (graph.inputs, graph.outputs)


def damaged(model: bytes, seed: int) -> bytes:
    """Return ``model`` cut off, with some bits flipped, or with some bytes replaced."""
    generator = random.Random(seed)
    if seed % 3 == 0:
        return model[: generator.randrange(len(model))]
    content = bytearray(model)
    for _ in range(generator.randint(1, 12)):
        place = generator.randrange(len(content))
        content[place] = (
            content[place] ^ 1 << generator.randrange(8) if seed % 3 == 1 else generator.randrange(256)
        )
    return bytes(content)


def test_damage_ends_in_an_input_error_or_in_a_graph() -> None:
    model = TINY_MODEL.read_bytes()
    refused = 0
    for seed in range(500):
        try:
            graph = read_graph(damaged(model, seed))
        except InputError as error:
            assert error.message and error.hint
            refused += 1
            continue
        # What the reader lets through must be safe for all that comes after it.
        check_graph(graph)
        predict_arena(graph, "cmsis_nn_dsp", "cortex-m4f")
    assert 250 < refused < 500


def test_slimming_a_damaged_file_ends_in_an_input_error_or_in_a_file() -> None:
    model = TINY_MODEL.read_bytes()
    for seed in range(500):
        try:
            slim(damaged(model, seed))
        except InputError as error:
            assert error.message and error.hint


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", b"\0\0\0\0TFL3", b"\x1c\0\0\0TFL3", b"\xff" * 4 + b"TFL3" * 9]
)
def test_a_header_alone_is_refused(content: bytes) -> None:
    with pytest.raises(InputError):
        read_graph(content)
