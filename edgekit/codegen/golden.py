"""Golden vectors: a few inputs with the outputs that every correct device gives, bit for bit."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import InputError
from edgekit.files import read_bytes
from edgekit.tflite.interpreter import HostInterpreter, Port

GOLDEN_FILE: Final = "golden.npz"
"""Name of the golden vectors in a build folder."""

_MAX_BYTES: Final = 256 * 1024**2


def make_golden(
    model: bytes, inputs: NDArray[np.int8] | None = None, count: int = 3, seed: int = 0
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return golden inputs and their outputs from the host interpreter's reference kernels.

    The given inputs come first and random ones fill up. From ``count`` 3 on the last two are the edges of the
    range, all -128 and all 127, where saturation and padding errors show.

    Parameters
    ----------
    model:
        Content of a .tflite file with one int8 input and one int8 output.
    inputs:
        Real inputs to take, int8 [n, ...] where ``...`` is the model's input shape; ``None`` for random ones.
    count:
        Number of vectors, at least 1.
    seed:
        Of the random inputs; the same seed gives the same vectors on every machine.

    Returns
    -------
    tuple
        Inputs, int8 [count, ...input shape], and outputs, int8 [count, ...output shape].

    Raises
    ------
    InputError
        If the model is not accepted or has not one int8 input and output, or if ``inputs`` does not fit it.
    ValueError
        If ``count`` is below 1.
    TaskError
        If no interpreter is installed or it fails.
    """
    if count < 1:
        raise ValueError(f"at least one golden vector is needed, not {count}")
    interpreter = HostInterpreter(model)
    source = _only_int8(interpreter.inputs, "input")
    _only_int8(interpreter.outputs, "output")
    if inputs is None:
        inputs = np.empty((0, *source.shape), np.int8)
    if inputs.dtype != np.int8 or inputs.shape[1:] != source.shape:
        raise InputError(
            f"The golden inputs are {inputs.dtype} {list(inputs.shape[1:])},"
            f" the model takes int8 {list(source.shape)}.",
            "Quantize them with the model's input scale and zero point.",
        )
    edges = [-128, 127] if count >= 3 else []
    chosen = list(inputs[: count - len(edges)])
    # Not numpy's generators: their streams may change between releases.
    generator = random.Random(seed)
    while len(chosen) < count - len(edges):
        chosen.append(np.frombuffer(generator.randbytes(source.nbytes), np.int8).reshape(source.shape))
    chosen += [np.full(source.shape, value, np.int8) for value in edges]
    outputs = [interpreter.run([value])[0] for value in chosen]
    return np.stack(chosen), np.stack(outputs)


def golden_to_npz(inputs: NDArray[np.int8], outputs: NDArray[np.int8]) -> bytes:
    """Return the content of golden.npz, arrays ``inputs`` and ``outputs``: equal bytes for equal arrays."""
    file = io.BytesIO()
    np.savez(file, inputs=inputs, outputs=outputs)
    return file.getvalue()


def load_golden(folder: Path) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return the golden inputs, int8 [n, ...], and outputs, int8 [n, ...], of a build folder.

    Raises
    ------
    InputError
        If golden.npz is missing or damaged.
    """
    path = folder / GOLDEN_FILE
    content = read_bytes(path, "golden vectors", _MAX_BYTES)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            inputs, outputs = arrays["inputs"], arrays["outputs"]
        if not inputs.dtype == outputs.dtype == np.int8 or not len(inputs) == len(outputs) >= 1:
            raise ValueError("the arrays do not match")
    except (ValueError, KeyError, OSError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is damaged or not a file of golden vectors.",
            "Run `edgekit fit` again to make the folder anew.",
        ) from error
    return inputs, outputs


def _only_int8(ports: tuple[Port, ...], what: str) -> Port:
    if len(ports) != 1 or ports[0].dtype != "int8":
        found = ", ".join(f"{port.dtype} {list(port.shape)}" for port in ports)
        raise InputError(
            f"The model's {what}s are {found or 'none'}; edgekit needs exactly one {what}, of type int8.",
            "Convert the model with `edgekit convert`, which gives int8 in and out.",
        )
    return ports[0]
