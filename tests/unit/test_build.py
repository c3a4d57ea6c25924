"""Cross compilers and emulators: programs are built and run, and what goes wrong is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from elftools.elf.sections import SymbolTableSection

from edgekit.boards.cores import CORES, get_core
from edgekit.boards.ports import PORTS, get_port
from edgekit.build.elf import Elf
from edgekit.build.toolchain import Sources, build_part, build_program, compiler_version, find_compiler
from edgekit.errors import InputError, TaskError
from edgekit.flash.emulator import MACHINES, find_emulator, get_machine, run_program

HELLO = """
#include "ek_port.h"
static char text[] = "hello\\n";
static int zero;
int main(void) {
  text[0] = (char)(text[0] - 'h' + 'H' + zero);
  ek_port_write(text, sizeof text - 1);
  ek_port_write(ek_spare_start, 4);
  return 0;
}
"""
PART = """
const int table[100] = {1};
int counter = 7;
int more(int i);
int unused(int i) { return i * 3 + table[i + 1]; }
int used(int i) { return more(i) + table[i] + counter++; }
"""


def program(machine: str, text: str) -> Elf:
    return build_program(get_port(machine), Sources((), texts={"main.c": text}))


def test_every_port_has_a_machine_and_a_core() -> None:
    assert PORTS.keys() == MACHINES.keys()
    assert {port.core for port in PORTS.values()} <= CORES.keys()


@pytest.mark.parametrize("machine", PORTS)
def test_a_program_starts_with_its_data_and_ends(machine: str) -> None:
    elf = program(machine, HELLO)
    said = run_program(get_machine(machine), elf, {elf.address("ek_spare_start"): b"data"}, timeout=60)
    assert said == b"Hello\ndata"


@pytest.mark.parametrize("machine", PORTS)
def test_ticks_count_instructions_exactly(machine: str) -> None:
    """A run of NOPs that is 1000 longer takes 1000 instructions more, to the rounding of a tick."""
    said = []
    for count in (1000, 2000):
        text = f"""
