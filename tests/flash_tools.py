"""Programs that stand for tools: they record how they are called, and say what they are told to."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

_SCRIPT = """#!{python}
import json, os, sys
with open({calls!r}, "a") as file:
    print(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]), file=file)
if sys.argv[1:] in (["--version"], ["version"], ["--help"]):
    print({version!r})
    sys.exit(0)
print({says!r})
sys.exit({status})
"""


class FakeTools:
    """A folder of programs that is all of the path.

    Parameters
    ----------
    folder:
        Where they are written.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder / "bin"
        self._folder.mkdir()
        self._calls = folder / "calls"
        self._home = folder / "home"
        self._home.mkdir()
        monkeypatch.setenv("PATH", str(self._folder))
        monkeypatch.setenv("HOME", str(self._home))
        monkeypatch.delenv("ZEPHYR_BASE", raising=False)

    def add(self, *names: str, version: str = "tool 9.9.9", says: str = "done", status: int = 0) -> None:
        """Install programs that say ``says`` and end with ``status``."""
        for name in names:
            path = self._folder / name
            path.write_text(
                _SCRIPT.format(
                    python=sys.executable, calls=str(self._calls), version=version, says=says, status=status
                )
            )
            path.chmod(0o755)

    def add_zephyr(self) -> Path:
        """Put a Zephyr where its documentation puts it, and return its folder."""
        base = self._home / "zephyrproject" / "zephyr"
        base.mkdir(parents=True)
        (base / "VERSION").write_text("VERSION_MAJOR = 4\nVERSION_MINOR = 2\nPATCHLEVEL = 0\n")
        return base

    def add_program(self, name: str, program: Path) -> None:
        """Install a real program under a name."""
        os.symlink(program, self._folder / name)

    @property
    def calls(self) -> list[list[str]]:
        """How they were called, but for questions about their version."""
        if not self._calls.exists():
            return []
        found: list[list[str]] = [json.loads(line) for line in self._calls.read_text().splitlines()]
        return [call for call in found if call[1:] not in (["--version"], ["version"], ["--help"])]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    """No program is installed but those that the test adds."""
    return FakeTools(tmp_path, monkeypatch)
