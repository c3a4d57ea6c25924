"""The programs that building and flashing need: what installs each, its page, the oldest version that will do."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgekit.build.process import Tool, version_line
from edgekit.errors import TaskError

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """A program or an SDK that is not part of edgekit.

    Attributes
    ----------
    name:
        What people call it.
    programs:
        Its names on the path; several do the same, best first. An SDK, which is no program, has its name here.
    install:
        The commands that install it, as a sentence.
    page:
        The page that explains it.
    minimum:
        The oldest version that is known to do, as ``"5.1"``; empty where any will.
    version:
        The arguments that make it tell its version; empty for a program that cannot.
    sdk:
        Whether it is no program but a folder.
    variable:
        The environment variable that names this folder, where there is one.
    """

    name: str
    programs: tuple[str, ...]
    install: str
    page: str
    minimum: str = ""
    version: tuple[str, ...] = ("--version",)
    sdk: bool = False
    variable: str = ""

    @property
    def named(self) -> str:
        """Where the environment says that it is; empty if it does not."""
        return os.environ.get(self.variable, "") if self.variable else ""

    @property
    def misnamed(self) -> str:
        """That it is not where the environment says, as a sentence; empty if the environment does not say."""
        return f"${self.variable} is {self.named}, and there it is not." if self.named else ""

    @property
    def hint(self) -> str:
        """What to do where it is missing or too old."""
        return f"{self.install} See {self.page}"


TOOLS: Final[Mapping[str, ToolInfo]] = {
    tool.programs[0]: tool
    for tool in (
        ToolInfo(
            "CMake",
            ("cmake",),
            "Install it: `apt-get install cmake`, on macOS `brew install cmake`, or `pip install cmake`.",
            "https://cmake.org/download/",
            "3.13",
        ),
        ToolInfo(
            "Ninja or make",
            ("ninja", "make"),
            "Install it: `apt-get install ninja-build`, on macOS `brew install ninja`, or `pip install ninja`.",
            "https://ninja-build.org/",
        ),
        ToolInfo(
            "ESP-IDF",
            ("idf.py",),
            "Install it: `git clone --recursive https://github.com/espressif/esp-idf ~/esp/esp-idf`,"
            " then `~/esp/esp-idf/install.sh`; or `eim install`.",
            "https://docs.espressif.com/projects/esp-idf/en/stable/get-started/",
            variable="IDF_PATH",
        ),
        ToolInfo(
            "Pico SDK",
            ("pico-sdk",),
            "Install it: `git clone --recurse-submodules https://github.com/raspberrypi/pico-sdk ~/pico-sdk`;"
            " one elsewhere is found by $PICO_SDK_PATH.",
            "https://github.com/raspberrypi/pico-sdk",
            "2.0",
            sdk=True,
            variable="PICO_SDK_PATH",
        ),
        ToolInfo(
            "Zephyr",
            ("zephyr",),
            "Install it: `pip install west`, `west init ~/zephyrproject`, and there `west update`;"
            " one elsewhere is found by $ZEPHYR_BASE.",
            "https://docs.zephyrproject.org/latest/develop/getting_started/",
            "4.0",
            sdk=True,
            variable="ZEPHYR_BASE",
        ),
        ToolInfo(
            "Zephyr SDK",
            ("zephyr-sdk",),
            "Install it: `west sdk install` in the workspace; or set $ZEPHYR_TOOLCHAIN_VARIANT for another compiler.",
            "https://docs.zephyrproject.org/latest/develop/toolchains/zephyr_sdk.html",
            sdk=True,
            variable="ZEPHYR_SDK_INSTALL_DIR",
        ),
        ToolInfo(
            "west",
            ("west",),
            "Install it: `pip install west`.",
            "https://docs.zephyrproject.org/latest/develop/west/install.html",
            "1.0",
        ),
        ToolInfo(
            "PlatformIO",
            ("pio", "platformio"),
            "Install it: `pip install platformio`.",
            "https://docs.platformio.org/en/latest/core/installation/",
            "6.1",
        ),
        ToolInfo(
            "arduino-cli",
            ("arduino-cli",),
            "Install it: `curl -fsSL https://raw.githubusercontent.com/arduino/arduino-cli/master/install.sh | sh`,"
            " on macOS `brew install arduino-cli`.",
            "https://arduino.github.io/arduino-cli/latest/installation/",
            "1.0",
            ("version",),
        ),
        ToolInfo(
            "esptool",
            ("esptool", "esptool.py"),
            "Install it: `pip install esptool`.",
            "https://docs.espressif.com/projects/esptool/en/latest/",
            "4.7",
            ("version",),
        ),
        ToolInfo(
            "picotool",
            ("picotool",),
            "Install it: on macOS `brew install picotool`; elsewhere build it, as its page says.",
            "https://github.com/raspberrypi/picotool",
            "",
            ("version",),
        ),
        ToolInfo(
            "pyOCD",
            ("pyocd",),
            "Install it: `pip install pyocd`.",
            "https://pyocd.io/docs/installing.html",
            "0.34",
        ),
        ToolInfo(
            "OpenOCD",
            ("openocd",),
            "Install it: `apt-get install openocd`, on macOS `brew install open-ocd`.",
            "https://openocd.org/pages/getting-openocd.html",
        ),
        ToolInfo(
            "bossac",
            ("bossac",),
            "Install it: `arduino-cli core install arduino:mbed_nano`, which brings one that knows the Nano 33 BLE, and"
            " put the folder of its bossac on the path.",
            "https://github.com/arduino/BOSSA",
            "",
            (),
        ),
        ToolInfo(
            "adafruit-nrfutil",
            ("adafruit-nrfutil",),
            "Install it: `pip install adafruit-nrfutil`.",
            "https://github.com/adafruit/Adafruit_nRF52_nrfutil",
            "",
            ("version",),
        ),
        ToolInfo(
            "Teensy Loader",
            ("teensy_loader_cli",),
            "Install it: `apt-get install teensy-loader-cli`, on macOS `brew install teensy_loader_cli`.",
            "https://www.pjrc.com/teensy/loader_cli.html",
            "",
            (),
        ),
        ToolInfo(
            "QEMU",
            ("qemu-system-arm",),
            "Install it: `apt-get install qemu-system-arm`, on macOS `brew install qemu`.",
            "https://www.qemu.org/download/",
        ),
        ToolInfo(
            "OpenSSH",
            ("ssh",),
            "Install it: `apt-get install openssh-client`.",
            "https://www.openssh.com/portable.html",
            "",
            ("-V",),
        ),
        ToolInfo(
            "J-Link",
            ("JLinkExe",),
            "Install SEGGER's J-Link software.",
            "https://www.segger.com/downloads/jlink/",
            "",
            (),
        ),
    )
}
"""By the first of their names on the path."""


def need_tool(name: str) -> Tool:
    """Return the tool ``name`` of :data:`TOOLS`, with its version.

    Raises
    ------
    TaskError
        If it is missing, does not run, or is too old; the hint says what installs it, and which page explains it.
    """
    return find_program(TOOLS[name])


def find_program(info: ToolInfo) -> Tool:
    """Return the first of a tool's programs that is on the path, with its version.

    Raises
    ------
    TaskError
        As :func:`need_tool`.
    """
    for name in info.programs:
        found = shutil.which(name)
        if found is not None:
            version = tool_version(Path(found), info)
            check_version(info, version)
            return Tool(name, Path(found), version)
    raise missing(info)


def missing(info: ToolInfo) -> TaskError:
    """Return the error that says that a tool is not installed."""
    names = " or ".join(info.programs)
    program = names if names.lower() == info.name.lower() else f"{info.name} ({names})"
    what = info.name if info.sdk else program
    details = [info.misnamed] if info.misnamed else []
    return TaskError(f"{what} is needed, and is not installed or not found.", info.hint, details)


def in_home(place: str) -> Path:
    """Return the folder ``place``, whose ``~`` is the home folder where there is one."""
    return Path(os.path.expanduser(place))


def tool_version(path: Path, info: ToolInfo) -> str:
    """Return the version that the program at ``path`` tells: a number where it has one; empty where it tells none.

    Raises
    ------
    TaskError
        If it does not run.
    """
    if not info.version:
        return ""
    line = version_line(path, info.version)
    number = _NUMBER.search(line)
    return line if number is None else number[0]


def check_version(info: ToolInfo, version: str, minimum: str = "") -> None:
    """Check that ``version`` is not below ``minimum``, or else what the tool's entry says.

    A version that is no number is not judged.

    Raises
    ------
    TaskError
        If it is too old.
    """
    least = minimum or info.minimum
    if least and older(version, least):
        raise TaskError(f"{info.name} {version} is too old: {least} or later is needed.", info.hint)


def older(version: str, minimum: str) -> bool:
    """Return whether ``version`` is below ``minimum``, number by number; what is no number is not."""
    have, least = version_key(version), version_key(minimum)
    return bool(have) and have < least


def version_key(text: str) -> list[int]:
    """Return the numbers of the first version in ``text``, to sort by; none if it has none."""
    found = _NUMBER.search(text)
    return [int(part) for part in found[0].split(".")] if found else []
