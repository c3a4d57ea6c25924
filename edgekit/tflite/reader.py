"""Reading a .tflite file into a :class:`~edgekit.tflite.graph.Graph`."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import InputError
from edgekit.files import read_bytes
from edgekit.tflite.graph import ITEM_BYTES, Graph, Op, Quantization, Tensor

SCHEMA_VERSION: Final = 3
_MAX_ITEMS: Final = 100_000

MAX_MODEL_BYTES: Final = 512 * 1024**2
"""Largest accepted file; the flatbuffer format ends at 2 GB, no board here holds a tenth of this."""


def read_model_file(path: Path) -> bytes:
    """Return the content of a .tflite file, having checked its size and identifier.

    Raises
    ------
    InputError
        If it cannot be read or is not a .tflite file.
    """
    model = read_bytes(path, "model", MAX_MODEL_BYTES)
    try:
        check_identifier(model)
    except InputError as error:
        raise InputError(f"{path}: {error.message}", error.hint) from error
    return model


def check_identifier(model: bytes) -> None:
    """Check that ``model`` starts like a .tflite file.

    Raises
    ------
    InputError
        If it is empty or does not carry the identifier ``TFL3``.
    """
    if not model:
        raise InputError("The model file is empty.", "Convert the model again.")
    if model[4:8] != b"TFL3":
        raise InputError(
            "This is not a .tflite file: the identifier TFL3 is missing.",
            "Give a .tflite file, or make one with `edgekit convert`.",
        )


def read_graph(model: bytes) -> Graph:
    """Read the main subgraph of ``model``.

    Every access is checked against the file's bounds, so a damaged file ends in an error here. Interpreters do not do
    that (tflite-runtime crashes on truncated files); they come after this.

    Parameters
    ----------
    model:
        Content of a .tflite file.

    Raises
    ------
    InputError
        If the file is damaged, not a .tflite file, or has no operators.
    """
    check_identifier(model)
    try:
        return _read(model)
    except struct.error as error:
        raise InputError(
            "The file is damaged: it points beyond its own end.", "Copy it again; it may be cut off."
        ) from error
    except (ValueError, TypeError, IndexError, AttributeError, KeyError, OverflowError) as error:
        raise InputError(f"The file is damaged: {error}.", "Copy or convert the model again.") from error


def _read(model: bytes) -> Graph:
    from tflite.Model import Model

    root = Model.GetRootAs(model, 0)
    if root.Version() != SCHEMA_VERSION:
        raise ValueError(f"it says schema version {root.Version()}, not {SCHEMA_VERSION}")
    if max(root.SubgraphsLength(), root.BuffersLength(), root.OperatorCodesLength()) > _MAX_ITEMS:
        raise ValueError("it says that it has millions of tables")
    if root.SubgraphsLength() < 1:
        raise ValueError("it has no subgraph")
    subgraph = root.Subgraphs(0)
    if max(subgraph.TensorsLength(), subgraph.OperatorsLength()) > _MAX_ITEMS:
        raise ValueError("it says that it has millions of tensors")
    buffers = [_buffer(root, i) for i in range(root.BuffersLength())]
    tensors = tuple(_tensor(subgraph.Tensors(i), i, buffers) for i in range(subgraph.TensorsLength()))
    ops = tuple(_op(subgraph.Operators(i), i, root, len(tensors)) for i in range(subgraph.OperatorsLength()))
    inputs, outputs = _ints(subgraph, "Inputs"), _ints(subgraph, "Outputs")
    if not inputs or not outputs:
        raise ValueError("it has no inputs or no outputs")
    if any(not 0 <= index < len(tensors) for index in inputs + outputs):
        raise ValueError("an input or output points outside the tensors")
    metadata = {}
    for i in range(root.MetadataLength()):
        entry = root.Metadata(i)
        data = buffers[entry.Buffer()]
        metadata[(entry.Name() or b"").decode(errors="replace")] = b"" if data is None else data.tobytes()
    return Graph(tensors, ops, inputs, outputs, root.SubgraphsLength(), metadata)


def _buffer(root: Any, index: int) -> NDArray[np.uint8] | None:
    """Return the bytes of a buffer, or ``None`` when it is empty."""
    buffer = root.Buffers(index)
    if hasattr(buffer, "Offset") and buffer.Offset() > 1:
        raise ValueError(
            f"buffer {index} lies outside the flatbuffer, where TFLite Micro cannot read it"
            " (large-model format of some converters)"
        )
    if buffer.DataIsNone() or buffer.DataLength() == 0:
        return None
    data: NDArray[np.uint8] = buffer.DataAsNumpy()
    return data


def _ints(table: Any, name: str) -> tuple[int, ...]:
    """Return an int vector of a table, ``()`` when it is absent."""
    if getattr(table, f"{name}IsNone")() or getattr(table, f"{name}Length")() == 0:
        return ()
    return tuple(int(value) for value in getattr(table, f"{name}AsNumpy")())


def _tensor(table: Any, index: int, buffers: list[NDArray[np.uint8] | None]) -> Tensor:
    shape = _ints(table, "Shape")
    if table.Type() not in _type_names():
        raise ValueError(f"tensor {index} has the unknown element type {table.Type()}")
    dtype = _type_names()[table.Type()]
    number = table.Buffer()
    if not 0 <= number < len(buffers):
        raise ValueError(f"tensor {index} points to buffer {number} of {len(buffers)}")
    raw = buffers[number]
    quantization = table.Quantization()
    data = None
    if raw is not None and dtype in ITEM_BYTES:
        if raw.nbytes != int(np.prod(shape, dtype=np.int64)) * ITEM_BYTES[dtype]:
            raise ValueError(f"tensor {index} of shape {list(shape)} has {raw.nbytes} bytes of values")
        data = raw.view(np.dtype(dtype)).reshape(shape)
    return Tensor(
        index=index,
        shape=shape,
        dtype=dtype,
        quantization=_quantization(quantization),
        constant=raw is not None,
        data=data,
        name=(table.Name() or b"").decode(errors="replace"),
        # A batch that the converter left open has size 1 in the shape, which is what TFLite Micro uses.
        dynamic=any(dim < 0 for dim in (*shape, *_ints(table, "ShapeSignature")[1:])),
        variable=bool(table.IsVariable()),
        opaque=table.Sparsity() is not None or (quantization is not None and quantization.DetailsType() != 0),
    )


def _quantization(table: Any) -> Quantization | None:
    if table is None or table.ScaleIsNone() or table.ScaleLength() == 0:
        return None
    scale = tuple(float(value) for value in table.ScaleAsNumpy())
    zero_point = _ints(table, "ZeroPoint")
    if len(zero_point) not in (0, 1, len(scale)):
        raise ValueError(f"a tensor has {len(scale)} scales and {len(zero_point)} zero points")
    return Quantization(scale, zero_point, int(table.QuantizedDimension()))


def _op(table: Any, index: int, root: Any, tensors: int) -> Op:
    if not 0 <= table.OpcodeIndex() < root.OperatorCodesLength():
        raise ValueError(f"operator {index} has no operator code")
    code = root.OperatorCodes(table.OpcodeIndex())
    # The schema moved the code from a byte to an int; the larger of the two is meant.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    kind = _op_names().get(number, f"BUILTIN_{number}")
    inputs, outputs = _ints(table, "Inputs"), _ints(table, "Outputs")
    if any(not -1 <= i < tensors for i in inputs + outputs):
        raise ValueError(f"operator {index} ({kind}) points outside the tensors")
    return Op(
        index=index,
        kind=kind,
        inputs=inputs,
        outputs=outputs,
        options=_options(kind, table),
        version=code.Version(),
        custom_code=(code.CustomCode() or b"").decode(errors="replace") if kind == "CUSTOM" else "",
    )


def _options(kind: str, table: Any) -> Mapping[str, Any]:
    entry = OPTION_TABLES.get(kind)
    options = table.BuiltinOptions()
    if entry is None or options is None:
        return {}
    name, fields = entry
    if table.BuiltinOptionsType() != schema_enum("BuiltinOptions", name):
        raise ValueError(f"an operator {kind} does not have the options of one")
    options_type = getattr(import_module(f"tflite.{name}"), name)()
    options_type.Init(options.Bytes, options.Pos)
    values: dict[str, Any] = {}
    for field, getter in fields.items():
        if field == "new_shape":
            values[field] = _ints(options_type, getter)
        else:
            value = getattr(options_type, getter)()
            if field == "padding":
                value = PADDINGS[value]
            elif field == "activation":
                value = ACTIVATIONS[value]
            values[field] = value
    return values


@cache
def schema_enum(enum: str, member: str) -> int:
    """Return the number of a schema enum's member: ``schema_enum("TensorType", "INT8")`` is 9."""
    return int(getattr(getattr(import_module(f"tflite.{enum}"), enum), member))


