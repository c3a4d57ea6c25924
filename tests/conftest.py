"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError
from edgekit.latency.store import DATA_VARIABLE

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In the background of a shell Ctrl-C is ignored, by all programs that tests start as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # So is the end of the terminal after nohup.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep what the user has measured on boards out of the tests; commands that they start inherit it."""
    folder = tmp_path_factory.mktemp("data")
    os.environ[DATA_VARIABLE] = str(folder)
    return folder


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what to do about an error, and its details: which package to install, what the compiler said."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, EdgekitError):
        report.sections.append(("what to do", "\n".join((error.hint, *error.details))))
    return report
