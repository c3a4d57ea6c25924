"""SDKs and their tools as small programs that record what they are told and leave what the real ones leave.

What they leave has the form that the real ones' sources give it: espressif/esp-idf (flasher_args.json.in and
project_description.json.in), zephyrproject-rtos/zephyr, PlatformIO's build folder, arduino-cli's build path.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from edgekit.boards.cores import get_core

_HEAD = f"""#!{sys.executable}
import json, os, shutil, sys
from pathlib import Path
def option(name):
    return sys.argv[sys.argv.index(name) + 1]
def write(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
def image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.environ["FAKE_IMAGE"], path)
def record():
    with open(os.environ["FAKE_LOG"], "a") as log:
        log.write(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]) + "\\n")
def fail():
    if os.environ.get("FAKE_ERROR"):
        print(os.environ["FAKE_ERROR"])
        sys.exit(2)
"""
_IDF = """
record()
fail()
out = Path(option("-B"))
image(out / "firmware.elf")
for name in ("bootloader/bootloader.bin", "partition_table/partition-table.bin"):
    write(out / name, name.encode())
write(out / "firmware.bin", bytes(5000))
(out / "project_description.json").write_text(json.dumps({
    "version": "1.2", "project_name": "firmware", "app_elf": "firmware.elf", "app_bin": "firmware.bin",
    "build_dir": str(out), "target": "esp32c3",
}))
(out / "flasher_args.json").write_text(json.dumps({
    "write_flash_args": ["--flash_mode", "dio", "--flash_size", "4MB", "--flash_freq", "80m"],
    "flash_settings": {"flash_mode": "dio", "flash_size": "4MB", "flash_freq": "80m"},
    "flash_files": {
        "0x0": "bootloader/bootloader.bin", "0x10000": "firmware.bin", "0x8000": "partition_table/partition-table.bin",
    },
    "bootloader": {"offset": "0x0", "file": "bootloader/bootloader.bin", "encrypted": "false"},
    "app": {"offset": "0x10000", "file": "firmware.bin", "encrypted": "false"},
    "partition-table": {
        "offset": "0x8000", "file": "partition_table/partition-table.bin", "encrypted": "false",
    },
    "extra_esptool_args": {"after": "hard_reset", "before": "default_reset", "stub": True, "chip": "esp32c3"},
}))
(Path(option("-C")) / "dependencies.lock").write_text('''dependencies:
  espressif/esp-nn:
    component_hash: 0f
    dependencies:
    - name: idf
      require: private
      version: '>=4.2'
    source:
      registry_url: https://components.espressif.com/
      type: service
    version: 1.1.2
  idf:
    source:
      type: idf
    version: 5.4.1
manifest_hash: 0e
target: esp32c3
version: 2.0.0
''')
"""
_WEST = """
if sys.argv[1:] == ["--version"]:
    print("West version: v1.5.0")
    sys.exit()
record()
fail()
out = Path(option("-d"))
write(out / "CMakeCache.txt")
image(out / "zephyr/zephyr.elf")
for kind in ("hex", "bin"):
    write(out / f"zephyr/zephyr.{kind}", kind.encode())
"""
_PIO = """
if sys.argv[1:] == ["--version"]:
    print("PlatformIO Core, version 6.1.18")
    sys.exit()
record()
fail()
out = Path(os.environ["PLATFORMIO_BUILD_DIR"]) / "nano33ble"
image(out / "firmware.elf")
for kind in ("bin", "hex", "zip"):
    write(out / f"firmware.{kind}", kind.encode())
"""
_ARDUINO = """
if sys.argv[1:] == ["version"]:
    print("arduino-cli  Version: 1.3.1 Commit: 08ff7e2b Date: 2025-08-28T13:51:45Z")
    sys.exit()
if sys.argv[1:3] == ["core", "list"]:
    cores = json.loads(os.environ.get("FAKE_CORES", '[{"id": "arduino:mbed_nano", "installed_version": "4.2.1"}]'))
    print(json.dumps({"platforms": cores or None}))
    sys.exit()
record()
fail()
out = Path(option("--build-path"))
image(out / "edgekit_bench.ino.elf")
for kind in ("bin", "hex"):
    write(out / f"edgekit_bench.ino.{kind}", kind.encode())
