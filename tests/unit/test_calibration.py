"""What was measured on a board: how it changes estimates, and how it is kept, shared and forgotten."""

from __future__ import annotations

import datetime
import json
import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from edgekit.bench.calibrate import calibration_board, calibration_record
from edgekit.bench.record import (
    ArenaComparison,
    BenchedModel,
    BenchRecord,
    LatencyStatistics,
    OpRecord,
    OutputsRecord,
)
from edgekit.boards.catalog import get_board
from edgekit.boards.kernels import KernelLibrary
from edgekit.cli.main import run
from edgekit.errors import InputError, TaskError
from edgekit.latency.calibration import CalibrationRecord, MeasuredModel, MeasuredOp, calibrate, measured_ops
from edgekit.latency.estimate import Place, estimate_instructions, estimate_latency, model_at
from edgekit.latency.store import DATA_VARIABLE, find, load_all, save
from edgekit.latency.tables import board_factor, cost_table
from edgekit.latency.work import OpClass, graph_work
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.graph import Graph

BOARD = get_board("nano33ble")
KERNELS: KernelLibrary = "cmsis_nn_dsp"
TABLE = cost_table(KERNELS, BOARD.core)
SMALL, LARGE = (
    network_graph(NetworkSpec("mobilenet_v1", *point, 3, 10)) for point in ((0.25, 96), (0.5, 160))
)


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data" / "calibration"


def truth(graph: Graph, factors: Mapping[OpClass, float], noise: float = 0.05) -> list[float]:
    """Cycles of a board whose classes take as many times as long as ``factors`` says, 1.4 times unless it does."""
    source = random.Random(7)
    return [
        TABLE.ops[work.op_class].cycles(work)
        * factors.get(work.op_class, 1.4)
        * math.exp(source.gauss(0, noise))
        for work in graph_work(graph)
    ]


def record(amounts: list[float], graph: Graph = SMALL, **changes: Any) -> CalibrationRecord:
    ops = measured_ops(zip(graph_work(graph), amounts, strict=True))
    values: dict[str, Any] = {
        "board": BOARD.name,
        "kernels": KERNELS,
        "sdk": BOARD.sdk.name,
        "unit": "cycles",
        "clock_mhz": BOARD.clock_mhz,
        "models": (MeasuredModel(sha256="0" * 64, date="2026-11-28", ops=ops),),
        "edgekit_version": "0.1.0",
    }
    return CalibrationRecord(**{**values, **changes})


def ms(graph: Graph, kept: CalibrationRecord | None) -> tuple[float, float, float]:
    found = calibrate(kept, TABLE, 0) if kept else None
    latency = estimate_latency(graph, KERNELS, BOARD.core, BOARD.clock_mhz, Place.on(BOARD), found)
    return latency.low_ms, latency.estimate_ms, latency.high_ms


# --- estimates ---


def test_another_network_is_estimated_as_the_board_really_is() -> None:
    factors: dict[OpClass, float] = {"pointwise": 2.1, "depthwise": 0.8}
    true = sum(truth(LARGE, factors, noise=0)) / BOARD.clock_mhz / 1000
    before, after = ms(LARGE, None), ms(LARGE, record(truth(SMALL, factors)))
    assert not before[0] <= true <= before[2], "otherwise nothing is shown"
    assert after[0] <= true <= after[2] and after[1] == pytest.approx(true, rel=0.08)
    assert after[2] / after[0] < before[2] / before[0]


def test_a_class_that_was_not_measured_moves_with_the_others_and_stays_less_certain() -> None:
    found = calibrate(record(truth(SMALL, {})), TABLE, 0)
    assert 1.1 < found.factors["add"] < 1.5
    assert found.spreads["add"] > 2 * found.spreads["pointwise"]


def test_what_agrees_with_the_table_changes_nothing() -> None:
    found = calibrate(record(truth(SMALL, {}, noise=0), models=record(truth(SMALL, {})).models), TABLE, 0)
    same = calibrate(record([amount / 1.4 for amount in truth(SMALL, {}, noise=0)]), TABLE, 0)
    assert all(factor == pytest.approx(1, abs=0.01) for factor in same.factors.values())
    assert found.factors["pointwise"] == pytest.approx(1.4, rel=0.05)


