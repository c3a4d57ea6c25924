"""The bench runner is small: what it takes of flash and RAM without model and engine, on a Cortex-M4F."""

from __future__ import annotations

import pytest

from edgekit.boards.cores import get_core
from edgekit.boards.ports import get_port
from edgekit.build.toolchain import Sources, build_part, find_compiler
from edgekit.codegen.bare_metal import PROTOCOL_HEADER
from edgekit.codegen.environment import render
from edgekit.errors import TaskError
from edgekit.resources import resource_dir
from edgekit.wire.declaration import RUNS_MAX, header_context

TEXT_LIMIT = 12 * 1024
RAM_LIMIT = 2 * 1024

# A model and an engine of nothing, so that what the linker takes of the C library is counted too.
NOTHING = """
#include "ek_engine.h"
#include "ek_settings.h"
const ek_settings ek_model_settings;
int ek_engine_init(void) { return 0; }
const char *ek_engine_error(void) { return ""; }
uint8_t *ek_engine_input(void) { return NULL; }
const uint8_t *ek_engine_output(void) { return NULL; }
int ek_engine_invoke(ek_engine_hook hook, void *context) { return hook == NULL && context == NULL; }
uint32_t ek_engine_arena_used(void) { return 0; }
"""


def test_the_core_fits_into_12_kb_of_flash_and_2_kb_of_ram() -> None:
    core = get_core("cortex-m4f")
    try:
        find_compiler(core)
    except TaskError as error:
        pytest.skip(str(error))
    firmware, port = resource_dir("firmware"), get_port("mps2-an386")
    sources = Sources(
        tuple(sorted((*(firmware / "core").glob("*.c"), port.path / "port.c"))),
        (firmware / "core", port.path.parent),
        texts={
            PROTOCOL_HEADER: render(f"protocol/{PROTOCOL_HEADER}.j2", header_context()),
            "nothing.c": NOTHING,
        },
    )
    part = build_part(core, sources, ("ek_bench_start", "ek_bench_poll"), libc=True)
    assert 6_000 < part.text <= TEXT_LIMIT, part.text
    # The ticks of a run lie with the model's settings, since a profile of many operators takes more.
    assert 800 < part.ram + 8 * RUNS_MAX <= RAM_LIMIT, part.ram
