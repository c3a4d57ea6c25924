"""Weights and channel tables in the layout that ``firmware/engine/aot/ek_aot.h`` asks for."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgekit.memory.lifetimes import align

WORD: Final = 4
"""Weights of a channel come in words of four."""
PAIR: Final = 2
"""Convolutions work on two output channels at a time."""
GROUP: Final = 4
"""Depthwise convolutions work on four channels at a time."""

COMPACT_SHIFTS: Final = range(1, 23)
"""Shifts to the right that the compact form has."""
_BIAS_FACTOR: Final = 32
_IDLE_COMPACT: Final = (1, 1 << 30)
_IDLE_WIDE: Final = (0, 1 << 30, -1)


def pack_pairs(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return weights [channels, K] as [pairs of channels, words of K, 2, 4], zeros where there is nothing."""
    channels, depth = weights.shape
    padded = np.zeros((align(channels, PAIR), align(depth, WORD)), np.int8)
    padded[:channels, :depth] = weights
    pairs = padded.reshape(-1, PAIR, padded.shape[1] // WORD, WORD)
    return np.ascontiguousarray(pairs.transpose(0, 2, 1, 3))


def pack_groups(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return weights [taps, channels] as [groups of channels, taps, 4], zeros where there is nothing."""
    taps, channels = weights.shape
    padded = np.zeros((taps, align(channels, GROUP)), np.int8)
    padded[:, :channels] = weights
    return np.ascontiguousarray(padded.reshape(taps, -1, GROUP).transpose(1, 0, 2))


def compact_channels(
    bias: NDArray[np.int64], multiplier: NDArray[np.int64], shift: NDArray[np.int64], multiple: int
) -> NDArray[np.int32]:
    """Return ``ek_channel`` entries, int32 [channels rounded up, 2].

    Parameters
    ----------
    bias, multiplier:
        One a channel.
    shift:
        To the left, as in TFLite: -22 to -1.
    multiple:
        What the number of entries is rounded up to.
    """
    entries = np.empty((align(len(bias), multiple), 2), np.int64)
    entries[:] = _IDLE_COMPACT
    entries[: len(bias)] = np.stack([bias * _BIAS_FACTOR - shift, multiplier], axis=1)
    return entries.astype(np.int32)


def wide_channels(
    bias: NDArray[np.int64], multiplier: NDArray[np.int64], shift: NDArray[np.int64], multiple: int
) -> NDArray[np.int32]:
    """Return ``ek_wide_channel`` entries, int32 [channels rounded up, 3]; parameters as for the compact form."""
    entries = np.empty((align(len(bias), multiple), 3), np.int64)
    entries[:] = _IDLE_WIDE
    entries[: len(bias)] = np.stack([bias, multiplier, shift], axis=1)
    return entries.astype(np.int32)
