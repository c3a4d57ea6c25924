"""``edgekit export``: the build folder of a finished int8 model, for either engine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from command_line import contents, refused
from graphs import followed_by

from edgekit.cli.main import run
from edgekit.codegen.record import load_project
from edgekit.tflite.reader import read_graph
from edgekit.tflite.writer import write_model

BOARD = ("--board", "mps2-an386")


@pytest.fixture
def model(tiny_model: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_model)
    return path


def test_the_aot_folder_compiles_as_its_readme_says_and_passes_the_bench(model: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    assert run(["export", str(model), *BOARD, "--engine", "aot", "-o", str(build)]) == 0
    project = load_project(build)
    assert (project.engine, project.kernels, project.plan) == ("aot", "dsp", "overlap")
    assert project.arena_bytes == project.arena.total
    sources = build / "src" / "model"
    (command,) = re.findall(r"```sh\n(.+?)\n```", (sources / "README.md").read_text(), re.DOTALL)
    subprocess.run(["sh", "-ec", command], cwd=sources, check=True, timeout=120)
    assert (sources / "model.o").exists() and (sources / "ek_depthwise.o").exists()
    assert run(["bench", "--port", "host", "--build", str(build)]) == 0


def test_another_engine_takes_the_place_of_the_first_and_leaves_nothing_of_it(
    model: Path, tmp_path: Path
) -> None:
    build, fresh = tmp_path / "build", tmp_path / "fresh"
    assert run(["export", str(model), *BOARD, "--engine", "aot", "-o", str(build)]) == 0
    (build / "fit.json").write_text("{}")
    for folder in (build, fresh):
        assert run(["export", str(model), *BOARD, "-o", str(folder)]) == 0
    assert load_project(build).engine == "tflm"
    assert contents(build) == contents(fresh)
    assert "src/model/model_data.cc" in contents(build) and "src/model/model.c" not in contents(build)


@pytest.mark.parametrize(("kind", "engine"), [("TANH", "aot"), ("RELU_N1_TO_1", "tflm")])
def test_an_operator_that_the_engine_has_not_is_refused_and_nothing_is_written(
    kind: str, engine: str, tiny_model: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.tflite"
    path.write_bytes(write_model(followed_by(read_graph(tiny_model), kind)))
    build = tmp_path / "build"
    args = ("export", path, *BOARD, "--engine", engine, "-o", build)
    refused(capsys, *args, words=f"Operator 6 ({kind}) cannot run with the {engine} engine")
    assert not build.exists()


@pytest.mark.parametrize("command", ["export", "fit"])
def test_a_framework_without_a_project_for_the_board_is_refused(
    model: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    build = tmp_path / "build"
    arguments = [command, *([str(model)] if command == "export" else []), *BOARD, "-o", str(build)]
    assert run([*arguments, "--framework", "esp_idf"]) == 2
    said = capsys.readouterr().err
    assert "no esp_idf project" in said and "bare_metal" in said
    assert not build.exists()


def test_a_model_that_does_not_fit_is_written_and_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = tmp_path / "build"
    assert run(["export", str(model), *BOARD, "--ram", "1KB", "-o", str(build)]) == 1
    assert "does not fit mps2-an386" in capsys.readouterr().err
    assert load_project(build).arena_bytes > 1024


def test_what_is_no_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "export", tmp_path / "none.tflite", *BOARD, words="none.tflite")
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(b"TFL3" * 9)
    refused(capsys, "export", damaged, *BOARD)
