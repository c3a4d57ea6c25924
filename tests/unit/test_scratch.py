"""Scratch requests of whole operators: which are made, in which order, and which are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from graphs import convolution, fully_connected, one_op, tensor
from hypothesis import given
from hypothesis import strategies as st

from edgekit.boards.kernels import TFLM_KERNELS, KernelLibrary
from edgekit.memory.lifetimes import ScratchRequest
from edgekit.memory.scratch import scratch_requests
from edgekit.tflite.graph import Graph

TFLM_LIBRARIES: tuple[KernelLibrary, ...] = tuple(k for k in TFLM_KERNELS if k != "xnnpack")
CMSIS = [k for k in TFLM_LIBRARIES if k.startswith("cmsis")]


def sizes(graph: Graph, kernels: KernelLibrary) -> list[int]:
    return [request.nbytes for request in scratch_requests(graph, kernels)]


@pytest.mark.parametrize("kernels", TFLM_LIBRARIES)
def test_mean_keeps_sums_then_walks_the_input_in_every_library(kernels: KernelLibrary) -> None:
    graph = one_op("MEAN", (tensor(1, 7, 7, 256), tensor(values=[1, 2])), tensor(1, 256))
    assert scratch_requests(graph, kernels) == (
        ScratchRequest(0, 4 * 256),
        ScratchRequest(0, 4 * 4),
        ScratchRequest(0, 4 * 2),
    )


def test_mean_of_floats_keeps_no_sums() -> None:
    x, y = tensor(1, 7, 7, 8, dtype="float32"), tensor(1, 8, dtype="float32")
    assert sizes(one_op("MEAN", (x, tensor(values=[1, 2])), y), "reference") == [16, 8]


def test_the_greatest_of_integers_keeps_no_sums() -> None:
    assert sizes(
        one_op("REDUCE_MAX", (tensor(1, 4, 4, 8), tensor(values=[1])), tensor(1, 4, 8)), "reference"
    ) == [16, 4]


def test_pointers_of_add_n_follow_the_layout_of_the_target() -> None:
    graph = one_op("ADD_N", (tensor(1, 8), tensor(1, 8), tensor(1, 8)), tensor(1, 8))
    assert scratch_requests(graph, "reference") == (ScratchRequest(0, 12),)
    assert scratch_requests(graph, "reference", "lp64") == (ScratchRequest(0, 24),)


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [("reference", []), ("cmsis_nn", []), ("cmsis_nn_dsp", [256]), ("cmsis_nn_mve", [])],
)
def test_only_the_dsp_average_pool_needs_sums(kernels: KernelLibrary, expected: list[int]) -> None:
    assert sizes(one_op("AVERAGE_POOL_2D", (tensor(1, 8, 8, 64),), tensor(1, 1, 1, 64)), kernels) == expected


@pytest.mark.parametrize(
    ("kernels", "expected"), [("reference", []), ("cmsis_nn", []), ("esp_nn", [40]), ("esp_nn_s3", [40])]
)
def test_only_esp_nn_softmax_needs_scratch(kernels: KernelLibrary, expected: list[int]) -> None:
    assert sizes(one_op("SOFTMAX", (tensor(1, 10),), tensor(1, 10)), kernels) == expected


def test_filter_sums_of_constant_weights_are_not_scratch() -> None:
    x, y = tensor(1, 64), tensor(1, 10)
    assert sizes(fully_connected(x, y), "cmsis_nn_mve") == []
    assert sizes(fully_connected(x, y, constant=False), "cmsis_nn_mve") == [40]
    assert sizes(fully_connected(x, y, constant=False), "cmsis_nn_dsp") == []


@pytest.mark.parametrize("kernels", CMSIS)
def test_a_layer_that_runs_as_convolution_spreads_its_one_scale(kernels: KernelLibrary) -> None:
    x, y = tensor(1, 5, 64), tensor(1, 5, 10)
    assert sizes(fully_connected(x, y), kernels) == [80]
    assert sizes(fully_connected(x, y, scales=10), kernels) == []
    assert sizes(fully_connected(tensor(1, 5, 66), y, scales=10), kernels) == []


@pytest.mark.parametrize("kernels", ["reference", "esp_nn", "esp_nn_s3"])
def test_four_bit_filters_are_unpacked_before_anything_else(kernels: KernelLibrary) -> None:
    graph = convolution(tensor(1, 8, 8, 16), (1, 1), tensor(1, 8, 8, 32), weights="int4")
    plain = convolution(tensor(1, 8, 8, 16), (1, 1), tensor(1, 8, 8, 32))
    assert sizes(graph, kernels) == [512, *sizes(plain, kernels)]


@pytest.mark.parametrize("kernels", TFLM_LIBRARIES)
@pytest.mark.parametrize(
    "kind", ["RESHAPE", "QUANTIZE", "DEQUANTIZE", "RELU6", "LOGISTIC", "HARD_SWISH", "MAX_POOL_2D", "PAD"]
)
def test_these_need_none(kind: str, kernels: KernelLibrary) -> None:
    assert sizes(one_op(kind, (tensor(1, 4, 4, 8),), tensor(1, 4, 4, 8)), kernels) == []


def test_float_convolutions_need_none_in_any_library() -> None:
    x, y = tensor(1, 8, 8, 3, dtype="float32"), tensor(1, 8, 8, 8, dtype="float32")
    graph = convolution(x, (3, 3), y, weights="float32")
    assert not [kernels for kernels in TFLM_LIBRARIES if sizes(graph, kernels)]


def test_requests_come_in_the_order_of_the_operators() -> None:
    first = convolution(tensor(1, 8, 8, 3), (3, 3), tensor(1, 8, 8, 16))
    pool = one_op("MEAN", (tensor(1, 8, 8, 16), tensor(values=[1, 2])), tensor(1, 16))
    shift = len(first.tensors) - 1
    tensors = (*first.tensors, *(replace(t, index=t.index + shift) for t in pool.tensors[1:]))
    mean = replace(pool.ops[0], index=1, inputs=(shift, shift + 1), outputs=(shift + 2,))
    graph = Graph(tensors, (first.ops[0], mean), first.inputs, mean.outputs)
    assert scratch_requests(graph, "cmsis_nn_dsp") == (
        ScratchRequest(0, 4 * 28),
        ScratchRequest(1, 4 * 16),
        ScratchRequest(1, 16),
        ScratchRequest(1, 8),
    )


@pytest.mark.parametrize("kernels", ["xnnpack", "portable", "dsp"])
def test_what_is_no_library_of_tflite_micro_has_no_scratch_there(kernels: KernelLibrary) -> None:
    with pytest.raises(ValueError, match=kernels):
        scratch_requests(one_op("RELU", (tensor(1, 8),), tensor(1, 8)), kernels)


@given(
    size=st.integers(1, 40),
    channels=st.integers(1, 40),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    depthwise=st.booleans(),
    kernels=st.sampled_from(TFLM_LIBRARIES),
)
def test_scratch_is_never_negative_and_at_most_one_request_a_convolution(
    size: int, channels: int, kernel: int, stride: int, depthwise: bool, kernels: KernelLibrary
) -> None:
    out = -(-size // stride)
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    x, y = tensor(1, size, size, channels), tensor(1, out, out, channels)
    graph = convolution(x, (kernel, kernel), y, kind=kind, stride_h=stride, stride_w=stride)
    requests = sizes(graph, kernels)
    assert len(requests) <= 1
    assert all(nbytes > 0 for nbytes in requests)
