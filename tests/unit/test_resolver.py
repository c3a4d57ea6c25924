"""Which registrations a model needs."""

from __future__ import annotations

import pytest

from edgekit.boards.catalog import load_catalog
from edgekit.boards.kernels import TFLM_KERNELS, KernelLibrary
from edgekit.codegen.resolver import registrations
from edgekit.errors import InputError
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.operators import ADD_METHODS, CMSIS_NN_INT8, INT8_HEADERS, OPERATOR_SINCE
from edgekit.tflite.support import missing_kernels, release_day

NEW = "2026-08-20"


def graph_of(*kinds: str, dtypes: tuple[str, ...] = (), custom: str = "") -> Graph:
    """Return a chain of operators; ``dtypes`` are those of the tensors between them, int8 for the rest."""
    types = dtypes + ("int8",) * (len(kinds) + 1 - len(dtypes))
    tensors = tuple(Tensor(i, (1, 4), dtype) for i, dtype in enumerate(types))
    ops = tuple(Op(i, kind, (i,), (i + 1,), custom_code=custom) for i, kind in enumerate(kinds))
    return Graph(tensors, ops, (0,), (len(kinds),))


def calls(graph: Graph, kernels: KernelLibrary, release: str | None = NEW) -> list[str]:
    return [registration.call for registration in registrations(graph, kernels, release)]


def test_each_operator_is_registered_once_in_order_of_first_use() -> None:
    graph = graph_of("CONV_2D", "RESHAPE", "CONV_2D", "SOFTMAX", "RESHAPE")
    assert calls(graph, "reference") == ["AddConv2D()", "AddReshape()", "AddSoftmax()"]


@pytest.mark.parametrize("kernels", TFLM_KERNELS)
def test_int8_only_registrations_are_taken_exactly_from_cmsis_nn(kernels: KernelLibrary) -> None:
    taken = {call for call in calls(graph_of(*ADD_METHODS), kernels) if "INT8" in call}
    expected = {f"{ADD_METHODS[op]}(tflite::Register_{op}_INT8())" for op in CMSIS_NN_INT8}
    assert taken == (expected if kernels.startswith("cmsis_nn") else set())


def test_one_operator_of_another_type_keeps_the_general_registration() -> None:
    graph = graph_of("SOFTMAX", "DEQUANTIZE", "SOFTMAX", dtypes=("int8", "int8", "float32", "float32"))
    assert calls(graph, "cmsis_nn") == ["AddSoftmax()", "AddDequantize()"]
    assert calls(graph_of("SOFTMAX", dtypes=("int8", "int16")), "cmsis_nn") == ["AddSoftmax()"]


@pytest.mark.parametrize("weights", ["int4", "int16", "float32"])
def test_other_weights_than_int8_keep_the_general_registration(weights: str) -> None:
    tensors = (
        Tensor(0, (1, 4), "int8"),
        Tensor(1, (4, 4), weights, constant=True),
        Tensor(2, (1, 4), "int8"),
    )
    graph = Graph(tensors, (Op(0, "FULLY_CONNECTED", (0, 1, -1), (2,)),), (0,), (2,))
    assert calls(graph, "cmsis_nn") == ["AddFullyConnected()"]


def test_older_releases_get_only_what_they_have() -> None:
    graph = graph_of("CONV_2D", "PAD", "MAXIMUM")
    assert calls(graph, "cmsis_nn", "2024-12-26") == [
        "AddConv2D(tflite::Register_CONV_2D_INT8())",
        "AddPad()",
        "AddMaximum()",
    ]
    assert calls(graph, "cmsis_nn", None) == calls(graph, "cmsis_nn", "2023-02-27")
    (missing,) = missing_kernels(graph_of("CONV_2D", "REDUCE_MIN"), "2024-12-26")
    assert (missing.index, missing.op) == (1, "REDUCE_MIN") and "2025-08-05" in missing.problem
    assert missing_kernels(graph_of("REDUCE_MIN"), NEW) == missing_kernels(graph_of("REDUCE_MIN")) == ()


def test_headers_beyond_the_resolvers_own_are_named() -> None:
    (pad,) = registrations(graph_of("PAD"), "cmsis_nn", NEW)
    assert pad.header == INT8_HEADERS["PAD"]
    (pad,) = registrations(graph_of("PAD"), "reference", NEW)
    assert pad.header == ""


@pytest.mark.parametrize("kind", ["GELU", "TILE", "WHILE", "NON_MAX_SUPPRESSION_V5", "BUILTIN_999"])
def test_an_operator_without_a_kernel_is_named_with_index_and_remedy(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        registrations(graph_of("CONV_2D", kind, "ATAN2"), "reference", NEW)
    assert f"Operator 1 ({kind})" in caught.value.message and caught.value.hint
    assert caught.value.details[0].startswith("operator 2 (ATAN2)")


def test_custom_operators_are_named_by_their_own_name() -> None:
    (missing,) = missing_kernels(graph_of("CUSTOM", custom="FlexErf"))
    assert missing.op == "FlexErf" and "SELECT_TF_OPS" in missing.remedy
    assert missing_kernels(graph_of("CUSTOM", custom="Own"))[0].op == "Own"
    detection = graph_of("CUSTOM", custom="TFLite_Detection_PostProcess")
    assert calls(detection, "cmsis_nn") == ["AddDetectionPostprocess()"]


def test_the_tables_speak_of_operators_of_the_schema() -> None:
    from tflite.BuiltinOperator import BuiltinOperator

    assert all(hasattr(BuiltinOperator, op) for op in ADD_METHODS)
    assert len(set(ADD_METHODS.values())) == len(ADD_METHODS)
    assert CMSIS_NN_INT8.keys() | OPERATOR_SINCE.keys() <= ADD_METHODS.keys()


def test_every_microcontroller_board_says_of_when_its_tflite_micro_is() -> None:
    for board in load_catalog().values():
        day = release_day(board.sdk.tflm_release)
        assert board.linux or (day is not None and "2023-02" <= day <= "2026-12"), board.name
    assert release_day("unknown") is None
