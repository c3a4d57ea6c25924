"""A model's graph as plain data: what a .tflite file says, without the flatbuffer.

The same classes describe a graph that was read from a file and one that was computed from an architecture table
before any file exists; in the latter the constants have no values (``Tensor.data is None``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ITEM_BYTES: Final[Mapping[str, int]] = {
    "float32": 4,
    "float16": 2,
    "int32": 4,
    "uint8": 1,
    "int64": 8,
    "bool": 1,
    "int16": 2,
    "int8": 1,
    "float64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint64": 8,
}
"""Bytes an item of each fixed-size element type."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """Affine quantization: ``real = scale * (q - zero_point)``, one pair or one a channel along ``dimension``."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    dimension: int = 0

    @property
    def per_channel(self) -> bool:
        """Whether there is more than one scale."""
        return len(self.scale) > 1


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a graph.

    Attributes
    ----------
    index:
        Place in ``Graph.tensors``.
    shape:
        Dimensions; ``()`` for a scalar.
    dtype:
        Element type by its numpy name (``"int8"``), or the schema's lower-case name for other types.
    constant:
        Whether its values are part of the file (weights, biases, shapes).
    data:
        The values in ``shape``, for a constant whose values are known; otherwise ``None``.
    dynamic:
        Whether the file declares a dimension other than the batch as unknown.
    variable:
        Whether it keeps its values between inferences.
    opaque:
        Whether the file says more of it than is kept here (sparsity, custom quantization).
    """

    index: int
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    constant: bool = False
    data: NDArray[Any] | None = field(default=None, compare=False)
    name: str = ""
    dynamic: bool = False
    variable: bool = False
    opaque: bool = False

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the values; 0 for types of no fixed size (strings, resources)."""
        if self.dtype == "int4":
            return (self.elements + 1) // 2
        return self.elements * ITEM_BYTES.get(self.dtype, 0)

    def values(self) -> NDArray[Any]:
        """Return the constant's values, shaped; zeros where the values are not known."""
        if self.data is not None:
            return self.data
        return np.zeros(self.shape, self.dtype)


@dataclass(frozen=True, slots=True)
class Op:
    """One operator of a graph.

    Attributes
    ----------
    kind:
        Builtin name as in the schema: ``"CONV_2D"``; ``"CUSTOM"`` for custom operators.
    inputs, outputs:
        Tensor indices; -1 stands for an optional input that is left out.
    options:
        The builtin options that edgekit knows, by their schema names in snake case (``"stride_h"``, ``"padding"``:
        ``"SAME"`` or ``"VALID"``, ``"activation"``: ``"NONE"``, ``"RELU"``, ``"RELU6"`` ...); empty for others.
    version:
        Operator version.
    custom_code:
        Name of a custom operator.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    custom_code: str = ""

    @property
    def label(self) -> str:
        """The name to show: the builtin's, or the custom operator's own."""
        return self.custom_code or self.kind


@dataclass(frozen=True)
class Graph:
    """The main subgraph of a model.

    Attributes
    ----------
    tensors, ops:
        In file order.
    inputs, outputs:
        Tensor indices of the model's inputs and outputs.
    subgraphs:
        Number of subgraphs in the file (control flow has more than one).
    metadata:
        Metadata entries by name.
    """

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int = 1
    metadata: Mapping[str, bytes] = field(default_factory=dict, compare=False)

    @cached_property
    def input(self) -> Tensor:
        """The first model input."""
        return self.tensors[self.inputs[0]]

    @cached_property
    def output(self) -> Tensor:
        """The first model output."""
        return self.tensors[self.outputs[0]]

    def op_inputs(self, op: Op) -> list[Tensor]:
        """Return the input tensors of ``op`` that are present."""
        return [self.tensors[i] for i in op.inputs if i >= 0]

    def op_outputs(self, op: Op) -> list[Tensor]:
        """Return the output tensors of ``op``."""
        return [self.tensors[i] for i in op.outputs if i >= 0]

    @cached_property
    def op_kinds(self) -> tuple[str, ...]:
        """The distinct operators in order of first use."""
        return tuple(dict.fromkeys(op.kind for op in self.ops))
