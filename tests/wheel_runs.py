"""Many models in real TFLite Micro, the wheel, in one process: for tests that would otherwise start hundreds."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORKER = """
import sys
from pathlib import Path
import numpy as np
from tflite_micro import runtime
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.tflite")):
    print(f"model {path.stem}", file=sys.stderr, flush=True)
    interpreter = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=1 << 26)
    interpreter.print_allocations()
    outputs = []
    for one in np.load(folder / f"inputs_{path.stem.split('_')[1]}.npy"):
        interpreter.set_input(one, 0)
        interpreter.invoke()
        outputs.append(np.array(interpreter.get_output(0)))
    np.save(path.with_suffix(".out.npy"), np.stack(outputs))
"""


@dataclass(frozen=True)
class WheelRun:
    """What TFLite Micro made of a model: its arena's parts in bytes, and an output for every input."""

    total: int
    head: int
    tail: int
    outputs: NDArray[Any]

    def differing(self, other: WheelRun) -> int:
        """Return the number of inputs whose outputs are not the same bytes."""
        pairs = zip(self.outputs, other.outputs, strict=True)
        return sum(not np.array_equal(one, another) for one, another in pairs)


def run_wheel(models: Sequence[Sequence[bytes]], inputs: Sequence[NDArray[Any]]) -> list[list[WheelRun]]:
    """Return a run for every model; ``models[k]`` all see ``inputs[k]``, ``[n, *shape]``."""
    with tempfile.TemporaryDirectory(prefix="edgekit-wheel-") as name:
        folder = Path(name)
        names: list[list[str]] = []
        for k, (group, values) in enumerate(zip(models, inputs, strict=True)):
            np.save(folder / f"inputs_{k}.npy", values)
            names.append([f"{k:04}{turn:04}_{k}" for turn in range(len(group))])
            for stem, model in zip(names[-1], group, strict=True):
                (folder / f"{stem}.tflite").write_bytes(model)
        done = subprocess.run(
            [sys.executable, "-c", _WORKER, name], capture_output=True, text=True, timeout=3600, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        reports = {part.split("\n", 1)[0].strip(): part for part in done.stderr.split("model ")[1:]}
        return [[_read(folder, stem, reports[stem]) for stem in group] for group in names]


def _read(folder: Path, stem: str, report: str) -> WheelRun:
    sizes = {}
    for line in report.splitlines():
        for what in ("total", "head", "tail"):
            if f"Arena allocation {what} " in line:
                sizes[what] = int(line.split()[-2])
    return WheelRun(**sizes, outputs=np.load(folder / f"{stem}.out.npy"))
