"""Post-training quantization: a float network in, an int8 .tflite with int8 input and output out.

Convolutions get one scale a channel, fully connected layers one scale in all: older TFLite Micro
releases read per-channel fully connected weights wrongly. No operator is ever left in float.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from edgekit.errors import InputError, TaskError
from edgekit.mobilenet.backend import load_keras, quiet
from edgekit.mobilenet.keras_files import first_line
from edgekit.quantize.float_graph import keras_to_tflite, static_tflite
from edgekit.quantize.representative import Calibration
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph
from edgekit.tflite.slim import slim

_SOFTMAX_SHIFT: Final = 2.0**26
"""Softmax turns its input's scale into fixed point with 5 integer bits; at or below 2**-26 the kernels
abort."""


@dataclass(frozen=True)
class QuantizedModel:
    """An int8 network.

    Attributes
    ----------
    model:
        The .tflite.
    calibration:
        What its ranges were found with.
    input_scale, input_zero_point, output_scale, output_zero_point:
        ``real = scale * (q - zero_point)``.
    """

    model: bytes = field(repr=False)
    calibration: Calibration = field(repr=False)
    input_scale: float
    input_zero_point: int
    output_scale: float
    output_zero_point: int

    @property
    def input_is_pixel_minus_128(self) -> bool:
        """Whether the int8 input is exactly ``pixel - 128``."""
        return (
            self.calibration.how == "edgekit" and self.input_scale == 1 / 128 and self.input_zero_point == 0
        )


def quantize_keras(model: Any, calibration: Calibration) -> QuantizedModel:
    """Quantize a Keras model with one input and output.

    Parameters
    ----------
    model:
        A built ``keras.Model``; its batch may be open.
    calibration:
        Inputs of the model's input shape, with the preprocessing it was trained with.

    Raises
    ------
    InputError
        If the model cannot be converted.
    TaskError
        If TensorFlow is missing or fails, or the network cannot be quantized.
    """
    return _quantized(keras_to_tflite(model), calibration)


def quantize_tflite(model: bytes, calibration: Calibration) -> QuantizedModel:
    """Quantize a float32 .tflite, in the way its Keras source would be.

    Raises
    ------
    InputError
        If the model is damaged, is quantized already, or its input is of another shape than the calibration.
    TaskError
        As :func:`quantize_keras`.
    """
    return _quantized(static_tflite(model), calibration)


def _quantized(float_model: bytes, calibration: Calibration) -> QuantizedModel:
    shape = read_graph(float_model).input.shape
    if shape != (1, *calibration.pixels.shape[1:]):
        raise InputError(
            f"The model's input is {shape}, the calibration images are {calibration.pixels.shape[1:]}.",
            "Use images of the model's input size.",
        )
    model = slim(_int8(float_model, calibration))
    graph = read_graph(model)
    _check_int8(graph)
    _check_softmax(graph)
    source, target = graph.input.quantization, graph.output.quantization
    if source is None or target is None:
        raise TaskError("The converted model has no input or output scale.", "Report this model.")
    result = QuantizedModel(
        model=model,
        calibration=calibration,
        input_scale=source.scale[0],
        input_zero_point=source.zero_point[0],
        output_scale=target.scale[0],
        output_zero_point=target.zero_point[0],
    )
    if calibration.how == "edgekit" and not result.input_is_pixel_minus_128:
        raise TaskError(
            f"The input got scale {result.input_scale} and zero point {result.input_zero_point}.",
            "Edgekit's preprocessing needs exactly 1/128 and 0; report this model.",
        )
    return result


def _int8(float_model: bytes, calibration: Calibration) -> bytes:
    """Calibrate and quantize with TensorFlow's own quantizer, the one that its Keras converter uses."""
    tf, _ = load_keras()
    with quiet() as log:
        try:
            from tensorflow.lite.python.convert import mlir_quantize
            from tensorflow.lite.python.optimize.calibrator import Calibrator, add_intermediate_tensors

            calibrator = Calibrator(add_intermediate_tensors(float_model))
            calibrated = calibrator.calibrate(lambda: ([one] for one in calibration.inputs()))
            return bytes(
                mlir_quantize(
                    calibrated,
                    input_data_type=tf.int8,
                    output_data_type=tf.int8,
                    disable_per_channel_for_dense_layers=True,
                )
            )
        except (ImportError, TypeError) as error:
            raise TaskError(
                f"TensorFlow {tf.__version__} has no quantizer that edgekit knows: {first_line(error)}",
                "Install the version that edgekit asks for: `pip install 'edgekit-mcu[convert]'`.",
            ) from error
        except Exception as error:  # the quantizer has no error type of its own
            raise TaskError(
                f"TensorFlow cannot quantize the model: {first_line(error)}",
                "Check that it runs, and that its layers have int8 operators.",
                log(),
            ) from error


def _check_int8(graph: Graph) -> None:
    floats = [op for op in graph.ops if any(t.dtype == "float32" for t in graph.op_outputs(op))]
    if floats:
        names = ", ".join(f"{op.index} ({op.label})" for op in floats[:5])
        raise TaskError(
            f"{len(floats)} operators have no int8 form and would stay in float: {names}.",
            "Replace these layers; a microcontroller should not compute in float.",
        )


def _check_softmax(graph: Graph) -> None:
    for op in graph.ops:
        quantization = graph.op_inputs(op)[0].quantization if op.kind == "SOFTMAX" else None
        if quantization and quantization.scale[0] * op.options.get("beta", 1.0) * _SOFTMAX_SHIFT <= 1:
            raise TaskError(
                "The network gives the same output for every input: it seems to be untrained.",
                "Train it first, or load its weights.",
            )
