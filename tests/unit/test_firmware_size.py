"""The bench runner is small: what it takes of flash and RAM without model and engine, on a Cortex-M4F."""

from __future__ import annotations

import pytest
from firmware_core import CORE, RAM_LIMIT, TEXT_LIMIT, measure_core

from edgekit.boards.cores import get_core
from edgekit.build.toolchain import find_compiler
from edgekit.errors import TaskError


def test_the_core_fits_into_12_kb_of_flash_and_2_kb_of_ram() -> None:
    try:
        find_compiler(get_core(CORE))
    except TaskError as error:
        pytest.skip(str(error))
    size = measure_core()
    assert 6_000 < size.text <= TEXT_LIMIT, size
    assert 800 < size.ram <= RAM_LIMIT, size
