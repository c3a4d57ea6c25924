"""``edgekit inspect`` and ``edgekit models`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from graphs import followed_by

from edgekit.cli.main import run
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.reader import read_graph
from edgekit.tflite.tflm import tflm_available
from edgekit.tflite.writer import write_model

DOCUMENT = {"schema", "ops", "mult_adds", "arena", "flash", "fits", "problems"}
DOCUMENT_ADDED = {
    "model",
    "board",
    "engine",
    "kernels",
    "peak",
    "plan",
    "latency_ms",
    "binding",
    "tflm_host_arena",
}


@pytest.fixture
def tiny(tiny_model: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_model)
    return path


def inspect(
    capsys: pytest.CaptureFixture[str], path: Path, *args: str, status: int = 0
) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    assert run(["inspect", str(path), *args, "--json"]) == status
    printed = capsys.readouterr()
    document: dict[str, Any] = json.loads(printed.out)
    return document, printed.err


def test_the_document_has_the_keys_of_its_schema(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document, _ = inspect(capsys, tiny)
    assert document["schema"] == "edgekit.inspect/1"
    assert set(document) == DOCUMENT | DOCUMENT_ADDED
    assert document["fits"] is None and document["problems"] == []
    assert [set(op) for op in document["ops"]] == [{"index", "op", "inputs", "outputs", "mult_adds"}] * 6
    assert document["mult_adds"] == sum(op["mult_adds"] for op in document["ops"]) == 972 + 324 + 12


def test_a_board_gets_a_verdict_and_a_limit_can_change_it(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fits, text = inspect(capsys, tiny, "--board", "mps2-an386")
    assert fits["fits"] is True and fits["binding"] == [] and "fits mps2-an386" in text
    small, text = inspect(capsys, tiny, "--board", "mps2-an386", "--ram", "1KB", status=1)
    assert small["fits"] is False and [b["limit"] for b in small["binding"]] == ["ram"]
    assert "does not fit" in text
    assert small["arena"] == fits["arena"]


@pytest.mark.parametrize(("share", "usual", "strict"), [(0.5, 1, 1), (1.02, 0, 1), (50, 0, 0)])
def test_strict_holds_the_upper_bound_to_the_limit(
    share: float, usual: int, strict: int, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["inspect", str(tiny), "--board", "nrf5340dk", "--engine", "aot", "--json"]
    assert run(args) in (0, 1)
    latency = json.loads(capsys.readouterr().out)["latency_ms"]
    limit = ("--max-latency", f"{share * latency['estimate']}ms")
    assert run([*args, *limit]) == usual and run([*args, *limit, "--strict"]) == strict
    assert run(["inspect", str(tiny), "--strict"]) == 2


def test_the_trained_model_shows_its_arena_and_who_is_alive_at_the_peak(
    shared_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shared_models / "vww_96_int8.tflite"
    document, text = inspect(capsys, path, "--board", "mps2-an386", "--kernels", "reference")
    assert document["mult_adds"] == 7_489_664 and len(document["ops"]) == 31
    arena = document["arena"]
    assert (arena["head"], arena["scratch"], arena["tail"]) == (73_728, 0, 26_932)
    assert document["peak"]["bytes"] == sum(b["bytes"] for b in document["peak"]["alive"]) == 55_296
    assert document["model"]["bytes"] == path.stat().st_size
    assert "100,660 B" in text


def test_real_tflite_micro_measures_when_asked(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not tflm_available():
        pytest.skip("the tflite-micro wheel is not installed")
    measured = inspect(capsys, tiny, "--tflm")[0]["tflm_host_arena"]
    assert measured > inspect(capsys, tiny)[0]["arena"]["total"]


@pytest.mark.parametrize("more", [(), ("--tflm",)], ids=["plain", "tflm"])
def test_an_operator_without_a_kernel_is_told_first_and_fails(
    more: tuple[str, ...], tiny_model: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = followed_by(read_graph(tiny_model), "RELU_N1_TO_1")
    path = tmp_path / "odd.tflite"
    path.write_bytes(write_model(graph))
    document, text = inspect(capsys, path, "--board", "mps2-an386", *more, status=1)
    problem = document["problems"][0]
    assert (problem["index"], problem["op"], problem["severity"]) == (6, "RELU_N1_TO_1", "error")
    assert "RELU6" in problem["remedy"] and document["fits"] is False
    assert text.index("RELU_N1_TO_1") < text.index("CONV_2D")


@pytest.mark.parametrize("engine", ["tflm", "aot"])
def test_a_network_on_paper_and_its_file_agree(
    engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "written.tflite"
    path.write_bytes(write_model(network_graph(NetworkSpec("mobilenet_v1", 0.25, 96, 3, 2))))
    document, _ = inspect(capsys, path, "--board", "mps2-an386", "--engine", engine)
    assert document["engine"] == engine
    capsys.readouterr()
    assert run(["fit", "--board", "mps2-an386", "--classes", "2", "--search-only", "--json"]) == 0
    candidates = json.loads(capsys.readouterr().out)["candidates"]
    (paper,) = [
        c
        for c in candidates
        if (c["alpha"], c["resolution"], c["kernels"]) == (0.25, 96, document["kernels"])
    ]
    for key in ("arena", "flash", "latency_ms", "mult_adds"):
        assert document[key] == paper[key]


def test_the_aot_engine_has_figures_of_its_own(
    shared_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shared_models / "vww_96_int8.tflite"
    board = ("--board", "mps2-an386")
    document, text = inspect(capsys, path, *board, "--engine", "aot")
    assert (document["engine"], document["kernels"], document["problems"]) == ("aot", "dsp", [])
    assert document["arena"]["total"] == document["arena"]["required"] == 36_864
    assert document["peak"]["bytes"] <= 36_864 < sum(b["bytes"] for b in document["peak"]["alive"])
    assert "36,864 B" in text and "tail" not in text and "fits mps2-an386" in text
    stock, _ = inspect(capsys, path, *board)
    assert stock["engine"] == "tflm"
    assert document["flash"]["total"] < stock["flash"]["total"]
    engine_and_model = inspect(capsys, path, "--kernels", "dsp")[0]["flash"]["total"]
    assert 230_000 < engine_and_model <= 250_000
    portable, _ = inspect(capsys, path, *board, "--kernels", "portable")
    assert portable["engine"] == "aot" and portable["arena"] == document["arena"]
    assert portable["latency_ms"]["estimate"] > document["latency_ms"]["estimate"]


def test_what_the_aot_engine_cannot_do_is_told_with_a_remedy_and_nothing_is_planned(
    tiny_model: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = followed_by(read_graph(tiny_model), "TANH")
    path = tmp_path / "tanh.tflite"
    path.write_bytes(write_model(graph))
    document, text = inspect(capsys, path, "--board", "mps2-an386", "--engine", "aot", status=1)
    (problem,) = document["problems"]
    assert (problem["index"], problem["op"], problem["severity"]) == (len(graph.ops) - 1, "TANH", "error")
    assert "--engine tflm" in problem["remedy"] and document["fits"] is False
    assert document["arena"] is document["flash"] is document["peak"] is None
    assert "does not fit mps2-an386: an operator cannot run" in text
    assert inspect(capsys, path, "--board", "mps2-an386", "--engine", "tflm")[0]["fits"] is True


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--engine", "aot", "--kernels", "esp_nn"], "The aot engine has no esp_nn kernels"),
        (["--engine", "tflm", "--kernels", "dsp"], "The tflm engine has no dsp kernels"),
        (["--board", "rpi4", "--engine", "aot"], "cannot run the aot engine"),
        (["--board", "rpi4", "--kernels", "portable"], "cannot run the aot engine"),
        (["--board", "esp32s3", "--kernels", "dsp"], "cannot use dsp kernels"),
        (["--board", "mps2-an385", "--engine", "aot", "--kernels", "dsp"], "cannot use dsp kernels"),
        (["--engine", "interpreter"], "interpreter"),
    ],
)
def test_an_engine_with_what_it_does_not_have_is_refused(
    args: list[str], words: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", str(tiny), *args, "--json"]) == 2
    printed = capsys.readouterr()
    assert words in printed.err and "Traceback" not in printed.err and printed.out == ""


def test_the_plan_is_in_the_document_and_drawn_when_asked(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document, text = inspect(capsys, tiny)
    arena, plan = document["arena"], document["plan"]
    assert max(b["offset"] + b["bytes"] for b in plan) == arena["head"] + arena["scratch"]
    assert all((b["tensor"] is None) != (b["op"] is None) and b["first"] <= b["last"] for b in plan)
    assert "address over operators" not in text
    same, text = inspect(capsys, tiny, "--plan")
    assert same == document and "peak: operator" in text and f"tail {arena['tail']:,} B" in text
    picture = tmp_path / "plan.svg"
    same, text = inspect(capsys, tiny, "--plan", str(picture))
    assert same == document and "peak: operator" in text and picture.name in text
    assert ElementTree.parse(picture).findtext("{*}title", "").startswith("tiny.tflite: ")
    aot = inspect(capsys, tiny, "--engine", "aot", "--plan", str(picture))[0]
    assert max(b["offset"] + b["bytes"] for b in aot["plan"]) == aot["arena"]["total"]
    assert "aot engine" in picture.read_text()


@pytest.mark.parametrize("order", ["before", "folder", "unwritable"])
def test_a_picture_that_cannot_be_written_is_told(
    order: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder.svg"
    folder.mkdir()
    args = {
        "before": ["--plan", str(tiny)],
        "folder": [str(tiny), "--plan", str(folder)],
        "unwritable": [str(tiny), "--plan", str(tiny / "plan.svg")],
    }[order]
    content = tiny.read_bytes()
    assert run(["inspect", *args]) == 2
    assert {"before": "after the model", "folder": "is a folder", "unwritable": "Cannot write"}[
        order
    ] in capsys.readouterr().err
    assert tiny.read_bytes() == content


def models(capsys: pytest.CaptureFixture[str], *args: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(["models", "--json", *args]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "edgekit.models/1"
    entries: list[dict[str, Any]] = document["models"]
    keys = {"arch", "alpha", "rho", "resolution", "channels", "classes", "mult_adds", "params"}
    assert all(set(entry) == keys for entry in entries)
    return entries


def test_the_family_is_listed_with_the_papers_figures(capsys: pytest.CaptureFixture[str]) -> None:
    entries = models(capsys)
    assert len(entries) == 3 * 20
    figures = {
        (e["arch"], e["alpha"], e["resolution"]): (e["mult_adds"] / 1e6, e["params"] / 1e6) for e in entries
    }
    for key, expected in {
        ("mobilenet_v1", 1.0, 224): (569, 4.2),
        ("mobilenet_v1", 0.75, 224): (325, 2.6),
        ("shallow_mobilenet_v1", 1.0, 224): (307, 2.9),
        ("conv_mobilenet_v1", 1.0, 224): (4866, 29.3),
        ("mobilenet_v1", 1.0, 192): (418, 4.2),
        ("mobilenet_v1", 1.0, 160): (290, 4.2),
        ("mobilenet_v1", 1.0, 128): (186, 4.2),
    }.items():
        mult_adds, params = figures[key]
        assert mult_adds == pytest.approx(expected[0], abs=1.5), key
        assert params == pytest.approx(expected[1], abs=0.05), key


def test_options_choose_what_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("--arch", "shallow_mobilenet_v1", "--grid", "fine", "--classes", "10", "--channels", "1")
    entries = models(capsys, *args)
    assert len(entries) == 247
    assert {(e["arch"], e["classes"], e["channels"]) for e in entries} == {("shallow_mobilenet_v1", 10, 1)}
    assert run(["models", "--arch", "resnet"]) == 2
