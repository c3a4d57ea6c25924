"""Counts the instructions of every operator of some networks in emulation: tools/latency/instructions.csv."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench_target import M0, M3, M4F, RV32, measure, operator_csv
from bench_vww import MODELS
from latency_data import FOLDER

from edgekit.cli.main import show_error
from edgekit.errors import EdgekitError
from edgekit.files import write_atomic
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.writer import write_model

# bench_target has put the tests' folder onto the path.
from aot_networks import random_network  # isort: skip

SETTINGS: Final = (M4F, M3, M0, RV32)
"""One machine for each way in which the engine's kernels compile."""

NETWORKS: Final = (
    NetworkSpec("mobilenet_v1", 0.25, 96, 3, 2),
    NetworkSpec("mobilenet_v1", 0.25, 160, 3, 5),
    NetworkSpec("mobilenet_v1", 0.1, 96, 3, 2),
    NetworkSpec("mobilenet_v1", 0.35, 32, 1, 10),
    NetworkSpec("mobilenet_v1", 0.5, 64, 3, 10),
    NetworkSpec("mobilenet_v1", 0.75, 96, 1, 100),
    NetworkSpec("conv_mobilenet_v1", 0.25, 64, 3, 10),
)
TRAINED: Final = ("kws_ref_model", "ad01_int8")
"""Of MLPerf Tiny; their operators are those of networks whose latency is published."""

COLUMNS: Final = (
    *("model", "core", "kernels", "op", "operator", "input", "output", "op_class"),
    *("steps", "outputs", "weights", "pixels", "instructions"),
)


def models(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the networks with random weights, and the trained ones where they are."""
    for spec in NETWORKS:
        name = f"{spec.arch} {spec.label}x{spec.channels} {spec.classes}"
        yield name, write_model(random_network(spec, seed=1))
    for name in TRAINED:
        path = folder / f"{name}.tflite"
        if path.exists():
            yield name, path.read_bytes()
        else:
            print(f"{path} is missing (set EDGEKIT_TEST_MODELS): left out", file=sys.stderr)


def main() -> int:
    """Count, write the file and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER / "instructions.csv")
    output: Path = parser.parse_args().output
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    try:
        for name, model in models(MODELS):
            figures = measure(name, model, SETTINGS)
            if figures.wrong:
                print(f"{name}: {figures.wrong} outputs differ from the host's; not counted", file=sys.stderr)
                return 1
            writer.writerows(csv.DictReader(io.StringIO(operator_csv([figures]))))
            print(name, flush=True)
        write_atomic(output, text.getvalue())
    except EdgekitError as error:
        show_error(error)
        return 1
    print(f"Written to {output}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
