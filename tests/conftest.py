"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """Folder of trained models that is not part of the project; tests that need it skip where it is missing."""
    folder = Path(os.environ.get("EDGEKIT_TEST_MODELS", ROOT.parent / "shared" / "models"))
    if not folder.is_dir():
        pytest.skip(f"trained models are not at {folder} (set EDGEKIT_TEST_MODELS)")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch that writes the committed text of golden tests anew."""
    parser.addoption(
        "--update-golden", action="store_true", help="write the expected files of golden tests anew"
    )
