"""Writing a :class:`~edgekit.tflite.graph.Graph` as a .tflite file, as small as TFLite Micro allows.

The layout depends on the graph's structure alone, never on its values, so that the size of a file is known before
there are weights. What is left out: names, descriptions, signatures, ``min``/``max`` of quantization. What is shared:
equal shapes, equal options, and the all-zero zero points of constants. Weights stay 16-byte aligned in the file, as
SIMD kernels want them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Final

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from edgekit.tflite.graph import Graph, Op, Quantization, Tensor
from edgekit.tflite.reader import ACTIVATIONS, OPTION_TABLES, PADDINGS, SCHEMA_VERSION, schema_enum

_DATA_ALIGNMENT: Final = 16
_IDENTIFIER: Final = b"TFL3"


def write_model(graph: Graph) -> bytes:
    """Return ``graph`` as the content of a .tflite file.

    Parameters
    ----------
    graph:
        Operators must be in :data:`~edgekit.tflite.reader.OPTION_TABLES` or without options. Constants without known
        values are written as zeros.
    """
    return _Writer(graph, [tensor.values() for tensor in graph.tensors if tensor.constant]).finish()


def model_size(graph: Graph) -> int:
    """Return the exact length in bytes of ``write_model(graph)``, without writing the weights.

    Constants are padded to 16 bytes, so cutting whole multiples of 16 from each changes nothing else in the layout.
    """
    constants = [tensor for tensor in graph.tensors if tensor.constant]
    rests = [tensor.nbytes % _DATA_ALIGNMENT for tensor in constants]
    small = _Writer(graph, [np.zeros(rest, np.uint8) for rest in rests]).finish()
    return len(small) + sum(t.nbytes - rest for t, rest in zip(constants, rests, strict=True))


class _Writer:
    """One file being written, last table first, as flatbuffers are."""

    def __init__(self, graph: Graph, constants: Sequence[NDArray[Any]]) -> None:
        self._graph = graph
        self._constants = constants
        self._builder = flatbuffers.Builder(sum(c.nbytes for c in constants) + 32 * 1024)
        self._shared: dict[Any, int] = {}

    def finish(self) -> bytes:
        """Return the file."""
        builder = self._builder
        metadata = list(self._graph.metadata.items())
        payloads = [np.frombuffer(data, np.uint8) for _, data in metadata]
        buffers = [self._buffer(data) for data in (*self._constants, *payloads)]
        empty = self._table("Buffer", {})
        buffer_vector = self._offsets([empty, *buffers])
        entries = [
            self._table(
                "Metadata", {"Name": builder.CreateString(name), "Buffer": 1 + len(self._constants) + i}
            )
            for i, (name, _) in enumerate(metadata)
        ]
        codes = list(dict.fromkeys((op.kind, op.version) for op in self._graph.ops))
        fields = {
            "Version": SCHEMA_VERSION,
            "OperatorCodes": self._offsets([self._operator_code(kind, version) for kind, version in codes]),
            "Subgraphs": self._offsets([self._subgraph(codes)]),
            "Buffers": buffer_vector,
        }
        if entries:
            fields["Metadata"] = self._offsets(entries)
        builder.Finish(self._table("Model", fields), file_identifier=_IDENTIFIER)
        return bytes(builder.Output())

    def _subgraph(self, codes: list[tuple[str, int]]) -> int:
        graph = self._graph
        numbers = iter(range(1, len(self._constants) + 1))
        tensors = [self._tensor(t, next(numbers) if t.constant else 0) for t in graph.tensors]
        ops = [self._op(op, codes.index((op.kind, op.version))) for op in graph.ops]
        return self._table(
            "SubGraph",
            {
                "Tensors": self._offsets(tensors),
                "Inputs": self._ints(graph.inputs),
                "Outputs": self._ints(graph.outputs),
                "Operators": self._offsets(ops),
            },
        )

    def _tensor(self, tensor: Tensor, buffer: int) -> int:
        fields = {
            "Shape": self._ints(tensor.shape),
            "Type": schema_enum("TensorType", tensor.dtype.upper()),
            "Buffer": buffer,
        }
        if tensor.quantization is not None:
            fields["Quantization"] = self._quantization(tensor.quantization, tensor.constant)
        return self._table("Tensor", fields)

    def _quantization(self, quantization: Quantization, constant: bool) -> int:
        builder = self._builder
        zero_points = quantization.zero_point
        if constant and not any(zero_points):
            vector = self._share(
                ("zeros", len(zero_points)),
                lambda: builder.CreateNumpyVector(np.zeros(len(zero_points), np.int64)),
            )
        else:
            vector = builder.CreateNumpyVector(np.array(zero_points, np.int64))
        scale = builder.CreateNumpyVector(np.array(quantization.scale, np.float32))
        return self._table(
            "QuantizationParameters",
            {"Scale": scale, "ZeroPoint": vector, "QuantizedDimension": quantization.dimension},
        )

    def _op(self, op: Op, code: int) -> int:
        fields = {
            "OpcodeIndex": code,
            "Inputs": self._ints(op.inputs),
            "Outputs": self._ints(op.outputs),
        }
        if op.kind in OPTION_TABLES:
            name = OPTION_TABLES[op.kind][0]
            key = (op.kind, tuple(sorted(op.options.items())))
            fields["BuiltinOptionsType"] = schema_enum("BuiltinOptions", name)
            fields["BuiltinOptions"] = self._share(key, lambda: self._options(op))
        return self._table("Operator", fields)

    def _options(self, op: Op) -> int:
        name, known = OPTION_TABLES[op.kind]
        fields = {}
        for field, getter in known.items():
            value = op.options.get(field)
            if value is None or (field == "new_shape" and not value):
                continue
            if field == "padding":
                value = PADDINGS.index(value)
            elif field == "activation":
                value = ACTIVATIONS.index(value)
            elif field == "new_shape":
                value = self._ints(value)
            fields[getter] = value
        return self._table(name, fields)

    def _operator_code(self, kind: str, version: int) -> int:
        code = schema_enum("BuiltinOperator", kind)
        # Readers of before the code became an int look at the byte; 127 tells them to look at the int.
        return self._table(
            "OperatorCode",
            {"DeprecatedBuiltinCode": min(code, 127), "Version": version, "BuiltinCode": code},
        )

    def _buffer(self, data: NDArray[Any]) -> int:
        """Write the bytes of ``data``, aligned to 16 bytes in the file."""
        builder, raw = self._builder, data.tobytes()
        builder.StartVector(1, len(raw), _DATA_ALIGNMENT)
        builder.head -= len(raw)
        builder.Bytes[builder.head : builder.head + len(raw)] = raw
        return self._table("Buffer", {"Data": builder.EndVector()})

    def _ints(self, values: Sequence[int]) -> int:
        key = ("ints", tuple(values))
        return self._share(key, lambda: self._builder.CreateNumpyVector(np.array(values, np.int32)))

    def _offsets(self, offsets: Sequence[int]) -> int:
        builder = self._builder
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    def _share(self, key: Any, make: Callable[[], int]) -> int:
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def _table(self, name: str, fields: dict[str, Any]) -> int:
        start, end, adders = _table_functions(name)
        start(self._builder)
        for field, value in fields.items():
            adders(field)(self._builder, value)
        return int(end(self._builder))


@cache
def _table_functions(name: str) -> tuple[Callable[[Any], None], Callable[[Any], int], Callable[[str], Any]]:
    """Return the generated functions that start a table, end it, and add a field of it."""
    module = import_module(f"tflite.{name}")

    @cache
    def adder(field: str) -> Any:
        return getattr(module, f"{name}Add{field}")

    return getattr(module, f"{name}Start"), getattr(module, f"{name}End"), adder
