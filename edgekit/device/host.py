"""The host's TFLite interpreter as a device's engine: what answers behind ``host://``."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgekit import __version__
from edgekit.device.engine import EngineError, Settings
from edgekit.errors import EdgekitError, InputError
from edgekit.tflite.interpreter import HostInterpreter, Port
from edgekit.wire.declaration import TENSORS_MAX, Dtype, Identity, OpTicks, Tensor

HOST_BOARD: Final = "host"
"""Name of the board that the host interpreter stands for."""

_PIXEL_OFFSET: Final = 128
_SHAPE_ITEMS: Final = 6


class HostEngine:
    """The host interpreter with reference kernels; ticks are nanoseconds.

    Parameters
    ----------
    model:
        Content of a .tflite file.
    golden:
        Pairs of input and output bytes for the self-test.
    interpreter:
        What runs the model, when it is something else than reference kernels.

    Raises
    ------
    InputError
        If the interpreter does not accept the model, or its tensors cannot go over the line.
    """

    def __init__(
        self,
        model: bytes,
        golden: Sequence[tuple[bytes, bytes]] = (),
        interpreter: HostInterpreter | None = None,
    ) -> None:
        self._interpreter = interpreter or HostInterpreter(model)
        ports = (*self._interpreter.inputs, *self._interpreter.outputs)
        if len(ports) > TENSORS_MAX:
            raise InputError(
                f"The model has {len(ports)} inputs and outputs; a device handles {TENSORS_MAX}.",
                "Give a model with one input and one output.",
            )
        self.tensors = tuple(tensor_of(port) for port in self._interpreter.inputs) + tuple(
            tensor_of(port) for port in self._interpreter.outputs
        )
        self.golden = tuple(golden)
        self.settings = Settings(
            profile="edgekit host interpreter", model_id=hashlib.sha256(model).hexdigest()[:16]
        )
        self.keeps_input = True
        self.input = bytearray(sum(port.nbytes for port in self._interpreter.inputs))
        self.identity = Identity(
            board=HOST_BOARD,
            engine=self._interpreter.runtime,
            kernels="reference",
            plan=HOST_BOARD,
            build=f"edgekit {__version__}",
            model_sha256=hashlib.sha256(model).digest()[:8],
            ticks_per_second=1_000_000_000,
            clock_hz=0,
            ns_per_instruction=0,
            model_bytes=len(model),
            arena_bytes=0,
            arena_used=0,
            inputs=len(self._interpreter.inputs),
            outputs=len(self._interpreter.outputs),
            golden=len(self.golden),
            reset_reason=0,
        )
        self._start = time.perf_counter_ns()

    def ticks(self) -> int:
        """Return the nanoseconds since the start."""
        return time.perf_counter_ns() - self._start

    def invoke(self) -> None:
        """Run one inference on ``input``; see :class:`~edgekit.device.engine.Engine`."""
        try:
            self._interpreter.set_inputs(split(bytes(self.input), self._interpreter.inputs))
            self._interpreter.invoke()
        except (EdgekitError, ValueError) as error:
            raise EngineError(str(error)) from error

    def output(self) -> bytes:
        """Return all output tensors of the last inference."""
        return self._interpreter.output_bytes()

    def profile(self) -> Sequence[OpTicks] | None:
        """Return ``None``: the host interpreter does not tell the time of single operators."""
        return None


def split(data: bytes, ports: Sequence[Port]) -> list[NDArray[np.generic]]:
    """Return the tensors that lie one after the other in ``data``, each of its port's shape and dtype."""
    arrays: list[NDArray[np.generic]] = []
    offset = 0
    for port in ports:
        arrays.append(np.frombuffer(data[offset : offset + port.nbytes], port.dtype).reshape(port.shape))
        offset += port.nbytes
    return arrays


def pixel_offset(port: Port) -> int:
    """Return what a device subtracts from uint8 pixels: 128 for square int8 images, or 0."""
    shape = port.shape
    image = port.dtype == "int8" and len(shape) == 4 and shape[1] == shape[2] and shape[3] in (1, 3)
    return _PIXEL_OFFSET if image else 0


def tensor_of(port: Port) -> Tensor:
    """Return how a model's input or output is described on the line.

    Raises
    ------
    InputError
        If it has a type or more dimensions than the line can carry.
    """
    known = port.dtype.upper() in Dtype.__members__
    if not known or len(port.shape) > _SHAPE_ITEMS:
        raise InputError(
            f"A tensor of type {port.dtype} and shape {list(port.shape)} cannot go over the line.",
            "Convert the model with `edgekit convert`, which gives int8 in and out.",
        )
    shape = port.shape + (0,) * (_SHAPE_ITEMS - len(port.shape))
    dtype = Dtype[port.dtype.upper()]
    return Tensor(shape, port.nbytes, port.scale, port.zero_point, pixel_offset(port), dtype, len(port.shape))
