"""``edgekit fit --board all``, wanted networks, and what the next larger networks would take, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import refused

from edgekit.boards.catalog import load_catalog
from edgekit.cli.main import run
from edgekit.resources import resource_dir


def ranking(capsys: pytest.CaptureFixture[str], *args: str, status: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["fit", "--board", "all", *args, "--json"]) == status
    captured = capsys.readouterr()
    document: dict[str, Any] = json.loads(captured.out)
    return {**document, "text": captured.err}


def test_all_boards_are_ranked_for_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    document = ranking(
        capsys, "--alpha", "0.25", "--rho", "0.4286", "--classes", "2", "--max-latency", "200ms"
    )
    assert document["schema"] == "edgekit.ranking/1"
    assert document["wanted"] == {"alpha": 0.25, "resolution": 96, "top1": None}
    rows = document["boards"]
    assert {row["board"] for row in rows} == {b.name for b in load_catalog().values() if not b.emulated}
    for row in rows:
        one = row["candidate"]
        assert (one["alpha"], one["resolution"], one["classes"]) == (0.25, 96, 2)
        assert row["fits"] == one["fits"] and row["budget"]["latency_ms"] == 200
        assert row["board"] in document["text"]
    assert [row["fits"] for row in rows] == sorted((row["fits"] for row in rows), reverse=True)


def test_an_accuracy_that_no_board_reaches_in_time_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    document = ranking(capsys, "--top1", "69", "--max-latency", "1ms", status=1)
    assert not any(row["fits"] for row in document["boards"])
    assert all(row["candidate"]["top1"]["value"] >= 69 for row in document["boards"])
    assert f"0 of {len(document['boards'])} boards hold it" in document["text"]


def test_boards_of_the_users_own_are_ranked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (resource_dir("boards") / "rp2040.toml").read_text()
    text = text.replace('name = "rp2040"', 'name = "mine"').replace('aliases = ["pico"]', "aliases = []")
    (tmp_path / "mine.toml").write_text(text)
    document = ranking(capsys, "--boards-dir", str(tmp_path), "--alpha", "0.25", "--resolution", "96")
    assert "mine" in {row["board"] for row in document["boards"]}


def test_an_engine_leaves_out_the_boards_that_cannot_run_it(capsys: pytest.CaptureFixture[str]) -> None:
    document = ranking(capsys, "--alpha", "0.25", "--resolution", "96", "--engine", "aot")
    assert not {"rpi4", "rpi5"} & {row["board"] for row in document["boards"]}
    assert {row["candidate"]["engine"] for row in document["boards"]} == {"aot"}


def test_a_plan_holds_for_every_board_and_leaves_out_those_that_have_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = ("--alpha", "0.25", "--resolution", "96")
    rows = ranking(capsys, *wanted, "--plan", "greedy")["boards"]
    assert {row["candidate"]["plan"] for row in rows} == {"greedy"} and "rpi4" in {
        row["board"] for row in rows
    }
    rows = ranking(capsys, *wanted, "--plan", "offline")["boards"]
    found = {row["board"]: row["candidate"] for row in rows}
    assert not {"rpi4", "rpi5"} & found.keys()
    assert {one["engine"] for one in found.values()} == {"tflm"} and found["rp2040"]["plan"] == "offline"


def test_what_contradicts_itself_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everywhere = ("fit", "--board", "all")
    refused(capsys, *everywhere, "--rho", "0.5", "--resolution", "112", words="give one of them", hint=False)
    for option in (
        ("--weights", "imagenet"),
        ("--data", "images"),
        ("--plot", "curves.svg"),
        ("--framework", "zephyr"),
        ("--epochs", "8"),
        ("--flip",),
        ("--output", "there"),
    ):
        words = f"makes nothing; leave out {option[0]}."
        refused(capsys, *everywhere, *option, words=words, hint=False)
    refused(capsys, *everywhere, "--flip", "--seed", "1", words="leave out --flip and --seed.", hint=False)
    refused(capsys, *everywhere, "--plan", "bands", "--engine", "aot", words="No board has a bands plan")
    refused(capsys, *everywhere, "--top1", "99", words="No network is expected to reach 99 %")
    refused(capsys, "fit", "--board", "everything", words="There is no board")


def test_one_board_can_be_asked_for_one_network_too(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["fit", "--board", "esp32s3", "--alpha", "0.35", "--resolution", "100", "--search-only", "--json"]
    assert run(args) == 0
    document = json.loads(capsys.readouterr().out)
    assert {(c["alpha"], c["resolution"]) for c in document["candidates"]} == {(0.35, 100)}


def test_what_the_next_larger_would_take_is_printed_and_in_the_document(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["fit", "--board", "esp32s3", "--search-only", "--json"]) == 0
    captured = capsys.readouterr()
    larger = json.loads(captured.out)["next_larger"]
    assert len(larger) == 3 and all(row["changes"] and row["boards"] for row in larger)
    text = " ".join(captured.err.split())
    assert "What the next larger networks would take:" in text
    assert all(change["text"] in text for row in larger for change in row["changes"])


def test_a_refusal_says_what_it_would_take_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["fit", "--board", "esp32s3", "--engine", "tflm", "--classes", "1000", "--search-only"]
    assert run(args) == 1
    text = capsys.readouterr().err
    assert "What the next larger networks would take:" in text and "--engine aot" in text