def test_an_operator_that_an_interrupt_fell_into_does_not_pull_its_class() -> None:
    amounts = truth(SMALL, {})
    place = [w.op_class for w in graph_work(SMALL)].index("pointwise")
    clean = calibrate(record(amounts), TABLE, 0)
    amounts[place] *= 20
    hit = calibrate(record(amounts), TABLE, 0)
    assert hit.factors["pointwise"] == pytest.approx(clean.factors["pointwise"], rel=0.08)


def test_estimates_stay_monotone_and_tell_the_day() -> None:
    found = calibrate(record(truth(SMALL, {"pointwise": 0.3})), TABLE, 0)
    latency = estimate_latency(SMALL, KERNELS, BOARD.core, 64, Place.on(BOARD), found)
    assert latency.measured_on == "2026-11-28" and "measured on 2026-11-28" in latency.note
    times = [
        ms(network_graph(NetworkSpec("mobilenet_v1", a, 96)), record(truth(SMALL, {})))
        for a in (0.25, 0.5, 1)
    ]
    assert times == sorted(times) and [t[2] for t in times] == sorted(t[2] for t in times)
    assert all(0 < spread <= 1 for spread in found.spreads.values())


def test_a_cache_that_weights_miss_counts_before_the_ratio() -> None:
    table = cost_table("cmsis_nn", "cortex-m0+")
    graph = network_graph(NetworkSpec("mobilenet_v1", 1.0, 64, 3, 10))
    model = model_at("cmsis_nn", "cortex-m0+", Place(cache=16 * 1024))
    kept = record([model.cycles(work) for work in graph_work(graph)], graph, kernels="cmsis_nn")
    found = calibrate(kept, table, 16 * 1024)
    assert found.factors["pointwise"] == pytest.approx(1, abs=0.01)
    assert calibrate(kept, table, 0).factors["pointwise"] > 1.05


# --- what a bench gives ---


def benched(**changes: Any) -> BenchRecord:
    ops = tuple(OpRecord(index=i, op="X", latency=2.0 + i) for i in range(len(SMALL.ops)))
    values: dict[str, Any] = {
        "port": "socket://device",
        "board": BOARD.name,
        "engine": "tflm",
        "kernels": KERNELS,
        "plan": "greedy",
        "protocol": "edgekit",
        "device": "test",
        "model": BenchedModel(sha256="a" * 64, bytes=1),
        "runs": 1,
        "warmup": 0,
        "outputs": OutputsRecord(compared=1, mismatched=0),
        "latency": LatencyStatistics(unit="ms", min=1, median=1, p95=1, max=1),
        "predicted_latency": None,
        "max_latency_ms": None,
        "arena": ArenaComparison(predicted=None, measured=None),
        "top1": None,
        "ops": ops,
        "mismatches": (),
        "failures": (),
        "ok": True,
        "edgekit_version": "0.1.0",
    }
    return BenchRecord(**{**values, **changes})


DAY = datetime.date(2026, 11, 28)
INSTRUCTIONS = LatencyStatistics(unit="instructions", min=1, median=1, p95=1, max=1)


@pytest.mark.parametrize(
    ("name", "kernels"), [("rp2040", "cmsis_nn"), ("esp32s3", "esp_nn_s3"), ("esp32s3", "reference")]
)
def test_what_was_measured_takes_the_place_of_what_is_published_of_the_board(
    name: str, kernels: KernelLibrary
) -> None:
    board, cache = get_board(name), get_board(name).flash_region.cache
    table = cost_table(kernels, board.core)
    known = board_factor(kernels, name)
    assert known and abs(known.factor - 1) > 0.05, "otherwise nothing is shown"
    amounts = [1.4 * table.cycles(work, cache) for work in graph_work(SMALL)]
    kept = record(amounts, board=name, kernels=kernels, sdk=board.sdk.name)
    latency = estimate_latency(
        SMALL, kernels, board.core, board.clock_mhz, Place.on(board), calibrate(kept, table, cache)
    )
    assert latency.estimate_ms == pytest.approx(sum(amounts) / board.clock_mhz / 1000, rel=0.02)


