"""Fixtures of the tests that put several parts together."""

from __future__ import annotations

from pathlib import Path

import pytest

TINY_MODEL = Path(__file__).parents[1] / "golden" / "tiny.tflite"


@pytest.fixture(scope="session")
def tiny_model() -> bytes:
    """A MobileNet in small, int8, 6x6x3 to 3 classes."""
    return TINY_MODEL.read_bytes()
