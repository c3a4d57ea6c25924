"""Whether the tools are there that building for a framework and flashing a board take, and which they are."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from edgekit.boards.cores import COMPILERS, CORES
from edgekit.boards.profile import BoardProfile, Framework
from edgekit.build.drivers import Request
from edgekit.build.drivers.esp_idf import IDF_MINIMUM, find_idf, needed_idf
from edgekit.build.drivers.pico_sdk import find_pico_compiler, find_pico_sdk, has_usb, pico_sdk_version
from edgekit.build.drivers.zephyr import (
    find_zephyr,
    find_zephyr_sdk,
    other_toolchain,
    pinned_zephyr,
    zephyr_sdk_version,
    zephyr_version,
)
from edgekit.build.flash_tools import FlashTool, find_bossac, find_esptool, need_runner
from edgekit.build.process import version_line
from edgekit.build.toolchain import find_gcc
from edgekit.build.tools import TOOLS, need_tool, older
from edgekit.doctor.finding import Finding, note, ok, problem
from edgekit.errors import TaskError

FLASHERS: Final[Mapping[str, str]] = {
    "esptool": "esptool",
    "picotool": "picotool",
    "west": "west",
    "pyocd": "pyocd",
    "openocd": "openocd",
    "jlink": "JLinkExe",
    "bossac": "bossac",
    "nrfutil": "adafruit-nrfutil",
    "teensy_loader": "teensy_loader_cli",
    "qemu": "qemu-system-arm",
    "ssh": "ssh",
}
"""What puts an image onto a board by each method, or starts it there."""

_FINDERS: Final[Mapping[str, Callable[[], FlashTool]]] = {
    "esptool": find_esptool,
    "bossac": find_bossac,
}
"""Those that are found in other places than the path too."""

_OWN_FLASHER: Final[tuple[Framework, ...]] = ("zephyr", "platformio")
"""Frameworks whose tool builds and flashes, whatever the board's method is."""

_FRAMEWORKS: Final[tuple[Framework, ...]] = ("esp_idf", "pico_sdk", "zephyr", "platformio", "arduino")


def check_toolchains(board: BoardProfile | None, request: Request | None = None) -> list[Finding]:
    """Return the findings on the tools for a board and its project.

    Without a board, what is there of every framework: nothing is wrong with what nobody needs.

    Parameters
    ----------
    board:
        The board, or ``None``.
    request:
        Its project, which says for which framework and engine it is; the board's own framework unless given.
    """
    if board is None:
        return [_as_note(finding) for name in _FRAMEWORKS for finding in _CHECKS[name](None, None)]
    name = request.project.framework if request is not None else board.sdk.framework
    check = _CHECKS.get(name)
    findings = check(board, request) if check is not None else []
    flasher = None if name in _OWN_FLASHER else FLASHERS.get(board.flash_method)
    if flasher is not None and not any(finding.check == f"tool.{flasher}" for finding in findings):
        findings.append(_flasher(flasher, board))
    return findings


def _as_note(finding: Finding) -> Finding:
    return finding if finding.level == "ok" else finding.model_copy(update={"level": "note"})


def check_tool(name: str) -> Finding:
    """Return whether the tool ``name`` of :data:`~edgekit.build.tools.TOOLS` is there and new enough."""
    check = f"tool.{name}"
    try:
        tool = need_tool(name)
    except TaskError as error:
        return problem(
            check, error.message, "not on the path" if "installed" in error.message else "", error.hint
        )
    return ok(check, f"{tool.name} {tool.version}".strip() + " is there.", str(tool.path))


def _flasher(name: str, board: BoardProfile) -> Finding:
    find = _FINDERS.get(name)
    finding = check_tool(name) if find is None else _flash_tool(name, find)
    if finding.level == "problem" and board.flash_method == "picotool":
        return note(
            finding.check,
            "There is no picotool; images are copied onto the board's drive instead.",
            finding.evidence,
            finding.fix,
        )
    return finding


def _flash_tool(name: str, find: Callable[[], FlashTool]) -> Finding:
    check = f"tool.{name}"
    try:
        tool = find()
    except TaskError as error:
        return problem(check, error.message, "not in the usual places", error.hint)
    return ok(check, f"{TOOLS[name].name} {tool.version}".strip() + " is there.", shlex.join(tool.command))


