"""What the aot engine makes of a graph: calls, memory, folded constants, sizes, and what it refuses."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aot_graphs import MIXED, GraphBuilder, changed, scaled
from aot_networks import random_network
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.aot.accumulators import Accumulators, constant_outputs, rescaling
from edgekit.aot.fold import Weighted, fold
from edgekit.aot.kernels.conv import Conv2d, Pointwise
from edgekit.aot.packing import pack_groups, pack_pairs
from edgekit.aot.plan import CallOffsets, plan_program
from edgekit.aot.program import check_aot, lower
from edgekit.aot.sizes import program_sizes
from edgekit.aot.tables import Multiplier, requantize
from edgekit.codegen.aot import render_aot
from edgekit.errors import InputError
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.resources import resource_dir
from edgekit.tflite.graph import Graph, Op, Tensor

SPEC = NetworkSpec("mobilenet_v1", 0.25, 96, classes=2)


# Lowering


def test_a_computed_network_needs_no_values() -> None:
    program = lower(network_graph(SPEC))
    kinds = [type(call.kernel).__name__ for call in program.calls]
    assert kinds == ["Conv2d", *["Depthwise", "Pointwise"] * 13, "Mean", "Pointwise", "Softmax"]
    assert program.calls[0].kernel.scratch == 2 * 2 * 28
    with pytest.raises(InputError, match=r"Operator 0 \(CONV_2D\) has no weights"):
        fold(program)


def test_one_by_one_convolutions_are_pointwise_only_with_stride_one() -> None:
    b = GraphBuilder((1, 6, 5, 8))
    x = b.conv(b.input, 12, (1, 1))
    x = b.conv(x, 4, (1, 1), (2, 2))
    b.conv(x, 4, (3, 1))
    kernels = [call.kernel for call in lower(b.graph(b.last)).calls]
    assert kernels[0] == Pointwise(30, 8, 12)
    assert [type(kernel) for kernel in kernels[1:]] == [Conv2d, Conv2d]


def test_fully_connected_layers_are_pointwise_over_rows() -> None:
    b = GraphBuilder((1, 3, 10))
    b.fully_connected(b.input, 7, keep=True)
    assert lower(b.graph(b.last)).calls[0].kernel == Pointwise(3, 10, 7)


def test_shapes_change_for_free() -> None:
    b = GraphBuilder((1, 4, 6, 2))
    x = b.conv(b.reshape(b.input, (1, 6, 4, 2)), 3)
    flat = b.reshape(x, (1, 72))
    y = b.reshape(flat, (72, 1))
    program = lower(b.graph(y))
    assert [call.op for call in program.calls] == [1]
    assert program.calls[0].inputs == (program.input,) == (b.input,)
    assert program.memory_of[flat] == program.memory_of[y] == program.output == x


def test_results_that_nobody_reads_are_not_computed() -> None:
    b = GraphBuilder((1, 4, 4, 3))
    x = b.conv(b.input, 3)
    unread = b.conv(x, 5)
    b.op("RELU", (unread,), b.shape(unread))
    y = b.conv(x, 2)
    assert [call.op for call in lower(b.graph(y)).calls] == [0, 3]


def test_an_input_that_is_the_output_takes_no_call() -> None:
    b = GraphBuilder((1, 8))
    program = lower(b.graph(b.input))
    assert program.calls == () and program.output == program.input
    assert "#define EK_MODEL_OPS 0" in render_aot(program)["model.h"]


def test_paddings_are_tflites() -> None:
    b = GraphBuilder((1, 6, 7, 2))
    b.conv(b.input, 2, (3, 4), (2, 3))
    (call,) = lower(b.graph(b.last)).calls
    assert isinstance(call.kernel, Conv2d)
    window = call.kernel.window
    assert (window.pad_top, window.pad_left) == (0, 1)  # 5 and 9 rows and columns are touched of 6 and 7


# Constants


def test_packed_weights_are_where_the_header_says() -> None:
    rng = np.random.default_rng(1)
    weights = rng.integers(-128, 128, (5, 11), np.int8)
    packed = pack_pairs(weights)
    assert packed.shape == (3, 3, 2, 4) and packed.flags.c_contiguous
    for channel, k in np.ndindex(6, 12):
        expected = weights[channel, k] if channel < 5 and k < 11 else 0
        assert packed[channel // 2, k // 4, channel % 2, k % 4] == expected
    taps = rng.integers(-128, 128, (9, 6), np.int8)
    packed = pack_groups(taps)
    assert packed.shape == (2, 9, 4) and packed.flags.c_contiguous
    for tap, channel in np.ndindex(9, 8):
        assert packed[channel // 4, tap, channel % 4] == (taps[tap, channel] if channel < 6 else 0)


def test_the_input_zero_point_is_folded_into_the_bias() -> None:
    b = GraphBuilder((1, 5, 5, 3), (0.02, -77))
    b.conv(b.input, 4)
    graph = b.graph(b.last)
    sums = Accumulators.of(graph, graph.ops[0])
    assert sums is not None
    weights, bias = (graph.tensors[i].values() for i in graph.ops[0].inputs[1:])
    assert sums.bias.tolist() == (bias + 77 * weights.astype(int).sum((1, 2, 3))).tolist()
    (constants,) = fold(lower(graph))
    assert isinstance(constants, Weighted) and not constants.wide
    assert (constants.channels[:, 0] >> 5).tolist() == sums.bias.tolist()


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_no_input_leaves_the_bounds_of_an_accumulator(seed: int, depth: int) -> None:
    b = GraphBuilder((1, depth), (0.02, -128), seed % 1000)
    b.fully_connected(b.input, 3)
    graph = b.graph(b.last)
    sums = Accumulators.of(graph, graph.ops[0])
    assert sums is not None
    inputs = np.random.default_rng(seed).choice([-128, 0, 127], (200, depth))
    reached = inputs @ sums.weights.T.astype(np.int64) + sums.bias
    ends = np.where(sums.weights > 0, 127, -128), np.where(sums.weights > 0, -128, 127)
    high, low = ((end * sums.weights.astype(np.int64)).sum(axis=1) + sums.bias for end in ends)
    assert (low == sums.low).all() and (high == sums.high).all()
    assert (reached >= low).all() and (reached <= high).all()


def one_layer(bias: int, weight: int, factor: float, zero: int = 0, depth: int = 4) -> Graph:
    """Return FULLY_CONNECTED with one channel: ``factor`` is from the accumulator to the output."""
    tensors = (
        Tensor(0, (1, depth), "int8", scaled(1.0)),
        Tensor(1, (1, depth), "int8", scaled(factor), True, np.full((1, depth), weight, np.int8)),
        Tensor(2, (1,), "int32", scaled(factor), True, np.array([bias], np.int32)),
        Tensor(3, (1, 1), "int8", scaled(1.0, zero=zero)),
    )
    op = Op(0, "FULLY_CONNECTED", (0, 1, 2), (3,), {"activation": "NONE"})
    return Graph(tensors, (op,), (0,), (3,))


@pytest.mark.parametrize(
    ("graph", "wide"),
    [
        (one_layer(100, 1, 0.49), False),
        (one_layer(100, 1, 0.5), True),
        (one_layer(2**26 - 1, 127, 2.0**-20, depth=4000), False),
        (one_layer(2**26, 127, 2.0**-20, depth=4000), True),
        (one_layer(1 - 2**26, 127, 2.0**-20, depth=4000), False),
        (one_layer(0, 127, 2.0**-15, depth=60_000), False),
        (one_layer(0, 127, 2.0**-15, depth=65_535), False),
        (one_layer(2**26 - 1, 127, 2.0**-22 * 0.75, depth=5000, zero=-20), False),
        (one_layer(2**26 - 1, 127, 2.0**-22 * 0.4, depth=5000, zero=-20), True),
    ],
)
def test_the_compact_form_is_taken_where_it_fits(graph: Graph, wide: bool) -> None:
    (constants,) = fold(lower(graph))
    assert isinstance(constants, Weighted)
    assert constants.wide == wide
    assert constants.channels.shape == (2, 3 if wide else 2)
    sizes = program_sizes(lower(graph))
    assert sizes.functions == ("ek_pointwise_wide" if wide else "ek_pointwise",)


@pytest.mark.parametrize("bias", [2**31 - 1, -(2**31), 2**31 - 4 * 127 * 127, -(2**31) + 4 * 127 * 128 - 1])
def test_accumulators_that_can_overflow_are_refused(bias: int) -> None:
    (problem,) = check_aot(one_layer(bias, 127, 2.0**-24))
    assert (problem.index, problem.op) == (0, "FULLY_CONNECTED")
    assert "output channel 0" in problem.problem and "32 bits" in problem.problem
    for largest in (2**31 - 1 - 4 * 127 * 127, -(2**31) + 4 * 127 * 128 + 1):
        assert check_aot(one_layer(largest, 127, 2.0**-24)) == []


def test_factors_that_shift_an_accumulator_out_of_32_bits_are_refused() -> None:
    assert check_aot(one_layer(0, 127, 2.0**13)) == []
    (problem,) = check_aot(one_layer(0, 127, 2.0**15))
    assert "channel 0" in problem.problem


@pytest.mark.parametrize(
    ("graph", "value"),
    [
        (one_layer(2**30, 0, 2.0**-28), 4),
        (one_layer(-(2**31), 0, 2.0**-28, zero=-100), -108),
        (one_layer(2**30, 0, 2.0**-3), 127),
        (one_layer(-5, 0, 0.0), 0),
        (one_layer(1000, 1, 2.0**-40), 0),
        (one_layer(100, 1, 0.2), None),
    ],
)
def test_channels_that_are_constant_are_compact_and_exact(graph: Graph, value: int | None) -> None:
    op = graph.ops[0]
    sums = Accumulators.of(graph, op)
    assert sums is not None
    rescaled = rescaling(graph, op, len(sums.bias))
    assert constant_outputs(graph, op, sums, *rescaled) == ({} if value is None else {0: value})
    (constants,) = fold(lower(graph))
    assert isinstance(constants, Weighted)
    assert not constants.wide
    if value is not None:
        bias_shift, multiplier = constants.channels[0].tolist()
        zero = graph.output.quantization.zero_point[0] if graph.output.quantization else 0
        assert zero + requantize(bias_shift >> 5, Multiplier(multiplier, -(bias_shift & 31))) == value
        assert not constants.weights.any()


def test_fully_connected_layers_multiply_their_scales_in_single_precision() -> None:
    graph = one_layer(0, 1, 1.0)
    graph = changed(changed(graph, 0, quantization=scaled(0.1)), 1, quantization=scaled(0.3))
    single = float(np.float32(0.1) * np.float32(0.3))
    double = float(np.float32(0.1)) * float(np.float32(0.3))
    assert single != double
    multiplier, shift = rescaling(graph, graph.ops[0], 1)
    assert multiplier[0] * 2.0 ** (shift[0] - 31) == pytest.approx(single, rel=2**-31)
    assert multiplier[0] * 2.0 ** (shift[0] - 31) != pytest.approx(double, rel=2**-31)


# Sizes and text


@pytest.fixture(scope="module", params=["mobilenet_v1", "conv_mobilenet_v1", "mixed"])
def complete(request: pytest.FixtureRequest) -> Graph:
    if request.param == "mixed":
        return MIXED
    return random_network(NetworkSpec(request.param, 0.25, 64, classes=3), seed=1)


def test_sizes_are_known_without_weights(complete: Graph) -> None:
    tensors = (replace(t, data=None) if t.dtype in ("int8",) else t for t in complete.tensors)
    bare = replace(complete, tensors=tuple(tensors))
    assert program_sizes(lower(bare)) == program_sizes(lower(complete))


@pytest.mark.parametrize(
    "target",
    ["arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb", "riscv64-unknown-elf-gcc -march=rv32imac -mabi=ilp32"],
)
def test_sizes_are_what_the_compiler_emits(target: str, complete: Graph, tmp_path: Path) -> None:
    compiler, *options = target.split()
    assert shutil.which(compiler), f"{compiler} is not installed"
    program = lower(complete)
    for name, text in render_aot(program).items():
        (tmp_path / name).write_text(text)
    includes = [f"-I{tmp_path}", f"-I{resource_dir('firmware') / 'engine' / 'aot'}"]
    flags = ["-std=c99", "-O2", "-ffreestanding", "-fdata-sections", "-Wall", "-Wextra", "-Werror"]
    source, output = tmp_path / "model.c", tmp_path / "model.o"
    subprocess.run([compiler, *options, *flags, *includes, "-c", source, "-o", output], check=True)
    size = compiler.replace("gcc", "size")
    listing = subprocess.run([size, "-A", output], check=True, capture_output=True, text=True).stdout
    sections = re.findall(r"^\.s?rodata\S*\s+(\d+)", listing, re.MULTILINE)
    assert sum(-(-int(section) // 4) * 4 for section in sections) == program_sizes(program).total


def test_the_functions_are_those_that_the_code_calls(complete: Graph) -> None:
    program = lower(complete)
    called = set(re.findall(r"^  (ek_\w+)\(", render_aot(program)["model.c"], re.MULTILINE))
    assert called == set(program_sizes(program).functions)


def test_the_same_program_gives_the_same_text(complete: Graph) -> None:
    assert render_aot(lower(complete)) == render_aot(lower(replace(complete)))


def test_every_call_is_preceded_by_what_it_does() -> None:
    text = render_aot(lower(MIXED))["model.c"]
    body = text[text.index("void ek_model_invoke") :]
    for line in (
        "// 0: CONV_2D 8x8x3 -> 4x4x4, window 3x3, stride 2x2",
        "// 3: ADD 4x4x4 + 4x4x4 -> 4x4x4",
        "// 8: FULLY_CONNECTED 8 -> 5",
    ):
        assert line in body


def test_long_calls_are_broken_as_clang_format_does(tmp_path: Path) -> None:
    if shutil.which("clang-format") is None:
        pytest.skip("clang-format is not installed")
    b = GraphBuilder((1, 300, 10, 3))
    for _ in range(11):
        b.op("RELU6", (b.last,), b.shape(b.input))
    program = lower(b.graph(b.conv(b.last, 2)))
    plan = plan_program(program)
    far = {tensor: offset + 1_000_000_000 for tensor, offset in plan.offset_of.items()}
    calls = [
        CallOffsets(tuple(far[i] for i in call.inputs), far[call.output], 10**9) for call in program.calls
    ]
    text = render_aot(program, replace(plan, calls=tuple(calls), offset_of=far))["model.c"]
    assert re.search(r"ek_conv2d\(.*,\n +ek_arena", text)
    path = tmp_path / "model.c"
    path.write_text(text)
    style = f"--style=file:{Path(__file__).parents[2] / '.clang-format'}"
    subprocess.run(["clang-format", style, "--dry-run", "-Werror", path], check=True)
