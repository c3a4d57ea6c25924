"""``edgekit boards`` and the option types that it shares with other commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from test_boards import GOOD, SHIPPED

from edgekit.boards.catalog import BOARDS_VARIABLE
from edgekit.boards.profile import BoardProfile
from edgekit.cli.boards import command
from edgekit.cli.params import BOARD, SIZE, TIME, board_option
from edgekit.errors import InputError


@pytest.fixture(autouse=True)
def _no_boards_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BOARDS_VARIABLE, raising=False)


def run(*args: str, ok: bool = True) -> Result:
    result = CliRunner().invoke(command, args)
    assert (result.exit_code == 0) == ok, result.output
    return result


def document(*args: str) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(run(*args, "--json").stdout)
    assert content["schema"] == "edgekit.boards/1"
    return content


def test_the_list_has_every_board_on_a_line_of_its_own() -> None:
    lines = run().stdout.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(SHIPPED)]] == sorted(SHIPPED)
    rows = {line.split()[0]: line for line in lines[1 : 1 + len(SHIPPED)]}
    assert "emulated" in rows["mps2-an386"] and "emulated" not in rows["rp2040"]
    assert "Linux" in rows["rpi4"]
    assert "xtensa-lx7" in rows["esp32s3"] and "esp_nn_s3" in rows["esp32s3"] and "esptool" in rows["esp32s3"]


def test_one_board_is_shown_with_regions_reasons_limits_and_sources() -> None:
    text = run("esp32s3").stdout
    for part in ("341,760", "65,536", "estimate:", "276,224", "memory.ld.in", "psram", "303A:1001", "1 s"):
        assert part in text
    assert text.index("Sources") < text.index("Not verified")
    assert "0xd03 (Cortex-A53)" in run("rpi-zero2w").stdout


def test_markup_in_a_board_file_is_only_text(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD.replace("My board", "[bold]My[/nope] board"))
    assert "[bold]My[/nope] board" in run("mine", "--boards-dir", str(tmp_path)).stdout


def test_json_of_all_boards_and_of_one_have_the_same_form() -> None:
    everything = document()["boards"]
    assert [board["name"] for board in everything] == sorted(SHIPPED)
    assert document("pico")["boards"] == [board for board in everything if board["name"] == "rp2040"]
    board = document("esp32s3")["boards"][0]
    assert board["ram_bytes"] == 276_224 and board["flash_bytes"] == 1_966_080
    assert BoardProfile.model_validate_json(
        json.dumps({k: v for k, v in board.items() if k not in ("ram_bytes", "flash_bytes")})
    )


def test_the_folder_of_user_boards_may_be_given_before_or_after_the_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    for args in (["mine", "--boards-dir", str(tmp_path)], ["--boards-dir", str(tmp_path), "mine"]):
        assert document(*args)["boards"][0]["name"] == "mine"
    assert len(document("--boards-dir", str(tmp_path))["boards"]) == len(SHIPPED) + 1


def test_an_unknown_board_and_a_missing_folder_are_input_errors(tmp_path: Path) -> None:
    assert isinstance(run("esp32s4", ok=False).exception, InputError)
    assert isinstance(run("--boards-dir", str(tmp_path / "gone"), ok=False).exception, InputError)


@pytest.mark.parametrize(
    ("text", "size"), [("262144", 262_144), ("256KB", 262_144), ("2MB", 2 << 20), ("1TB", None)]
)
def test_sizes_on_the_command_line(text: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(click.BadParameter):
            SIZE.convert(text, None, None)
    else:
        assert SIZE.convert(text, None, None) == size


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "more than 0"),
        ("0KB", "more than 0"),
        ("-5KB", "negative"),
        ("2000GB", "check the unit"),
        ("9" * 400, "too large"),
        ("lots", "not a size"),
        ("", "not a size"),
        ("1e3", "not a size"),
    ],
)
def test_impossible_sizes_are_refused(text: str, reason: str) -> None:
    with pytest.raises(click.BadParameter, match=reason):
        SIZE.convert(text, None, None)


@pytest.mark.parametrize(("text", "ms"), [("400", 400), ("400ms", 400), ("0.4s", 400), ("3600s", 3_600_000)])
def test_times_on_the_command_line(text: str, ms: float) -> None:
    assert TIME.convert(text, None, None) == pytest.approx(ms)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "more than 0"),
        ("-1ms", "negative"),
        ("3601s", "check the unit"),
        ("nan", "not a time"),
        ("x", "not a time"),
    ],
)
def test_impossible_times_are_refused(text: str, reason: str) -> None:
    with pytest.raises(click.BadParameter, match=reason):
        TIME.convert(text, None, None)


def test_a_negative_limit_on_a_command_exits_with_2() -> None:
    @click.command()
    @click.option("--ram", type=SIZE)
    @board_option(required=True)
    def probe(ram: int | None, board: BoardProfile, boards_dir: tuple[Path, ...]) -> None:
        click.echo(f"{ram} {board.name}")

    runner = CliRunner()
    assert runner.invoke(probe, ["--board", "pico", "--ram", "64KB"]).stdout == "65536 rp2040\n"
    refused = runner.invoke(probe, ["--board", "pico", "--ram", "-64KB"])
    assert refused.exit_code == 2 and "negative" in refused.output
    assert runner.invoke(probe, []).exit_code == 2


def test_shell_completion_offers_boards() -> None:
    @click.command()
    @board_option()
    def probe(board: BoardProfile | None, boards_dir: tuple[Path, ...]) -> None: ...

    context = click.Context(probe)
    offered = BOARD.shell_complete(context, probe.params[0], "esp32")
    assert [item.value for item in offered] == ["esp32", "esp32c3", "esp32p4", "esp32s3"]


def test_listing_boards_never_imports_tensorflow_or_an_interpreter() -> None:
    code = (
        "import sys; from edgekit.cli.main import run; status = run(['boards']); "
        "heavy = {'tensorflow', 'tflite_runtime', 'ai_edge_litert', 'numpy'} & set(sys.modules); "
        "sys.exit(status or (f'imported {heavy}' if heavy else 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_errors_end_with_two_sentences_and_status_2_through_the_real_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", "boards", "esp32s4"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no board 'esp32s4'" in done.stderr and "esp32s3" in done.stderr and "Traceback" not in done.stderr
