"""The host's TFLite interpreter: with reference kernels the oracle that devices are compared with.

XNNPACK is not bit-exact with TFLite Micro, so the reference resolver is used unless something else is asked for: an
agent on a Linux board runs what the board would. tflite-runtime is preferred where it exists: its reference kernels
agree with TFLite Micro on FULLY_CONNECTED too, where newer ones are 1 LSB off. But it does not hand int8 models to
XNNPACK, which ai-edge-litert does, so that one is taken for XNNPACK.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import InputError, TaskError

_WORKER: Final = Path(__file__).with_name("interpreter_worker.py")
_PROBE_TIMEOUT_S: Final = 120

HostKernels = Literal["reference", "xnnpack"]
"""Kernels that the interpreter of a computer with an operating system can run."""

Runtime = Literal["tflite-runtime", "ai-edge-litert"]
"""Packages that bring such an interpreter."""

_MODULES: Final[dict[Runtime, str]] = {
    "tflite-runtime": "tflite_runtime.interpreter",
    "ai-edge-litert": "ai_edge_litert.interpreter",
}
_BEST: Final[dict[HostKernels, tuple[Runtime, ...]]] = {
    "reference": ("tflite-runtime", "ai-edge-litert"),
    "xnnpack": ("ai-edge-litert", "tflite-runtime"),
}
_DELEGATE: Final = "DELEGATE"


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
    """A model loaded into the host interpreter, with reference kernels and one thread unless said otherwise.

    Parameters
    ----------
    model:
        Content of a .tflite file.
    kernels:
        What runs the operators.
    threads:
        Threads of one inference; more than one helps XNNPACK only.
    runtime:
        The package; ``None`` for the one that suits the kernels best.

    Attributes
    ----------
    runtime:
        The package and its version: ``"tflite-runtime 2.14.0"``.

    Raises
    ------
    InputError
        If the interpreter does not accept the model, or does not run it with XNNPACK though it should.
    TaskError
        If no interpreter is installed.
    """

    def __init__(
        self,
        model: bytes,
        kernels: HostKernels = "reference",
        threads: int = 1,
        runtime: Runtime | None = None,
    ) -> None:
        module, self.runtime = _load_runtime(_BEST[kernels] if runtime is None else (runtime,))
        resolvers = module.OpResolverType
        try:
            with _quiet():
                self._interpreter = module.Interpreter(
                    model_content=model,
                    num_threads=threads,
                    experimental_op_resolver_type=resolvers.BUILTIN_REF
                    if kernels == "reference"
                    else resolvers.BUILTIN,
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"The host interpreter ({self.runtime}) does not accept the model: {_first_line(error)}",
                "Check the file with `edgekit inspect`, or convert the model again.",
            ) from error
        if kernels == "xnnpack" and not self._delegated():
            raise InputError(
                f"{self.runtime} does not run this model with XNNPACK.",
                "Use the reference kernels, or `pip install ai-edge-litert`, which runs int8 models with it.",
            )
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

    @property
    def operators(self) -> frozenset[str]:
        """Kinds of the operators, and of what some were handed over to."""
        return frozenset(op["op_name"] for op in self._interpreter._get_ops_details())

    def _delegated(self) -> bool:
        """Whether operators were handed over: to XNNPACK, the only delegate that a package applies by itself."""
        return _DELEGATE in self.operators

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
def _load_runtime(names: tuple[Runtime, ...]) -> tuple[Any, str]:
    """Return the first of these interpreters that is installed, and its name with version."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in names:
        with contextlib.suppress(ImportError):
            module = import_module(_MODULES[name])
            return module, f"{name} {_version(name)}"
    if len(names) == 1:
        raise TaskError(f"{names[0]} is not installed.", f"Install it: `pip install {names[0]}`.")
    raise TaskError(
        "No TFLite interpreter is installed.",
        "Up to Python 3.11 `pip install tflite-runtime 'numpy<2'`, later `pip install ai-edge-litert`.",
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a copy that was not installed by pip
        return "?"


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
