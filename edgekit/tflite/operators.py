"""Which operators TFLite Micro has kernels for, and how its resolver names them, as data.

Read from ``micro_mutable_op_resolver.h`` and the kernels' headers of tflite-micro 90b983c (2026-08-20), which
esp-tflite-micro 99f49e1 agrees with. The packages of other SDKs are older: pico-tflmicro dfea53b is of
2024-12-26, Zephyr's module 8d404de of 2025-02-07, Arduino's library 7948b85 of 2023-02-27, the oldest in use.
Since when something is there is from upstream's history, checked against these packages' headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ADD_METHODS: Final[Mapping[str, str]] = {
    "ABS": "AddAbs",
    "ADD": "AddAdd",
    "ADD_N": "AddAddN",
    "ARG_MAX": "AddArgMax",
    "ARG_MIN": "AddArgMin",
    "ASSIGN_VARIABLE": "AddAssignVariable",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "BATCH_MATMUL": "AddBatchMatMul",
    "BATCH_TO_SPACE_ND": "AddBatchToSpaceNd",
    "BROADCAST_ARGS": "AddBroadcastArgs",
    "BROADCAST_TO": "AddBroadcastTo",
    "CAST": "AddCast",
    "CEIL": "AddCeil",
    "CONCATENATION": "AddConcatenation",
    "CONV_2D": "AddConv2D",
    "COS": "AddCos",
    "CUMSUM": "AddCumSum",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "DEPTH_TO_SPACE": "AddDepthToSpace",
    "DEQUANTIZE": "AddDequantize",
    "DIV": "AddDiv",
    "DYNAMIC_UPDATE_SLICE": "AddDynamicUpdateSlice",
    "ELU": "AddElu",
    "EMBEDDING_LOOKUP": "AddEmbeddingLookup",
    "EQUAL": "AddEqual",
    "EXP": "AddExp",
    "EXPAND_DIMS": "AddExpandDims",
    "FILL": "AddFill",
    "FLOOR": "AddFloor",
    "FLOOR_DIV": "AddFloorDiv",
    "FLOOR_MOD": "AddFloorMod",
    "FULLY_CONNECTED": "AddFullyConnected",
    "GATHER": "AddGather",
    "GATHER_ND": "AddGatherNd",
    "GREATER": "AddGreater",
    "GREATER_EQUAL": "AddGreaterEqual",
    "HARD_SWISH": "AddHardSwish",
    "L2_NORMALIZATION": "AddL2Normalization",
    "L2_POOL_2D": "AddL2Pool2D",
    "LEAKY_RELU": "AddLeakyRelu",
    "LESS": "AddLess",
    "LESS_EQUAL": "AddLessEqual",
    "LOG": "AddLog",
    "LOGICAL_AND": "AddLogicalAnd",
    "LOGICAL_NOT": "AddLogicalNot",
    "LOGICAL_OR": "AddLogicalOr",
    "LOGISTIC": "AddLogistic",
    "LOG_SOFTMAX": "AddLogSoftmax",
    "MAXIMUM": "AddMaximum",
    "MAX_POOL_2D": "AddMaxPool2D",
    "MEAN": "AddMean",
    "MINIMUM": "AddMinimum",
    "MIRROR_PAD": "AddMirrorPad",
    "MUL": "AddMul",
    "NEG": "AddNeg",
    "NOT_EQUAL": "AddNotEqual",
    "PACK": "AddPack",
    "PAD": "AddPad",
    "PADV2": "AddPadV2",
    "PRELU": "AddPrelu",
    "QUANTIZE": "AddQuantize",
    "READ_VARIABLE": "AddReadVariable",
    "REDUCE_ALL": "AddReduceAll",
    "REDUCE_MAX": "AddReduceMax",
    "REDUCE_MIN": "AddReduceMin",
    "RELU": "AddRelu",
    "RELU6": "AddRelu6",
    "RESHAPE": "AddReshape",
    "RESIZE_BILINEAR": "AddResizeBilinear",
    "RESIZE_NEAREST_NEIGHBOR": "AddResizeNearestNeighbor",
    "REVERSE_V2": "AddReverseV2",
    "ROUND": "AddRound",
    "RSQRT": "AddRsqrt",
    "SELECT_V2": "AddSelectV2",
    "SHAPE": "AddShape",
    "SIN": "AddSin",
    "SLICE": "AddSlice",
    "SOFTMAX": "AddSoftmax",
    "SPACE_TO_BATCH_ND": "AddSpaceToBatchNd",
    "SPACE_TO_DEPTH": "AddSpaceToDepth",
    "SPLIT": "AddSplit",
    "SPLIT_V": "AddSplitV",
    "SQRT": "AddSqrt",
    "SQUARE": "AddSquare",
    "SQUARED_DIFFERENCE": "AddSquaredDifference",
    "SQUEEZE": "AddSqueeze",
    "STRIDED_SLICE": "AddStridedSlice",
    "SUB": "AddSub",
    "SUM": "AddSum",
    "SVDF": "AddSvdf",
    "TANH": "AddTanh",
    "TRANSPOSE": "AddTranspose",
    "TRANSPOSE_CONV": "AddTransposeConv",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
    "UNPACK": "AddUnpack",
    "VAR_HANDLE": "AddVarHandle",
    "ZEROS_LIKE": "AddZerosLike",
}
"""Builtin operator to the resolver's method that registers it.

