"""Batches for training and validation: augmentation, balancing and scaling, on the fly."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgekit.mobilenet.backend import load_keras
from edgekit.training.dataset import Dataset

_SHIFT: Final = 0.08
"""Largest shift, as a fraction of the image."""
_ZOOM: Final = 0.12
_BRIGHTNESS: Final = 0.12
"""Largest change, in units of the input's half range."""
_CONTRAST: Final = 0.15
IMBALANCE: Final = 1.5
"""Classes are weighted once the largest has this many times the images of the smallest."""


def training_batches(
    dataset: Dataset, indices: NDArray[np.int64], batch: int, seed: int, *, augment: bool, flip: bool
) -> Any:
    """Return endless batches (images float32 [n, h, w, c], labels int64 [n][, weights float32 [n]]).

    Images are shuffled anew each epoch and scaled to (pixel - 128) / 128. Every batch has the same size, so
    that the training step is traced once.
    """
    tf, _ = load_keras()
    weights = class_weights(dataset.labels[indices], dataset.classes)
    order = tf.data.Dataset.range(len(indices)).shuffle(len(indices), seed=seed).repeat()
    batches = order.batch(batch, drop_remainder=True).enumerate()

    def load(number: Any, positions: Any) -> tuple[Any, ...]:
        images, labels = _fetch(tf, dataset, indices, positions)
        if augment or flip:
            images = _augmented(tf, images, tf.stack([tf.cast(seed, tf.int64), number]), augment, flip)
        if weights is None:
            return images, labels
        return images, labels, tf.gather(tf.constant(weights), labels)

    return batches.map(load, num_parallel_calls=2, deterministic=True).prefetch(2)


def evaluation_batches(dataset: Dataset, indices: NDArray[np.int64], batch: int) -> Any:
    """Return a finite tf.data set of (images, labels) in order; only the last batch may be smaller."""
    tf, _ = load_keras()
    batches = tf.data.Dataset.range(len(indices)).batch(batch)
    return batches.map(lambda positions: _fetch(tf, dataset, indices, positions)).prefetch(2)


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32] | None:
    """Return a weight for each class that evens them out, or ``None`` if they are even enough."""
    counts = np.bincount(labels, minlength=classes)
    if counts.max() <= IMBALANCE * max(1, counts.min()):
        return None
    return np.asarray(counts.sum() / (classes * np.maximum(counts, 1)), np.float32)


def _fetch(tf: Any, dataset: Dataset, indices: NDArray[np.int64], positions: Any) -> tuple[Any, Any]:
    """Return the images (scaled, float32) and labels at ``positions`` of ``indices``."""

    def take(at: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        chosen = indices[at]
        return np.ascontiguousarray(dataset.images[chosen]), dataset.labels[chosen]

    images, labels = tf.numpy_function(take, [positions], (tf.uint8, tf.int64))
    images = tf.ensure_shape(images, (positions.shape[0], *dataset.images.shape[1:]))
    labels = tf.ensure_shape(labels, (positions.shape[0],))
    return (tf.cast(images, tf.float32) - 128.0) / 128.0, labels


def _augmented(tf: Any, images: Any, seed: Any, geometry: bool, flip: bool) -> Any:
    """Return the images after one random affine transformation, and brightness and contrast, each."""
    count, height, width, _ = images.shape
    draw = tf.random.stateless_uniform((6, count), seed, -1.0, 1.0)
    zeros = tf.zeros(count)
    scale_x = scale_y = zeros + 1.0
    shift_x = shift_y = zeros
    if geometry:
        zoom = tf.exp(draw[0] * math.log1p(_ZOOM))
        scale_x = scale_y = zoom
        shift_x = draw[1] * _SHIFT * width + (1 - zoom) * (width - 1) / 2
        shift_y = draw[2] * _SHIFT * height + (1 - zoom) * (height - 1) / 2
    if flip:
        mirrored = draw[3] > 0
        shift_x = tf.where(mirrored, shift_x + scale_x * (width - 1), shift_x)
        scale_x = tf.where(mirrored, -scale_x, scale_x)
    # A row of the projective transform maps an output pixel (x, y) to the input pixel it is taken from.
    images = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([scale_x, zeros, shift_x, zeros, scale_y, shift_y, zeros, zeros], axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    if geometry:
        contrast = 1.0 + _CONTRAST * draw[4][:, None, None, None]
        images = images * contrast + _BRIGHTNESS * draw[5][:, None, None, None]
        images = tf.clip_by_value(images, -1.0, 127.0 / 128.0)
    return images
