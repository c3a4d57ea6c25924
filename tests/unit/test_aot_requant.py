"""The requantization of ``firmware/engine/aot/ek_requant.h`` against the definition of TFLite's reference kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from aot_kernels import link_library
from aot_paths import ENGINE, PATHS
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_DRIVER = """
#include "ek_requant.h"

void compact(int32_t bias_shift, int32_t multiplier, int32_t zero, const int32_t *acc, int8_t *out, int32_t count);
void wide(int32_t shift, int32_t multiplier, int32_t zero, const int32_t *acc, int8_t *out, int32_t count);

void compact(int32_t bias_shift, int32_t multiplier, int32_t zero, const int32_t *acc, int8_t *out, int32_t count) {
  const ek_channel channel = {bias_shift, multiplier};
  const ek_requant r = ek_requant_of(&channel, 0, zero, 0);
  for (int32_t i = 0; i < count; ++i) out[i] = (int8_t)ek_requantize(acc[i] + ek_bias_of(&channel, 0, 0), &r, 0);
}

void wide(int32_t shift, int32_t multiplier, int32_t zero, const int32_t *acc, int8_t *out, int32_t count) {
  const ek_wide_channel channel = {0, multiplier, shift};
  const ek_requant r = ek_requant_of(&channel, 0, zero, 1);
  for (int32_t i = 0; i < count; ++i) out[i] = (int8_t)ek_requantize(acc[i], &r, 1);
}
"""

LIMIT = 1 << 30
"""Accumulators of the compact form stay below this in magnitude."""

MULTIPLIERS = (1 << 30, (1 << 30) + 1, 1518500250, 0x55555555, 0x7FFFFF00, (1 << 31) - 1)
ZEROS = (-128, -1, 0, 5, 127)


@pytest.fixture(scope="module", params=PATHS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "driver.c").write_text(_DRIVER)
    flags = [*PATHS[request.param], "-O2", f"-I{ENGINE}"]
    return ctypes.CDLL(str(link_library(folder, flags, [folder / "driver.c"])))


def _run(
    function: Callable[..., None], first: int, multiplier: int, zero: int, acc: Ints
) -> NDArray[np.int8]:
    given = np.ascontiguousarray(acc, np.int32)
    out = np.empty(given.size, np.int8)
    function(
        first,
        multiplier,
        zero,
        ctypes.c_void_p(given.ctypes.data),
        ctypes.c_void_p(out.ctypes.data),
        given.size,
    )
    return out


def _high_mul(a: Ints, b: int) -> Ints:
    """Return a * b / 2**31 with the nudge of 2**30 away from zero and the division towards zero of the reference."""
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    return np.where(nudged >= 0, nudged // (1 << 31), -(-nudged // (1 << 31)))


def _divide_by_power(x: Ints, exponent: int) -> Ints:
    """Return x / 2**exponent by remainder and threshold, as the reference does."""
    mask = (1 << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def _reference(acc: Ints, multiplier: int, shift: int, zero: int) -> Ints:
    """Return int8 outputs; ``shift`` is positive to the left, where the bits beyond 32 are lost."""
    left, right = max(shift, 0), max(-shift, 0)
    shifted = ((acc << left) + (1 << 31)) % (1 << 32) - (1 << 31)
    return np.clip(_divide_by_power(_high_mul(shifted, multiplier), right) + zero, -128, 127)


def _near_halves(multiplier: int, shift: int, rng: np.random.Generator) -> Ints:
    """Return accumulators whose outputs are near a half, where a wrong rounding would show, and others."""
    outputs = np.arange(-260, 261, dtype=np.float64) / 2
    exact = np.rint(outputs * 2.0 ** (31 + shift) / multiplier).astype(np.int64)
    near = (exact[:, None] + np.arange(-3, 4)).ravel()
    small = np.arange(-300, 301)
    ends = np.array([1 - LIMIT, 2 - LIMIT, LIMIT - 2, LIMIT - 1])
    anywhere = rng.integers(1 - LIMIT, LIMIT, 500)
    acc = np.concatenate([near, small, ends, anywhere])
    return acc[np.abs(acc) < LIMIT]


@pytest.mark.parametrize("shift", range(1, 23))
def test_the_compact_form_is_the_reference(library: ctypes.CDLL, shift: int) -> None:
    rng = np.random.default_rng(shift)
    for multiplier in (*MULTIPLIERS, *map(int, rng.integers(1 << 30, 1 << 31, 20))):
        acc = _near_halves(multiplier, shift, rng)
        for zero in ZEROS:
            got = _run(library.compact, shift, multiplier, zero, acc)
            np.testing.assert_array_equal(got, _reference(acc, multiplier, -shift, zero))


@pytest.mark.parametrize("shift", [1, 2, 7, 12])
def test_the_compact_form_is_the_reference_for_every_small_accumulator(
    library: ctypes.CDLL, shift: int
) -> None:
    acc = np.arange(-(1 << 17), 1 << 17)
    for multiplier in MULTIPLIERS:
        got = _run(library.compact, shift, multiplier, -3, acc)
        np.testing.assert_array_equal(got, _reference(acc, multiplier, -shift, -3))


@pytest.mark.parametrize("bias", [0, 1, -1, 12345, -12345, (1 << 26) - 1, 1 - (1 << 26)])
def test_bias_and_shift_share_a_word(library: ctypes.CDLL, bias: int) -> None:
    acc = np.arange(-2000, 2000) - bias
    for shift in (1, 8, 22):
        got = _run(library.compact, bias * 32 + shift, MULTIPLIERS[2], 4, acc)
        np.testing.assert_array_equal(got, _reference(acc + bias, MULTIPLIERS[2], -shift, 4))


@pytest.mark.parametrize("shift", range(-31, 9))
def test_the_wide_form_is_the_reference(library: ctypes.CDLL, shift: int) -> None:
    rng = np.random.default_rng(shift + 31)
    for multiplier in (0, *MULTIPLIERS, *map(int, rng.integers(1 << 30, 1 << 31, 10))):
        acc = _near_halves(max(multiplier, 1 << 30), min(-shift, 22), rng)
        for zero in ZEROS:
            got = _run(library.wide, shift, multiplier, zero, acc)
            np.testing.assert_array_equal(got, _reference(acc, multiplier, shift, zero))


def _wrong(rounding: str, acc: Ints, multiplier: int, shift: int) -> Ints:
    y = _high_mul(acc, multiplier)
    forms: Mapping[str, Ints] = {
        "halves up": (y + (1 << (shift - 1))) >> shift,
        "once": (acc * multiplier + (1 << (30 + shift))) >> (31 + shift),
        "down": y >> shift,
    }
    return np.clip(forms[rounding], -128, 127)


@pytest.mark.parametrize("rounding", ["halves up", "once", "down"])
def test_a_wrong_rounding_would_show(rounding: str) -> None:
    rng = np.random.default_rng(0)
    acc = _near_halves(MULTIPLIERS[2], 7, rng)
    right = _reference(acc, MULTIPLIERS[2], -7, 0)
    assert (_wrong(rounding, acc, MULTIPLIERS[2], 7) != right).any()


@pytest.mark.parametrize("shift", range(1, 23))
def test_the_sign_of_the_accumulator_stands_for_that_of_the_product(shift: int) -> None:
    acc = np.concatenate([np.arange(-5000, 5001), np.array([1 - LIMIT, LIMIT - 1])])
    for multiplier in MULTIPLIERS:
        y = _high_mul(acc, multiplier)
        assert (_divide_by_power(y, shift) == (y + (1 << (shift - 1)) + (acc >> 31)) >> shift).all()
