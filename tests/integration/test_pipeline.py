"""The winner is measured: when the real thing breaks the budget, the next candidate has its turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.boards.catalog import get_board
from edgekit.cli.main import run
from edgekit.errors import TaskError
from edgekit.pipeline import Made, Work, make
from edgekit.search.budget import Budget
from edgekit.search.records import FitRecord
from edgekit.search.search import search
from edgekit.search.space import search_space
from edgekit.training.options import OnProgress, TrainingOptions

BOARD = get_board("mps2-an386")
BUDGET = Budget.of_board(BOARD, ram_bytes=40_000)


class Notes:
    """Keeps what the pipeline tells."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @property
    def training(self) -> OnProgress:
        return lambda progress: None

    def stage(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module", params=["tflm", "aot"])
def record(request: pytest.FixtureRequest) -> FitRecord:
    space = search_space("fine", "mobilenet_v1", 1, 3)
    found = search(BOARD, BUDGET, space, engine=request.param)
    assert found.chosen is not None
    return found


def made(record: FitRecord, notes: Notes) -> Made:
    return make(record, BOARD, BUDGET, Work(None, TrainingOptions(), samples=2), notes)


def too_good(record: FitRecord) -> FitRecord:
    """The same record, in which the candidate before the best that fits claims to fit as well."""
    place = next(i for i, c in enumerate(record.candidates) if c.fits)
    liar = record.candidates[place - 1].model_copy(update={"fits": True, "binding": ()})
    return record.model_copy(update={"candidates": (liar, *record.candidates[place:])})


def test_a_broken_budget_is_said_and_the_next_candidate_is_taken(record: FitRecord) -> None:
    notes = Notes()
    result = made(too_good(record), notes)
    assert any("breaks the ram budget when measured" in note for note in notes.notes)
    assert record.chosen is not None and result.record.chosen is not None
    assert result.record.chosen.spec == record.chosen.spec
    assert result.record.chosen.arena == record.chosen.arena
    assert result.record.measurements is not None
    assert result.record.measurements.model_bytes == result.record.measurements.predicted_model_bytes


def test_the_next_larger_ones_are_those_of_what_was_made(
    record: FitRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert record.chosen is not None
    place = record.candidates.index(record.chosen)
    better = next(c for c in reversed(record.candidates[:place]) if c.spec != record.chosen.spec)
    liar = better.model_copy(update={"fits": True, "binding": ()})
    lying = record.model_copy(update={"candidates": (liar, *record.candidates[place:])})
    monkeypatch.setattr("edgekit.cli.fit.search", lambda *_: lying.model_copy(update={"chosen": liar}))
    limits = ("--ram", "40000B", "--classes", "3", "--channels", "1", "--engine", record.engine)
    status = run(["fit", "--board", BOARD.name, *limits, "--samples", "2", "-o", str(tmp_path / "build")])
    said = capsys.readouterr().err
    assert status == 0, said
    document = FitRecord.model_validate_json((tmp_path / "build" / "fit.json").read_bytes())
    assert document.chosen is not None and document.chosen.spec == record.chosen.spec
    assert not document.candidates[0].fits and not any(
        c and c.spec == liar.spec for c in document.best.values()
    )
    (larger,) = document.next_larger
    assert (larger.alpha, larger.resolution) == (liar.alpha, liar.resolution) and larger.changes
    assert all(change.text in " ".join(said.split()) for change in larger.changes)


def test_when_no_candidate_survives_that_is_an_error(record: FitRecord) -> None:
    liar = too_good(record).candidates[0]
    with pytest.raises(TaskError, match="No candidate stays within the budget"):
        made(record.model_copy(update={"candidates": (liar,)}), Notes())
