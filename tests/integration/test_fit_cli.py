"""``edgekit fit`` from the command line: the search, and two whole runs down to a build folder that is benched."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from command_line import check_refusal, contents, edgekit, refused, write_image_classes
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.boards.catalog import BOARDS_VARIABLE, get_board
from edgekit.cli.main import run
from edgekit.codegen.record import changed_files, load_project
from edgekit.mobilenet.architecture import ARCHS
from edgekit.resources import resource_dir
from edgekit.search.budget import Budget
from edgekit.search.records import FitRecord
from edgekit.search.search import search
from edgekit.search.space import search_space

DOCUMENT = {"schema", "board", "budget", "chosen", "candidates"}
DOCUMENT_ADDED = {
    "next_larger",
    "engine",
    "best",
    "plan",
    "plans",
    "notes",
    "measurements",
    "accuracy",
    "calibration",
}
CANDIDATE = {
    "arch",
    "alpha",
    "rho",
    "resolution",
    "classes",
    "channels",
    "engine",
    "kernels",
    "plan",
    "mult_adds",
    "params",
    "arena",
    "flash",
    "latency_ms",
    "top1",
    "fits",
    "binding",
}
CANDIDATE_ADDED = {"close", "speed"}
PARTS = {
    "arena": {"head", "tail", "scratch", "total", "basis"} | {"required", "margin"},
    "flash": {"model", "code", "total", "basis"},
    "latency_ms": {"estimate", "low", "high", "basis"} | {"measured_on", "grounds"},
    "top1": {"value", "basis"},
}
BASES = {"measured", "exact", "estimated", "published", "interpolated", "extrapolated"}
LIMITS = ("--ram", "--flash", "--max-latency")

SMALLEST = (
    *("--board", "mps2-an386", "--engine", "tflm", "--grid", "fine", "--channels", "1"),
    *("--ram", "28KB", "--max-latency", "100ms"),
)
"""Leaves one network of three classes: 0.1/32."""

AOT_ARENA = 36_864
"""Bytes of the aot engine's arena for 0.25/96: its largest activation, 48x48x16, which grows in place of its input."""


@pytest.fixture(autouse=True)
def _no_boards_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BOARDS_VARIABLE, raising=False)


def fit(capsys: pytest.CaptureFixture[str], *args: str, status: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["fit", *args, "--search-only", "--json"]) == status
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@cache
def paper_search(board: str, ram: int, flash: int, latency_ms: float) -> FitRecord:
    space = search_space("paper", "mobilenet_v1", 3, 2)
    return search(get_board(board), Budget(ram, flash, latency_ms), space)


# --- the search ---


