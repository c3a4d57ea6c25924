"""How often a classifier is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Accuracy:
    """Result of running a classifier over labelled images.

    Attributes
    ----------
    confusion:
        ``confusion[true][predicted]`` = number of images.
    """

    confusion: tuple[tuple[int, ...], ...]

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(map(sum, self.confusion))

    @property
    def correct(self) -> int:
        """Number of images whose most probable class is the true one."""
        return sum(row[index] for index, row in enumerate(self.confusion))

    @property
    def top1(self) -> float:
        """Fraction of images classified correctly, 0 to 1."""
        return self.correct / self.images if self.images else 0.0


def accuracy_of(predicted: NDArray[Any], labels: NDArray[Any], classes: int) -> Accuracy:
    """Return the accuracy of ``predicted`` class indices [n] against the true ``labels`` [n]."""
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels.astype(np.int64), predicted.astype(np.int64)), 1)
    return Accuracy(tuple(tuple(int(count) for count in row) for row in confusion))
