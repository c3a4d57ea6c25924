"""No kernel leaves its buffers or does what C leaves undefined, whatever the geometry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from aot_kernels import TESTS, compile_library
from aot_paths import PATHS

_SANITIZERS = ("-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="module", params=PATHS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(f"sanitized_{request.param}")
    return compile_library(folder, request.param, *_SANITIZERS)


def test_random_calls_are_clean(library: Path) -> None:
    done = _run(library)
    assert done.stdout == "all ran\n", done.stderr[-3000:]


@pytest.mark.parametrize(
    ("fault", "said"), [("short_output", "heap-buffer-overflow"), ("negative_shift", "shift exponent")]
)
def test_the_sanitizers_are_at_work(library: Path, fault: str, said: str) -> None:
    done = _run(library, fault)
    assert done.returncode != 0
    assert said in done.stderr


def _run(library: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    runtime = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH")))),
    }
    command = [sys.executable, str(TESTS / "aot_sanitized.py"), str(library), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
