"""The shipped boards, and what becomes of bad and of user-made board files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edgekit import tomlfile
from edgekit.boards import catalog
from edgekit.boards.catalog import BOARDS_VARIABLE, get_board, load_board, load_catalog
from edgekit.boards.kernels import (
    AOT_KERNELS,
    KERNEL_LIBRARIES,
    KERNEL_TITLES,
    TFLM_KERNELS,
    aot_kernels,
    engine_of,
)
from edgekit.boards.profile import BoardProfile
from edgekit.errors import InputError
from edgekit.resources import resource_dir

SHIPPED = [
    "ek-ra6m4",
    "ek-ra8d1",
    "esp32",
    "esp32c3",
    "esp32p4",
    "esp32s3",
    "mps2-an385",
    "mps2-an386",
    "mps2-an500",
    "mps3-an547",
    "nano33ble",
    "nrf5340dk",
    "nucleo-h743zi",
    "nucleo-l4r5zi",
    "nucleo-u575zi",
    "rp2040",
    "rp2350",
    "rpi-zero2w",
    "rpi4",
    "rpi5",
    "stm32f746g-disco",
    "teensy41",
]

GOOD = """
name = "mine"
title = "My board"
aliases = ["my-alias"]
mcu = "MCU1"
core = "cortex-m4f"
clock_mhz = 100
simd = "DSP extension"
kernels = ["cmsis_nn_dsp", "reference"]
flash_method = "pyocd"
usb_ids = ["1234:ABCD"]
sources = ["the datasheet"]

[[memory]]
name = "sram"
kind = "sram"
total = "256KB"
reserved = 1024
reserved_why = "stack"
source = "the datasheet"
arena = true

[[memory]]
name = "flash"
kind = "flash"
total = "1MB"
source = "the datasheet"

[sdk]
framework = "bare_metal"
name = "gcc"
tflm_package = "own"
tflm_release = "not known"
tflm_source = "nobody said"

[limits]
latency_ms = 500
"""

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _no_boards_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BOARDS_VARIABLE, raising=False)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write GOOD with one replacement to a folder and return the file."""

    def write_board(old: str = "", new: str = "", name: str = "mine", folder: Path = tmp_path) -> Path:
        assert old in GOOD
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.toml"
        path.write_text(GOOD.replace(old, new) if old else GOOD)
        return path

    return write_board


