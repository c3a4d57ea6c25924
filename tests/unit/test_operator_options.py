"""Options of operators survive writing and reading, with values that are not the schema's defaults."""

from __future__ import annotations

from typing import Any

import pytest

from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.reader import OPTION_TABLES, PLAIN_OPS, read_graph
from edgekit.tflite.writer import write_model

SPECIAL: dict[str, Any] = {
    "padding": "VALID",
    "activation": "RELU6",
    "new_shape": (1, 7),
    "beta": 0.5,
    "keep_dims": True,
    "keep_num_dims": True,
    "asymmetric_quantize_inputs": True,
    "pot_scale_int16": False,
    "offset": True,
    "weights_format": 1,
}


def value_of(field: str) -> Any:
    return SPECIAL.get(field, 3)


@pytest.mark.parametrize("kind", sorted(OPTION_TABLES.keys() | PLAIN_OPS))
def test_what_is_written_is_read(kind: str) -> None:
    fields = OPTION_TABLES[kind][1] if kind in OPTION_TABLES else {}
    options = {field: value_of(field) for field in fields}
    tensors = (Tensor(0, (1, 7), "int8"), Tensor(1, (1, 7), "int8"))
    graph = Graph(tensors, (Op(0, kind, (0,), (1,), options, version=2),), (0,), (1,))
    (op,) = read_graph(write_model(graph)).ops
    assert (op.kind, op.version, dict(op.options)) == (kind, 2, options)
