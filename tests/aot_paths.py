"""The aot engine for this host's compiler: where its sources are, and its code paths."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edgekit.codegen.aot import engine_folder

ENGINE: Final = engine_folder()
SHIM: Final = Path(__file__).parent / "aot_shim"
"""The DSP extension's instructions as functions of this host."""

PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "portable": ("-DEK_PORTABLE",),
    "four channels": ("-DEK_PORTABLE", "-DEK_FOUR_CHANNELS=1"),  # what RISC-V cores get
    "dsp": ("-D__ARM_FEATURE_DSP=1", "-D__ARM_FEATURE_SAT=1", f"-I{SHIM}"),
}

_WARNINGS: Final = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-Wshadow")
"""What every file of the engine stands on every path."""


def compile_c(folder: Path, *arguments: str | Path) -> None:
    """Run this host's C compiler in ``folder``, with all warnings as errors."""
    compiler = next(filter(None, map(shutil.which, ("gcc", "clang", "cc"))), None)
    assert compiler, "no C compiler is installed; install gcc"
    command = [compiler, *_WARNINGS, "-fPIC", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
