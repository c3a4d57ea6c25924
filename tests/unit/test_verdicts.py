"""Verdicts on latency: fits, close, too slow, and what --strict makes of them; order does not matter."""

from __future__ import annotations

import random
from functools import cache

import pytest

from edgekit.boards.catalog import get_board
from edgekit.report.fit import verdict
from edgekit.search.budget import Budget
from edgekit.search.records import FitRecord, LatencyFigures
from edgekit.search.search import search
from edgekit.search.space import search_space

BOARD = get_board("esp32s3")


@cache
def found(latency_ms: float, strict: bool = False, seed: int | None = None) -> FitRecord:
    space = list(search_space("paper", "mobilenet_v1", 3, 2))
    if seed is not None:
        random.Random(seed).shuffle(space)
    return search(BOARD, Budget.of_board(BOARD, latency_ms=latency_ms, strict=strict), space)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(79.9, "too slow"), (80, "close"), (100, "close"), (124.9, "close"), (125, "fits"), (1000, "fits")],
)
def test_the_verdict_says_where_the_limit_lies_to_the_error_bar(limit: float, expected: str) -> None:
    figures = LatencyFigures(estimate=100, low=80, high=125, basis="estimated")
    assert figures.verdict(limit) == expected


def test_every_candidate_has_the_verdict_of_its_own_error_bar() -> None:
    record = found(300)
    verdicts = {candidate.speed for candidate in record.candidates}
    assert verdicts == {"fits", "close", "too slow"}
    for candidate in record.candidates:
        latency = candidate.latency_ms
        assert candidate.close == (candidate.speed == "close") == (latency.low <= 300 < latency.high)
        bound = any(binding.limit == "latency" for binding in candidate.binding)
        assert bound == (latency.estimate > 300)
        text = verdict(candidate)
        if candidate.speed == "too slow":
            assert "too slow x" in text
        elif candidate.fits:
            assert text == candidate.speed


def test_strict_holds_the_upper_bound_to_the_limit() -> None:
    usual, strict = found(300), found(300, strict=True)
    assert strict.budget.strict and not usual.budget.strict
    assert strict.chosen is not None and usual.chosen is not None
    assert strict.chosen.latency_ms.high <= 300 and strict.chosen.speed == "fits"
    assert strict.chosen.top1.value <= usual.chosen.top1.value
    for before, after in zip(usual.candidates, strict.candidates, strict=True):
        assert before.spec == after.spec
        assert not (after.fits and not before.fits)
        for binding in after.binding:
            if binding.limit == "latency":
                assert binding.need == after.latency_ms.high > 300
    assert any(a.fits != b.fits for a, b in zip(usual.candidates, strict.candidates, strict=True))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_answer_does_not_depend_on_the_order_of_candidates(seed: int) -> None:
    assert found(300, seed=seed) == found(300)


@pytest.mark.parametrize(("ram", "flash", "latency_ms"), [(0, 0, 0.01), (0, 1 << 20, 1e6), (1 << 20, 0, 1e6)])
def test_limits_of_nothing_and_under_a_millisecond_are_limits_too(
    ram: int, flash: int, latency_ms: float
) -> None:
    budget = Budget(ram, flash, latency_ms)
    record = search(BOARD, budget, search_space("paper", "mobilenet_v1", 3, 2))
    assert record.chosen is None
    for candidate in record.candidates:
        assert candidate.overrun == max(binding.overrun for binding in candidate.binding)
        for binding in candidate.binding:
            assert binding.have * binding.overrun == pytest.approx(binding.need) or binding.have == 0
    assert all(row.next is not None for row in record.plans)
