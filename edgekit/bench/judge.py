"""Which interpreter of this host a device's outputs are compared with, and whether they have to be equal to the bit.

Firmware computes as the reference kernels do. A Linux board's agent runs an interpreter of the kind that hosts have
too, so it is compared with the same package and kernels here, where they are installed. Nobody promises that XNNPACK
gives the same outputs on another machine or in another release: equal outputs are a proof all the same, different ones
are not one of a fault, so how far they may be off is for the user to say.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, cast, get_args

import numpy as np

from edgekit.bench.cases import Case
from edgekit.bench.record import JudgeRecord, ReferenceShare
from edgekit.device.host import split
from edgekit.errors import EdgekitError, InputError
from edgekit.tflite.interpreter import HostInterpreter, HostKernels, Runtime
from edgekit.wire.declaration import Dtype, Identity, Tensor

_STEPS: Final = {
    Dtype.INT8: "<i1",
    Dtype.UINT8: "<u1",
    Dtype.INT16: "<i2",
    Dtype.INT32: "<i4",
    Dtype.INT64: "<i8",
}


@dataclass(frozen=True)
class Judge:
    """What a device's outputs are held to.

    Attributes
    ----------
    interpreter:
        Package and version of the host's interpreter; empty if not known.
    kernels:
        Its kernels.
    exact:
        Whether nothing but equality to the bit is right.
    cases:
        The inputs with the outputs of that interpreter.
    reference:
        Outputs of the reference kernels, where they are not what is expected.
    tolerance:
        Quantized steps by which every value of an output may be off.
    """

    interpreter: str
    kernels: HostKernels
    exact: bool
    cases: Sequence[Case]
    reference: Sequence[bytes] | None = None
    tolerance: int = 0

    def record(self, tensors: Sequence[Tensor], outputs: Sequence[bytes]) -> JudgeRecord:
        """Return what is to be said of ``outputs``, one for each case."""
        expected = [case.expected for case in self.cases]
        reference = None
        if self.reference is not None:
            reference = ReferenceShare(
                differing=_differing(self.reference, outputs),
                largest=_largest(tensors, self.reference, outputs),
            )
        return JudgeRecord(
            interpreter=self.interpreter,
            kernels=self.kernels,
            exact=self.exact,
            tolerance=self.tolerance,
            differing=_differing(expected, outputs),
            largest=_largest(tensors, expected, outputs),
            reference=reference,
        )


def choose_judge(
    identity: Identity, model: bytes, cases: Sequence[Case], interpreter: str, tolerance: int = 0
) -> Judge:
    """Return what the device ``identity`` is held to.

    Parameters
    ----------
    identity:
        What the device says of itself.
    model:
        Content of the .tflite file.
    cases, interpreter:
        Inputs with the reference's outputs, and whose they are.
    tolerance:
        Steps that the user allows.

    Raises
    ------
    InputError
        If a tolerance is given for a device that has to be equal.
    """
    judge = _judge(identity, model, cases, interpreter)
    if tolerance and judge.exact:
        raise InputError(
            "This device has to compute as the host does, to the bit: there is nothing to tolerate.",
            "Leave --tolerance out; it is for XNNPACK, and for another interpreter than this host's.",
        )
    return replace(judge, tolerance=tolerance)


def _judge(identity: Identity, model: bytes, cases: Sequence[Case], interpreter: str) -> Judge:
    package, _, _ = identity.engine.partition(" ")
    if package not in get_args(Runtime) or identity.kernels not in get_args(HostKernels):
        return Judge(interpreter, "reference", True, cases)
    runtime, kernels = cast(Runtime, package), cast(HostKernels, identity.kernels)
    if kernels == "reference" and interpreter.partition(" ")[0] in ("", runtime):
        return Judge(interpreter, kernels, True, cases)
    try:
        host = HostInterpreter(model, kernels, runtime=runtime)
    except EdgekitError:  # it is not installed here, or has no XNNPACK for this model
        return Judge(interpreter, "reference", False, cases)
    machine, _, _ = identity.plan.partition(" ")
    same = identity.engine == host.runtime and machine == platform.machine()
    expected = [case.expected for case in cases]
    computed = [_run(host, case.data) for case in cases]
    return Judge(
        host.runtime,
        kernels,
        kernels == "reference" or same,
        [replace(case, expected=output) for case, output in zip(cases, computed, strict=True)],
        reference=None if kernels == "reference" else expected,
    )


def _run(host: HostInterpreter, data: bytes) -> bytes:
    host.set_inputs(split(data, host.inputs))
    host.invoke()
    return host.output_bytes()


def steps_apart(tensors: Sequence[Tensor], expected: bytes, got: bytes) -> int | None:
    """Return the largest difference of two outputs in quantized steps; ``None`` if they cannot be compared so.

    Parameters
    ----------
    tensors:
        The model's outputs, whose values lie one after the other.
    expected, got:
        All outputs, as bytes.
    """
    if expected == got:
        return 0
    if len(expected) != len(got) or len(got) != sum(tensor.bytes for tensor in tensors):
        return None
    largest, start = 0, 0
    for tensor in tensors:
        part = slice(start, start + tensor.bytes)
        start += tensor.bytes
        if expected[part] == got[part]:
            continue
        if tensor.dtype not in _STEPS:
            return None
        a, b = (
            np.frombuffer(data[part], _STEPS[Dtype(tensor.dtype)]).astype(object) for data in (expected, got)
        )
        largest = max(largest, *(abs(a - b)))
    return largest


def _differing(expected: Sequence[bytes], outputs: Sequence[bytes]) -> int:
    return sum(a != b for a, b in zip(expected, outputs, strict=True))


def _largest(tensors: Sequence[Tensor], expected: Sequence[bytes], outputs: Sequence[bytes]) -> int | None:
    apart = [steps_apart(tensors, a, b) for a, b in zip(expected, outputs, strict=True)]
    known = [steps for steps in apart if steps is not None]
    return max(known, default=0) if len(known) == len(apart) else None
