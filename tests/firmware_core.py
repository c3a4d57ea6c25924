"""How much of a Cortex-M4F's flash and RAM the bench runner takes without model and engine."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.boards.cores import get_core
from edgekit.boards.ports import get_port
from edgekit.build.toolchain import Sources, build_part
from edgekit.codegen.environment import render
from edgekit.codegen.firmware import PROTOCOL_HEADER
from edgekit.resources import resource_dir
from edgekit.wire.declaration import RUNS_MAX, header_context

CORE = "cortex-m4f"
TEXT_LIMIT = 12 * 1024
RAM_LIMIT = 2 * 1024

# A model and an engine of nothing, so that what the linker takes of the C library is counted too.
_NOTHING = """
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


@dataclass(frozen=True)
class CoreSize:
    """Bytes of code and constants, and of RAM without the stack."""

    text: int
    ram: int


def measure_core() -> CoreSize:
    """Compile the bench runner with the port of mps2-an386 and return its size.

    Raises
    ------
    TaskError
        If the compiler is missing.
    """
    firmware, port = resource_dir("firmware"), get_port("mps2-an386")
    sources = Sources(
        tuple(sorted((*(firmware / "core").glob("*.c"), port.path / "port.c"))),
        (firmware / "core", port.path.parent),
        texts={
            PROTOCOL_HEADER: render(f"protocol/{PROTOCOL_HEADER}.j2", header_context()),
            "nothing.c": _NOTHING,
        },
    )
    part = build_part(get_core(CORE), sources, ("ek_bench_start", "ek_bench_poll"), libc=True)
    # The ticks of a run lie with the model's settings, since a profile of many operators takes more.
    return CoreSize(part.text, part.ram + 8 * RUNS_MAX)