@pytest.mark.parametrize(("grid", "points"), [("paper", 20), ("fine", 247)])
@pytest.mark.parametrize(
    ("board", "engine", "kernels"),
    [
        ("mps2-an386", "auto", {"tflm": {"cmsis_nn_dsp", "reference"}, "aot": {"dsp"}}),
        ("mps2-an386", "tflm", {"tflm": {"cmsis_nn_dsp", "reference"}}),
        ("mps2-an385", "aot", {"aot": {"portable"}}),
        ("esp32s3", "auto", {"tflm": {"esp_nn_s3", "reference"}, "aot": {"portable"}}),
        ("rpi4", "auto", {"tflm": {"xnnpack", "reference"}}),
    ],
)
def test_every_point_is_judged_with_every_engine_and_kernel_library(
    grid: str,
    points: int,
    board: str,
    engine: str,
    kernels: dict[str, set[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = ("--board", board, "--engine", engine, "--grid", grid, "--classes", "2", "--max-latency", "1000s")
    document = fit(capsys, *args)
    candidates = document["candidates"]
    seen = {(c["alpha"], c["resolution"], c["kernels"]) for c in candidates}
    assert len(candidates) == len(seen) == points * sum(map(len, kernels.values()))
    assert {e: {c["kernels"] for c in candidates if c["engine"] == e} for e in kernels} == kernels
    assert document["engine"] == engine and {c["engine"] for c in candidates} == set(kernels)


def test_the_document_has_the_keys_of_its_schema_and_a_basis_for_every_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = fit(capsys, "--board", "esp32s3", "--classes", "2")
    assert document["schema"] == "edgekit.fit/1" and document["board"] == "esp32s3"
    assert set(document) == DOCUMENT | DOCUMENT_ADDED
    assert set(document["budget"]) == {"ram_bytes", "flash_bytes", "latency_ms"} | {"strict"}
    assert document["chosen"] in document["candidates"]
    assert set(document["best"]) == {"tflm", "aot"} and document["chosen"] in document["best"].values()
    for candidate in document["candidates"]:
        assert set(candidate) == CANDIDATE | CANDIDATE_ADDED
        for part, keys in PARTS.items():
            assert set(candidate[part]) == keys
            assert candidate[part]["basis"] in BASES
        for binding in candidate["binding"]:
            assert set(binding) == {"limit", "need", "have", "unlock"}
        arena = candidate["arena"]
        assert arena["total"] == arena["head"] + arena["scratch"] + arena["tail"]
        assert candidate["flash"]["total"] == candidate["flash"]["model"] + candidate["flash"]["code"]
        assert (
            candidate["plan"]
            in {"tflm": ("greedy", "offline", "overlap", "bands"), "aot": ("overlap",)}[candidate["engine"]]
        )


def test_the_chosen_one_is_the_most_accurate_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    document = fit(capsys, "--board", "mps2-an386", "--ram", "200KB", "--classes", "2")
    budget, chosen = document["budget"], document["chosen"]
    fitting = [c for c in document["candidates"] if c["fits"]]
    better = [c for c in document["candidates"] if c["top1"]["value"] > chosen["top1"]["value"]]
    assert chosen["fits"] and chosen["top1"]["value"] == max(c["top1"]["value"] for c in fitting)
    assert better and all(c["binding"] and not c["fits"] for c in better)
    for candidate in document["candidates"]:
        within = (
            candidate["arena"]["required"] + candidate["arena"]["margin"] <= budget["ram_bytes"]
            and candidate["flash"]["total"] <= budget["flash_bytes"]
            and candidate["latency_ms"]["estimate"] <= budget["latency_ms"]
        )
        assert candidate["fits"] == within == (not candidate["binding"])


@given(
    st.sampled_from(["mps2-an386", "esp32s3", "rp2040"]),
    st.tuples(*[st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0])] * 3),
    st.tuples(*[st.sampled_from([0.3, 0.7, 1.0])] * 3),
)
@settings(max_examples=40, deadline=None)
def test_tighter_limits_never_choose_a_better_one(
    board: str, loose: tuple[float, ...], shrink: tuple[float, ...]
) -> None:
    own = Budget.of_board(get_board(board))
    ram, flash, ms = own.ram_bytes * loose[0], own.flash_bytes * loose[1], own.latency_ms * loose[2]
    wide = paper_search(board, int(ram), int(flash), ms)
    narrow = paper_search(board, int(ram * shrink[0]), int(flash * shrink[1]), ms * shrink[2])
    if narrow.chosen is None:
        return
    assert wide.chosen is not None
    assert narrow.chosen.top1.value <= wide.chosen.top1.value
    assert sum(c.fits for c in narrow.candidates) <= sum(c.fits for c in wide.candidates)


@pytest.mark.parametrize("limits", [("--ram", "120KB"), ("--max-latency", "3s"), ("--flash", "600KB")])
def test_what_unlocks_a_larger_one_does_unlock_it(
    limits: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    own = ("--board", "mps2-an386", "--classes", "2")
    locked = next(c for c in fit(capsys, *own, *limits)["candidates"] if len(c["binding"]) == 1)
    option, value = locked["binding"][0]["unlock"].split("(")[0].strip().split(" ", 1)
    assert option in LIMITS
    assert " " not in value, "this cannot be typed as it is shown"
    unlocked = fit(capsys, *own, *limits, option, value)
    again = [
        c
        for c in unlocked["candidates"]
        if all(c[key] == locked[key] for key in ("alpha", "resolution", "kernels"))
    ]
    assert [c["fits"] for c in again] == [True]


@pytest.mark.parametrize("arch", ARCHS)
def test_architecture_classes_and_channels_are_what_was_asked_for(
    arch: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ("--board", "rpi4", "--arch", arch, "--classes", "7", "--channels", "1", "--max-latency", "60s")
    document = fit(capsys, *args)
    seen = {(c["arch"], c["classes"], c["channels"]) for c in document["candidates"]}
    assert seen == {(arch, 7, 1)}


def test_more_classes_and_channels_cost_what_they_must(capsys: pytest.CaptureFixture[str]) -> None:
    own = ("--board", "mps2-an386")
    few, many, gray = (
        {(c["alpha"], c["resolution"], c["kernels"]): c for c in fit(capsys, *own, *more)["candidates"]}
        for more in (("--classes", "2"), ("--classes", "1000"), ("--classes", "2", "--channels", "1"))
    )
    key = (0.25, 96, "reference")
    assert many[key]["classes"] == 1000
    assert many[key]["params"] - few[key]["params"] == 998 * 257
    assert few[key]["params"] - gray[key]["params"] == 2 * 9 * 8
    assert many[key]["flash"]["model"] > few[key]["flash"]["model"] > gray[key]["flash"]["model"]


def test_limits_replace_those_of_the_board(capsys: pytest.CaptureFixture[str]) -> None:
    board = get_board("mps2-an386")
    own = fit(capsys, "--board", "mps2-an386")["budget"]
    assert own == {
        "ram_bytes": board.ram_bytes,
        "flash_bytes": board.flash_bytes,
        "latency_ms": board.limits.latency_ms,
        "strict": False,
    }
    args = ("--ram", "300KB", "--flash", "2MB", "--max-latency", "1.5s")
    given = fit(capsys, "--board", "an386", *args)["budget"]
    assert given == {"ram_bytes": 300 * 1024, "flash_bytes": 2 * 1024**2, "latency_ms": 1500, "strict": False}


def test_a_board_of_the_users_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (resource_dir("boards") / "mps2-an386.toml").read_text()
    for old, new in (
        ("mps2-an386", "mine"),
        ('["an386"]', "[]"),
        ("total = 4194304\nres", "total = 200000\nres"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "mine.toml").write_text(text)
    document = fit(capsys, "--boards-dir", str(tmp_path), "--board", "mine", "--classes", "2")
    assert document["board"] == "mine" and document["budget"]["ram_bytes"] == 200_000 - 64 * 1024
    assert document["chosen"]["arena"]["total"] < 200_000 - 64 * 1024
    refused(capsys, "fit", "--board", "mine", "--search-only", words="no board 'mine'")


# --- engines ---


def by_network(candidates: list[dict[str, Any]], kernels: str) -> dict[tuple[float, int], dict[str, Any]]:
    return {(c["alpha"], c["resolution"]): c for c in candidates if c["kernels"] == kernels}


def test_the_aot_engine_needs_activations_and_scratch_alone(capsys: pytest.CaptureFixture[str]) -> None:
    candidates = fit(capsys, "--board", "mps2-an386", "--classes", "2")["candidates"]
    own, stock = by_network(candidates, "dsp"), by_network(candidates, "cmsis_nn_dsp")
    for point, candidate in own.items():
        arena, other = candidate["arena"], stock[point]["arena"]
        assert arena["total"] == arena["required"] == arena["head"] + arena["scratch"]
        assert (arena["tail"], arena["margin"], arena["basis"]) == (0, 0, "exact")
        assert arena["total"] < 0.7 * other["total"], "no tail, and inputs share memory with outputs"
        assert candidate["flash"]["total"] < stock[point]["flash"]["total"]
    arena = own[0.25, 96]["arena"]
    assert (arena["total"], stock[0.25, 96]["arena"]["total"]) == (AOT_ARENA, 100_724)


def test_the_same_ram_holds_a_better_network_with_the_aot_engine(capsys: pytest.CaptureFixture[str]) -> None:
    small = ("--board", "mps2-an386", "--classes", "2", "--ram", "140KB")
    stock, own = (fit(capsys, *small, "--engine", engine)["chosen"] for engine in ("tflm", "aot"))
    greedy = fit(capsys, *small, "--engine", "tflm", "--plan", "greedy")["chosen"]
    assert (greedy["alpha"], greedy["resolution"]) == (0.25, 96)
    assert (stock["alpha"], stock["resolution"], stock["plan"]) == (0.5, 96, "bands")
    assert (own["alpha"], own["resolution"]) == (0.5, 128)
    assert own["top1"]["value"] > stock["top1"]["value"] + 5 > greedy["top1"]["value"] + 15
    both = fit(capsys, *small, "--engine", "auto")
    assert both["chosen"] == own and both["best"] == {"tflm": stock, "aot": own}
    assert fit(capsys, *small)["chosen"] == own, "all engines are looked at unless told otherwise"


def test_what_the_other_engine_unlocks_is_said_in_a_line(tmp_path: Path) -> None:
    small = ("fit", "--board", "mps2-an386", "--classes", "2", "--search-only", "--ram")

    def said(*args: str) -> str:
        return " ".join(edgekit(*small, *args, cwd=tmp_path).stderr.split())

    line = "With --engine aot: 0.5/128 fits (54.9 %, +{} points)."
    assert line.format(20.1) in said("140KB", "--engine", "tflm", "--plan", "greedy")
    assert line.format(5.4) in said("140KB", "--engine", "tflm")
    for quiet in (
        said("140KB", "--engine", "aot"),
        said("4MB", "--max-latency", "1000s", "--engine", "tflm"),
    ):
        assert "With --engine" not in quiet and "Best of each engine" not in quiet
    both = said("140KB")
    assert "Best of each engine: tflm 0.5/96 with cmsis_nn_dsp (49.5 %), aot 0.5/128 with dsp" in both
    assert "With --engine" not in both


def test_when_only_the_other_engine_fits_the_refusal_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("fit", "--board", "mps2-an386", "--search-only", "--ram", "64KB", "--engine", "tflm")
    said = " ".join(refused(capsys, *args, status=1, words="Nothing fits").split())
    assert "With --engine aot" in said and "Otherwise it would need --ram" in said


def test_what_a_board_does_not_have_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    """A limit can be raised as far as the board's memory goes; past it the option would only mislead."""
    args = ("--board", "nano33ble", "--engine", "tflm", "--classes", "1000")
    said = refused(capsys, "fit", *args, "--search-only", "--flash", "200KB", status=1, words="Nothing fits")
    assert "would need --flash " in said
    texts = [
        binding["unlock"]
        for candidate in fit(capsys, *args)["candidates"]
        for binding in candidate["binding"]
        if binding["limit"] != "latency"
    ]
    assert any("of RAM (sram has 185.8 KB)" in text for text in texts) and any(
        "of flash (flash has " in text for text in texts
    )
    assert not any(text.startswith("--") for text in texts), "its limits are all that it has"


def test_the_line_works_in_the_other_direction_too(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("--board", "esp32s3", "--classes", "2", "--max-latency", "400ms")
    own, both = (fit(capsys, *args, "--engine", engine) for engine in ("aot", "auto"))
    better = own["best"]["tflm"]
    assert both["chosen"] == better and better["kernels"] == "esp_nn_s3", "vector instructions win on time"
    assert better["top1"]["value"] > own["chosen"]["top1"]["value"]
    capsys.readouterr()
    assert run(["fit", *args, "--search-only", "--engine", "aot"]) == 0
    assert "With --engine tflm: " in capsys.readouterr().err


def test_a_linux_board_has_no_aot_engine(capsys: pytest.CaptureFixture[str]) -> None:
    words = "cannot run the aot engine"
    refused(capsys, "fit", "--board", "rpi4", "--engine", "aot", "--search-only", words=words)
    document = fit(capsys, "--board", "rpi4", "--classes", "2")
    assert set(document["best"]) == {"tflm"}
    assert run(["fit", "--board", "rpi4", "--search-only"]) == 0
    assert "Best of each engine" not in capsys.readouterr().err


# --- streams and exit status ---


def test_json_alone_is_on_stdout_and_everything_else_on_stderr(tmp_path: Path) -> None:
    args = ("fit", "--board", "mps2-an386", "--classes", "2", "--search-only")
    with_json, without = edgekit(*args, "--json", cwd=tmp_path), edgekit(*args, cwd=tmp_path)
    assert (with_json.returncode, without.returncode) == (0, 0)
    assert json.loads(with_json.stdout)["schema"] == "edgekit.fit/1"
    assert without.stdout == ""
    assert "Chosen" in with_json.stderr and "CHOSEN" in without.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_fits_is_status_1_with_the_document_and_what_it_would_need(tmp_path: Path) -> None:
    args = ("fit", "--board", "mps2-an386", "--ram", "10KB", "--search-only", "--json")
    done = edgekit(*args, cwd=tmp_path)
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["chosen"] is None and len(document["candidates"]) == 60
    assert document["best"] == {"tflm": None, "aot": None}
    check_refusal(done.stderr, "Nothing fits")
    assert "--ram " in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["boards"],
        ["models"],
        ["models", "--json", "--grid", "fine"],
        ["fit", "--help"],
        ["fit", "--board", "mps2-an386", "--search-only"],
        ["inspect", "TINY", "--board", "esp32s3", "--json"],
    ],
)
def test_tensorflow_is_never_imported_where_it_is_not_needed(args: list[str]) -> None:
    tiny = str(Path(__file__).parents[1] / "golden" / "tiny.tflite")
    code = (
        "import sys; from edgekit.cli.main import run; status = run(sys.argv[1:]); "
        "heavy = {'tensorflow', 'keras', 'h5py'} & set(sys.modules); "
        "sys.exit(status or (f'imported {heavy}' if heavy else 0))"
    )
    command = [sys.executable, "-c", code, *(tiny if arg == "TINY" else arg for arg in args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- whole runs ---


@pytest.fixture(scope="module", params=["tflm", "aot"])
def untrained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A build folder made without data, by the real program, for each engine."""
    folder = tmp_path_factory.mktemp("untrained") / "a build"
    args = ("--board", "mps2-an386", "--engine", request.param, "--grid", "fine", "--ram", "40KB")
    limit = ("--flash", "400KB")
    return folder, edgekit("fit", *args, *limit, "-o", folder, "--json")


def test_a_run_without_data_says_what_is_not_known(
    untrained: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = untrained
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    said = " ".join(done.stderr.split())
    assert "calibration is synthetic and accuracy unknown" in said and "untrained" in said
    assert document["calibration"] == "synthetic" and document["accuracy"] is None
    assert json.loads((folder / "fit.json").read_text()) == document
    assert not (folder / "training.json").exists()


def test_what_was_made_is_what_the_search_computed(
    untrained: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = untrained
    document = json.loads(done.stdout)
    chosen, measured = document["chosen"], document["measurements"]
    assert measured["model_bytes"] == measured["predicted_model_bytes"]
    assert (folder / "model.tflite").stat().st_size == measured["model_bytes"]
    if measured["host_arena"] is not None:
        assert measured["host_arena"]["measured"] == measured["host_arena"]["predicted"]
    project = load_project(folder)
    assert (project.board, project.kernels) == ("mps2-an386", chosen["kernels"])
    assert (project.engine, project.plan) == (chosen["engine"], chosen["plan"])
    assert project.arena.total == chosen["arena"]["total"] and project.arena_bytes <= 40 * 1024
    assert changed_files(folder, project) == ()
    assert {name.partition("/")[0] for name in contents(folder)} >= {
        "fit.json",
        "project.json",
        "model.tflite",
        "golden.npz",
        "src",
    }
    (paper,) = [
        c
        for c in document["candidates"]
        if all(c[key] == chosen[key] for key in ("alpha", "resolution", "kernels"))
    ]
    assert paper["arena"] == chosen["arena"] and paper["latency_ms"] == chosen["latency_ms"]
    if chosen["engine"] == "tflm":
        assert chosen["flash"]["model"] == measured["model_bytes"]
    else:
        assert measured["host_arena"] is None, "TFLite Micro's arena says nothing of the other engine's"
        assert project.arena_bytes == chosen["arena"]["total"]
        assert abs(chosen["flash"]["model"] - paper["flash"]["model"]) <= 1024, "the table of softmax"
        assert chosen["flash"]["model"] < measured["model_bytes"]
        assert (
            f"#define EK_MODEL_ARENA_BYTES {project.arena_bytes}"
            in (folder / "src/model/model.h").read_text()
        )


def test_the_build_is_benched_bit_for_bit_and_a_tampered_one_is_refused(
    untrained: tuple[Path, subprocess.CompletedProcess[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = untrained
    assert run(["bench", "--port", "host", "--build", str(folder), "--runs", "5"]) == 0
    capsys.readouterr()
    record, project = json.loads((folder / "bench.json").read_text()), load_project(folder)
    assert record["ok"] and record["outputs"] == {"compared": 5, "mismatched": 0}
    assert record["arena"]["predicted"] == project.arena.total
    if project.engine == "aot":
        assert record["arena"]["measured"] is None
    model = folder / "model.tflite"
    good = model.read_bytes()
    model.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    try:
        words = "not the model that the project"
        refused(capsys, "bench", "--port", "host", "--build", folder, words=words)
    finally:
        model.write_bytes(good)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A build folder made with images, one of them broken, over the files of an earlier build."""
    root = tmp_path_factory.mktemp("trained")
    data = write_image_classes(root / "images")
    (data / "none" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a JPEG")
    (root / "build").mkdir()
    (root / "build" / "mine.txt").write_text("keep me")
    args = (*SMALLEST, "--data", data, "--epochs", "1")
    return root / "build", edgekit("fit", *args, "-o", root / "build", "--json")


def test_a_run_with_data_reports_accuracy_and_confusion(
    trained: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = trained
    assert done.returncode == 0, done.stderr
    document, training = (json.loads((folder / name).read_text()) for name in ("fit.json", "training.json"))
    assert json.loads(done.stdout) == document
    chosen, accuracy = document["chosen"], document["accuracy"]
    assert (chosen["resolution"], chosen["classes"], chosen["channels"]) == (32, 3, 1)
    assert document["calibration"] == "images" and accuracy["basis"] == "measured"
    assert accuracy["drop"] == pytest.approx(accuracy["float_top1"] - accuracy["int8_top1"])
    confusion = accuracy["confusion"]
    assert [len(row) for row in confusion] == [3, 3, 3]
    assert sum(map(sum, confusion)) == accuracy["images"] == training["test_images"] > 0
    right = sum(confusion[i][i] for i in range(3))
    assert accuracy["int8_top1"] == pytest.approx(100 * right / accuracy["images"])
    assert training["schema"] == "edgekit.training/1" and len(training["history"]) == 1
    assert training["confusion"]["int8"] == confusion


def test_labels_are_the_folders_and_broken_images_are_named(
    trained: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = trained
    assert (folder / "labels.txt").read_text().split() == ["across", "none", "upright"]
    assert load_project(folder).labels == ("across", "none", "upright")
    assert "broken.jpg" in done.stderr and "Traceback" not in done.stderr
    assert (folder / "mine.txt").read_text() == "keep me"


def test_the_trained_build_is_benched_bit_for_bit(
    trained: tuple[Path, subprocess.CompletedProcess[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    args = ("bench", "--port", "host", "--build", str(trained[0]), "--json")
    assert run([*args]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]
    assert run([*args, "--data", str(trained[0].parent / "images")]) == 0
    top1 = json.loads(capsys.readouterr().out)["top1"]
    assert top1["value"] == top1["host"] and top1["images"] == 60


# --- memory plans ---


def plans(document: dict[str, Any]) -> dict[str, tuple[float, int] | None]:
    """Return the best network that TFLite Micro holds with each plan."""
    return {
        entry["plan"]: (entry["best"]["alpha"], entry["best"]["resolution"]) if entry["best"] else None
        for entry in document["plans"]
    }


def test_what_each_memory_plan_buys(capsys: pytest.CaptureFixture[str]) -> None:
    args = ("--board", "mps2-an386", "--classes", "2", "--engine", "tflm", "--max-latency", "1000s")
    document = fit(capsys, *args, "--ram", "270KB")
    assert plans(document) == {
        "greedy": (0.5, 128),
        "offline": (0.5, 128),
        "overlap": (0.75, 128),
        "bands": (1.0, 128),
    }
    gains = {entry["plan"]: round(entry["gain"], 1) for entry in document["plans"]}
    assert gains["greedy"] == gains["offline"] == 0 and gains["overlap"] > 4 and gains["bands"] > 0
    assert document["chosen"] == document["plans"][-1]["best"] and document["chosen"]["plan"] == "bands"
    capsys.readouterr()
    assert run(["fit", *args, "--ram", "270KB", "--search-only"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "overlap 0.75/128 with reference instead of 0.5/128, +4.9 points; " in said
    for entry in document["plans"]:
        assert entry["next"]["top1"]["value"] > entry["best"]["top1"]["value"]
        assert entry["next"]["binding"][0]["unlock"] in said


@pytest.mark.parametrize("plan", ["greedy", "offline", "overlap", "bands"])
def test_a_plan_that_is_asked_for_is_the_limit(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = fit(capsys, "--board", "mps2-an386", "--classes", "2", "--ram", "270KB", "--plan", plan)
    order = ("greedy", "offline", "overlap", "bands")
    used = {candidate["plan"] for candidate in document["candidates"] if candidate["engine"] == "tflm"}
    assert plan in used and used <= set(order[: order.index(plan) + 1])
    assert (plan == "overlap") == any(c["engine"] == "aot" for c in document["candidates"])


def test_auto_goes_no_further_than_it_must(capsys: pytest.CaptureFixture[str]) -> None:
    rich = fit(capsys, "--board", "mps2-an386", "--classes", "2", "--engine", "tflm")
    assert {candidate["plan"] for candidate in rich["candidates"]} == {"greedy"}
    greedy = fit(capsys, "--board", "mps2-an386", "--classes", "2", "--engine", "tflm", "--plan", "greedy")
    assert greedy["candidates"] == rich["candidates"]
    poor = fit(capsys, "--board", "mps2-an386", "--classes", "2", "--engine", "tflm", "--ram", "90KB")
    (vww,) = by_network(poor["candidates"], "cmsis_nn_dsp").keys() & {(0.25, 96)}
    stock = by_network(poor["candidates"], "cmsis_nn_dsp")[vww]
    assert (stock["plan"], stock["arena"]["head"], stock["fits"]) == ("offline", 55_296, True)


def test_a_plan_that_the_engine_or_the_board_lacks_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    own = ("fit", "--board", "mps2-an386", "--search-only", "--engine", "aot", "--plan", "greedy")
    refused(capsys, *own, words="The aot engine has no greedy plan")
    linux = ("fit", "--board", "rpi4", "--search-only", "--plan", "offline")
    refused(capsys, *linux, words="allocates as it runs")
