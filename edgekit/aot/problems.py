"""What the ``aot`` engine asks of tensors and options, each check with what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Final

from edgekit.aot.tables import Affine
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.support import Problem

TFLM: Final = "Use `--engine tflm`"
_CONVERT: Final = (
    f"Convert the model with `edgekit convert`, which gives int8 throughout, or {TFLM[0].lower()}{TFLM[1:]}."
)
CALIBRATE: Final = "Convert the model again with representative images."
_REPLACE: Final = f"{TFLM}, or replace it in the network."

MAX_DIMENSION: Final = 0xFFFF
"""Heights, widths and channels are 16 bits in the engine's structs."""

MAX_ACTIVATION: Final = 1 << 23
"""Largest activation in bytes: sums over one (MEAN, pools) then stay within 32 bits. No microcontroller holds more."""

SCALES: Final = (1e-18, 1e18)
"""Smallest and largest scale that is taken, so that no product or ratio leaves single precision."""

FUSED_ACTIVATIONS: Final = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
"""Activations that can be fused into an operator."""


class Refused(Exception):
    """An operator that the engine does not do, with the reason and the remedy."""

    def __init__(self, problem: str, remedy: str = _REPLACE) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy

    def of(self, op: Op) -> Problem:
        """Return the problem of ``op`` that this is."""
        return Problem(op.index, op.label, self.problem, self.remedy)


@contextmanager
def takes(what: str) -> Iterator[None]:
    """Turn the ``ValueError`` of a constant that cannot be computed into a refusal that begins with ``what``."""
    try:
        yield
    except ValueError as error:
        raise Refused(f"{what} {error}.", CALIBRATE) from error


def wants(condition: bool, problem: str, remedy: str = _REPLACE) -> None:
    """Raise :class:`Refused` with ``problem`` unless ``condition`` holds."""
    if not condition:
        raise Refused(problem, remedy)


def operands(graph: Graph, op: Op, required: int, optional: int = 0) -> tuple[list[Tensor | None], Tensor]:
    """Return the inputs of ``op``, ``None`` for those left out, and its single output.

    Parameters
    ----------
    required, optional:
        How many inputs there must be, and how many there may be on top.
    """
    wants(
        required <= len(op.inputs) <= required + optional and min(op.inputs[:required], default=0) >= 0,
        f"It has {len(op.inputs)} inputs where {required} to {required + optional} are expected.",
        "Convert the model again.",
    )
    wants(len(op.outputs) == 1 and op.outputs[0] >= 0, f"It has {len(op.outputs)} outputs instead of one.")
    inputs = [graph.tensors[i] if i >= 0 else None for i in op.inputs]
    return [*inputs, *[None] * (required + optional - len(inputs))], graph.tensors[op.outputs[0]]


def activation(tensor: Tensor, what: str, quantized: bool = True) -> Tensor:
    """Check that ``tensor`` is an int8 activation of fixed shape, with one scale and zero point if ``quantized``."""
    wants(tensor.dtype == "int8", f"Its {what} is {tensor.dtype}, not int8.", _CONVERT)
    wants(
        not tensor.constant,
        f"Its {what} is a constant.",
        f"{TFLM}, or fold the constant into its neighbours.",
    )
    wants(not tensor.variable, f"Its {what} keeps its values between inferences.")
    fixed = not tensor.dynamic and all(size >= 1 for size in tensor.shape)
    wants(
        fixed,
        f"Its {what} has no fixed shape: {list(tensor.shape)}.",
        "Build the network with a fixed batch size of 1 and convert again.",
    )
    wants(not tensor.opaque, f"Its {what} is sparse or has a custom quantization.")
    size_fits = tensor.nbytes <= MAX_ACTIVATION
    wants(
        size_fits, f"Its {what} has {tensor.nbytes:,} bytes, above {MAX_ACTIVATION:,}.", "Use smaller inputs."
    )
    if quantized:
        _one_scale(tensor, what)
    return tensor


