"""Fixtures of the tests of rendered code."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from rendering import LABELS, make_spec
from tiny import TINY_MODEL

from edgekit.codegen.project import ProjectSpec


@pytest.fixture(scope="session")
def tiny_spec() -> ProjectSpec:
    """The tiny network with labels that are hard to write in C."""
    return make_spec(TINY_MODEL.read_bytes(), labels=LABELS)


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[[Mapping[str, bytes | str]], Path]:
    """Write rendered files below a new folder and return it."""

    def write(files: Mapping[str, bytes | str]) -> Path:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return write


@pytest.fixture
def clang_format() -> list[str]:
    """The command that formats with the project's style."""
    if shutil.which("clang-format") is None:
        pytest.skip("clang-format is not installed")
    return ["clang-format", f"--style=file:{Path(__file__).parents[2] / '.clang-format'}"]
