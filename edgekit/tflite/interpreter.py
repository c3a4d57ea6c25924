"""The host's TFLite interpreter with reference kernels: the oracle that devices are compared with.

XNNPACK, the default of every TFLite package, is not bit-exact with TFLite Micro (it differs on a third of the VWW
model's inputs), so the reference resolver is always used here. tflite-runtime is preferred where it exists: its
reference kernels agree with TFLite Micro on FULLY_CONNECTED too, where newer ones are 1 LSB off.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import InputError, TaskError

_WORKER: Final = Path(__file__).with_name("interpreter_worker.py")
_PROBE_TIMEOUT_S: Final = 120


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a model: ``real = scale * (q - zero_point)``; scale 0 means not quantized."""

    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


class HostInterpreter:
    """A model loaded into the host interpreter with reference kernels, single-threaded.

    Parameters
    ----------
    model:
        Content of a .tflite file.

    Raises
    ------
    InputError
        If the interpreter does not accept the model.
    TaskError
        If no interpreter is installed.
    """

    def __init__(self, model: bytes) -> None:
        module, self.runtime = _load_runtime()
        try:
            with _quiet():
                self._interpreter = module.Interpreter(
                    model_content=model,
                    num_threads=1,
                    experimental_op_resolver_type=module.OpResolverType.BUILTIN_REF,
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"The host interpreter ({self.runtime}) does not accept the model: {_first_line(error)}",
                "Check the file with `edgekit inspect`, or convert the model again.",
            ) from error
        self.inputs = tuple(_port(detail) for detail in self._interpreter.get_input_details())
        self.outputs = tuple(_port(detail) for detail in self._interpreter.get_output_details())
        self._input_index = [d["index"] for d in self._interpreter.get_input_details()]
        self._output_index = [d["index"] for d in self._interpreter.get_output_details()]

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the outputs for one set of inputs, each of its port's shape and dtype."""
        self.set_inputs(inputs)
        self.invoke()
        return [np.array(self._interpreter.get_tensor(index)) for index in self._output_index]

    def set_inputs(self, inputs: Sequence[NDArray[Any]]) -> None:
        """Copy the inputs into the interpreter."""
        for index, value in zip(self._input_index, inputs, strict=True):
            self._interpreter.set_tensor(index, value)

    def invoke(self) -> None:
        """Run one inference on the inputs that were set."""
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise TaskError(
                f"The host interpreter failed: {_first_line(error)}", "Report the model."
            ) from error

    def output_bytes(self) -> bytes:
        """Return all output tensors of the last inference, concatenated."""
        return b"".join(self._interpreter.get_tensor(index).tobytes() for index in self._output_index)


def probe(model: bytes) -> str | None:
    """Return why the host interpreter does not take ``model``, or ``None`` if it does.

    The interpreter trusts what it is given: a damaged file, or a softmax of vanishing scale, ends the process. So a
    model that edgekit has not made itself is first run once in a process of its own.
    """
    try:
        done = subprocess.run(
            [sys.executable, str(_WORKER)],
            input=model,
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not finish one inference within {_PROBE_TIMEOUT_S} s"
    if done.returncode == 0:
        return None
    said = done.stdout.decode(errors="replace").strip().splitlines()
    if done.returncode < 0:
        return f"it crashes on it (signal {-done.returncode})"
    return said[0].rstrip(".") if said else "it ends without saying why"


def check_foreign(model: bytes) -> None:
    """Check that the host interpreter takes a model that edgekit has not made itself.

    Raises
    ------
    InputError
        If it refuses the model or crashes on it.
    """
    reason = probe(model)
    if reason is not None:
        raise InputError(
            f"The host interpreter does not take the model: {reason}.",
            "Look at it with `edgekit inspect`, or convert it again.",
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."


def _port(detail: dict[str, Any]) -> Port:
    scale, zero_point = detail["quantization"]
    return Port(
        tuple(int(d) for d in detail["shape"]), np.dtype(detail["dtype"]).name, float(scale), int(zero_point)
    )


@cache
def _load_runtime() -> tuple[Any, str]:
    """Return the first interpreter module found and its name with version."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tflite_runtime
        import tflite_runtime.interpreter as module

        return module, f"tflite-runtime {tflite_runtime.__version__}"
    except ImportError:
        pass
    try:
        from importlib.metadata import version

        import ai_edge_litert.interpreter as module

        return module, f"ai-edge-litert {version('ai-edge-litert')}"
    except ImportError as error:
        raise TaskError(
            "No TFLite interpreter is installed.",
            "Up to Python 3.11 `pip install tflite-runtime 'numpy<2'`, later `pip install ai-edge-litert`.",
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the runtime's C++ log lines off the terminal."""
    sys.stderr.flush()
    saved = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
