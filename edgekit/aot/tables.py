"""Constants of the int8 operators, computed as TFLite's reference kernels prepare them.

Everything here is exact: integers, and doubles or single-precision floats where the reference has them.
``firmware/engine/aot/ek_fixed.h`` is the same arithmetic in C.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import cache
from math import floor, frexp
from typing import Final, NamedTuple

import numpy as np

INT8_MIN: Final = -128
INT8_MAX: Final = 127
_INT32_MAX: Final = 2**31 - 1
_MAX_SHIFT: Final = 30
_ADD_LEFT_SHIFT: Final = 20
_SOFTMAX_INTEGER_BITS: Final = 5
_SOFTMAX_FRACTION_BITS: Final = 31 - _SOFTMAX_INTEGER_BITS
_SOFTMAX_NOTHING: Final = 1 << 11
SOFTMAX_MAX_DEPTH: Final = 4095
"""The reference sums exponentials in 12 integer bits, so more classes could overflow."""


class Affine(NamedTuple):
    """Quantization of an activation: ``real = scale * (q - zero_point)``; the scale is a single-precision float."""

    scale: float
    zero_point: int


class Multiplier(NamedTuple):
    """A real factor ``multiplier / 2**31 * 2**shift``; normalized, ``multiplier`` is in [2**30, 2**31)."""

    multiplier: int
    shift: int


@dataclass(frozen=True, slots=True)
class AddConstants:
    """Rescaling of both inputs of ADD to a common scale, and of the sum to the output's scale."""

    a: Multiplier
    b: Multiplier
    out: Multiplier


def high_mul(a: int, b: int) -> int:
    """Return ``a * b / 2**31`` rounded to the nearest, halves up."""
    return (a * b + (1 << 30)) >> 31


def round_shift(x: int, exponent: int) -> int:
    """Return ``x / 2**exponent`` rounded to the nearest, halves away from zero."""
    half = (1 << exponent) >> 1
    return (x + half) >> exponent if x >= 0 else -((half - x) >> exponent)


def requantize(x: int, factor: Multiplier) -> int:
    """Return ``x`` times ``factor`` with the reference's two roundings; int32 bits pushed out on the left are lost."""
    if factor.shift > 0:
        return high_mul(_wrap(x << factor.shift), factor.multiplier)
    return round_shift(high_mul(x, factor.multiplier), -factor.shift)


