"""Constants of the int8 operators, against what they mean and against the host interpreter's reference kernels."""

from __future__ import annotations

import ctypes
from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from aot_kernels import TESTS, compile_library, link_library, softmax_call
from aot_paths import ENGINE
from graphs import one_op
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgekit.aot import tables
from edgekit.aot.kernels.softmax import Softmax
from edgekit.aot.tables import Affine, Multiplier
from edgekit.tflite.graph import Graph, Quantization, Tensor
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.writer import write_model

_QUICK = settings(max_examples=300, deadline=None, derandomize=True, database=None)
_FEW = settings(_QUICK, max_examples=40)

_INT32 = st.integers(-(2**31), 2**31 - 1) | st.integers(-300, 300) | st.sampled_from((-(2**31), 2**31 - 1))
_MULTIPLIERS = st.integers(2**30, 2**31 - 1) | st.just(0)
_ZEROS = st.integers(-128, 127) | st.sampled_from((-128, 0, 127))
_ACTIVATIONS = st.sampled_from(("NONE", "RELU", "RELU6", "RELU_N1_TO_1"))
_EVERY_INT8 = np.arange(-128, 128).astype(np.int8).reshape(1, 256)


def _scales(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(np.log(low), np.log(high)).map(lambda x: float(np.float32(np.exp(x))))


_AFFINE = st.builds(Affine, _scales(1e-4, 10.0), _ZEROS)


def _nearest(x: Fraction, *, halves_away: bool) -> int:
    """Return the integer nearest to ``x``; halves go up, or away from zero."""
    if halves_away and x < 0:
        return -_nearest(-x, halves_away=True)
    return floor(x + Fraction(1, 2))


def _real(factor: Multiplier) -> Fraction:
    return Fraction(factor.multiplier, 2**31) * Fraction(2) ** factor.shift


@_QUICK
@given(_INT32, _INT32)
def test_high_mul_is_the_rounded_product_of_fractions(a: int, b: int) -> None:
    assert tables.high_mul(a, b) == _nearest(Fraction(a * b, 2**31), halves_away=False)


@_QUICK
@given(_INT32, st.integers(0, 31))
@example(-6, 2)
@example(6, 2)
def test_round_shift_rounds_halves_away_from_zero(x: int, exponent: int) -> None:
    assert tables.round_shift(x, exponent) == _nearest(Fraction(x, 2**exponent), halves_away=True)


@_QUICK
@given(st.integers(-(2**24), 2**24), _MULTIPLIERS, st.integers(-31, 6))
def test_requantize_is_within_both_roundings_of_the_real_product(x: int, multiplier: int, shift: int) -> None:
    factor = Multiplier(multiplier, shift)
    first = Fraction(1, 2) * Fraction(2) ** min(shift, 0)
    second = Fraction(1, 2) if shift < 0 else 0
    assert abs(tables.requantize(x, factor) - x * _real(factor)) <= first + second


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    flags = ["-O2", f"-I{ENGINE}"]
    return ctypes.CDLL(
        str(link_library(tmp_path_factory.mktemp("fixed"), flags, [TESTS / "aot_trace" / "fixed.c"]))
    )


def test_c_and_python_do_the_same_arithmetic(fixed: ctypes.CDLL) -> None:
    @_QUICK
    @given(_INT32, _INT32, _MULTIPLIERS, st.integers(-31, 31), _ZEROS)
    def check(x: int, y: int, multiplier: int, shift: int, zero: int) -> None:
        if (x, y) != (-(2**31), -(2**31)):
            assert fixed.fixed_high_mul(x, y) == tables.high_mul(x, y)
        assert fixed.fixed_round_shift(x, abs(shift)) == tables.round_shift(x, abs(shift))
        scaled = tables.requantize(x, Multiplier(multiplier, shift))
        assert fixed.fixed_scale(x, multiplier, shift) == scaled
        saturated = min(max(scaled + zero, -128), 127)
        assert fixed.fixed_scale_to_int8(x, multiplier, shift, zero) == saturated
        assert fixed.fixed_limit(x, -5, 90) == min(max(x, -5), 90)

    check()


@_QUICK
@given(st.floats(2.0**-31, 2.0**31))
@example(1.0)
@example(1.0 - 2.0**-40)
def test_a_quantized_multiplier_is_normalized_and_within_half_a_unit(real: float) -> None:
    factor = tables.quantize_multiplier(real)
    assert 2**30 <= factor.multiplier < 2**31
    assert abs(_real(factor) - Fraction(real)) <= Fraction(2) ** (factor.shift - 32)


def test_vanishing_multipliers_are_zero() -> None:
    assert tables.quantize_multiplier(0.0) == (0, 0)
    assert tables.quantize_multiplier(2.0**-34) == (0, 0)
    assert tables.quantize_multiplier(2.0**-32) == (2**30, -31)


@pytest.mark.parametrize("real", [-1.0, float("inf"), float("nan")])
def test_senseless_multipliers_are_refused(real: float) -> None:
    with pytest.raises(ValueError, match="a scale factor of"):
        tables.quantize_multiplier(real)


@_QUICK
@given(_AFFINE, _ACTIVATIONS)
def test_an_activation_range_ends_at_the_values_nearest_to_its_bounds(out: Affine, activation: str) -> None:
    low, high = tables.activation_range(activation, out)
    bounds = {"NONE": (None, None), "RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}
    for found, bound, open_end in zip((low, high), bounds[activation], (-128, 127), strict=True):
        if bound is None:
            assert found == open_end
        elif -128 < found < 127:
            assert abs((found - out.zero_point) * out.scale - bound) <= out.scale * (0.5 + 1e-4)


def test_an_unknown_fused_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="TANH"):
        tables.activation_range("TANH", Affine(0.1, 0))


@_FEW
@given(_AFFINE, _scales(0.01, 100.0), _ZEROS, st.sampled_from(("RELU", "RELU6", "RELU_N1_TO_1", "QUANTIZE")))
@example(Affine(1.0, -128), 1.0, 127, "QUANTIZE")
def test_a_lookup_table_has_the_reference_kernel_s_answers(
    x: Affine, ratio: float, zero: int, kind: str
) -> None:
    out = Affine(float(np.float32(x.scale * ratio)), zero)
    table = tables.requantize_table(x, out) if kind == "QUANTIZE" else tables.relu_table(kind, x, out)
    graph = one_op(kind, [_int8((1, 256), x)], _int8((1, 256), out))
    assert table == _reference(graph, _EVERY_INT8).tobytes()


def test_a_table_of_one_flipped_answer_differs_from_the_reference() -> None:
    x = Affine(0.5, 3)
    graph = one_op("RELU", [_int8((1, 256), x)], _int8((1, 256), x))
    table = bytearray(tables.relu_table("RELU", x, x))
    table[200] ^= 1
    assert bytes(table) != _reference(graph, _EVERY_INT8).tobytes()


@pytest.mark.parametrize("make", [tables.requantize_table, lambda x, out: tables.mean_multiplier(x, out, 1)])
def test_scales_that_shift_everything_out_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match="an output scale of 1e-12"):
        make(Affine(1.0, 0), Affine(1e-12, 0))


