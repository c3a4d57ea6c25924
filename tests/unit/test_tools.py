"""Tools: their versions are compared by number, and what is missing is named with what installs it and its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgekit.build.process import build_environment
from edgekit.build.refusal import refusal
from edgekit.build.tools import TOOLS, ToolInfo, check_version, find_program, missing, older
from edgekit.errors import TaskError


@pytest.mark.parametrize(
    ("version", "minimum", "expected"),
    [
        ("5.0.7", "5.1", True),
        ("5.1", "5.1", False),
        ("5.10", "5.9", False),
        ("5.1.0", "5.1", False),
        ("v4.4-dev-12", "5.1", True),
        ("10.0", "9.9.9", False),
        ("unknown", "5.1", False),
        ("", "5.1", False),
    ],
)
def test_versions_are_compared_number_by_number(version: str, minimum: str, expected: bool) -> None:
    assert older(version, minimum) is expected


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_has_what_installs_it_and_a_page(name: str) -> None:
    info = TOOLS[name]
    assert "`" in info.install or info.install.startswith("Install ")
    assert re.fullmatch(r"https://[\w./-]+", info.page) and info.page in info.hint
    error = missing(info)
    assert error.hint == info.hint and error.message.endswith(".")


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_program_is_found_with_the_version_that_it_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    info = ToolInfo("Thing", ("thing", "other-thing"), "Install it.", "https://x.org", "2.0", ("version",))
    with pytest.raises(TaskError, match=r"Thing \(thing or other-thing\) is needed"):
        find_program(info)
    program(tmp_path, "other-thing", '[ "$1" = version ] && echo "Other Thing v2.4.1 (built today)" >&2')
    tool = find_program(info)
    assert (tool.name, tool.version) == ("other-thing", "2.4.1")
    program(tmp_path, "thing", "echo thing 1.9")
    with pytest.raises(TaskError, match=r"Thing 1\.9 is too old: 2\.0"):
        find_program(info)
    program(tmp_path, "thing", "exit 3")
    with pytest.raises(TaskError, match="does not run"):
        find_program(info)


def test_a_version_that_is_no_number_is_not_judged() -> None:
    check_version(TOOLS["cmake"], "from source")
    with pytest.raises(TaskError, match=r"too old: 9\.1"):
        check_version(TOOLS["cmake"], "3.25", "9.1")


def test_what_is_set_for_other_projects_is_kept_from_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDF_TARGET", "CFLAGS", "CMAKE_BUILD_TYPE", "BOARD", "PLATFORMIO_BUILD_FLAGS"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("IDF_PATH", "/idf")
    environment = build_environment()
    assert (
        not {"IDF_TARGET", "CFLAGS", "CMAKE_BUILD_TYPE", "BOARD", "PLATFORMIO_BUILD_FLAGS"}
        & environment.keys()
    )
    assert environment["IDF_PATH"] == "/idf" and environment["LC_ALL"] == "C"


def test_a_log_without_any_known_error_is_shown_by_its_end(tmp_path: Path) -> None:
    from edgekit.codegen.record import FirmwareProject

    project = FirmwareProject.model_construct(files={})
    error = refusal(tmp_path, project, "\n".join(f"line {number}" for number in range(100)))
    assert error.details[0] == "line 80" and error.details[-1] == "line 99"
    error = refusal(tmp_path, project, "/x/a.c:1: fatal error: TensorFlowLite.h: No such file or directory")
    assert "tflite-micro-arduino-examples" in error.hint
    error = refusal(
        tmp_path, project, "ERROR: tool riscv32-esp-elf has no installed versions. Please run 'install'"
    )
    assert "install.sh" in error.hint and "riscv32-esp-elf" in error.details[0]
