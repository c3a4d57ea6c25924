"""The network that the benchmarks of firmware run: VWW, or one of its shape where the trained file is missing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.writer import write_model

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from aot_networks import random_network  # noqa: E402

MODELS = Path(os.environ.get("EDGEKIT_TEST_MODELS", ROOT.parent / "shared" / "models"))
"""Folder of the trained models."""


def vww(models: Path) -> tuple[str, bytes]:
    """Return what to call the network, and its .tflite."""
    path = models / "vww_96_int8.tflite"
    if path.exists():
        return "VWW", path.read_bytes()
    spec = NetworkSpec("mobilenet_v1", 0.25, 96, channels=3, classes=2)
    return "0.25/96 with random weights", write_model(random_network(spec, seed=1))