@_FEW
@given(_AFFINE, _AFFINE, _scales(0.05, 100.0), _ZEROS, _ACTIVATIONS, st.integers(0, 2**32 - 1))
def test_add_has_the_reference_kernel_s_answers(
    a: Affine, b: Affine, ratio: float, zero: int, activation: str, seed: int
) -> None:
    out = Affine(float(np.float32(max(a.scale, b.scale) * ratio)), zero)
    values = np.random.default_rng(seed).integers(-128, 128, (2, 1, 400)).astype(np.int8)
    factors = tables.add_constants(a, b, out)
    low, high = tables.activation_range(activation, out)
    expected = []
    for left, right in zip(values[0, 0].tolist(), values[1, 0].tolist(), strict=True):
        total = tables.requantize((left - a.zero_point) << 20, factors.a)
        total += tables.requantize((right - b.zero_point) << 20, factors.b)
        expected.append(min(max(tables.requantize(total, factors.out) + out.zero_point, low), high))
    shape = (1, 400)
    graph = one_op(
        "ADD", [_int8(shape, a), _int8(shape, b)], _int8(shape, out), options={"activation": activation}
    )
    assert expected == _reference(graph, *values)[0].tolist()


def test_add_refuses_an_output_scale_that_the_reference_kernel_does_not_take() -> None:
    with pytest.raises(ValueError, match="an output scale of"):
        tables.add_constants(Affine(1.0, 0), Affine(1.0, 0), Affine(1e-6, 0))


