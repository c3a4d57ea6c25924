"""What the text commands print: decimals by integer arithmetic, hex dumps, bracketed text."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from edgekit.wire.declaration import Dtype, Tensor

_FORMATS = {Dtype.INT8: "b", Dtype.UINT8: "B", Dtype.INT16: "h", Dtype.INT32: "i"}
_SHOWN = 32


def thousandths(value: int, scale: float) -> int:
    """Return ``1000 * value * scale`` rounded to the nearest integer, halves away from zero.

    Only integers are used, so that devices without a float ``printf`` get the same digits: ``scale`` is taken
    as the float32 that the model has, whose bits are a 24-bit mantissa and an exponent.
    """
    bits = int.from_bytes(struct.pack("<f", scale), "little")
    exponent = (bits >> 23) & 0xFF
    mantissa = bits & 0x7FFFFF
    if exponent == 0xFF:
        return 0
    mantissa, shift = (mantissa | 0x800000, exponent - 150) if exponent else (mantissa, -149)
    product = abs(value) * 1000 * mantissa
    magnitude = product << shift if shift >= 0 else (product + (1 << (-shift - 1))) >> -shift
    return -magnitude if (value < 0) != bool(bits >> 31) else magnitude


def decimal(milli: int) -> str:
    """Return thousandths as a decimal: ``986`` as ``0.986``."""
    return f"{'-' if milli < 0 else ''}{abs(milli) // 1000}.{abs(milli) % 1000:03d}"


def result_thousandths(tensor: Tensor, values: bytes) -> list[int]:
    """Return the real values of an output tensor in thousandths.

    Parameters
    ----------
    tensor:
        The output, of an integer type: ``real = scale * (q - zero_point)``.
    values:
        The tensor's bytes.

    Raises
    ------
    ValueError
        If the dtype is not one that can be printed.
    """
    items, scale = _items(tensor, values)
    return [thousandths(item, scale) for item in items]


def exact_thousandths(tensor: Tensor, values: bytes) -> list[float]:
    """Return what :func:`result_thousandths` rounds."""
    items, scale = _items(tensor, values)
    return [1000 * item * scale for item in items]


def _items(tensor: Tensor, values: bytes) -> tuple[list[int], float]:
    """Return integers and the scale that makes them real values."""
    if tensor.dtype not in _FORMATS:
        raise ValueError(f"results of element type {tensor.dtype} cannot be printed")
    items = [item for (item,) in struct.iter_unpack("<" + _FORMATS[Dtype(tensor.dtype)], values)]
    return [item - tensor.zero_point for item in items], tensor.scale or 1.0


def results_line(milli: Iterable[int]) -> str:
    """Return the line ``m-results-[0.986,0.014]``."""
    return f"m-results-[{','.join(decimal(value) for value in milli)}]"


def buffer_lines(data: bytes) -> Iterator[str]:
    """Yield ``m-buffer-00-01-...-07``, eight bytes a line."""
    for start in range(0, len(data), 8):
        yield "m-buffer-" + data[start : start + 8].hex("-")


def bracketed(text: str) -> str:
    """Return ``[text]`` with everything taken out that could end the bracket, the line or a message."""
    plain = "".join(c if " " <= c <= "~" and c not in "[]%" else "?" for c in text)
    return f"[{plain if len(plain) <= _SHOWN else plain[: _SHOWN - 3] + '...'}]"
