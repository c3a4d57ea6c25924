"""What operators allocate in the tail, and which operators are not known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from graphs import convolution, fully_connected, one_op, tensor

from edgekit.boards.kernels import TFLM_KERNELS, KernelLibrary
from edgekit.memory.known_ops import unknown_ops
from edgekit.memory.lifetimes import ScratchRequest
from edgekit.memory.op_data import OpAllocations, persistent_allocations
from edgekit.memory.releases import ABIS, TFLM_WHEEL, VERIFIED_RELEASE, Abi, kernel_family
from edgekit.memory.scratch import scratch_requests
from edgekit.tflite.graph import Graph

TFLM_LIBRARIES: tuple[KernelLibrary, ...] = tuple(k for k in TFLM_KERNELS if k != "xnnpack")
CONV = convolution(tensor(1, 8, 8, 3), (3, 3), tensor(1, 8, 8, 16))


def allocations(graph: Graph, kernels: KernelLibrary = "reference", abi: Abi = "arm32") -> OpAllocations:
    return persistent_allocations(graph, graph.ops[0], kernels, abi)


def sizes(graph: Graph, kernels: KernelLibrary = "reference", abi: Abi = "arm32") -> list[list[int]]:
    return [[a.nbytes for a in group] for group in allocations(graph, kernels, abi)]


def test_a_convolution_keeps_parameters_record_and_two_tables() -> None:
    assert sizes(CONV) == [[28], [56], [64, 64]]
    assert sizes(CONV, "cmsis_nn") == [[28], [60], [64, 64]]
    assert sizes(CONV, "esp_nn_s3") == [[28], [60], [64, 64]]
    assert sizes(CONV, "reference", "lp64") == [[28], [72], [64, 64]]


def test_kernels_align_to_the_arena_and_parameters_to_themselves() -> None:
    groups = allocations(CONV)
    assert {a.alignment for a in groups.init + groups.prepare} == {16}
    assert [a.alignment for a in groups.parameters] == [4]


def test_depthwise_tables_follow_the_output_channels() -> None:
    graph = convolution(tensor(1, 8, 8, 4), (3, 3), tensor(1, 8, 8, 8), kind="DEPTHWISE_CONV_2D")
    assert sizes(graph)[2] == [32, 32]


@pytest.mark.parametrize(
    ("kernels", "tables"), [("reference", [32, 32]), ("cmsis_nn", []), ("esp_nn", [32, 32])]
)
def test_float_convolutions_have_tables_except_in_cmsis_nn(kernels: KernelLibrary, tables: list[int]) -> None:
    x, y = tensor(1, 8, 8, 3, dtype="float32"), tensor(1, 8, 8, 8, dtype="float32")
    assert sizes(convolution(x, (3, 3), y, weights="float32"), kernels)[2] == tables


def test_enumerations_take_a_byte_on_bare_metal_arm_alone() -> None:
    graph = fully_connected(tensor(1, 64), tensor(1, 10))
    assert {abi: allocations(graph, abi=abi).parameters[0][:2] for abi in ABIS} == {
        "arm32": (5, 1),
        "ilp32": (16, 4),
        "lp64": (16, 4),
    }


def test_a_fully_connected_layer_has_tables_when_its_weights_are_per_channel() -> None:
    x, y = tensor(1, 64), tensor(1, 10)
    assert sizes(fully_connected(x, y))[2] == []
    assert sizes(fully_connected(x, y, scales=10))[2] == [40, 40]


def test_helium_keeps_filter_sums_of_constant_weights() -> None:
    x, y = tensor(1, 64), tensor(1, 10)
    assert sizes(fully_connected(x, y, scales=10), "cmsis_nn_mve")[2] == [40, 40, 40]
    assert sizes(fully_connected(x, y, constant=False), "cmsis_nn_mve")[2] == []
    assert sizes(fully_connected(tensor(1, 5, 64), tensor(1, 5, 10)), "cmsis_nn_mve")[2] == []


def test_built_for_size_helium_asks_for_them_as_scratch() -> None:
    release = replace(VERIFIED_RELEASE, built_for_speed=False)
    graph = fully_connected(tensor(1, 64), tensor(1, 10))
    assert persistent_allocations(graph, graph.ops[0], "cmsis_nn_mve", "arm32", release).prepare == ()
    assert scratch_requests(graph, "cmsis_nn_mve", release=release) == (ScratchRequest(0, 40),)


def test_some_kernels_allocate_their_record_in_prepare_for_int8_alone() -> None:
    graph = one_op("LOG_SOFTMAX", (tensor(1, 10),), tensor(1, 10))
    assert sizes(graph) == [[], [], [28]]
    floats = one_op("LOG_SOFTMAX", (tensor(1, 10, dtype="float32"),), tensor(1, 10, dtype="float32"))
    assert sizes(floats) == [[], [], []]


@pytest.mark.parametrize("kind", ["DEPTH_TO_SPACE", "GATHER", "GATHER_ND", "L2_POOL_2D", "SPACE_TO_DEPTH"])
def test_kernels_that_set_their_outputs_shape_copy_it(kind: str) -> None:
    graph = one_op(kind, (tensor(1, 4, 4, 8), tensor(values=[0])), tensor(1, 8, 8, 2))
    assert sizes(graph)[2] == [4 * (1 + 4)]


def test_a_reshape_copies_its_shape_only_when_a_dimension_is_open() -> None:
    shape = tensor(values=[1, -1])
    assert sizes(one_op("RESHAPE", (tensor(1, 4, 4), shape), tensor(1, 16))) == [[36], [], []]
    assert sizes(one_op("RESHAPE", (tensor(1, 4, 4), shape), tensor(1, -1))) == [[36], [], [12]]


def test_the_wheel_differs_from_a_target_of_the_same_layout() -> None:
    op = CONV.ops[0]
    target = persistent_allocations(CONV, op, "reference", "lp64")
    wheel = persistent_allocations(CONV, op, "reference", "lp64", TFLM_WHEEL)
    assert [a.nbytes for a in (*target.init, *wheel.init)] == [72, 80]
    assert target.prepare == wheel.prepare


@pytest.mark.parametrize("kernels", TFLM_LIBRARIES)
@pytest.mark.parametrize("abi", ABIS)
def test_every_known_operator_can_be_asked_for(kernels: KernelLibrary, abi: Abi) -> None:
    for kind in VERIFIED_RELEASE.op_data:
        graph = one_op(kind, (tensor(1, 4, 4, 8), tensor(1, 1, 1, 8, constant=True)), tensor(1, 4, 4, 8))
        groups = allocations(graph, kernels, abi)
        assert all(a.nbytes > 0 and a.alignment in (1, 4, 8, 16) for group in groups for a in group)


def test_optimized_records_are_at_least_as_large_as_the_reference_ones() -> None:
    release = VERIFIED_RELEASE
    for family, table in release.optimized_op_data.items():
        for kind in table:
            for abi in ABIS:
                assert release.op_data_bytes(kind, family, abi) >= release.op_data[kind][abi], (family, kind)


@pytest.mark.parametrize("kernels", TFLM_LIBRARIES)
def test_image_networks_operators_are_known(kernels: KernelLibrary) -> None:
    assert unknown_ops(CONV, kernels) == ()
    assert unknown_ops(one_op("SOFTMAX", (tensor(1, 10),), tensor(1, 10)), kernels) == ()


@pytest.mark.parametrize(
    ("graph", "kernels"),
    [
        (one_op("CUSTOM", (tensor(1, 8),), tensor(1, 8)), "reference"),
        (one_op("UNIDIRECTIONAL_SEQUENCE_LSTM", (tensor(1, 8),), tensor(1, 8)), "reference"),
        (one_op("SOFTMAX", (tensor(8),), tensor(8)), "esp_nn"),
        (one_op("SOFTMAX", (tensor(1, 8, dtype="int16"),), tensor(1, 8, dtype="int16")), "reference"),
        (one_op("CONV_2D", (tensor(1, 8, 8, 3),), tensor(1, 8, 8, 8)), "reference"),
        (convolution(tensor(1, 8, 8, 3), (3, 3), tensor(1, 8, 8, 8), weights="int4"), "cmsis_nn"),
        (convolution(tensor(1, 8, 8, 3), (3, 3), tensor(1, 8, 8, 8), stride_h=0), "reference"),
        (
            convolution(tensor(1, 1, 8, 1), (1, 3), tensor(1, 1, 8, 8), kind="DEPTHWISE_CONV_2D"),
            "cmsis_nn_mve",
        ),
    ],
)
def test_what_is_not_known_is_named_and_asks_for_nothing_more(graph: Graph, kernels: KernelLibrary) -> None:
    assert unknown_ops(graph, kernels) == (0,)
    assert allocations(graph, kernels).prepare == ()


def test_a_vector_softmax_is_known_outside_esp_nn() -> None:
    assert unknown_ops(one_op("SOFTMAX", (tensor(8),), tensor(8)), "cmsis_nn") == ()


def test_xnnpack_is_not_a_library_of_tflite_micro() -> None:
    with pytest.raises(ValueError, match="xnnpack"):
        kernel_family("xnnpack")
    with pytest.raises(ValueError, match="xnnpack"):
        unknown_ops(CONV, "xnnpack")
