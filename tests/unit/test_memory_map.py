"""The maps of boards' memories agree with their profiles, and sections are counted where they lie."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest

from edgekit.boards.catalog import load_catalog
from edgekit.build.elf import Elf, Section
from edgekit.build.memory_map import MEMORY_MAPS, arena_memory, memory_at, ram_use


def image(*sections: Section) -> Elf:
    """Return what :func:`ram_use` looks at of an ELF file."""
    return SimpleNamespace(placed=sections)  # type: ignore[return-value]


def bss(address: int, size: int) -> Section:
    return Section("bss", address, size, True, False)


def code(address: int, size: int) -> Section:
    return Section("text", address, size, False, True)


def test_every_board_of_silicon_has_a_map_whose_first_memory_is_the_arenas() -> None:
    boards = [b for b in load_catalog(()).values() if not b.linux and not b.emulated]
    assert {board.name for board in boards} == MEMORY_MAPS.keys()
    for board in boards:
        assert arena_memory(board.name) == board.arena_region.name, board.name
        first = MEMORY_MAPS[board.name][0]
        # A chip's second revision may have it elsewhere in the same block.
        assert first.end - first.start >= board.arena_region.total, board.name
        if board.name != "esp32p4":
            assert first.end - first.start == board.arena_region.total, board.name


@pytest.mark.parametrize("board", MEMORY_MAPS)
def test_windows_do_not_overlap(board: str) -> None:
    windows = sorted(MEMORY_MAPS[board], key=lambda window: window.start)
    assert all(a.end <= b.start for a, b in pairwise(windows))
    for window in windows:
        if window.alias is not None:
            assert memory_at(board, window.alias) == window.memory


def test_code_in_ram_and_the_gap_that_it_leaves_for_data_count_once() -> None:
    use = ram_use("esp32s3", image(code(0x40378000, 1000), bss(0x3FC88000, 1000), bss(0x3FC883E8, 24)))
    assert use == {"diram": 1024}


def test_code_before_the_shared_ram_is_in_a_memory_of_its_own() -> None:
    # From 0x40374000 to 0x40378000 there is no data bus.
    assert ram_use("esp32s3", image(code(0x40374000, 0x5000))) == {"diram": 0x1000, "iram": 0x4000}


def test_flash_and_psram_are_told_apart_at_the_same_addresses() -> None:
    flash, psram = code(0x3C000020, 5000), bss(0x3C010000, 700)
    assert ram_use("esp32s3", image(flash)) == {}
    assert ram_use("esp32s3", image(flash, psram)) == {"psram": 700}


def test_an_unknown_board_has_no_map() -> None:
    assert ram_use("mine", image(bss(0x20000000, 4))) == {} and memory_at("mine", 0x20000000) is None