@_FEW
@given(
    _AFFINE,
    _scales(0.02, 20.0),
    _ZEROS,
    st.integers(1, 20),
    st.integers(1, 20),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_mean_has_the_reference_kernel_s_answers(
    x: Affine, ratio: float, zero: int, height: int, width: int, keep: bool, seed: int
) -> None:
    out = Affine(float(np.float32(x.scale * ratio)), zero)
    rng = np.random.default_rng(seed)
    channels, count = 16, height * width
    shift = rng.integers(-90, 90, channels)
    values = np.clip(rng.normal(shift, 30, (1, height, width, channels)), -128, 127).astype(np.int8)
    factor = tables.mean_multiplier(x, out, count)
    sums = values.sum((0, 1, 2), dtype=np.int64) - count * x.zero_point
    expected = [min(max(tables.requantize(int(s), factor) + zero, -128), 127) for s in sums]
    shape = (1, 1, 1, channels) if keep else (1, channels)
    axes = Tensor(0, (2,), "int32", constant=True, data=np.array((1, 2), np.int32))
    graph = one_op("MEAN", [_int8(values.shape, x), axes], _int8(shape, out), options={"keep_dims": keep})
    assert expected == _reference(graph, values).reshape(-1).tolist()


@_QUICK
@given(_AFFINE, _AFFINE, st.integers(1, 2**20))
def test_a_mean_s_multiplier_is_the_ratio_of_the_scales_over_the_count(
    x: Affine, out: Affine, count: int
) -> None:
    exact = Fraction(x.scale) / Fraction(out.scale) / count
    assert abs(_real(tables.mean_multiplier(x, out, count)) / exact - 1) < Fraction(1, 2**28)


@_QUICK
@given(st.integers(-31 * 2**26, 0))
def test_the_fixed_point_exponential_is_good_to_22_bits(x: int) -> None:
    with localcontext() as context:
        context.prec = 30
        exact = (Decimal(x) / 2**26).exp()
    assert abs(Decimal(tables.exp_on_negative(x)) / 2**31 - exact) < Decimal(2) ** -22


@_QUICK
@given(_scales(1e-5, 8.0), st.sampled_from((1.0, 0.5, 2.0)))
def test_a_softmax_table_has_the_exponentials_that_matter(scale: float, beta: float) -> None:
    table = np.array(tables.softmax_table(scale, beta)) / 2.0**31
    steps = np.arange(256) * scale * beta
    exact = np.exp(-steps)
    assert 1 <= len(table) <= 256
    assert np.abs(table - exact[: len(table)]).max() < 2.0**-22
    assert (exact[len(table) :] < 2.0**-20 + 2.0**-24).all()


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return ctypes.CDLL(str(compile_library(tmp_path_factory.mktemp("kernels"), "portable", "-O2")))


@_FEW
@given(
    _scales(1e-4, 8.0),
    st.floats(0.25, 4.0).map(lambda x: float(np.float32(x))),
    st.sampled_from((1, 2, 12, 1000)),
    st.floats(0.1, 2.5),
    st.integers(0, 2**32 - 1),
)
def test_softmax_has_the_reference_kernel_s_answers(
    kernels: ctypes.CDLL, scale: float, beta: float, depth: int, spread: float, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(0, 10**spread, (2, depth))
    scores = np.clip(values, -128, 127).astype(np.int8)
    table = tables.softmax_table(scale, beta)
    assume(_sums_of_exponentials(table, scores).max() < 512)
    graph = one_op(
        "SOFTMAX",
        [_int8((2, depth), Affine(scale, 5))],
        _int8((2, depth), Affine(1 / 256, -128)),
        options={"beta": beta},
    )
    expected = _reference(graph, scores)
    call = softmax_call(Softmax(2, depth), table)
    assert np.array_equal(call.run_apart(kernels, [scores.reshape(-1)]), expected.reshape(-1))


def _sums_of_exponentials(table: tuple[int, ...], scores: NDArray[np.int8]) -> NDArray[np.float64]:
    below = scores.max(axis=1, keepdims=True).astype(int) - scores
    return np.pad(np.array(table), (0, 256))[below].sum(axis=1) / 2.0**31


@pytest.mark.parametrize("depth", [511, 513, 4095])
def test_no_class_of_many_equal_ones_has_a_share(kernels: ctypes.CDLL, depth: int) -> None:
    """Beyond a sum of 512 the reference kernel shifts by more bits than there are, or ends the process."""
    call = softmax_call(Softmax(1, depth), tables.softmax_table(0.1, 1.0))
    output = call.run_apart(kernels, [np.zeros(depth, np.int8)])
    assert (output == (-127 if depth == 511 else -128)).all()


def test_softmax_refuses_a_vanishing_scale() -> None:
    with pytest.raises(ValueError, match="a softmax whose input scale"):
        tables.softmax_table(1e-9, 1.0)


def _int8(shape: tuple[int, ...], affine: Affine) -> Tensor:
    return Tensor(0, shape, "int8", Quantization((affine.scale,), (affine.zero_point,)))


def _reference(graph: Graph, *inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    output: NDArray[np.int8] = HostInterpreter(write_model(graph)).run(list(inputs))[0]
    return output
