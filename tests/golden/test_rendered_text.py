"""Rendered projects against committed text; ``pytest --update-golden`` writes that text anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rendering import aot_variant, make_board, run
from tiny import TINY_MODEL, tiny_graph

from edgekit import __version__
from edgekit.codegen.project import ProjectSpec, render_project
from edgekit.codegen.resolver import Registration
from edgekit.tflite.operators import ADD_METHODS, CMSIS_NN_INT8
from edgekit.tflite.reader import read_graph
from edgekit.tflite.writer import write_model

EXPECTED = Path(__file__).parent / "expected"


def variant(spec: ProjectSpec, name: str) -> ProjectSpec:
    """Return the specification of a committed project."""
    if name == "esp_nn":
        board = make_board(sdk={"framework": "esp_idf"})
        return replace(spec, board=board, kernels="esp_nn_s3", labels=(), latency=None)
    if name == "zephyr":
        board = make_board(name="nucleo-l4r5zi", sdk={"framework": "zephyr"})
        return replace(spec, board=board)
    if name == "arduino":
        board = make_board(name="nucleo-h743zi", sdk={"framework": "arduino"})
        return aot_variant(replace(spec, board=board))
    if name == "platformio":
        board = make_board(name="nano33ble", sdk={"framework": "platformio"})
        return replace(spec, board=board)
    # A board that edgekit has a port to, so that CMake's files are among the text.
    ported = replace(spec, board=make_board(name="mps2-an386"))
    if name == "aot":
        return aot_variant(ported)
    if name == "linux":
        board = make_board(linux=True, sdk={"framework": "linux"})
        return replace(spec, board=board, kernels="xnnpack")
    assert name == "cmsis_nn"
    return ported


def replace_arena(spec: ProjectSpec, total: int) -> ProjectSpec:
    """Return ``spec`` with another predicted arena."""
    return replace(spec, arena=spec.arena.model_copy(update={"total": total}))


def golden_text(files: Mapping[str, bytes | str]) -> dict[str, str]:
    """Return the text files, without what changes with edgekit's version, its firmware or the zip format's writer."""
    texts = {path: content for path, content in files.items() if isinstance(content, str)}
    firmware = [path for path in texts if path.startswith("src/") and not path.startswith("src/model/")]
    record = json.loads(texts["project.json"])
    for path in firmware:
        del texts[path], record["files"][path]
    if "src/model/settings.c" in texts:
        settings = texts["src/model/settings.c"].replace(f'"{__version__} ', '"VERSION ')
        texts["src/model/settings.c"] = settings
        record["files"]["src/model/settings.c"] = hashlib.sha256(settings.encode()).hexdigest()
    texts["project.json"] = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    npz = files["golden.npz"]
    assert isinstance(npz, bytes)
    record = texts["project.json"].replace(hashlib.sha256(npz).hexdigest(), "SHA-256 OF golden.npz")
    for ending in ('"', " "):
        record = record.replace(f'": "{__version__}{ending}', f'": "VERSION{ending}')
    texts["project.json"] = record
    return texts


def test_the_tiny_model_is_what_its_builder_describes() -> None:
    committed, built = read_graph(TINY_MODEL.read_bytes()), read_graph(write_model(tiny_graph()))
    assert committed == built
    for ours, theirs in zip(committed.tensors, built.tensors, strict=True):
        np.testing.assert_array_equal(ours.values(), theirs.values())


@pytest.mark.parametrize("name", ["cmsis_nn", "esp_nn", "aot", "linux", "zephyr", "arduino", "platformio"])
def test_rendered_projects_equal_the_committed_ones(
    name: str, tiny_spec: ProjectSpec, pytestconfig: pytest.Config
) -> None:
    texts = golden_text(render_project(variant(tiny_spec, name)))
    folder = EXPECTED / name
    if pytestconfig.getoption("--update-golden"):
        for old in folder.rglob("*"):
            if old.is_file():
                old.unlink()
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())
    committed = {
        str(p.relative_to(folder)): p.read_bytes().decode() for p in folder.rglob("*") if p.is_file()
    }
    assert sorted(texts) == sorted(committed), "other files; see --update-golden"
    for path, text in texts.items():
        assert text == committed[path], f"{name}/{path} differs; see --update-golden"


def test_rendering_twice_gives_the_same_bytes(tiny_spec: ProjectSpec) -> None:
    assert render_project(tiny_spec) == render_project(replace(tiny_spec))


def test_rendered_text_names_no_folder_and_is_tidy(tiny_spec: ProjectSpec) -> None:
    for path, text in golden_text(render_project(tiny_spec)).items():
        for word in (str(Path(__file__).parents[2]), "\r", "\t", " \n"):
            assert word not in text, (path, word)
        assert text.endswith("\n") and not text.endswith("\n\n"), path


def test_the_record_lists_every_file_with_its_digest(tiny_spec: ProjectSpec) -> None:
    files = render_project(tiny_spec)
    record = json.loads(files.pop("project.json"))
    digests = {
        path: hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
        for path, content in files.items()
    }
    assert record["files"] == digests


def test_rendered_cpp_is_formatted(
    tiny_spec: ProjectSpec, unpack: Callable[[Mapping[str, bytes | str]], Path], clang_format: list[str]
) -> None:
    for name in ("cmsis_nn", "esp_nn", "aot"):
        folder = unpack(render_project(variant(tiny_spec, name)))
        run(*clang_format, "--dry-run", "-Werror", *sorted((folder / "src/model").glob("*.*[ch]")))


def test_the_engine_is_rendered_as_it_is(tiny_spec: ProjectSpec) -> None:
    files = render_project(variant(tiny_spec, "aot"))
    folder = Path(__file__).parents[2] / "firmware" / "engine" / "aot"
    sources = {path.name: path.read_text() for path in folder.iterdir() if path.suffix in (".c", ".h")}
    prefix = "src/engine/aot/"
    assert sources == {p.removeprefix(prefix): text for p, text in files.items() if p.startswith(prefix)}


def test_an_arena_that_is_not_the_plans_is_refused(tiny_spec: ProjectSpec) -> None:
    spec = variant(tiny_spec, "aot")
    arena = replace_arena(spec, spec.arena.total - 16)
    with pytest.raises(ValueError, match="arena of"):
        render_project(arena)


def test_the_longest_registration_is_formatted(
    tiny_spec: ProjectSpec, tmp_path: Path, clang_format: list[str]
) -> None:
    from edgekit.codegen.environment import render

    registrations = [
        Registration(op, method, f"Register_{op}_INT8" if op in CMSIS_NN_INT8 else "")
        for op, method in ADD_METHODS.items()
    ]
    for suffix in ("h", "cc"):
        text = render(f"model/op_resolver.{suffix}.j2", {"registrations": registrations})
        (tmp_path / f"op_resolver.{suffix}").write_text(text)
    run(*clang_format, "--dry-run", "-Werror", *tmp_path.iterdir())


def test_a_misformatted_file_is_found(tmp_path: Path, clang_format: list[str]) -> None:
    (tmp_path / "bad.cc").write_text("int  f( ) {return 1;}\n")
    assert run(*clang_format, "--dry-run", "-Werror", tmp_path / "bad.cc", check=False).returncode != 0