def _one_scale(tensor: Tensor, what: str) -> None:
    quantization = tensor.quantization
    if quantization is None or len(quantization.scale) != 1 or len(quantization.zero_point) != 1:
        raise Refused(f"Its {what} has not one scale and zero point.", _CONVERT)
    scale, zero = quantization.scale[0], quantization.zero_point[0]
    sane = isfinite(scale) and SCALES[0] <= scale <= SCALES[1]
    wants(sane, f"The scale of its {what} is {scale:g}.", _CONVERT)
    wants(-128 <= zero <= 127, f"The zero point {zero} of its {what} is outside of int8.", _CONVERT)


def quantization_of(tensor: Tensor) -> Affine:
    """Return scale and zero point of an activation that was checked."""
    assert tensor.quantization is not None
    return Affine(tensor.quantization.scale[0], tensor.quantization.zero_point[0])


def spatial(tensor: Tensor, what: str) -> tuple[int, int, int]:
    """Return height, width and channels of an int8 activation [1, height, width, channels]."""
    activation(tensor, what)
    wants(len(tensor.shape) == 4, f"Its {what} has {len(tensor.shape)} dimensions instead of four.")
    batch, height, width, channels = tensor.shape
    wants(batch == 1, f"Its {what} is a batch of {batch}.", "Build the network with a batch size of 1.")
    limited(height, width, channels)
    return height, width, channels


def limited(*sizes: int) -> None:
    """Check sizes that are 16 bits in the engine's structs."""
    wants(min(sizes) >= 1, f"It has a dimension of {min(sizes)}.", "Convert the model again.")
    wants(max(sizes) <= MAX_DIMENSION, f"It has a dimension of {max(sizes):,}, above {MAX_DIMENSION:,}.")


def weights(tensor: Tensor, dimension: int, channels: int) -> Tensor:
    """Check constant int8 weights: symmetric, one scale, or one for each of ``channels`` along ``dimension``."""
    wants(tensor.constant, "Its weights are not constant.")
    wants(tensor.dtype == "int8", f"Its weights are {tensor.dtype}, not int8.", _CONVERT)
    wants(not tensor.opaque, "Its weights are sparse or have a custom quantization.")
    quantization = tensor.quantization
    if quantization is None or len(quantization.scale) not in (1, channels):
        count = 0 if quantization is None else len(quantization.scale)
        raise Refused(f"Its weights have {count} scales instead of one, or one a channel.", _CONVERT)
    if quantization.per_channel:
        found = quantization.dimension
        wants(
            found == dimension, f"Its weights are quantized along dimension {found} instead of {dimension}."
        )
    wants(not any(quantization.zero_point), "Its weights have a zero point other than 0.", _CONVERT)
    sane = all(isfinite(scale) and 0 <= scale <= SCALES[1] for scale in {*quantization.scale})
    wants(sane, "A scale of its weights is negative, huge or not a number.", _CONVERT)
    return tensor


def bias(tensor: Tensor | None, channels: int) -> None:
    """Check an optional bias: constant, int32, one for each channel."""
    if tensor is None:
        return
    wants(tensor.constant, "Its bias is not constant.")
    wants(tensor.dtype == "int32", f"Its bias is {tensor.dtype}, not int32.", _CONVERT)
    wants(tensor.elements == channels, f"Its bias has {tensor.elements} values for {channels} channels.")


def fused(op: Op, allowed: Sequence[str] = FUSED_ACTIVATIONS) -> None:
    """Check the activation that is fused into ``op``."""
    name = op.options.get("activation", "NONE")
    wants(
        name in allowed,
        f"The activation {name} is fused into it.",
        f"{TFLM}, or use one of {', '.join(allowed)}.",
    )


def same_quantization(one: Tensor, other: Tensor, what: str) -> None:
    """Check that two activations have one scale and zero point."""
    wants(
        quantization_of(one) == quantization_of(other),
        f"{what} are quantized differently.",
        _CONVERT,
    )


def integers(tensor: Tensor | None, what: str) -> tuple[int, ...]:
    """Return the values of a constant int32 or int64 parameter."""
    if tensor is None or not tensor.constant or tensor.data is None or tensor.dtype not in ("int32", "int64"):
        raise Refused(
            f"Its {what} are not constant integers.", "Give the network a fixed shape and convert again."
        )
    return tuple(int(value) for value in tensor.data.reshape(-1))
