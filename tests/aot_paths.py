"""The code paths of the aot engine, as flags for this host's compiler."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

SHIM: Final = Path(__file__).parent / "aot_shim"
"""The DSP extension's instructions as functions of this host."""

PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "portable": ("-DEK_PORTABLE",),
    "four channels": ("-DEK_PORTABLE", "-DEK_FOUR_CHANNELS=1"),  # what RISC-V cores get
    "dsp": ("-D__ARM_FEATURE_DSP=1", "-D__ARM_FEATURE_SAT=1", f"-I{SHIM}"),
}

WARNINGS: Final = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-Wshadow")
"""What every file of the engine stands on every path."""
