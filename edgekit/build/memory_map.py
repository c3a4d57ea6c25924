"""Which addresses of an image lie in which memory of a board, and how much of each is taken.

Sources: for the ESP32s components/esp_system/ld/*/memory.ld.in in espressif/esp-idf@1021229, which also say where the
instruction bus sees the same RAM; for the RP2s src/rp2_common/pico_crt0/*/memmap_default.ld in
raspberrypi/pico-sdk@a1438df; for the others the nodes ``memory@`` in dts/ of zephyrproject-rtos/zephyr.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from edgekit.build.elf import Elf, Section


@dataclass(frozen=True, slots=True)
class Window:
    """Addresses of a memory.

    Attributes
    ----------
    memory:
        Its name, as the board's profile has it where it has one.
    start, end:
        The first address, and the first after it.
    alias:
        Where the same bytes begin in another window of this memory: they count once.
    shared:
        Whether flash is seen at the same addresses: only variables without an initial value are in RAM then.
    """

    memory: str
    start: int
    end: int
    alias: int | None = None
    shared: bool = False


def _one(memory: str, start: int, size: int) -> tuple[Window, ...]:
    return (Window(memory, start, start + size),)


MEMORY_MAPS: Final[Mapping[str, tuple[Window, ...]]] = {
    "esp32": (
        Window("dram", 0x3FFB0000, 0x3FFDC200),
        Window("iram", 0x40080000, 0x400A0000),
        Window("psram", 0x3F800000, 0x3FC00000),
    ),
    "esp32s3": (
        Window("diram", 0x3FC88000, 0x3FCDB700),
        Window("diram", 0x40378000, 0x403CB700, alias=0x3FC88000),
        Window("iram", 0x40370000, 0x40378000),
        Window("psram", 0x3C000000, 0x3E000000, shared=True),
    ),
    "esp32c3": (
        Window("diram", 0x3FC80000, 0x3FCD0000),
        Window("diram", 0x40380000, 0x403D0000, alias=0x3FC80000),
    ),
    "esp32p4": (
        Window("l2mem", 0x4FF00000, 0x4FFC0000),
        Window("psram", 0x48000000, 0x4C000000, shared=True),
    ),
    "rp2040": (Window("sram", 0x20000000, 0x20040000), Window("scratch", 0x20040000, 0x20042000)),
    "rp2350": (Window("sram", 0x20000000, 0x20080000), Window("scratch", 0x20080000, 0x20082000)),
    "nano33ble": _one("sram", 0x20000000, 0x40000),
    "nrf5340dk": _one("sram", 0x20000000, 0x80000),
    "stm32f746g-disco": (Window("sram", 0x20010000, 0x20050000), Window("dtcm", 0x20000000, 0x20010000)),
    "nucleo-h743zi": (
        Window("axi", 0x24000000, 0x24080000),
        Window("dtcm", 0x20000000, 0x20020000),
        Window("itcm", 0x00000000, 0x00010000),
        Window("sram12", 0x30000000, 0x30040000),
        Window("sram3", 0x30040000, 0x30048000),
        Window("sram4", 0x38000000, 0x38010000),
    ),
    "nucleo-l4r5zi": _one("sram", 0x20000000, 0xA0000),
    "nucleo-u575zi": _one("sram", 0x20000000, 0xC0000),
    "teensy41": (
        Window("ram2", 0x20200000, 0x20280000),
        Window("ram1", 0x20000000, 0x20080000),
        Window("ram1", 0x00000000, 0x00080000),  # the part of it that code runs from
    ),
    "ek-ra6m4": _one("sram", 0x20000000, 0x40000),
    "ek-ra8d1": (Window("sram", 0x22000000, 0x220E0000), Window("tcm", 0x20000000, 0x20020000)),
}
"""By board profile; the memory for the arena comes first. For a board that is not there all that is writable counts."""


def arena_memory(board: str) -> str | None:
    """Return the memory that the arena of ``board`` belongs in, as its profile says too; ``None`` if unknown."""
    return next((window.memory for window in MEMORY_MAPS.get(board, ())), None)


def memory_at(board: str, address: int) -> str | None:
    """Return the memory of ``board`` that ``address`` lies in; ``None`` if it is no RAM that is known."""
    return next((w.memory for w in MEMORY_MAPS.get(board, ()) if w.start <= address < w.end), None)


def ram_use(board: str, elf: Elf) -> dict[str, int]:
    """Return the bytes that an image takes of each RAM of ``board``: of those that it uses, in the order of the map.

    What lies there counts, code as well, and bytes that are seen at two addresses count once.
    """
    windows = MEMORY_MAPS.get(board, ())
    used: dict[str, int] = {}
    for memory in dict.fromkeys(window.memory for window in windows):
        own = [window for window in windows if window.memory == memory]
        taken = _union(part for section in elf.placed for part in _parts(section, own))
        if taken:
            used[memory] = taken
    return used


def _parts(section: Section, windows: Iterable[Window]) -> Iterable[tuple[int, int]]:
    """Yield the addresses of a section in some windows of one memory, each by its first name."""
    for window in windows:
        if window.shared and (section.content or not section.writable):
            continue
        start = max(section.address, window.start)
        end = min(section.address + section.bytes, window.end)
        if start < end:
            moved = 0 if window.alias is None else window.alias - window.start
            yield start + moved, end + moved


def _union(parts: Iterable[tuple[int, int]]) -> int:
    """Return how many addresses lie in at least one of ``parts``."""
    total, reached = 0, 0
    for start, end in sorted(parts):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
