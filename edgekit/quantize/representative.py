"""The images that quantization finds its ranges with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import InputError
from edgekit.mobilenet.keras_models import synthetic_images
from edgekit.training.dataset import Dataset
from edgekit.training.preprocess import Preprocess, preprocess

CalibrationBasis = Literal["images", "synthetic"]
DEFAULT_SAMPLES: Final = 100


@dataclass(frozen=True)
class Calibration:
    """Inputs to run through a network while the range of every tensor is recorded.

    Attributes
    ----------
    pixels:
        uint8 [n, ...], one input each.
    basis:
        ``images``: of the kind that the network is for; ``synthetic``: made up, so the ranges are guesses.
    seed:
        Seed of the choice.
    per_class:
        Number of images of each class; empty when synthetic.
    how:
        From pixels to the network's input.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    basis: CalibrationBasis
    seed: int
    per_class: Mapping[str, int] = field(default_factory=dict)
    how: Preprocess = "edgekit"

    @property
    def count(self) -> int:
        """Number of inputs."""
        return len(self.pixels)

    def inputs(self) -> list[NDArray[np.float32]]:
        """Return what the network is fed, float32 [1, ...] each.

        A copy of the first comes at the end with one pixel black and one white, so that the input's range is
        exactly that of the preprocessing: with edgekit's own it is quantized with scale 1/128 and zero point
        0.
        """
        extremes = self.pixels[:1].copy()
        flat = extremes.reshape(-1)
        flat[0], flat[-1] = 0, 255
        return [preprocess(one, self.how)[None] for one in (*self.pixels, extremes[0])]


def representative_images(
    dataset: Dataset,
    indices: NDArray[np.int64] | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    how: Preprocess = "edgekit",
) -> Calibration:
    """Choose ``samples`` images of ``dataset``, as many of each class as there are.

    Parameters
    ----------
    dataset:
        Decoded images.
    indices:
        Those to choose from, for example the training images; all by default.
    samples:
        How many; fewer when there are not so many.
    seed:
        Seed of the choice.
    how:
        From pixels to the network's input.

    Raises
    ------
    InputError
        If ``samples`` is not positive, or there is nothing to choose from.
    """
    chosen = balanced_choice(dataset, indices, samples, seed)
    if not len(chosen):
        raise InputError("There are no images to calibrate with.", "Give a folder with images.")
    counts = np.bincount(dataset.labels[chosen], minlength=dataset.classes)
    return Calibration(
        pixels=np.ascontiguousarray(dataset.images[chosen]),
        basis="images",
        seed=seed,
        per_class=dict(zip(dataset.names, map(int, counts), strict=True)),
        how=how,
    )


def balanced_choice(
    dataset: Dataset, indices: NDArray[np.int64] | None, samples: int, seed: int
) -> NDArray[np.int64]:
    """Return at most ``samples`` of ``indices`` (of all images if ``None``), classes as even as they can be.

    Raises
    ------
    InputError
        If ``samples`` is not positive.
    """
    _check_samples(samples)
    pool = np.arange(len(dataset.labels)) if indices is None else indices
    rng = np.random.default_rng(seed)
    queues = [rng.permutation(pool[dataset.labels[pool] == index]) for index in range(dataset.classes)]
    # Every class in turn, so that a small class gives all it has and the others make up for it.
    turns = sorted((turn, int(image)) for queue in queues for turn, image in enumerate(queue))
    return np.array([image for _, image in turns[:samples]], np.int64)


def synthetic_calibration(
    shape: tuple[int, ...], samples: int = DEFAULT_SAMPLES, seed: int = 0, how: Preprocess = "edgekit"
) -> Calibration:
    """Make up ``samples`` inputs of ``shape`` (without the batch), for when there is no data.

    The ranges found with them can be far off, so the accuracy of the quantized network is unknown.

    Raises
    ------
    InputError
        If ``samples`` is not positive.
    """
    _check_samples(samples)
    pixels = synthetic_images(np.random.default_rng(seed), samples, shape)
    return Calibration(pixels, "synthetic", seed, how=how)


def _check_samples(samples: int) -> None:
    if not 1 <= samples <= 100_000:
        raise InputError(
            f"{samples} calibration images are not possible.", "Give 1 to 100,000; 100 are enough."
        )