def test_exactly_the_promised_boards_are_shipped() -> None:
    assert list(load_catalog()) == sorted(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_board_says_where_every_figure_is_from(name: str) -> None:
    board = get_board(name)
    assert board.name == name
    assert board.sources
    for region in board.memory:
        assert region.source
        assert 0 <= region.reserved <= region.total
        assert (region.reserved == 0) == (region.reserved_why == "")
    assert board.arena_region.kind not in ("psram", "sdram", "flash")
    assert board.ram_bytes == board.arena_region.total - board.arena_region.reserved > 100 * 1024
    assert board.flash_bytes >= 512 * 1024
    assert board.kernels[-1] == "reference"
    assert set(board.kernels) <= set(TFLM_KERNELS) < set(KERNEL_LIBRARIES) == set(KERNEL_TITLES)
    assert board.sdk.tflm_release and board.sdk.tflm_source


@pytest.mark.parametrize(
    ("name", "core", "clock", "kernels"),
    [
        ("esp32s3", "xtensa-lx7", 240, "esp_nn_s3"),
        ("esp32", "xtensa-lx6", 240, "esp_nn"),
        ("esp32c3", "rv32imc", 160, "esp_nn"),
        ("esp32p4", "rv32imafc", 360, "esp_nn_p4"),
        ("rp2040", "cortex-m0+", 125, "cmsis_nn"),
        ("rp2350", "cortex-m33", 150, "cmsis_nn_dsp"),
        ("nucleo-h743zi", "cortex-m7", 480, "cmsis_nn_dsp"),
        ("ek-ra8d1", "cortex-m85", 480, "cmsis_nn_mve"),
        ("mps2-an385", "cortex-m3", 25, "cmsis_nn"),
        ("rpi4", "cortex-a72", 1500, "xnnpack"),
    ],
)
def test_a_shipped_board_has_its_core_clock_and_best_kernels(
    name: str, core: str, clock: int, kernels: str
) -> None:
    board = get_board(name)
    assert (board.core, board.clock_mhz, board.kernels[0]) == (core, clock, kernels)


@pytest.mark.parametrize("name", SHIPPED)
def test_which_engines_a_board_has_follows_from_its_core(name: str) -> None:
    board = get_board(name)
    assert board.kernels_of("tflm") == board.kernels
    own = board.kernels_of("aot")
    assert board.engines == (("tflm",) if board.linux else ("tflm", "aot"))
    assert all(engine_of(kernels) == "aot" for kernels in own)
    if not board.linux:
        assert own == (
            AOT_KERNELS[::-1] if {"cmsis_nn_dsp", "cmsis_nn_mve"} & {*board.kernels} else ("portable",)
        )


def test_the_dsp_kernels_are_for_cores_with_the_extension() -> None:
    for core in ("cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33", "cortex-m55", "cortex-m85"):
        assert aot_kernels(core) == ("dsp", "portable")
    for core in ("cortex-m0+", "cortex-m3", "rv32imc", "xtensa-lx7", "something-new"):
        assert aot_kernels(core) == ("portable",)
    assert aot_kernels("cortex-a72") == ()


def test_the_esp32s3_arena_is_one_block_of_the_shared_segment_less_the_sdk() -> None:
    region = get_board("esp32s3").arena_region
    assert region.total == 0x403CB700 - 0x40378000 == 341_760
    assert region.reserved >= 55_523, "code in IRAM and static data of ESP-IDF's smallest application"
    assert "estimate" in region.reserved_why


def test_psram_is_listed_but_never_holds_the_arena() -> None:
    with_psram = [b for b in load_catalog().values() if any(r.kind == "psram" for r in b.memory)]
    assert {"esp32", "esp32s3", "esp32p4"} <= {b.name for b in with_psram}
    assert not any(r.arena for b in with_psram for r in b.memory if r.kind == "psram")


def test_emulated_and_linux_boards_are_marked() -> None:
    boards = load_catalog()
    assert [n for n, b in boards.items() if b.emulated] == [
        "mps2-an385",
        "mps2-an386",
        "mps2-an500",
        "mps3-an547",
    ]
    assert [n for n, b in boards.items() if b.linux] == ["rpi-zero2w", "rpi4", "rpi5"]


def test_boards_whose_arena_reserve_is_not_measured_say_so() -> None:
    for board in load_catalog().values():
        if "estimate" in board.arena_region.reserved_why and not board.emulated:
            assert board.unverified, board.name


@pytest.mark.parametrize(
    ("alias", "name"), [("pico", "rp2040"), ("pico2", "rp2350"), ("PICO", "rp2040"), (" ESP32S3 ", "esp32s3")]
)
def test_a_board_is_found_by_alias_in_any_case(alias: str, name: str) -> None:
    assert get_board(alias).name == name


def test_aliases_are_found_without_parsing_as_they_are_with_it() -> None:
    for path in resource_dir("boards").glob("*.toml"):
        assert catalog._aliases_in(path) == load_board(path).aliases


def test_an_unknown_board_gets_close_matches() -> None:
    with pytest.raises(InputError, match="no board 'esp32s4'") as caught:
        get_board("esp32s4")
    assert "esp32s3" in caught.value.hint
    with pytest.raises(InputError) as caught:
        get_board("zzzzzzzz")
    assert "Did you mean" not in caught.value.hint and "edgekit boards" in caught.value.hint


def test_sizes_may_be_text_or_numbers(write: Write) -> None:
    board = load_board(write())
    assert board.arena_region.total == 262_144
    assert board.ram_bytes == 261_120
    assert board.flash_bytes == 1 << 20
    assert load_board(write('total = "256KB"', "total = 262144")) == board


def test_limits_of_the_file_lower_what_the_regions_leave(write: Write) -> None:
    board = load_board(
        write("latency_ms = 500", 'latency_ms = 500\nram_bytes = "100KB"\nflash_bytes = 65536')
    )
    assert (board.ram_bytes, board.flash_bytes) == (102_400, 65_536)


def test_a_profile_survives_json_and_cannot_be_changed(write: Write) -> None:
    board = load_board(write())
    assert BoardProfile.model_validate_json(board.model_dump_json()) == board
    with pytest.raises(ValidationError):
        board.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        ("clock_mhz = 100", "clock_mhz = 0", "clock_mhz", "greater than 0"),
        ("clock_mhz = 100", "clock_mhz = -5", "clock_mhz", "greater than 0"),
        ("clock_mhz = 100", 'clock_mhz = "100"', "clock_mhz", "integer"),
        ("clock_mhz = 100", "clock_mhz = true", "clock_mhz", "integer"),
        ("clock_mhz = 100", "clock_mhz = 100.5", "clock_mhz", "integer"),
        ("clock_mhz = 100", "", "clock_mhz", "missing"),
        ("clock_mhz = 100", "clock_mhz = 1979-05-27", "clock_mhz", "integer"),
        ('"cmsis_nn_dsp"', '"cmsis"', "kernels[0]", "'cmsis_nn_dsp'"),
        (
            '"cmsis_nn_dsp"',
            '"portable"',
            "kernels[0]",
            "'cmsis_nn_dsp'",
        ),  # the core decides on the aot engine's
        ('["cmsis_nn_dsp", "reference"]', "[]", "kernels", "at least 1"),
        ('["cmsis_nn_dsp", "reference"]', '"reference"', "kernels", "array"),
        ('["cmsis_nn_dsp", "reference"]', '["reference", "reference"]', "kernels", "twice"),
        ('total = "256KB"', "total = -1", "memory.sram.total", "greater than"),
        ('total = "256KB"', "total = 0", "memory.sram.total", "greater than"),
        ('total = "256KB"', 'total = "-256KB"', "memory.sram.total", "not a size"),
        ('total = "256KB"', 'total = "lots"', "memory.sram.total", "not a size"),
        ('total = "256KB"', f'total = "{"9" * 400}GB"', "memory.sram.total", "too large"),
        ('total = "256KB"', "total = 99999999999999999999", "memory.sram.total", ""),
        ('total = "256KB"', 'total = "2TB"', "memory.sram.total", "not a size"),
        ('total = "256KB"', "total = 1000", "memory.sram.reserved", "more than the total"),
        ("reserved = 1024", "reserved = -1", "memory.sram.reserved", "greater than or equal to 0"),
        ('reserved_why = "stack"', "", "memory.sram.reserved_why", "say what"),
        ('kind = "sram"', 'kind = "psram"', "memory.sram.arena", "psram"),
        ('kind = "sram"', 'kind = "ram"', "memory.sram.kind", "'sram'"),
        ("arena = true", "", "memory", "no region has arena = true"),
        ('total = "1MB"', 'total = "1MB"\narena = true', "memory.flash.arena", "flash"),
        (
            'name = "flash"\nkind = "flash"',
            'name = "b"\nkind = "sram"\narena = true',
            "memory",
            "sram and b both",
        ),
        ('name = "flash"', 'name = "sram"', "memory", "'sram' is there twice"),
        ('kind = "flash"', 'kind = "psram"', "memory", "no region of kind flash"),
        ('source = "the datasheet"\narena = true', "arena = true", "memory.sram.source", "missing"),
        ('sources = ["the datasheet"]', "sources = []", "sources", "at least 1"),
        ('["my-alias"]', '["mine"]', "aliases", "'mine' is there twice"),
        ('["1234:ABCD"]', '["1234:abcd"]', "usb_ids[0]", "pattern"),
        ("latency_ms = 500", "latency_ms = 0", "limits.latency_ms", "greater than 0"),
        ("latency_ms = 500", "latency_ms = nan", "limits.latency_ms", "finite"),
        ("latency_ms = 500", "latency_ms = inf", "limits.latency_ms", "finite"),
        ("latency_ms = 500", 'latency_ms = 500\nram_bytes = "300KB"', "limits.ram_bytes", "more than"),
        ('framework = "bare_metal"', 'framework = "mbed"', "sdk.framework", "'esp_idf'"),
        ('title = "My board"', 'title = " "', "title", "at least 1"),
        ('title = "My board"', 'titel = "My board"', "title", "missing"),
        ('mcu = "MCU1"', 'mcu = "MCU1"\ncolour = "red"', "colour", "no such key"),
        ('name = "mine"', 'name = "yours"', "name", "not the name of the file"),
        ('name = "mine"', 'name = "../mine"', "name", "pattern"),
    ],
)
def test_a_bad_board_is_refused_with_file_key_and_reason(
    write: Write, old: str, new: str, key: str, reason: str
) -> None:
    path = write(old, new)
    with pytest.raises(InputError) as caught:
        load_board(path)
    told = "\n".join([caught.value.message, *caught.value.details])
    assert str(path) in caught.value.message
    assert f"{key}: " in told
    assert reason in told
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name = ", "not valid TOML"),
        (b'name = "mine"\nname = "mine"\n', "not valid TOML"),
        (b"x = " + b"9" * 5000, "not valid TOML"),
        (b"x = " + b"[" * 5000 + b"]" * 5000, "not valid TOML"),
        (b'name = "m\xff"', "not UTF-8"),
        (b"", "missing"),
        (b"#" * (1024**2 + 1), "more than the 1,048,576"),
    ],
    ids=["syntax", "key twice", "long number", "deep", "not UTF-8", "empty", "huge"],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        load_board(path)
    assert str(path) in caught.value.message