"""
TOOLS = {"idf.py": _IDF, "west": _WEST, "pio": _PIO, "arduino-cli": _ARDUINO}

FIRMWARE = """
#include <stdint.h>
_Alignas(16) uint8_t ek_arena[ARENA];
uint32_t counter = 7;
const uint8_t ek_weights[3000] = {1};
__attribute__((section(".fast"))) int fast(int x) { return x * 3; }
int main(void) { return fast(ek_weights[ek_arena[0]]) + (int)counter; }
"""
"""An arena, a variable, constants, and code that runs from RAM."""

C3_SCRIPT = """
MEMORY
{
  iram0_0_seg (RX) : org = 0x40380000, len = 0x4E710
  iram0_2_seg (RX) : org = 0x42000020, len = 0x800000 - 0x20
  dram0_0_seg (RW) : org = 0x3FC80000, len = 0x4E710
  drom0_0_seg (R)  : org = 0x3C000020, len = 0x800000 - 0x20
}
ENTRY(main)
SECTIONS
{
  .iram0.text : { *(.fast) . = ALIGN(256); } > iram0_0_seg
  .dram0.dummy (NOLOAD) : { . = . + SIZEOF(.iram0.text); } > dram0_0_seg
  .dram0.data : { *(.data .data.* .sdata .sdata.*) } > dram0_0_seg
  .dram0.bss (NOLOAD) : { *(.bss .bss.* .sbss .sbss.* COMMON) } > dram0_0_seg
  .flash.text : { *(.text .text.*) } > iram0_2_seg
  .flash_rodata_dummy (NOLOAD) : { . = . + SIZEOF(.flash.text); } > drom0_0_seg
  .flash.rodata : { *(.rodata .rodata.* .srodata .srodata.*) } > drom0_0_seg
}
"""
"""The sections of an ESP32-C3's image as ESP-IDF lays them out, data after the RAM that code has taken."""

ARM_SCRIPT = """
MEMORY { FLASH (rx) : org = 0x0, len = 1M  RAM (rw) : org = 0x20000000, len = 256K }
ENTRY(main)
SECTIONS
{
  text : { *(.text .text.* .rodata .rodata.*) } > FLASH
  datas : { *(.data .data.* .fast) } > RAM AT > FLASH
  bss (NOLOAD) : { *(.bss .bss.* COMMON) } > RAM
  /DISCARD/ : { *(.ARM.exidx* .ARM.extab*) }
}
"""


def make_tools(folder: Path, *names: str) -> Path:
    """Write the programs ``names``, or all, to ``folder`` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or TOOLS:
        path = folder / name
        path.write_text(_HEAD + TOOLS[name])
        path.chmod(0o755)
    return folder


def make_idf(folder: Path, version: str = "5.4.1") -> Path:
    """Write an ESP-IDF that is not in the path but for its export.sh, and return its folder."""
    major, minor, patch = version.split(".")
    text = "".join(
        f"set(IDF_VERSION_{name} {value})\n"
        for name, value in (("MAJOR", major), ("MINOR", minor), ("PATCH", patch))
    )
    (folder / "tools/cmake").mkdir(parents=True)
    (folder / "tools/cmake/version.cmake").write_text(text)
    make_tools(folder / "tools", "idf.py")
    (folder / "export.sh").write_text(
        f'[ $# -eq 0 ] && [ "$0" != "${{BASH_SOURCE[0]}}" ] || exit 3\nexport IDF_PATH="{folder}" FROM_EXPORT=yes\n'
        f'python() {{ :; }}; unset -f python\nexport PATH="{folder}/bin:$PATH"\n'
    )
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(sys.executable)
    return folder


def make_zephyr(workspace: Path, version: tuple[int, int, int] = (4, 3, 0)) -> Path:
    """Write a workspace with Zephyr and its SDK, and return Zephyr's folder."""
    base = workspace / "zephyr"
    (workspace / ".west").mkdir(parents=True)
    base.mkdir()
    (base / "VERSION").write_text(
        "VERSION_MAJOR = {}\nVERSION_MINOR = {}\nPATCHLEVEL = {}\nVERSION_TWEAK = 0\nEXTRAVERSION =\n".format(
            *version
        )
    )
    sdk = workspace / "zephyr-sdk-0.17.4"
    sdk.mkdir()
    (sdk / "sdk_version").write_text("0.17.4\n")
    return base


def make_pico_sdk(folder: Path, version: str = "2.2.0") -> Path:
    """Write a Pico SDK that is no more than a toolchain, and return its folder."""
    folder.mkdir(parents=True)
    names = ("MAJOR", "MINOR", "REVISION")
    lines = [
        f"    set(PICO_SDK_VERSION_{name} {value})\n"
        for name, value in zip(names, version.split("."), strict=True)
    ]
    (folder / "pico_sdk_version.cmake").write_text("".join(lines))
    (folder / "pico_sdk_init.cmake").write_text(
        "set(CMAKE_SYSTEM_NAME Generic)\nset(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)\n"
        "set(CMAKE_C_COMPILER arm-none-eabi-gcc)\n"
    )
    return folder


def compile_image(
    folder: Path, core_name: str, script: str, arena: int, text: str = FIRMWARE, *more: str
) -> Path:
    """Compile ``text`` for a core with a linker script and ``more`` options, and return the ELF file."""
    core = get_core(core_name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "firmware.c").write_text(text)
    (folder / "firmware.ld").write_text(script)
    flags = [
        "-O2",
        *more,
        "-nostdlib",
        "-nostartfiles",
        "-ffreestanding",
        f"-DARENA={arena}",
        "-T",
        "firmware.ld",
    ]
    flags += ["-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments", "-o", "firmware.elf"]
    subprocess.run([core.compiler.program, *core.flags, *flags, "firmware.c"], cwd=folder, check=True)
    return folder / "firmware.elf"


def told(log: Path) -> list[tuple[list[str], dict[str, str], str]]:
    """Return what the tools were told: arguments, environment and folder of each run."""
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []
