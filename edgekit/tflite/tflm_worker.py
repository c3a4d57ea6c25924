"""The process that runs TFLite Micro for :mod:`edgekit.tflite.tflm`; it imports nothing of edgekit.

Arguments: a folder with ``model.tflite`` and perhaps ``inputs.npy``; the arena size; how many outputs are wanted. The
first goes to ``outputs.npy``, what the others are to ``others``.
TFLite Micro itself prints its allocations to stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Load the model, print its allocations, run the inputs."""
    from tflite_micro import runtime

    folder, arena_size, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    interpreter = runtime.Interpreter.from_bytes(
        (folder / "model.tflite").read_bytes(), arena_size=arena_size
    )
    interpreter.print_allocations()
    inputs = folder / "inputs.npy"
    if inputs.exists():
        import numpy as np

        outputs, others = [], b""
        for value in np.load(inputs):
            interpreter.set_input(value, 0)
            interpreter.invoke()
            outputs.append(np.array(interpreter.get_output(0)))
            others += b"".join(np.array(interpreter.get_output(k)).tobytes() for k in range(1, count))
        np.save(folder / "outputs.npy", np.stack(outputs))
        (folder / "others").write_bytes(others)


if __name__ == "__main__":
    main()