def test_a_user_board_comes_from_a_folder_and_may_take_the_place_of_a_shipped_one(
    write: Write, tmp_path: Path
) -> None:
    write()
    write('name = "mine"', 'name = "esp32s3"', name="esp32s3")
    assert get_board("mine", [tmp_path]).clock_mhz == 100
    assert get_board("my-alias", [tmp_path]).name in ("mine", "esp32s3")
    assert get_board("esp32s3", [tmp_path]).title == "My board"
    assert get_board("esp32s3").title != "My board"


def test_user_boards_are_part_of_the_catalog(write: Write, tmp_path: Path) -> None:
    write()
    assert set(load_catalog([tmp_path])) == {*SHIPPED, "mine"}
    assert "mine" not in load_catalog()


def test_the_variable_names_folders_and_the_command_line_goes_first(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    write("clock_mhz = 100", "clock_mhz = 1", folder=first)
    write("clock_mhz = 100", "clock_mhz = 2", folder=second)
    write("clock_mhz = 100", "clock_mhz = 3", folder=third)
    monkeypatch.setenv(BOARDS_VARIABLE, f"{second}{os.pathsep}{third}")
    assert get_board("mine").clock_mhz == 2
    assert get_board("mine", [first]).clock_mhz == 1
    assert load_catalog([first])["mine"].clock_mhz == 1


def test_two_boards_of_a_folder_may_not_share_a_name(write: Write, tmp_path: Path) -> None:
    write()
    write('name = "mine"', 'name = "other"', name="other")
    with pytest.raises(InputError, match=r"other\.toml: aliases: 'my-alias' .* mine\.toml"):
        load_catalog([tmp_path])


def test_a_missing_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"--boards-dir names .*gone"):
        load_catalog([tmp_path / "gone"])
    monkeypatch.setenv(BOARDS_VARIABLE, str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"\$EDGEKIT_BOARDS names .*gone"):
        get_board("pico")


def test_a_broken_file_beside_does_not_hinder_a_look_up(write: Write, tmp_path: Path) -> None:
    write()
    (tmp_path / "broken.toml").write_text("name =")
    assert get_board("mine", [tmp_path]).name == "mine"
    assert get_board("pico", [tmp_path]).name == "rp2040"
    with pytest.raises(InputError, match=r"broken\.toml"):
        load_catalog([tmp_path])


def test_a_look_up_parses_only_the_file_of_that_board(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def spy(path: Path, what: str) -> dict[str, Any]:
        parsed.append(path.stem)
        return original(path, what)

    original = tomlfile.load_toml
    monkeypatch.setattr(catalog, "load_toml", spy)
    get_board("pico2")
    assert parsed == ["rp2350"]


def test_every_complaint_about_a_file_is_kept(write: Write) -> None:
    path = write("clock_mhz = 100", "clock_mhz = 0\nextra = 1")
    with pytest.raises(InputError) as caught:
        load_board(path)
    assert len(caught.value.details) == 1
    json.dumps(caught.value.details)
