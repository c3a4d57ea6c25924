"""Fits the latency model to the published figures and writes edgekit/latency/op_cycles.toml."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from math import expm1
from pathlib import Path
from typing import Final

from latency_data import Observation, load_observations
from latency_fit import Fit, fit, priors
from latency_held_out import blind_fits, bounds_scale, plain_held_out
from latency_tables import QUANTILE, TERMS, board, table

from edgekit.boards.kernels import KERNEL_LIBRARIES, KernelLibrary
from edgekit.cli.main import show_error
from edgekit.errors import EdgekitError
from edgekit.files import write_atomic
from edgekit.latency.estimate import COVERAGE
from edgekit.latency.tables import TABLE_FILE, BoardFactor, CostTable
from edgekit.latency.work import OP_CLASSES

_ARM: Final = ("cortex-m4f", "cortex-m33", "cortex-m7", "cortex-m55", "cortex-m85")
_SMALL: Final = ("cortex-m0+", "cortex-m3")
_RISCV: Final = ("rv32imc", "rv32imac", "rv32imafc")
_XTENSA: Final = ("xtensa-lx7", "xtensa-lx6")
_LINUX: Final = ("cortex-a72", "cortex-a53", "cortex-a76")

CORES: Final[dict[KernelLibrary, tuple[str, ...]]] = {
    "reference": (*_ARM, *_SMALL, *_XTENSA, *_RISCV, *_LINUX),
    "cmsis_nn": ("cortex-m3", "cortex-m0+", *_ARM),
    "cmsis_nn_dsp": _ARM,
    "cmsis_nn_mve": ("cortex-m55", "cortex-m85"),
    "esp_nn": (*_XTENSA, *_RISCV),
    "esp_nn_s3": ("xtensa-lx7",),
    "esp_nn_p4": ("rv32imafc",),
    "xnnpack": _LINUX,
    "portable": (*_ARM, *_SMALL, *_RISCV, *_XTENSA),
    "dsp": _ARM,
}
"""Cores that each library gets a table for; the first stands in for cores that have none."""

HEADER: Final = """\
# Cycles of int8 operators by kernel library and core: call + mac * steps + output * outputs + pixel * pixels, where
# steps are Mult-Adds (for pooling: elements read). Written by `make calibrate` from tools/latency; do not edit.
# docs/latency.md explains the model, the bounds and the words of `basis`.
#
# below, above, spread: half-widths of the {coverage:.0%} bounds as shares: of the whole, and of a class's own cycles.
# stream: cycles a Mult-Add on top where weights are larger than the cache that they are read through.
# Bounds are {scale:.2f} times as wide as the posterior says, as boards that were left out of the fit ask for.

schema = "edgekit.op-cycles/2"
"""


def render(result: Fit, scale: float) -> str:
    """Return the text of the file."""
    lines = [HEADER.format(coverage=COVERAGE, scale=scale)]
    external = priors()["external"]
    lines += [
        "[external]",
        "# Activations in RAM outside the chip: a prior, no published timing tells.",
        f"factor = {external['factor']}",
        f"spread = {_number(expm1(QUANTILE * external['sd']))}",
        "",
    ]
    for library in KERNEL_LIBRARIES:
        for place, core in enumerate(CORES[library]):
            lines += _table(table(result, library, core, scale), fallback=place == 0)
    for name, core, library in _boards(result.observations):
        factor = board(result, library, core, name, scale)
        assert factor is not None
        lines += _board(name, library, factor)
    return "\n".join(lines)


def _boards(observations: tuple[Observation, ...]) -> Iterator[tuple[str, str, str]]:
    found = {
        (o.board, o.core, o.library)
        for o in observations
        if o.kind != "instructions" and o.use == "fit" and o.library in KERNEL_LIBRARIES and not o.stands_in
    }
    yield from sorted(found)


def _table(costs: CostTable, fallback: bool) -> Iterator[str]:
    yield "[[table]]"
    yield f'kernels = "{costs.kernels}"'
    yield f'core = "{costs.core}"'
    if fallback:
        yield "fallback = true"
    yield f'basis = "{costs.basis}"'
    yield f'source = "{costs.source}"'
    yield f"below = {_number(costs.below)}"
    yield f"above = {_number(costs.above)}"
    yield f"stream = {_number(costs.stream)}"
    if costs.cycles_per_instruction is not None:
        yield f"cycles_per_instruction = {_number(costs.cycles_per_instruction)}"
    yield "[table.ops]"
    for op_class in OP_CLASSES:
        cost = costs.ops[op_class]
        values = ", ".join(f"{term} = {_number(getattr(cost, term))}" for term in (*TERMS, "spread"))
        yield f"{op_class} = {{ {values} }}"
    yield ""


def _board(name: str, library: str, factor: BoardFactor) -> Iterator[str]:
    yield "[[board]]"
    yield f'name = "{name}"'
    yield f'kernels = "{library}"'
    yield f"factor = {_number(factor.factor)}"
    yield f"below = {_number(factor.below)}"
    yield f"above = {_number(factor.above)}"
    yield f'source = "{factor.source}"'
    yield ""


def _number(value: float) -> str:
    """Return ``value`` with three significant digits; not more is known."""
    text = f"{value:.3g}"
    return text if "e" not in text else f"{float(text):f}".rstrip("0").rstrip(".")


def main() -> int:
    """Fit, write the file and say what came out; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=TABLE_FILE)
    output: Path = parser.parse_args().output
    asked = [(library, core) for library, cores in CORES.items() for core in cores]
    try:
        observations = load_observations()
        scale = bounds_scale(plain_held_out(blind_fits(observations)))
        result = fit(observations, asked)
        write_atomic(output, render(result, scale))
    except EdgekitError as error:
        show_error(error)
        return 1
    print(f"{len(observations)} observations, {len(result.mode)} parameters, bounds x{scale:.2f}: {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