def test_a_profile_becomes_cycles_of_the_boards_clock() -> None:
    kept = calibration_record(benched(), SMALL, BOARD, DAY)
    assert (kept.board, kept.kernels, kept.sdk, kept.date) == (
        "nano33ble",
        KERNELS,
        BOARD.sdk.name,
        "2026-11-28",
    )
    assert kept.unit == "cycles" and kept.operators == len(SMALL.ops)
    (model,) = kept.models
    assert model.sha256 == "a" * 64
    assert [op.amount for op in model.ops] == [(2.0 + i) * 64_000 for i in range(len(SMALL.ops))]
    assert tuple(op.work for op in model.ops) == graph_work(SMALL)


def test_an_emulated_board_gives_instructions_which_are_no_time() -> None:
    board = get_board("mps2-an386")
    kept = calibration_record(
        benched(board=board.name, kernels="dsp", latency=INSTRUCTIONS), SMALL, board, DAY
    )
    assert kept.unit == "instructions" and kept.models[0].ops[0].amount == 2.0
    assert kept.fits_board(board) and not kept.fits_board(board.model_copy(update={"emulated": False}))


def test_steps_that_are_no_operators_and_those_that_took_no_tick_are_left_out() -> None:
    ops = (*benched().ops, OpRecord(index=999, op="other", latency=5.0))  # type: ignore[misc]
    ops = (ops[0].model_copy(update={"latency": 0.0}), *ops[1:])
    kept = calibration_record(benched(ops=ops), SMALL, BOARD, DAY)
    assert kept.operators == len(SMALL.ops) - 1
    zero = tuple(op.model_copy(update={"latency": 0.0}) for op in ops)
    with pytest.raises(TaskError, match="too coarse"):
        calibration_record(benched(ops=zero), SMALL, BOARD, DAY)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"ok": False}, TaskError, "not kept"),
        ({"kernels": "mystery"}, InputError, "mystery"),
        ({"latency": INSTRUCTIONS}, InputError, "is not emulated"),
    ],
)
def test_what_cannot_be_right_is_not_kept(
    changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        calibration_record(benched(**changes), SMALL, BOARD, DAY)


@pytest.mark.parametrize("name", [None, "host"])
def test_this_computer_is_no_board(name: str | None) -> None:
    with pytest.raises(InputError, match="no board"):
        calibration_board(benched(board=name))


def test_counted_instructions_serve_estimates_of_instructions() -> None:
    board = get_board("mps2-an386")
    table = cost_table("dsp", board.core)
    each = table.cycles_per_instruction
    assert each is not None
    counts = [1.3 * table.ops[w.op_class].cycles(w) / each for w in graph_work(SMALL)]
    kept = record(counts, board=board.name, kernels="dsp", sdk=board.sdk.name, unit="instructions")
    plain = estimate_instructions(SMALL, "dsp", board.core)
    after = estimate_instructions(SMALL, "dsp", board.core, calibrate(kept, table, 0))
    assert plain is not None and after == pytest.approx(1.3 * plain, rel=0.02)


# --- the store and its command ---


def test_what_is_saved_is_found_for_its_board_kernels_and_sdk_alone() -> None:
    kept = record(truth(SMALL, {}))
    path = save(kept)
    assert find(BOARD, KERNELS) == kept and list(load_all()) == [(path, kept)]
    assert find(BOARD, "reference") is None and find(get_board("rp2040"), "cmsis_nn") is None
    other = BOARD.model_copy(update={"sdk": BOARD.sdk.model_copy(update={"name": "another SDK"})})
    assert find(other, KERNELS) is None


def test_a_second_model_is_added_and_the_same_one_replaced() -> None:
    first = record(truth(SMALL, {}))
    again = record([2 * a for a in truth(SMALL, {})])
    other = record(truth(LARGE, {}), LARGE)
    other = other.model_copy(update={"models": (other.models[0].model_copy(update={"sha256": "1" * 64}),)})
    for kept in (first, other, again):
        save(kept)
    ((_, found),) = load_all()
    assert {m.sha256: m.ops for m in found.models} == {
        "0" * 64: again.models[0].ops,
        "1" * 64: other.models[0].ops,
    }


def test_of_one_model_the_later_day_counts_whatever_comes_first() -> None:
    late = record(truth(SMALL, {}))
    early = record([2 * a for a in truth(SMALL, {})])
    early = early.model_copy(update={"models": (early.models[0].model_copy(update={"date": "2026-01-01"}),)})
    assert early.merged(late).models == late.merged(early).models == late.models


def test_fit_uses_what_was_measured_and_says_when(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["fit", "--board", BOARD.name, "--search-only", "--engine", "tflm", "--classes", "2"]

    def latency() -> dict[str, Any]:
        assert run([*args, "--json"]) in (0, 1)
        captured = capsys.readouterr()
        candidates = json.loads(captured.out)["candidates"]
        one = next(
            c for c in candidates if c["kernels"] == KERNELS and c["alpha"] == 0.25 and c["resolution"] == 96
        )
        return {**one["latency_ms"], "text": captured.err}

    before = latency()
    save(record(truth(SMALL, {})))
    after = latency()
    assert before["measured_on"] is None and "measured on" not in before["text"]
    assert after["measured_on"] == "2026-11-28" and "measured on this board, on 2026-11-28" in after["text"]
    assert after["estimate"] == pytest.approx(1.4 * before["estimate"], rel=0.1)
    assert after["high"] / after["low"] < before["high"] / before["low"]
    assert run(["calibration", "forget", BOARD.name]) == 0
    capsys.readouterr()
    assert latency() == before


def test_instructions_are_never_taken_for_time(capsys: pytest.CaptureFixture[str]) -> None:
    board = get_board("mps2-an386")
    save(
        record(
            [1e9] * len(SMALL.ops), board=board.name, kernels="dsp", sdk=board.sdk.name, unit="instructions"
        )
    )
    assert run(["fit", "--board", board.name, "--search-only", "--engine", "aot", "--json"]) == 0
    candidates = json.loads(capsys.readouterr().out)["candidates"]
    assert {c["latency_ms"]["measured_on"] for c in candidates} == {None}


def test_the_command_lists_exports_imports_and_forgets(
    tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["calibration", "list"]) == 0
    assert "Nothing is kept" in capsys.readouterr().err
    kept = record(truth(SMALL, {}))
    save(kept)
    assert run(["calibration", "list"]) == 0
    row = capsys.readouterr().out
    assert all(word in row for word in (BOARD.name, KERNELS, BOARD.sdk.name, "cycles", "2026-11-28"))
    assert run(["calibration", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "edgekit.calibrations/1" and len(document["calibrations"]) == 1
    file = tmp_path / "shared.json"
    assert run(["calibration", "export", BOARD.name, "-o", str(file)]) == 0
    assert json.loads(file.read_text()) == document
    assert run(["calibration", "forget", BOARD.name, "--kernels", "reference"]) == 2
    assert find(BOARD, KERNELS) == kept
    assert run(["calibration", "forget", "--all"]) == 0
    assert not list(data_folder.iterdir())
    assert run(["calibration", "import", str(file)]) == 0
    assert find(BOARD, KERNELS) == kept
    assert run(["calibration", "forget", BOARD.name, "--kernels", KERNELS]) == 0
    assert run(["calibration", "export"]) == 2
    assert run(["calibration", "forget"]) == 2 and run(["calibration", "forget", "x", "--all"]) == 2


def test_a_board_has_its_other_names_here_too(tmp_path: Path) -> None:
    path, file = save(record(truth(SMALL, {}))), tmp_path / "shared.json"
    for alias in BOARD.aliases:
        assert run(["calibration", "export", alias, "-o", str(file)]) == 0
        assert run(["calibration", "forget", alias]) == 0 and not path.exists()
        assert run(["calibration", "import", str(file)]) == 0 and path.exists()


def _spoil(change: Callable[[dict[str, Any]], Any]) -> str:
    document = json.loads(record(truth(SMALL, {})).to_json())
    change(document)
    return json.dumps({"schema": "edgekit.calibrations/1", "calibrations": [document]})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"schema": "edgekit.fit/1"}',
        _spoil(lambda d: d.update(board="../../etc/passwd")),
        _spoil(lambda d: d.update(kernels="fast")),
        _spoil(lambda d: d.update(sdk="two\nlines")),
        _spoil(lambda d: d.update(clock_mhz=0)),
        _spoil(lambda d: d.update(unit="seconds")),
        _spoil(lambda d: d.update(extra=1)),
        _spoil(lambda d: d["models"].clear()),
        _spoil(lambda d: d["models"][0].update(date="2026-13-45")),
        _spoil(lambda d: d["models"][0].update(sha256="x")),
        _spoil(lambda d: d["models"][0]["ops"][0].update(amount=-1)),
        _spoil(lambda d: d["models"][0]["ops"][0].update(amount=1e400)),
        _spoil(lambda d: d["models"][0]["ops"][0].update(op_class="magic")),
        _spoil(lambda d: d["models"][0]["ops"][0].update(steps=-5)),
    ],
)
def test_a_file_that_is_no_calibration_is_refused_whole(
    text: str, tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    assert run(["calibration", "import", str(file)]) == 2
    said = capsys.readouterr().err
    assert "is not a calibration" in said and "Traceback" not in said
    assert not data_folder.exists()


def test_a_damaged_file_in_the_store_is_named_and_can_be_forgotten(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(record(truth(SMALL, {})))
    path.write_text("{")
    assert run(["fit", "--board", BOARD.name, "--search-only"]) == 2
    assert path.name in capsys.readouterr().err
    assert run(["calibration", "forget", BOARD.name]) == 0
    assert not path.exists()


def test_a_file_that_is_none_of_edgekits_stays_out_of_it(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = save(record(truth(SMALL, {})))
    others = [data_folder / name for name in ("notes.json", "notes--fast--sdk--cycles.json", "a--b.json")]
    for other in others:
        other.write_text("mine")
    assert run(["calibration", "list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["calibrations"]) == 1
    assert run(["calibration", "forget", "notes"]) == 2
    assert run(["calibration", "forget", "--all"]) == 0
    assert not kept.exists() and all(other.exists() for other in others)
    assert run(["calibration", "forget", "--all"]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["my--board", "a-", "my--reference--sdk"])
@pytest.mark.parametrize("sdk", ["SDK 1.0", "?", "x" * 79 + " y"])
def test_a_boards_name_may_have_what_parts_of_a_files_name_are_told_apart_by(name: str, sdk: str) -> None:
    amounts = truth(SMALL, {})
    path = save(record(amounts, board=name, sdk=sdk))
    other = save(record(amounts, board="my", sdk=sdk))
    assert run(["calibration", "forget", "my", "--kernels", KERNELS]) == 0
    assert path.exists() and not other.exists()
    assert run(["calibration", "forget", name, "--kernels", "reference"]) == 2
    assert run(["calibration", "forget", name, "--kernels", KERNELS]) == 0
    assert not path.exists()


def test_a_store_that_cannot_be_written_to_is_told_with_the_variable_that_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(record(truth(SMALL, {})))
    shared, blocked = tmp_path / "shared.json", tmp_path / "file"
    assert run(["calibration", "export", "-o", str(shared)]) == 0
    blocked.write_text("")
    monkeypatch.setenv(DATA_VARIABLE, str(blocked))
    capsys.readouterr()
    assert run(["calibration", "import", str(shared)]) == 2
    said = capsys.readouterr().err
    assert f"${DATA_VARIABLE}" in said and "-o" not in said.split()


@pytest.mark.parametrize("args", [["calibration", "list"], ["calibration", "forget", "--all"], ["fit"]])
def test_a_store_that_cannot_be_read_is_told(
    args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / ("x" * 300)))
    assert run([*args, "--board", BOARD.name, "--search-only"] if args == ["fit"] else args) == 2
    said = capsys.readouterr().err
    assert "Cannot read" in said and f"${DATA_VARIABLE}" in said


def test_an_operator_that_takes_nothing_is_no_measurement() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        MeasuredOp(op_class="add", steps=0, outputs=1, weights=0, pixels=1, amount=0)