def quantize_multiplier(real: float) -> Multiplier:
    """Return the fixed-point form of a factor >= 0; below 2**-32 it is zero.

    Raises
    ------
    ValueError
        If ``real`` is negative, infinite or not a number.
    """
    if not 0 <= real < float("inf"):
        raise ValueError(f"a scale factor of {real}")
    mantissa, shift = frexp(real)
    multiplier = floor(mantissa * 2.0**31 + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = 1 << 30, shift + 1
    if shift < -31:
        return Multiplier(0, 0)
    return Multiplier(multiplier, shift)


def activation_range(activation: str, out: Affine) -> tuple[int, int]:
    """Return the smallest and largest output of a fused activation (its name as in ``Op.options``).

    Raises
    ------
    ValueError
        If the activation is none of ``NONE``, ``RELU``, ``RELU6`` and ``RELU_N1_TO_1``.
    """
    if activation not in _REAL_RANGE:
        raise ValueError(f"the fused activation {activation}")
    low, high = _REAL_RANGE[activation]
    return (
        INT8_MIN if low is None else max(INT8_MIN, _quantize(low, out)),
        INT8_MAX if high is None else min(INT8_MAX, _quantize(high, out)),
    )


def relu_table(activation: str, x: Affine, out: Affine) -> bytes:
    """Return the 256 answers, int8, of ``RELU``, ``RELU6`` or ``RELU_N1_TO_1`` for -128 ... 127.

    Raises
    ------
    ValueError
        If the output's scale is too small for the input's.
    """
    # The reference divides in single precision here, and only here.
    factor = quantize_multiplier(float(np.float32(x.scale) / np.float32(out.scale)))
    return _table(x, out, factor, activation_range(activation, out))


def requantize_table(x: Affine, out: Affine) -> bytes:
    """Return the 256 answers, int8, of ``QUANTIZE`` from one int8 quantization to another.

    Raises
    ------
    ValueError
        If the output's scale is too small for the input's.
    """
    return _table(x, out, quantize_multiplier(_ratio(x, out)), (INT8_MIN, INT8_MAX))


def lookup_table(kind: str, x: Affine, out: Affine) -> bytes:
    """Return the answers of QUANTIZE, RELU, RELU6 or RELU_N1_TO_1, as of the two functions above."""
    return requantize_table(x, out) if kind == "QUANTIZE" else relu_table(kind, x, out)


def add_constants(a: Affine, b: Affine, out: Affine) -> AddConstants:
    """Return the factors of ADD, whose inputs are shifted left by 20 before they are rescaled.

    Raises
    ------
    ValueError
        If the output's scale is so small that the reference kernel does not take it.
    """
    twice_largest = 2 * max(_single(a.scale), _single(b.scale))
    out_real = twice_largest / ((1 << _ADD_LEFT_SHIFT) * _single(out.scale))
    result = AddConstants(
        quantize_multiplier(_single(a.scale) / twice_largest),
        quantize_multiplier(_single(b.scale) / twice_largest),
        quantize_multiplier(out_real),
    )
    if out_real >= 1 or result.out.shift > 0:
        raise ValueError(f"an output scale of {out.scale} for inputs of {a.scale} and {b.scale}")
    return result


def mean_multiplier(x: Affine, out: Affine, count: int) -> Multiplier:
    """Return the factor from a sum over ``count`` values, less ``count`` input zero points, to the mean.

    Raises
    ------
    ValueError
        If the output's scale is too small for the input's.
    """
    factor = quantize_multiplier(_ratio(x, out))
    if factor.shift > _MAX_SHIFT:
        raise ValueError(f"an output scale of {out.scale} for an input of {x.scale}")
    shift = min(count.bit_length() - 1, 32, 31 + factor.shift)
    return Multiplier((factor.multiplier << shift) // count, factor.shift - shift)


@cache
def softmax_table(scale: float, beta: float) -> tuple[int, ...]:
    """Return ``exp(scale * beta * -d)`` in Q0.31 for the differences d = 0, 1, ... to the largest score.

    The table ends where the reference ignores a difference, or where the exponential is below 2**-20: it adds nothing
    to the sum of the reference, and its own output is the smallest.

    Raises
    ------
    ValueError
        If ``scale * beta`` is so small that the reference kernel does not take it.
    """
    real = min(beta * _single(scale) * float(1 << _SOFTMAX_FRACTION_BITS), float(_INT32_MAX))
    if real <= 1:
        raise ValueError(f"a softmax whose input scale times beta is {_single(scale) * beta}")
    factor = quantize_multiplier(real)
    ignored_after = floor(
        ((1 << _SOFTMAX_INTEGER_BITS) - 1) * 2.0**_SOFTMAX_FRACTION_BITS / 2.0**factor.shift
    )
    table = [
        exp_on_negative(high_mul(-d << factor.shift, factor.multiplier))
        for d in range(min(ignored_after, INT8_MAX - INT8_MIN) + 1)
    ]
    while table[-1] < _SOFTMAX_NOTHING:
        table.pop()
    return tuple(table)


def exp_on_negative(x: int) -> int:
    """Return exp of ``x`` (Q5.26, <= 0) in Q0.31.

    As in gemmlowp's fixedpoint.h: a Taylor series around -1/8 for what is beyond the last quarter, times a constant
    for each bit of the quarters.
    """
    if x == 0:
        return _INT32_MAX
    quarter = 1 << (_SOFTMAX_FRACTION_BITS - 2)
    rest = (x & (quarter - 1)) - quarter
    result = _exp_near_zero(rest << _SOFTMAX_INTEGER_BITS)
    for power in range(-2, _SOFTMAX_INTEGER_BITS):
        if (rest - x) >> (_SOFTMAX_FRACTION_BITS + power) & 1:
            result = high_mul(result, _exp_constant(power))
    return result


_REAL_RANGE: Final[dict[str, tuple[float | None, float | None]]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def _exp_near_zero(x: int) -> int:
    """Return exp of ``x`` (Q0.31, in [-1/4, 0)) in Q0.31."""
    x += 1 << 28
    x2 = high_mul(x, x)
    x3 = high_mul(x2, x)
    x4 = high_mul(x2, x2)
    third = (2**31 + 1) // 3
    tail = round_shift(high_mul(round_shift(x4, 2) + x3, third) + x2, 1)
    constant = _exp_constant(-3)
    return constant + high_mul(constant, x + tail)


@cache
def _exp_constant(power: int) -> int:
    """Return exp(-2**power) in Q0.31, rounded."""
    with localcontext() as context:
        context.prec = 40
        value = (-(Decimal(2) ** power)).exp() * 2**31
    return int(value.quantize(Decimal(1), ROUND_HALF_EVEN))


def _table(x: Affine, out: Affine, factor: Multiplier, limits: tuple[int, int]) -> bytes:
    if factor.shift > _MAX_SHIFT:
        raise ValueError(f"an output scale of {out.scale} for an input of {x.scale}")
    low, high = limits
    answers = (
        max(low, min(high, out.zero_point + requantize(q - x.zero_point, factor)))
        for q in range(INT8_MIN, INT8_MAX + 1)
    )
    return np.fromiter(answers, np.int8, 256).tobytes()


def _quantize(real: float, out: Affine) -> int:
    """Return ``real`` in the quantization ``out``, not clamped; rounding halves away from zero, in single precision."""
    ratio = float(np.float32(real) / np.float32(out.scale))
    return out.zero_point + (floor(ratio + 0.5) if ratio >= 0 else -floor(0.5 - ratio))


def _ratio(x: Affine, out: Affine) -> float:
    return _single(x.scale) / _single(out.scale)


def _single(scale: float) -> float:
    return float(np.float32(scale))


def _wrap(x: int) -> int:
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)