#include "ek_port.h"
int main(void) {{
  uint64_t start = ek_port_ticks();
  __asm volatile(".rept {count}\\n\\tnop\\n\\t.endr");
  uint32_t ticks = (uint32_t)(ek_port_ticks() - start);
  ek_port_write(&ticks, sizeof ticks);
  return 0;
}}
"""
        said.append(int.from_bytes(run_program(get_machine(machine), program(machine, text)), "little"))
    difference = (said[1] - said[0]) * get_machine(machine).instructions_per_tick
    assert abs(difference - 1000) <= 1


@pytest.mark.parametrize("machine", ["mps2-an385", "rv32-virt"])
def test_a_fault_is_reported(machine: str) -> None:
    text = "int main(void) { return *(volatile int *)0xFFFFFF00u; }"
    assert run_program(get_machine(machine), program(machine, text)).startswith(b"\nfault ")


def test_a_program_that_hangs_is_ended_and_nothing_is_left_running() -> None:
    elf = program(
        "mps2-an386", '#include "ek_port.h"\nint main(void) { ek_port_write("here\\n", 5); for (;;) {} }'
    )
    with pytest.raises(TaskError, match="did not end within 2 s") as caught:
        run_program(get_machine("mps2-an386"), elf, timeout=2)
    assert caught.value.details == ("here",)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    assert not children.exists() or children.read_text().strip() == ""


def test_an_error_of_the_compiler_is_shown() -> None:
    with pytest.raises(TaskError, match="could not build") as caught:
        program("mps2-an386", "int main(void) { return undeclared; }")
    assert any("undeclared" in line for line in caught.value.details)


def test_a_warning_is_an_error() -> None:
    with pytest.raises(TaskError, match="could not build"):
        program("mps2-an386", "int main(void) { int unused; return 0; }")


@pytest.mark.parametrize("core", ["cortex-m0+", "cortex-m4f", "rv32imac"])
def test_a_part_has_what_its_roots_need_and_no_more(core: str) -> None:
    elf = build_part(get_core(core), Sources((), texts={"part.c": PART}), ["used"])
    assert elf.functions.keys() == {"used"} and elf.objects == {"table": 400, "counter": 4}
    assert 400 + 4 + elf.functions["used"] <= elf.flash <= 400 + 4 + elf.functions["used"] + 12
    assert elf.ram == 4


def test_a_part_can_be_measured_with_its_c_library() -> None:
    text = "#include <string.h>\nvoid used(void *a, int n);\nvoid used(void *a, int n) { memset(a, 0, (unsigned)n); }"
    with_it, without = (
        build_part(get_core("cortex-m4f"), Sources((), texts={"part.c": text}), ["used"], libc=libc)
        for libc in (True, False)
    )
    assert "memset" in with_it.functions and with_it.flash > without.flash


@pytest.mark.parametrize("core", CORES)
def test_every_core_can_be_compiled_for(core: str) -> None:
    assert build_part(get_core(core), Sources((), texts={"part.c": PART}), ["used"]).functions


def test_compilers_say_their_version() -> None:
    assert compiler_version(get_core("cortex-m3")).startswith("arm-none-eabi-gcc")


def test_missing_tools_are_named_with_the_package_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for core, package in (("cortex-m3", "gcc-arm-none-eabi"), ("rv32imac", "picolibc-riscv64-unknown-elf")):
        with pytest.raises(TaskError, match="is not installed") as caught:
            find_compiler(get_core(core))
        assert package in caught.value.hint and "brew install" in caught.value.hint
    for machine, package in (("mps2-an386", "qemu-system-arm"), ("rv32-virt", "qemu-system-misc")):
        with pytest.raises(TaskError, match="is not installed") as caught:
            find_emulator(get_machine(machine))
        assert package in caught.value.hint


def test_unknown_names_are_refused() -> None:
    for get in (get_core, get_port, get_machine):
        with pytest.raises(InputError, match="z80"):
            get("z80")


def test_what_is_no_elf_file_is_refused() -> None:
    for content in (b"", b"no ELF file", b"\x7fELF"):
        with pytest.raises(InputError, match="no ELF file"):
            Elf(content)


def test_what_is_no_whole_elf_file_is_refused_wherever_it_was_cut() -> None:
    content = program("mps2-an386", HELLO).content
    refused = 0
    for size in range(0, len(content), len(content) // 97):
        try:
            elf = Elf(content[:size])
            assert elf.symbols is not None and elf.placed is not None and elf.architecture is not None
        except InputError as error:
            refused += 1
            assert "ELF file" in error.message
    assert refused > 50


def test_two_builds_of_one_program_are_equal() -> None:
    assert program("mps2-an386", HELLO).content == program("mps2-an386", HELLO).content


def test_the_emulator_says_what_is_wrong_with_its_command() -> None:
    elf = program("mps2-an386", HELLO)
    with pytest.raises(TaskError, match="ended with"):
        run_program(get_machine("mps2-an386"), elf, {0xFFFFFFFF_FFFFFFFF_F: b"x"})


def test_sizes_and_symbols_are_told_apart_by_memory() -> None:
    text = """
#include "ek_port.h"
static const int constant[50] = {1};
static volatile int value[20] = {1}, zero[30];
int main(void) { return constant[zero[0]] + value[zero[1]]; }
"""
    elf = program("mps2-an386", text)
    assert elf.text + elf.data == elf.flash and elf.data + elf.bss == elf.ram
    kinds = {symbol.name: (symbol.bytes, symbol.in_flash, symbol.in_ram) for symbol in elf.symbols}
    assert kinds["constant"] == (200, True, False)
    assert kinds["value"] == (80, True, True)
    assert kinds["zero"] == (120, False, True)
    sizes = [symbol.bytes for symbol in elf.symbols]
    assert sizes == sorted(sizes, reverse=True)
    files = {symbol.name: symbol.file for symbol in elf.symbols}
    assert files["constant"] == "main.c" and files["main"] == ""


def test_the_table_of_symbols_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    elf = program("mps2-an386", HELLO)
    reads = []
    real = SymbolTableSection.iter_symbols
    monkeypatch.setattr(
        SymbolTableSection, "iter_symbols", lambda table: (reads.append(table), real(table))[1]
    )
    assert elf.symbols and elf.functions and elf.address("main") == elf.address("main") is not None
    assert elf.objects is not None and elf.address("no_such_symbol") is None
    assert len(reads) == 1
