"""Running the command line as users do, and what every refusal has in common."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.build.lock import LOCK_FILE
from edgekit.cli.main import run


def edgekit(
    *args: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``edgekit`` in a process of its own."""
    command = [sys.executable, "-m", "edgekit", *map(str, args)]
    environment = {**os.environ, **(env or {})}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300, check=False
    )


def refused(
    capsys: pytest.CaptureFixture[str],
    *args: str | Path,
    status: int = 2,
    words: str = "",
    hint: bool = True,
    output: bool = False,
) -> str:
    """Run ``edgekit`` in this process, check that it refuses as it should, and return what it said.

    An exception that escapes would be a traceback for the user; here it fails the test.
    """
    capsys.readouterr()
    assert run([str(arg) for arg in args]) == status
    printed = capsys.readouterr()
    check_refusal(printed.err, words, hint)
    assert output or printed.out == ""
    return printed.err


def check_refusal(text: str, words: str = "", hint: bool = True) -> None:
    """Check that ``text`` ends with one sentence on what is wrong and one on what to do."""
    assert "Traceback" not in text
    messages = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert len(messages) == 1, text
    assert len(messages[0].removeprefix("Error: ")) > 10 and messages[0].endswith((".", "?")), messages
    assert words in messages[0], text
    assert not hint or "\n  Try: " in text, text


def monitored(capsys: pytest.CaptureFixture[str], words: str, *args: str | Path) -> str:
    """Run ``edgekit monitor`` until ``words`` are in what it shows, for longer where the machine is slow."""
    shown = ""
    for seconds in (1, 5, 30):
        capsys.readouterr()
        assert run(["monitor", *map(str, args), "--for", f"{seconds}s"]) == 0
        shown = capsys.readouterr().out
        if words in shown:
            return shown
    raise AssertionError(f"{words} is not in {shown}")


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` with its content, but for the lock, which is always empty."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != LOCK_FILE]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def write_image_classes(root: Path, count: int = 20) -> Path:
    """Write three classes of gray 32-pixel images that differ by their stripes, and return the folder."""
    rng = np.random.default_rng(0)
    wave = (np.arange(32) // 4 % 2 * 120)[:, None]
    for label, pattern in (("across", wave), ("none", 0), ("upright", wave.T)):
        (root / label).mkdir(parents=True)
        for number in range(count):
            pixels = (rng.integers(0, 90, (32, 32)) + pattern).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number:03d}.png")
    return root
