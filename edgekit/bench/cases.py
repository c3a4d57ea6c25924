"""The inputs of a benchmark with the outputs that the host expects."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.device.host import split
from edgekit.errors import InputError
from edgekit.tflite.interpreter import HostInterpreter, Port


@dataclass(frozen=True, slots=True)
class Case:
    """One input (all input tensors, one after the other) and the output that is expected, both as bytes.

    Attributes
    ----------
    label:
        The true class, where it is known.
    name:
        What to call the input in messages; empty for one that has no name.
    """

    data: bytes
    expected: bytes
    label: int | None = None
    name: str = ""


def make_cases(
    interpreter: HostInterpreter,
    count: int,
    seed: int,
    golden: tuple[NDArray[np.int8], NDArray[np.int8]] | None = None,
) -> list[Case]:
    """Return ``count`` inputs with the outputs of the reference kernels.

    Parameters
    ----------
    interpreter:
        The model on the host.
    count:
        Number of inputs, at least 1.
    seed:
        Of the random inputs.
    golden:
        Golden inputs and outputs, which come first; random inputs follow.

    Raises
    ------
    InputError
        If the golden vectors are not this model's.
    """
    cases: list[Case] = []
    if golden is not None:
        inputs, outputs = golden
        if len(interpreter.inputs) != 1 or inputs.shape[1:] != interpreter.inputs[0].shape:
            raise InputError(
                "The golden vectors of the build folder are not this model's.",
                "Run `edgekit fit` again, or leave --build out.",
            )
        cases = [Case(a.tobytes(), b.tobytes()) for a, b in zip(inputs, outputs, strict=True)][:count]
    source = random.Random(seed)
    while len(cases) < count:
        data = b"".join(_random_input(port, source) for port in interpreter.inputs)
        interpreter.set_inputs(split(data, interpreter.inputs))
        interpreter.invoke()
        cases.append(Case(data, interpreter.output_bytes()))
    return cases


def _random_input(port: Port, source: random.Random) -> bytes:
    """Return values over the whole range of an integer type, or from -1 to 1 for floats."""
    if np.dtype(port.dtype).kind in "iu":
        return source.randbytes(port.nbytes)
    values = [source.uniform(-1, 1) for _ in range(port.nbytes // np.dtype(port.dtype).itemsize)]
    return np.array(values, port.dtype).tobytes()