PADDINGS: Final = ("SAME", "VALID")
"""The schema's ``Padding`` by number."""

ACTIVATIONS: Final = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
"""The schema's ``ActivationFunctionType`` by number."""

_STRIDES: Final = {"padding": "Padding", "stride_w": "StrideW", "stride_h": "StrideH"}
_DILATION: Final = {"dilation_w": "DilationWFactor", "dilation_h": "DilationHFactor"}
_ACTIVATION: Final = {"activation": "FusedActivationFunction"}
_POOL: Final = {**_STRIDES, "filter_width": "FilterWidth", "filter_height": "FilterHeight", **_ACTIVATION}

OPTION_TABLES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "CONV_2D": (
        "Conv2DOptions",
        {**_STRIDES, **_ACTIVATION, **_DILATION, "quantized_bias_type": "QuantizedBiasType"},
    ),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        {**_STRIDES, "depth_multiplier": "DepthMultiplier", **_ACTIVATION, **_DILATION},
    ),
    "TRANSPOSE_CONV": (
        "TransposeConvOptions",
        {**_STRIDES, **_ACTIVATION, "quantized_bias_type": "QuantizedBiasType"},
    ),
    "FULLY_CONNECTED": (
        "FullyConnectedOptions",
        {
            **_ACTIVATION,
            "weights_format": "WeightsFormat",
            "keep_num_dims": "KeepNumDims",
            "asymmetric_quantize_inputs": "AsymmetricQuantizeInputs",
            "quantized_bias_type": "QuantizedBiasType",
        },
    ),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL),
    "MAX_POOL_2D": ("Pool2DOptions", _POOL),
    "MEAN": ("ReducerOptions", {"keep_dims": "KeepDims"}),
    "RESHAPE": ("ReshapeOptions", {"new_shape": "NewShape"}),
    "SOFTMAX": ("SoftmaxOptions", {"beta": "Beta"}),
    "ADD": ("AddOptions", {**_ACTIVATION, "pot_scale_int16": "PotScaleInt16"}),
    "MUL": ("MulOptions", _ACTIVATION),
    "SUB": ("SubOptions", {**_ACTIVATION, "pot_scale_int16": "PotScaleInt16"}),
    "CONCATENATION": ("ConcatenationOptions", {"axis": "Axis", **_ACTIVATION}),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        {
            "begin_mask": "BeginMask",
            "end_mask": "EndMask",
            "ellipsis_mask": "EllipsisMask",
            "new_axis_mask": "NewAxisMask",
            "shrink_axis_mask": "ShrinkAxisMask",
            "offset": "Offset",
        },
    ),
    "PAD": ("PadOptions", {}),
    "QUANTIZE": ("QuantizeOptions", {}),
    "DEQUANTIZE": ("DequantizeOptions", {}),
    "HARD_SWISH": ("HardSwishOptions", {}),
    "TRANSPOSE": ("TransposeOptions", {}),
}
"""Operator kind to its options table in the schema and all of its fields (snake case to the reader's getter)."""

PLAIN_OPS: Final = frozenset({"LOGISTIC", "RELU", "RELU6", "RELU_N1_TO_1", "TANH", "PRELU"})
"""Operators without an options table."""


@cache
def _type_names() -> dict[int, str]:
    """Return the schema's ``TensorType`` numbers with lower-case names."""
    from tflite.TensorType import TensorType

    return {v: k.lower() for k, v in vars(TensorType).items() if isinstance(v, int)}


@cache
def _op_names() -> dict[int, str]:
    """Return the schema's ``BuiltinOperator`` numbers with names."""
    from tflite.BuiltinOperator import BuiltinOperator

    return {v: k for k, v in vars(BuiltinOperator).items() if isinstance(v, int)}
