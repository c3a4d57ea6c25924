"""From pixels to a network's input: the few conventions in use.

Edgekit's own is ``x = (pixel - 128) / 128``: quantized with scale 1/128 and zero point 0 it makes the int8
input ``pixel - 128`` exactly, which firmware can compute without a multiplication.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Preprocess = Literal["edgekit", "keras-mobilenet", "zero-one", "none"]
PREPROCESSES: Final[tuple[Preprocess, ...]] = get_args(Preprocess)

PREPROCESS_FORMULAS: Final[Mapping[Preprocess, str]] = {
    "edgekit": "(pixel - 128) / 128",
    "keras-mobilenet": "pixel / 127.5 - 1",
    "zero-one": "pixel / 255",
    "none": "pixel",
}
"""What each computes, for print."""


def preprocess(pixels: NDArray[np.uint8], how: Preprocess = "edgekit") -> NDArray[np.float32]:
    """Return ``pixels`` (uint8, any shape) as the float32 input that a network was trained on, same shape."""
    values: NDArray[Any] = np.asarray(pixels, np.float32)
    if how == "edgekit":
        values = (values - 128) / 128
    elif how == "keras-mobilenet":
        values = values / 127.5 - 1
    elif how == "zero-one":
        values = values / 255
    return values.astype(np.float32)