def _runner(board: BoardProfile) -> Finding:
    """Return whether a program is there that west can flash a board of Zephyr's with."""
    check = "tool.runner"
    try:
        program = need_runner(board.name)
    except TaskError as error:
        return problem(check, error.message, "not on the path", error.hint)
    return ok(check, f"west flashes {board.name} with {program or 'what Zephyr has for it'}.")


def _sdk(name: str, path: Path | None, version: str, minimum: str = "") -> Finding:
    info = TOOLS[name]
    least = minimum or info.minimum
    if path is None:
        where = info.misnamed or "not in the usual places"
        return problem(f"tool.{name}", f"{info.name} is not there.", where, info.hint)
    if least and older(version, least):
        what = f"{info.name} {version} is too old: {least} or later is needed."
        return problem(f"tool.{name}", what, str(path), info.hint)
    return ok(f"tool.{name}", f"{info.name} {version}".strip() + " is there.", str(path))


def _found(find: Callable[[], Path], name: str) -> Finding:
    check = f"tool.{name}"
    try:
        path = find()
        return ok(check, f"{version_line(path)} is there.", str(path))
    except TaskError as error:
        return problem(check, error.message, "not on the path", error.hint)


def _bare_metal(board: BoardProfile | None, request: Request | None) -> list[Finding]:
    core = CORES.get(board.core) if board is not None else None
    compiler, target = (core.compiler, core.name) if core is not None else (COMPILERS["arm"], "Arm")
    findings = [
        check_tool("cmake"),
        check_tool("ninja"),
        _found(lambda: find_gcc(compiler, target), compiler.program),
    ]
    if request is not None and request.project.engine == "tflm":
        findings.append(_found(lambda: find_gcc(compiler, target, cxx=True), compiler.cxx))
    return findings


def _esp_idf(board: BoardProfile | None, _: Request | None) -> list[Finding]:
    idf = find_idf()
    minimum = needed_idf(board.sdk.name) if board is not None else IDF_MINIMUM
    return [_sdk("idf.py", idf.path if idf else None, idf.version if idf else "", minimum)]


def _pico_sdk(_: BoardProfile | None, __: Request | None) -> list[Finding]:
    sdk = find_pico_sdk()
    findings = [
        _sdk("pico-sdk", sdk, pico_sdk_version(sdk) if sdk else ""),
        check_tool("cmake"),
        check_tool("ninja"),
        _found(find_pico_compiler, COMPILERS["arm"].cxx),
    ]
    if sdk is not None and not has_usb(sdk):
        findings.append(
            problem(
                "tool.tinyusb",
                "The Pico SDK has no TinyUSB, which the firmware's line at USB needs.",
                f"{sdk}/lib/tinyusb is empty",
                f"`git -C {sdk} submodule update --init lib/tinyusb`.",
            )
        )
    return findings


def _zephyr(board: BoardProfile | None, request: Request | None) -> list[Finding]:
    folder = request.folder if request is not None else None
    base = find_zephyr(folder)
    minimum = pinned_zephyr(folder) if folder is not None else ""
    findings = [check_tool("west"), _sdk("zephyr", base, zephyr_version(base) if base else "", minimum)]
    if board is not None:
        findings.append(_runner(board))
    variant = other_toolchain()
    if variant:
        return [
            *findings,
            ok("tool.zephyr-sdk", f"Zephyr compiles with the toolchain {variant}.", "environment"),
        ]
    sdk = find_zephyr_sdk()
    return [*findings, _sdk("zephyr-sdk", sdk, zephyr_sdk_version(sdk) if sdk else "")]


_CHECKS: Final[Mapping[Framework, Callable[[BoardProfile | None, Request | None], list[Finding]]]] = {
    "bare_metal": _bare_metal,
    "esp_idf": _esp_idf,
    "pico_sdk": _pico_sdk,
    "zephyr": _zephyr,
    "platformio": lambda _, __: [check_tool("pio")],
    "arduino": lambda _, __: [check_tool("arduino-cli")],
}