``CALL_ONCE``, ``IF`` and ``WHILE`` have kernels too, but run further subgraphs, which edgekit does not read.
"""

CUSTOM_ADD_METHODS: Final[Mapping[str, str]] = {
    "CIRCULAR_BUFFER": "AddCircularBuffer",
    "TFLite_Detection_PostProcess": "AddDetectionPostprocess",
}
"""Custom operator, by its own name, to the resolver's method that registers it."""

OPERATOR_SINCE: Final[Mapping[str, str]] = {
    "BATCH_MATMUL": "2023-09-06",
    "DYNAMIC_UPDATE_SLICE": "2025-11-10",
    "EMBEDDING_LOOKUP": "2023-07-26",
    "REDUCE_ALL": "2026-01-08",
    "REDUCE_MIN": "2025-08-05",
    "REVERSE_V2": "2025-07-10",
}
"""Operators that came after the oldest release in use, with the day upstream got them (ISO)."""

CMSIS_NN_INT8: Final[Mapping[str, str]] = {
    "ADD": "",
    "AVERAGE_POOL_2D": "",
    "BATCH_MATMUL": "2025-02-07",
    "CONV_2D": "",
    "DEPTHWISE_CONV_2D": "",
    "FULLY_CONNECTED": "",
    "MAXIMUM": "2025-02-05",
    "MAX_POOL_2D": "",
    "MINIMUM": "2025-02-05",
    "MUL": "",
    "PAD": "2025-03-20",
    "SOFTMAX": "",
    "SVDF": "",
    "TRANSPOSE": "2025-08-19",
    "TRANSPOSE_CONV": "2023-11-07",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "2023-03-02",
}
"""Operators for which CMSIS-NN's kernels define an int8-only ``Register_<OP>_INT8()`` that the resolver's
method takes as an argument, with the day upstream got both (ISO); empty where the oldest release has it.

The other kernel libraries have none: for reference and ESP-NN these names are aliases of the general ones.
"""

INT8_HEADERS: Final[Mapping[str, str]] = {
    "MUL": "tensorflow/lite/micro/kernels/mul.h",
    "PAD": "tensorflow/lite/micro/kernels/pad.h",
    "SVDF": "tensorflow/lite/micro/kernels/svdf.h",
    "TRANSPOSE": "tensorflow/lite/micro/kernels/transpose.h",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "tensorflow/lite/micro/kernels/unidirectional_sequence_lstm.h",
}
"""Where int8-only registrations are declared that the resolver's own header lacks in some release."""

REMEDIES: Final[Mapping[str, str]] = {
    "CALL_ONCE": "Remove resource variables (state kept between calls) from the network.",
    "CONV_3D": "Use 2-D convolutions.",
    "DENSIFY": "Convert without sparse weights.",
    "FAKE_QUANT": "Quantize the model fully to int8 with `edgekit convert`.",
    "GELU": "Use RELU6 or HARD_SWISH in its place.",
    "IF": "Remove the control flow, so that the model is one straight graph.",
    "LOCAL_RESPONSE_NORMALIZATION": "Use batch normalization, which conversion folds into the convolutions.",
    "LSTM": "Use UNIDIRECTIONAL_SEQUENCE_LSTM (Keras LSTM with unroll=False, current TensorFlow).",
    "NON_MAX_SUPPRESSION_V4": "Do this step in your own code, after the model.",
    "NON_MAX_SUPPRESSION_V5": "Do this step in your own code, after the model.",
    "POW": "Use MUL or SQUARE in its place.",
    "RANGE": "Give shapes as constants: build the network with a fixed batch size of 1.",
    "RANK": "Give shapes as constants: build the network with a fixed batch size of 1.",
    "REDUCE_PROD": "Use SUM or MEAN in its place, or do this step in your own code.",
    "RELU_N1_TO_1": "Use RELU6 in its place.",
    "SELECT": "Use SELECT_V2 (tf.where of TensorFlow 2).",
    "TILE": "Use BROADCAST_TO or CONCATENATION in its place.",
    "TOPK_V2": "Do this step in your own code, after the model.",
    "WHILE": "Remove the control flow, so that the model is one straight graph.",
}
"""What to do about an operator without a kernel."""

DEFAULT_REMEDY: Final = (
    "Replace it in the network by operators that TFLite Micro has, or do this step in your own code."
)
