"""Real TFLite Micro on the host: the tflite-micro wheel, in a process of its own.

TFLite Micro ends the whole process on some bad models, so it never runs inside edgekit's. Its arena on this 64-bit host
is larger than a board's: pointers have 8 bytes here.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import TaskError

_WORKER: Final = Path(__file__).with_name("tflm_worker.py")
_LINE: Final = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
_TIMEOUT_S: Final = 300


@dataclass(frozen=True, slots=True)
class TflmMeasurement:
    """What TFLite Micro reported for a model on this host (64-bit).

    Attributes
    ----------
    total, head, tail:
        Bytes of the arena in use.
    outputs:
        First output for each input that was given, or ``None``.
    others:
        Bytes of the other outputs that were asked for, input by input.
    """

    total: int
    head: int
    tail: int
    outputs: NDArray[Any] | None = None
    others: bytes = b""


def tflm_available() -> bool:
    """Return whether the tflite-micro wheel is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


def measure_tflm(
    model: bytes, inputs: NDArray[Any] | None = None, arena_size: int = 256 * 1024**2, outputs: int = 1
) -> TflmMeasurement:
    """Load ``model`` into real TFLite Micro, and return its arena and outputs.

    Parameters
    ----------
    model:
        Content of a .tflite file.
    inputs:
        Inputs to run, ``[n, *input shape]`` in the input's dtype.
    arena_size:
        Bytes given to TFLite Micro; only what it uses is touched.
    outputs:
        How many of the model's outputs are wanted.

    Raises
    ------
    TaskError
        If the wheel is not installed, or TFLite Micro does not accept the model.
    """
    if not tflm_available():
        raise TaskError(
            "Real TFLite Micro is not installed.", "Install it: `pip install tflite-micro` (Linux on x86-64)."
        )
    with tempfile.TemporaryDirectory(prefix="edgekit-tflm-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(model)
        if inputs is not None:
            np.save(folder / "inputs.npy", inputs)
        command = [sys.executable, str(_WORKER), str(folder), str(arena_size), str(outputs)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise TaskError(
                f"TFLite Micro did not finish within {_TIMEOUT_S} s.", "Try with fewer inputs."
            ) from error
        sizes = {key: int(value) for key, value in _LINE.findall(done.stderr)}
        if done.returncode or len(sizes) < 3:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise TaskError(
                "TFLite Micro does not accept the model.",
                "Look at its operators with `edgekit inspect`.",
                lines[-3:],
            )
        measured = TflmMeasurement(sizes["total"], sizes["head"], sizes["tail"])
        if inputs is not None:
            first, others = np.load(folder / "outputs.npy"), (folder / "others").read_bytes()
            measured = replace(measured, outputs=first, others=others)
    return measured
