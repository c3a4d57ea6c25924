"""``edgekit plan``, and plans in ``export`` and ``inspect``: files, documents, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aot_graphs import GraphBuilder
from aot_networks import random_network
from command_line import refused
from graphs import convolution, tensor
from random_graphs import random_graph

from edgekit.cli.main import run
from edgekit.errors import TaskError
from edgekit.memory.plans import plan_name
from edgekit.memory.rewrite import plan_model
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.search.planning import compare_on_host, planned_content
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.offline import OFFLINE_PLAN, ONLINE, offline_offsets, with_offsets
from edgekit.tflite.reader import read_graph
from edgekit.tflite.slim import slim_graph
from edgekit.tflite.tflm import tflm_available
from edgekit.tflite.writer import write_model


@pytest.fixture(scope="module")
def vww(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileNet 0.25 at 96 px with random weights, as a file."""
    path = tmp_path_factory.mktemp("models") / "vww.tflite"
    path.write_bytes(write_model(random_network(NetworkSpec("mobilenet_v1", 0.25, 96, 3, 2), 0)))
    return path


def document(capsys: pytest.CaptureFixture[str], *args: str | Path, status: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*map(str, args), "--json"]) == status
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.mark.parametrize("plan", ["greedy", "offline", "overlap", "bands"])
@pytest.mark.parametrize("name", ["golden/tiny.tflite", None])
def test_inspect_looks_at_the_very_file_that_plan_writes(
    name: str | None, plan: str, vww: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Path(__file__).parents[1] / name if name else vww
    options = (model, "--kernels", "reference")
    written = document(capsys, "plan", *options, "--plan", plan, "-o", tmp_path / "new.tflite")["written"]
    assert document(capsys, "inspect", *options, "--with-plan", plan)["model"] == written


def test_a_file_with_each_plan_and_its_figures(
    vww: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "planned.tflite"
    found = document(capsys, "plan", vww, "--kernels", "reference", "--plan", "bands", "-o", output)
    assert found["schema"] == "edgekit.plan/1"
    assert set(found) == {
        *(
            "schema",
            "model",
            "board",
            "kernels",
            "plan",
            "before",
            "plans",
            "host",
            "outputs_compared",
            "written",
        )
    }
    heads = {entry["plan"]: entry["arena"]["head"] for entry in found["plans"]}
    assert heads == {"greedy": 73_728, "offline": 55_296, "overlap": 36_880, "bands": 36_880}
    assert [entry["gives"] for entry in found["plans"]] == ["greedy", "offline", "overlap", "overlap"]
    assert [entry["overlaps"] for entry in found["plans"]] == [False, False, True, True]
    assert all(entry["file_bytes"] == output.stat().st_size for entry in found["plans"][1:])
    assert found["written"]["bytes"] == output.stat().st_size
    if tflm_available():
        assert found["host"]["predicted"] == found["host"]["measured"]
        assert found["outputs_compared"] == 3
    graph = read_graph(output.read_bytes())
    assert plan_name(graph) == "overlap"
    seen = document(capsys, "inspect", output, "--kernels", "reference")
    assert seen["arena"] == found["plans"][-1]["arena"] and seen["problems"] == []
    offsets = offline_offsets(graph)
    assert offsets is not None
    for entry in seen["plan"]:
        assert entry["tensor"] is None or entry["offset"] == offsets[entry["tensor"]]
    one = np.zeros(graph.input.shape, np.int8)
    before, after = (HostInterpreter(path.read_bytes()).run([one])[0] for path in (vww, output))
    assert np.array_equal(before, after), "LiteRT does not mind the plan"


def test_inspect_looks_at_a_plan_without_a_file(vww: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heads = {}
    for plan in ("greedy", "offline", "overlap"):
        seen = document(capsys, "inspect", vww, "--with-plan", plan)
        heads[plan] = seen["arena"]["head"]
    assert heads == {"greedy": 73_728, "offline": 55_296, "overlap": 36_880}
    assert run(["inspect", str(vww), "--with-plan", "overlap", "--plan"]) == 0
    said = capsys.readouterr().err
    assert "shared by two tensors" in said and "head 36,880 B" in said and "tail 26,980 B" in said
    refused(
        capsys, "inspect", vww, "--engine", "aot", "--with-plan", "offline", words="makes its own memory plan"
    )


@pytest.mark.skipif(not tflm_available(), reason="the tflite-micro wheel is not installed")
def test_a_new_file_that_is_larger_or_wrong_in_tflite_micro_is_none(vww: Path) -> None:
    model = vww.read_bytes()
    small = planned_content(read_graph(model), "reference", None, "overlap")
    host, compared = compare_on_host(model, small, "reference")
    assert host is not None and host.predicted == host.measured and compared == 3
    with pytest.raises(TaskError, match="the old one"):
        compare_on_host(small, model, "reference")
    assert compare_on_host(small, model, "cmsis_nn")[1] == 3
    other = write_model(random_network(NetworkSpec("mobilenet_v1", 0.25, 96, 3, 2), 1))
    with pytest.raises(TaskError, match="does not give the outputs"):
        compare_on_host(model, other, "reference")


def test_bands_where_a_kernel_library_has_no_overlap(
    vww: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "bands.tflite"
    found = document(capsys, "plan", vww, "--board", "esp32s3", "--plan", "bands", "-o", output)
    offline, overlap, bands = found["plans"][1:]
    assert found["kernels"] == "esp_nn_s3" and overlap["arena"] == offline["arena"]
    assert bands["gives"] == "bands" and bands["arena"]["total"] < offline["arena"]["total"]
    assert bands["mult_adds"] > offline["mult_adds"] and not bands["overlaps"]
    graph = read_graph(output.read_bytes())
    assert {"STRIDED_SLICE", "CONCATENATION"} <= set(graph.op_kinds)
    assert document(capsys, "inspect", output, "--kernels", "cmsis_nn_mve")["problems"] == []


def test_what_is_said(vww: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["plan", str(vww), "--plan", "overlap"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert any(line.split()[:2] == ["overlap", "36,880"] for line in lines)
    assert "The plan is for reference kernels alone." in said.err
    assert run(["plan", str(vww), "--plan", "overlap", "--kernels", "cmsis_nn"]) == 0
    said = capsys.readouterr()
    assert "no less than offline" in said.err and "alone" not in said.err


def test_metadata_stays_and_an_old_plan_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = random_graph(25)
    old = np.array([1, 0, len(graph.tensors), *[-1] * len(graph.tensors)], "<i4").tobytes()
    graph = type(graph)(
        graph.tensors, graph.ops, graph.inputs, graph.outputs, 1, {"notes": b"kept", OFFLINE_PLAN: old}
    )
    model, output = tmp_path / "model.tflite", tmp_path / "new.tflite"
    model.write_bytes(write_model(graph))
    document(capsys, "plan", model, "-o", output)
    again = read_graph(output.read_bytes())
    assert again.metadata["notes"] == b"kept" and again.metadata[OFFLINE_PLAN] != old
    document(capsys, "plan", model, "--plan", "greedy", "-o", output)
    assert set(read_graph(output.read_bytes()).metadata) == {"notes"}


def test_what_is_not_understood_is_not_touched(
    vww: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "odd.tflite"
    graph = convolution(tensor(1, 8, 8, 4), (3, 3), tensor(1, 8, 8, 4))
    two = type(graph)(graph.tensors, graph.ops, graph.inputs, graph.outputs)
    odd.write_bytes(write_model(two).replace(b"TFL3", b"TFL2", 1))
    refused(capsys, "plan", odd, words="not a .tflite file")
    refused(capsys, "plan", vww, "--kernels", "xnnpack", words="no memory plan")
    refused(capsys, "plan", vww, "-o", vww, words="the model itself")
    refused(capsys, "plan", vww, "-o", tmp_path / "model.bin", words="does not end in .tflite")
    refused(capsys, "plan", tmp_path / "none.tflite", words="There is no model file")
    assert not list(tmp_path.glob("*.bin"))


def test_export_writes_the_plan_that_it_takes(
    vww: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def exported(*args: str, status: int = 0) -> tuple[dict[str, Any], bytes]:
        folder = tmp_path / "-".join(args).replace("/", "")
        command = ("export", str(vww), "--board", "mps2-an386", "--engine", "tflm", "-o", str(folder), *args)
        assert run([*command]) == status, capsys.readouterr().err
        project: dict[str, Any] = json.loads((folder / "project.json").read_text())
        return project, (folder / "model.tflite").read_bytes()

    project, model = exported()
    assert project["plan"] == "greedy" and model == vww.read_bytes()
    project, model = exported("--ram", "90KB")
    assert project["plan"] == "offline" and plan_name(read_graph(model)) == "offline"
    assert (project["arena"]["head"], project["model"]["bytes"]) == (55_296, len(model))
    project, model = exported("--kernels", "reference", "--plan", "overlap")
    assert project["plan"] == "overlap" and plan_name(read_graph(model)) == "overlap"
    assert project["arena"]["head"] == 36_880
    project, model = exported("--ram", "76KB")
    assert project["plan"] == "bands" and "STRIDED_SLICE" in read_graph(model).op_kinds
    exported("--ram", "40KB", status=1)


def test_a_plan_for_other_kernels_is_refused(
    vww: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = tmp_path / "planned.tflite"
    document(capsys, "plan", vww, "--kernels", "reference", "-o", planned)
    export = ("export", planned, "--board", "mps2-an386", "-o", tmp_path / "build")
    words = "memory plan gives wrong results with cmsis_nn_dsp kernels"
    refused(capsys, *export, words=words)
    assert not (tmp_path / "build").exists()
    seen = document(capsys, "inspect", planned, "--board", "mps2-an386", status=1)
    assert words in seen["problems"][0]["problem"] and seen["fits"] is False
    assert run([*map(str, export), "--kernels", "reference"]) == 0
    assert json.loads((tmp_path / "build" / "project.json").read_text())["plan"] == "overlap"
    capsys.readouterr()
    assert run([*map(str, export), "--plan", "offline"]) == 0
    assert plan_name(read_graph((tmp_path / "build" / "model.tflite").read_bytes())) == "offline"


@pytest.mark.skipif(not tflm_available(), reason="needs the tflite-micro wheel")
def test_every_output_is_compared_in_tflite_micro() -> None:
    b = GraphBuilder((1, 8, 8, 4), seed=1)
    between = b.conv(b.input, 8, (3, 3))
    last = b.conv(b.conv(between, 8, (3, 3)), 8, (1, 1))
    graph = slim_graph(replace(b.graph(last), outputs=(last, between)))
    model = write_model(graph)
    assert compare_on_host(model, write_model(plan_model(graph, "overlap", "reference").graph), "reference")
    offsets = [ONLINE] * len(graph.tensors)
    for output in graph.outputs:  # the second is overwritten when the first is computed
        offsets[output] = 0
    with pytest.raises(TaskError, match="does not give the outputs"):
        compare_on_host(model, write_model(with_offsets(graph, offsets)), "reference")
