"""Accuracy of an int8 .tflite on the host, with the kernels that devices are compared with."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import InputError
from edgekit.quantize.representative import balanced_choice
from edgekit.tflite.interpreter import HostInterpreter, Port
from edgekit.training.dataset import Dataset, Progress
from edgekit.training.metrics import Accuracy, accuracy_of
from edgekit.training.predict import predict_classes
from edgekit.training.preprocess import PREPROCESSES, Preprocess, preprocess

_CLEARLY: Final = 0.1
_TRIAL_IMAGES: Final = 200


def quantize_pixels(pixels: NDArray[np.uint8], port: Port, how: Preprocess = "edgekit") -> NDArray[np.int8]:
    """Return ``pixels`` (uint8, any shape) as a network's int8 input."""
    # Halves are rounded up: with pixel / 127.5 - 1 every pixel is one, and float noise must not decide.
    scaled = np.floor(preprocess(pixels, how) / np.float32(port.scale) + (0.5 + 2**-10)) + port.zero_point
    return np.asarray(np.clip(scaled, -128, 127), np.int8)


def float_accuracy(
    model: object, dataset: Dataset, indices: NDArray[np.int64], how: Preprocess = "edgekit"
) -> Accuracy:
    """Return the accuracy of a float Keras model on the images at ``indices``."""
    predicted = predict_classes(model, dataset.images, indices, how)
    return accuracy_of(predicted, dataset.labels[indices], dataset.classes)


def better_preprocess(
    model: object, dataset: Dataset, accuracy: Accuracy, how: Preprocess
) -> tuple[Preprocess, float] | None:
    """Return another preprocessing with which a float network is clearly more accurate, and its top-1.

    The wrong one is the commonest mistake with foreign networks; quantization then finds wrong ranges.
    ``accuracy`` is what was measured with ``how``; up to 200 images are tried.
    """
    if accuracy.top1 > 1 - _CLEARLY:
        return None
    trial = balanced_choice(dataset, None, _TRIAL_IMAGES, seed=0)
    others = [other for other in PREPROCESSES if other != how]
    top1 = {other: float_accuracy(model, dataset, trial, other).top1 for other in others}
    best = max(others, key=lambda other: top1[other])
    return (best, top1[best]) if top1[best] > accuracy.top1 + _CLEARLY else None


def int8_accuracy(
    model: bytes,
    dataset: Dataset,
    indices: NDArray[np.int64],
    how: Preprocess = "edgekit",
    progress: Progress | None = None,
) -> Accuracy:
    """Return the accuracy of an int8 .tflite on the images at ``indices``, reference kernels.

    One interpreter a core works at a time; they let go of Python's lock while they compute.

    Raises
    ------
    InputError
        If the model is not int8, or takes other images or has other classes than ``dataset``.
    """
    workers = max(1, min(os.cpu_count() or 1, len(indices)))
    interpreters = [HostInterpreter(model) for _ in range(workers)]
    source, target = interpreters[0].inputs[0], interpreters[0].outputs[0]
    if (source.dtype, target.dtype) != ("int8", "int8"):
        raise InputError(
            f"The model takes {source.dtype} and gives {target.dtype}, not int8.", "Convert it first."
        )
    if source.shape != (1, *dataset.images.shape[1:]) or target.nbytes != dataset.classes:
        raise InputError(
            f"The model takes {source.shape} and has {target.nbytes} classes; the images are "
            f"{dataset.images.shape[1:]} with {dataset.classes}.",
            "Give the images that the model was made for.",
        )
    idle: SimpleQueue[HostInterpreter] = SimpleQueue()
    for interpreter in interpreters:
        idle.put(interpreter)

    def classify(index: int) -> int:
        interpreter = idle.get()
        try:
            inputs = quantize_pixels(dataset.images[index], source, how)[None]
            return int(interpreter.run([inputs])[0].argmax())
        finally:
            idle.put(interpreter)

    predicted = np.empty(len(indices), np.int64)
    pool = ThreadPoolExecutor(workers)
    try:
        for number, winner in enumerate(pool.map(classify, indices.tolist())):
            predicted[number] = winner
            if progress:
                progress(number + 1, len(indices))
    finally:
        pool.shutdown(cancel_futures=True)
    return accuracy_of(predicted, dataset.labels[indices], dataset.classes)
