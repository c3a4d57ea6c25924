"""Golden vectors and project.json: written, read back, and refused when damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.boards.catalog import get_board
from edgekit.codegen.golden import golden_to_npz, load_golden, make_golden
from edgekit.codegen.project import ProjectSpec, render_project
from edgekit.codegen.record import PROJECT_FILE, ArenaRecord, changed_files, load_model, load_project
from edgekit.errors import InputError
from edgekit.files import write_all
from edgekit.tflite.graph import Graph, Op, Quantization, Tensor
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.writer import write_model


def softmax_graph(dtype: str = "int8") -> Graph:
    quantization = Quantization((0.125,), (3,)) if dtype == "int8" else None
    result = Quantization((1 / 256,), (-128,)) if dtype == "int8" else None
    tensors = (Tensor(0, (1, 5), dtype, quantization), Tensor(1, (1, 5), dtype, result))
    return Graph(tensors, (Op(0, "SOFTMAX", (0,), (1,), {"beta": 1.0}),), (0,), (1,))


@pytest.fixture(scope="module")
def spec() -> ProjectSpec:
    graph = softmax_graph()
    model = write_model(graph)
    inputs, outputs = make_golden(model, count=3)
    arena = ArenaRecord(head=32, tail=400, scratch=0, total=432, basis="exact")
    board = get_board("esp32s3")
    labels = ("a", "b", "c", "d", "e")
    return ProjectSpec(
        board, "tflm", "esp_nn_s3", "greedy", model, graph, arena, 432, inputs, outputs, labels
    )


@pytest.fixture
def folder(spec: ProjectSpec, tmp_path: Path) -> Path:
    write_all(tmp_path, render_project(spec))
    return tmp_path


def test_golden_outputs_are_the_host_interpreters(spec: ProjectSpec) -> None:
    interpreter = HostInterpreter(spec.model)
    for value, expected in zip(spec.golden_inputs, spec.golden_outputs, strict=True):
        np.testing.assert_array_equal(interpreter.run([value])[0], expected)


def test_golden_inputs_are_given_ones_then_random_ones_then_the_edges(spec: ProjectSpec) -> None:
    given = np.arange(10, dtype=np.int8).reshape(2, 1, 5)
    inputs, outputs = make_golden(spec.model, given, count=5, seed=3)
    assert inputs.shape == outputs.shape == (5, 1, 5)
    np.testing.assert_array_equal(inputs[:2], given)
    assert (inputs[3] == -128).all() and (inputs[4] == 127).all()
    assert len(np.unique(inputs[2])) > 1
    np.testing.assert_array_equal(make_golden(spec.model, given, count=1)[0], given[:1])


def test_golden_vectors_depend_on_the_seed_alone(spec: ProjectSpec) -> None:
    first, again, other = (make_golden(spec.model, count=4, seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    # Fixed on purpose: the bytes must not change with Python's or numpy's version.
    assert make_golden(spec.model, count=1, seed=0)[0].tolist() == [[[-51, 7, 44, -40, 98]]]


def test_golden_inputs_that_do_not_fit_are_refused(spec: ProjectSpec) -> None:
    with pytest.raises(InputError, match=r"int8 \[4\]"):
        make_golden(spec.model, np.zeros((1, 4), np.int8))
    with pytest.raises(ValueError):
        make_golden(spec.model, count=0)
    with pytest.raises(InputError, match="float32"):
        make_golden(write_model(softmax_graph("float32")))


def test_a_project_reads_back_as_it_was_written(spec: ProjectSpec, folder: Path) -> None:
    project = load_project(folder)
    assert project.board == "esp32s3" and project.framework == "esp_idf" and project.labels == spec.labels
    assert project.arena == spec.arena and project.input.offset == -128 and project.input.shape == (1, 5)
    assert project.latency_ms is None
    assert project.to_json() == (folder / PROJECT_FILE).read_text()
    assert load_model(folder, project) == spec.model
    assert changed_files(folder, project) == ()
    inputs, outputs = load_golden(folder)
    np.testing.assert_array_equal(inputs, spec.golden_inputs)
    np.testing.assert_array_equal(outputs, spec.golden_outputs)


def test_changed_and_missing_files_are_found(folder: Path) -> None:
    project = load_project(folder)
    (folder / "labels.txt").unlink()
    (folder / "src/model/model_data.h").write_text("changed\n")
    assert changed_files(folder, project) == ("labels.txt", "src/model/model_data.h")
    (folder / "model.tflite").write_bytes((folder / "model.tflite").read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="not the model"):
        load_model(folder, project)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        document = json.loads(text)
        change(document)
        return json.dumps(document)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[: len(text) // 2], "not JSON"),
        (lambda text: "", "not JSON"),
        (lambda text: "[" * 100_000, "not JSON"),
        (lambda text: "[]", "schema None"),
        (edited(lambda d: d.update(schema="edgekit.project/2")), "edgekit.project/2"),
        (edited(lambda d: d.pop("board")), "board"),
        (edited(lambda d: d.update(surprise=1)), "surprise"),
        (edited(lambda d: d["model"].update(file="../../etc/passwd")), "inside the folder"),
        (edited(lambda d: d["model"].update(file="/etc/passwd")), "inside the folder"),
        (edited(lambda d: d["files"].update({"../x": "0" * 64})), "inside the folder"),
        (edited(lambda d: d["input"].update(scale="much")), "input.scale"),
        (edited(lambda d: d["input"].update(scale=float("nan"))), "input.scale"),
        (edited(lambda d: d.update(kernels="own")), "kernels"),
    ],
)
def test_a_damaged_record_is_refused_with_a_reason(
    edit: Callable[[str], str], message: str, folder: Path
) -> None:
    path = folder / PROJECT_FILE
    path.write_text(edit(path.read_text()))
    with pytest.raises(InputError, match=message) as caught:
        load_project(folder)
    assert str(path) in caught.value.message and caught.value.hint


def test_a_folder_without_a_record_is_not_a_build_folder(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing", tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="not a build folder"):
            load_project(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"not a zip", golden_to_npz(np.zeros((2, 1), np.int8), np.zeros((1, 1), np.int8))],
)
def test_damaged_golden_vectors_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "golden.npz").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        load_golden(tmp_path)


def test_golden_vectors_that_would_run_code_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "golden.npz", inputs=np.array([object()]), outputs=np.zeros(1, np.int8))
    with pytest.raises(InputError, match="damaged"):
        load_golden(tmp_path)


def test_equal_golden_vectors_make_equal_files(spec: ProjectSpec) -> None:
    assert golden_to_npz(spec.golden_inputs, spec.golden_outputs) == golden_to_npz(
        spec.golden_inputs.copy(), spec.golden_outputs.copy()
    )


def test_specifications_that_contradict_the_model_are_refused(spec: ProjectSpec) -> None:
    with pytest.raises(InputError, match="2 labels for a model with 5 outputs"):
        replace(spec, labels=("a", "b"))
    with pytest.raises(InputError, match="not text"):
        replace(spec, labels=("a", "b", "c", "d", "\0"))
    with pytest.raises(InputError, match="float32"):
        replace(spec, graph=softmax_graph("float32"))
    with pytest.raises(InputError, match="no scale"):
        tensors = (replace(spec.graph.input, quantization=None), spec.graph.output)
        replace(spec, graph=replace(spec.graph, tensors=tensors))
    with pytest.raises(ValueError, match="arena"):
        replace(spec, arena_bytes=431)
    with pytest.raises(ValueError, match="golden"):
        replace(spec, golden_inputs=spec.golden_inputs[:, :, :4])
    with pytest.raises(ValueError, match="golden"):
        replace(spec, golden_outputs=spec.golden_outputs[:2])


def test_a_label_with_a_line_break_stays_on_its_line_in_labels_txt(spec: ProjectSpec) -> None:
    files = render_project(replace(spec, labels=("a\nb", "b", "c", "d", "e")))
    assert files["labels.txt"] == "a b\nb\nc\nd\ne\n"


def test_boards_with_linux_get_no_cpp(spec: ProjectSpec) -> None:
    files = render_project(replace(spec, board=get_board("rpi4"), kernels="xnnpack"))
    assert sorted(files) == ["golden.npz", "labels.txt", "model.tflite", "project.json"]
