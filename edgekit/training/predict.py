"""Class predictions of a float network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.mobilenet.backend import load_keras
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.training.preprocess import Preprocess, preprocess

_BATCH = 32


def predict_classes(
    model: Any, images: NDArray[np.uint8], indices: NDArray[np.int64], how: Preprocess = "edgekit"
) -> NDArray[np.int64]:
    """Return the most probable class of some images.

    Parameters
    ----------
    model:
        A ``keras.Model``, or the content of a float .tflite.
    images:
        uint8 [n, h, w, c].
    indices:
        Those to classify, int64 [k].
    how:
        From pixels to the network's input.

    Returns
    -------
    int64 [k]
    """
    if isinstance(model, bytes):
        interpreter = HostInterpreter(model)
        runs = (interpreter.run([preprocess(images[i], how)[None]]) for i in indices.tolist())
        return np.array([outputs[0].argmax() for outputs in runs], np.int64)
    tf, _ = load_keras()
    # One fixed batch size, so that the function is traced once; the last batch is filled up.
    run = tf.function(lambda x: model(x, training=False))
    found = []
    for start in range(0, len(indices), _BATCH):
        chosen = indices[start : start + _BATCH]
        batch = np.zeros((_BATCH, *images.shape[1:]), np.float32)
        batch[: len(chosen)] = preprocess(images[chosen], how)
        outputs = np.asarray(run(tf.constant(batch)))[: len(chosen)]
        found.append(outputs.reshape(len(chosen), -1).argmax(axis=1))
    return np.concatenate(found) if found else np.empty(0, np.int64)
