"""What it would take: the cheapest change for each of the next larger networks really unlocks it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from edgekit.boards.catalog import get_board, load_catalog
from edgekit.boards.profile import BoardProfile
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.report.unlock import unlock_line
from edgekit.search.budget import Budget
from edgekit.search.changes import Change, Unlock
from edgekit.search.ranking import Limits, Wanted, rank_boards
from edgekit.search.records import Candidate, EngineChoice, FitRecord
from edgekit.search.search import search
from edgekit.search.space import search_space
from edgekit.search.unlock import COUNT, in_external_ram, next_larger, unlocks

BOARDS = load_catalog()
SPACE = search_space("paper", "mobilenet_v1", 3, 10)


def found(
    name: str, engine: EngineChoice = "auto", classes: int = 10, **limits: float
) -> tuple[FitRecord, BoardProfile, Budget]:
    board = get_board(name)
    budget = Budget.of_board(board, **limits)  # type: ignore[arg-type]
    space = search_space("paper", "mobilenet_v1", 3, classes)
    return search(board, budget, space, engine=engine), board, budget


def apply(unlock: Unlock, board: BoardProfile, budget: Budget, spec: NetworkSpec) -> Candidate:
    """Make the changes and return what the search then says of the network with what was to run it."""
    for change in unlock.changes:
        if change.kind == "psram":
            moved = in_external_ram(board)
            assert moved is not None
            board, budget = moved, replace(budget, ram_bytes=moved.ram_bytes)
        elif change.kind == "classes":
            assert change.need is not None
            spec = replace(spec, classes=int(change.need))
    for change in unlock.changes:
        budget = raised(budget, change)
    record = search(board, budget, [spec])
    (one,) = [c for c in record.candidates if (c.engine, c.kernels) == (unlock.engine, unlock.kernels)]
    return one


def raised(budget: Budget, change: Change) -> Budget:
    limit = {"latency": "latency_ms", "ram": "ram_bytes", "flash": "flash_bytes"}.get(change.kind)
    if change.kind == "board":
        limit = "ram_bytes" if "of RAM" in change.text else "flash_bytes"
    return replace(budget, **{limit: change.need}) if limit else budget  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "engine", "classes", "limits"),
    [
        ("esp32s3", "auto", 10, {}),
        ("esp32s3", "tflm", 1000, {}),
        ("rp2040", "aot", 2, {"ram_bytes": 60_000}),
        ("nano33ble", "tflm", 10, {"latency_ms": 50}),
        ("nucleo-h743zi", "auto", 1000, {"flash_bytes": 500_000}),
        ("mps2-an386", "auto", 1000, {"flash_bytes": 700_000}),
    ],
)
def test_the_changes_unlock_the_network(
    name: str, engine: EngineChoice, classes: int, limits: dict[str, float]
) -> None:
    record, board, budget = found(name, engine, classes, **limits)
    result = unlocks(record, board, budget)
    assert len(result) == COUNT
    for unlock in result:
        assert unlock.changes, "otherwise it would have been chosen"
        spec = NetworkSpec("mobilenet_v1", unlock.alpha, unlock.resolution, 3, classes)
        assert apply(unlock, board, budget, spec).fits
        for change in unlock.changes:
            less = unlock.model_copy(update={"changes": tuple(c for c in unlock.changes if c != change)})
            if change.kind not in ("engine", "plan"):
                assert not apply(less, board, budget, spec).fits, "a change that is not needed"


def test_the_next_larger_networks_are_the_nearest_better_ones() -> None:
    record, *_ = found("esp32s3")
    assert record.chosen is not None
    better = sorted({c.top1.value for c in record.candidates if c.top1.value > record.chosen.top1.value})
    by_spec = {c.spec: c.top1.value for c in record.candidates}
    assert [by_spec[spec] for spec in next_larger(record)] == better[:COUNT]


def test_a_small_change_is_preferred_to_a_large_one() -> None:
    record, board, budget = found("nucleo-h743zi", latency_ms=100)
    assert record.chosen is not None
    first = unlocks(record, board, budget)[0]
    assert [change.kind for change in first.changes] == ["latency"]
    assert first.instead[0].kind == "clock" and first.instead[0].need is not None
    faster = board.model_copy(update={"clock_mhz": int(first.instead[0].need)})
    spec = NetworkSpec("mobilenet_v1", first.alpha, first.resolution, 3, 10)
    assert search(faster, budget, [spec]).chosen is not None, "the clock does what the limit would"


def test_another_engine_is_named_where_it_is_enough() -> None:
    record, board, budget = found("esp32s3", "tflm", 1000)
    assert record.chosen is None
    assert [change.text for change in unlocks(record, board, budget)[0].changes] == ["--engine aot"]


def test_fewer_classes_are_as_many_as_memory_allows() -> None:
    profile = get_board("nucleo-l4r5zi")
    memory = tuple(
        region.model_copy(update={"total": 600_000, "reserved": 0}) if region.kind == "flash" else region
        for region in profile.memory
    )
    fields = {name: getattr(profile, name) for name in BoardProfile.model_fields}
    board = BoardProfile.model_validate({**fields, "memory": memory})
    budget = Budget.of_board(board, latency_ms=10_000)
    spec = NetworkSpec("mobilenet_v1", 0.25, 96, 3, 1000)
    record = search(board, budget, [spec])
    assert record.chosen is None
    (change,) = unlocks(record, board, budget)[0].changes
    assert change.kind == "classes" and change.need is not None and 2 < change.need < 1000
    assert change.text == f"--classes {change.need:.0f}"
    most = int(change.need)
    assert search(board, budget, [replace(spec, classes=most)]).chosen is not None
    assert search(board, budget, [replace(spec, classes=most + 1)]).chosen is None


def test_external_ram_is_an_arena_of_its_own_speed() -> None:
    board = get_board("esp32s3")
    moved = in_external_ram(board)
    assert moved is not None and moved.arena_region.kind == "psram" and moved.ram_bytes == 8 * 1024**2
    assert board.arena_region.kind == "sram", "the profile itself is left alone"
    spec = NetworkSpec("mobilenet_v1", 0.5, 128, 3, 10)
    inside, outside = (
        search(b, Budget.of_board(b, latency_ms=1e6), [spec]).candidates[0].latency_ms for b in (board, moved)
    )
    assert outside.estimate > 1.5 * inside.estimate
    assert in_external_ram(get_board("rp2040")) is None


def test_external_ram_is_offered_where_nothing_cheaper_is() -> None:
    record, board, budget = found("esp32s3", "auto", latency_ms=20_000)
    kinds = {c.kind for unlock in unlocks(record, board, budget) for c in unlock.changes}
    larger = search(board, budget, search_space("paper", "mobilenet_v1", 3, 10)[4:10])
    kinds |= {c.kind for unlock in unlocks(larger, board, budget) for c in unlock.changes}
    assert "psram" in kinds


def test_the_named_boards_hold_it_and_are_the_smallest_in_any_order() -> None:
    record, board, budget = found("esp32s3")
    boards = list(BOARDS.values())
    first = unlocks(record, board, budget, boards)
    random.Random(3).shuffle(boards)
    assert unlocks(record, board, budget, boards) == first
    for unlock in first:
        assert 0 < len(unlock.boards) <= COUNT and board.name not in unlock.boards
        spec = NetworkSpec("mobilenet_v1", unlock.alpha, unlock.resolution, 3, 10)
        holding = {
            name
            for name, other in BOARDS.items()
            if not other.emulated
            and search(other, Budget.of_board(other, latency_ms=budget.latency_ms), [spec]).chosen is not None
        }
        assert set(unlock.boards) <= holding
        largest = max(BOARDS[name].ram_bytes for name in unlock.boards)
        rest = holding - set(unlock.boards) - {board.name}
        assert all(BOARDS[name].linux or BOARDS[name].ram_bytes >= largest for name in rest)
        line = unlock_line(unlock)
        assert all(change.text in line for change in unlock.changes) and unlock.boards[0] in line


# --- ranking of boards ---


def test_the_ranking_does_not_depend_on_the_order_of_boards_or_networks() -> None:
    boards, space = list(BOARDS.values()), list(SPACE[:3])
    first = rank_boards(boards, space, Wanted(), Limits(latency_ms=300))
    random.Random(5).shuffle(boards)
    space.reverse()
    assert rank_boards(boards, space, Wanted(), Limits(latency_ms=300)) == first


def test_boards_that_hold_it_come_first_and_better_ones_before_others() -> None:
    wanted = Wanted(alpha=0.25, resolution=96)
    ranking = rank_boards(BOARDS.values(), wanted.narrow(SPACE), wanted, Limits(latency_ms=100))
    fits = [row.fits for row in ranking.boards]
    assert fits == sorted(fits, reverse=True) and True in fits and False in fits
    assert {row.board for row in ranking.boards} == {b.name for b in BOARDS.values() if not b.emulated}
    holding = [row.candidate for row in ranking.boards if row.fits]
    speeds = [("fits", "close", "too slow").index(one.speed) for one in holding]
    assert speeds == sorted(speeds)
    sure = [one.latency_ms.estimate for one in holding if one.speed == "fits"]
    assert sure == sorted(sure)


def test_each_boards_row_is_what_fit_says_of_it() -> None:
    wanted = Wanted(top1=50)
    space = wanted.narrow(SPACE)
    ranking = rank_boards([BOARDS["esp32s3"], BOARDS["teensy41"]], space, wanted, Limits())
    for row in ranking.boards:
        board = BOARDS[row.board]
        record = search(board, Budget.of_board(board), space)
        assert row.fits == (record.chosen is not None)
        if record.chosen is not None:
            assert row.candidate == record.chosen
        assert row.candidate.top1.value >= 50
    assert ranking.boards[0].board == "teensy41" and not ranking.boards[1].fits


def test_a_wanted_network_need_not_be_in_the_grid() -> None:
    specs = Wanted(alpha=0.35, resolution=100).narrow(SPACE)
    assert [(spec.alpha, spec.resolution) for spec in specs] == [(0.35, 100)]
    assert {spec.alpha for spec in Wanted(resolution=96).narrow(SPACE)} == {0.25, 0.5, 0.75, 1.0}


def test_another_memory_plan_is_named_where_it_is_enough() -> None:
    board = get_board("mps2-an386")
    budget = Budget.of_board(board, ram_bytes=270 * 1024, latency_ms=1e6)
    space = search_space("paper", "mobilenet_v1", 3, 2)
    record = search(board, budget, space, engine="tflm", plan="greedy")
    assert record.chosen is not None
    found = [unlock for unlock in unlocks(record, board, budget) if unlock.engine == "tflm"]
    assert found, "a plan is cheaper than another engine"
    for unlock in found:
        assert "plan" in {change.kind for change in unlock.changes}
