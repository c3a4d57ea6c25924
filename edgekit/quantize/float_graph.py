"""Getting a float network into the form that the quantizer takes: a .tflite with a batch of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.mobilenet.backend import load_keras, quiet
from edgekit.mobilenet.keras_files import first_line
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import check_identifier, read_graph

_SINGLE = "edgekit puts image classifiers with one input and one output onto boards."


def keras_input_shape(model: Any) -> tuple[int, ...]:
    """Return the input shape of a Keras model without its batch.

    Raises
    ------
    InputError
        If it has not exactly one input and output, or a dimension is open.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            f"The model has {len(model.inputs)} inputs and {len(model.outputs)} outputs.", _SINGLE
        )
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise InputError(
            f"The model's input size is open: {tuple(model.inputs[0].shape)}.",
            "Build it with a fixed size, for example keras.Input((96, 96, 3)), and save it again.",
        )
    return tuple(int(size) for size in shape)


def keras_to_tflite(model: Any) -> bytes:
    """Return a Keras model as a float32 .tflite with a batch of one, whatever batch it was built with.

    Its variables are frozen first: that takes a second, where the way through a SavedModel takes four.

    Raises
    ------
    InputError
        If the model has layers that TFLite has no operators for.
    """
    tf, _ = load_keras()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape = keras_input_shape(model)
    with quiet() as log:
        try:
            function = tf.function(
                lambda image: model(image, training=False),
                input_signature=[tf.TensorSpec((1, *shape), tf.float32, name="image")],
            )
            frozen = convert_variables_to_constants_v2(function.get_concrete_function())
            converted = tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()
        except Exception as error:  # the converter has no error type of its own for all of its failures
            raise InputError(
                f"TensorFlow cannot convert the model: {first_line(error)}",
                "Replace layers that TFLite has no operators for.",
                log(),
            ) from error
    return bytes(converted)


def static_tflite(model: bytes) -> bytes:
    """Return a float .tflite with a batch of one, without the operators that only compute its batch.

    Raises
    ------
    InputError
        If the model is damaged, quantized already in part, has several inputs or outputs, or an open input
        size.
    """
    read_float_tflite(model)
    from tensorflow.lite.tools import flatbuffer_utils

    tree = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    main = tree.subgraphs[0]
    signature = _signature(main.tensors[main.inputs[0]])
    if signature[:1] == (1,) and not any(-1 in _signature(tensor) for tensor in main.tensors):
        return model
    if -1 in signature[1:]:
        raise InputError(
            f"The model's input size is open: {signature}.",
            "Convert it from a model with a fixed input size.",
        )
    _fix_shapes(tree, _actual_shapes(model, (1, *signature[1:])))
    return bytes(flatbuffer_utils.convert_object_to_bytearray(tree))


def read_float_tflite(model: bytes) -> Graph:
    """Read a float .tflite, verified by TensorFlow, which is loaded for the conversion in any case.

    Raises
    ------
    InputError
        If it is damaged or cannot be quantized (any more).
    TaskError
        If TensorFlow is not installed.
    """
    check_identifier(model)
    tf, _ = load_keras()
    with quiet():
        try:
            tf.lite.Interpreter(model_content=model, num_threads=1)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"The model is damaged, or has operators that TensorFlow does not know: {first_line(error)}",
                "Copy or convert the model again.",
            ) from error
    graph = read_graph(model)
    check_float(graph)
    return graph


def check_float(graph: Graph) -> None:
    """Check that ``graph`` is a float network that can still be quantized.

    Raises
    ------
    InputError
        If it is not.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise InputError(
            f"The model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs.", _SINGLE
        )
    source = "Give the float32 model that it was made from (.keras, .h5, or a .tflite without optimizations)."
    if graph.input.dtype in ("int8", "uint8", "int16"):
        as_it_is = "Use it as it is; `edgekit inspect` shows what it needs."
        raise InputError(
            f"The model is quantized already: its input is {graph.input.dtype}.",
            as_it_is if graph.input.dtype == "int8" else source,
        )
    for op in graph.ops:
        for tensor in graph.op_inputs(op):
            quantized = tensor.dtype in ("int8", "uint8", "int16", "float16", "int4")
            if quantized and (tensor.constant or tensor.quantization is not None):
                raise InputError(
                    f"The model is compressed: operator {op.index} ({op.label}) reads {tensor.dtype}.",
                    source,
                )
    if graph.input.dtype != "float32":
        raise InputError(f"The model's input is {graph.input.dtype}, not float32.", source)


def _signature(tensor: Any) -> tuple[int, ...]:
    """Return a tensor's shape with -1 for open dimensions; ``()`` for a scalar."""
    shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    return () if shape is None else tuple(int(size) for size in shape)


def _actual_shapes(model: bytes, input_shape: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Return the shape that every tensor takes when the model runs on one input."""
    tf, _ = load_keras()
    with quiet():
        interpreter = tf.lite.Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
        )
        index = interpreter.get_input_details()[0]["index"]
        try:
            interpreter.resize_tensor_input(index, input_shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(index, np.zeros(input_shape, np.float32))
            interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"The model does not run with one image at a time: {first_line(error)}",
                "Convert it again from its source, with a batch of one.",
            ) from error
        details = interpreter.get_tensor_details()
    return {int(detail["index"]): tuple(int(size) for size in detail["shape"]) for detail in details}


def _fix_shapes(tree: Any, shapes: dict[int, tuple[int, ...]]) -> None:
    """Fix all shapes in ``tree``, make reshape targets constant, and drop what is then left unused."""
    from tensorflow.lite.python import schema_py_generated as schema

    main = tree.subgraphs[0]
    for index, tensor in enumerate(main.tensors):
        tensor.shapeSignature = None
        if index in shapes:
            tensor.shape = np.array(shapes[index], np.int32)
    produced = {int(index) for op in main.operators for index in op.outputs}
    for op in main.operators:
        if (
            _kind(tree, op) == schema.BuiltinOperator.RESHAPE
            and len(op.inputs) > 1
            and op.inputs[1] in produced
        ):
            target = np.array(main.tensors[op.outputs[0]].shape, np.int32)
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(target.tobytes(), np.uint8)
            tree.buffers.append(buffer)
            constant = schema.TensorT()
            constant.name = b"shape"
            constant.type = schema.TensorType.INT32
            constant.shape = np.array([len(target)], np.int32)
            constant.buffer = len(tree.buffers) - 1
            main.tensors.append(constant)
            op.inputs = np.array([op.inputs[0], len(main.tensors) - 1], np.int32)
    _drop_unused(tree)


def _kind(tree: Any, op: Any) -> int:
    code = tree.operatorCodes[op.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def _drop_unused(tree: Any) -> None:
    """Remove the operators that no output depends on, and the codes that no operator uses."""
    main = tree.subgraphs[0]
    needed = {int(index) for index in main.outputs}
    kept = []
    for op in reversed(main.operators):
        if needed & {int(index) for index in op.outputs}:
            kept.append(op)
            needed |= {int(index) for index in op.inputs}
    main.operators = kept[::-1]
    codes = sorted({op.opcodeIndex for op in kept})
    tree.operatorCodes = [tree.operatorCodes[code] for code in codes]
    for op in kept:
        op.opcodeIndex = codes.index(op.opcodeIndex)
