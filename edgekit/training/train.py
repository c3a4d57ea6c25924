"""Training a member of the family on labelled images, from scratch or from given weights."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.errors import InputError, TaskError
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.backend import load_keras
from edgekit.mobilenet.keras_models import build_keras, fused_batch_norm
from edgekit.training.dataset import Dataset, Split
from edgekit.training.metrics import Accuracy, accuracy_of
from edgekit.training.options import EpochRecord, OnProgress, Phase, TrainingOptions, TrainingProgress
from edgekit.training.pipeline import class_weights, evaluation_batches, training_batches
from edgekit.training.predict import predict_classes
from edgekit.training.weights import LoadedWeights, load_weights

if TYPE_CHECKING:
    import keras

_SCRATCH_RATE: Final = 1e-2
_HEAD_RATE: Final = 3e-3
_FINE_RATE: Final = 1e-3


@dataclass(frozen=True)
class TrainingResult:
    """A trained network and how it did.

    Attributes
    ----------
    model:
        The float network with the weights of the best epoch; input (pixel - 128) / 128, float32 [n, r, r, c].
    history:
        One record an epoch.
    split:
        Number of images trained, validated and tested with.
    accuracy:
        Of the float network on the test images, which training never saw.
    class_weights:
        One a class where classes were uneven.
    start:
        What was loaded to start from, if anything.
    seconds:
        Time spent.
    """

    model: keras.Model = field(repr=False)
    history: tuple[EpochRecord, ...]
    split: dict[str, int]
    accuracy: Accuracy
    class_weights: tuple[float, ...] | None
    start: LoadedWeights | None
    seconds: float


def train(
    spec: NetworkSpec,
    dataset: Dataset,
    split: Split,
    options: TrainingOptions | None = None,
    on_progress: OnProgress | None = None,
) -> TrainingResult:
    """Train ``spec`` on the training images, keep the best epoch by validation, and test that one.

    With ``options.weights`` a new classifier is first trained alone, then all layers at a low rate.

    Nothing is written; a KeyboardInterrupt passes through.

    Raises
    ------
    InputError
        If the data set does not suit the network, or the weights do not fit.
    TaskError
        If TensorFlow is missing, weights cannot be downloaded, memory runs out or training diverges.
    """
    options = options or TrainingOptions()
    _check(spec, dataset)
    tf, keras = load_keras()
    started = time.monotonic()
    keras.utils.set_random_seed(options.seed)
    network = build_keras(spec, dropout=options.dropout, batch_norm=fused_batch_norm())
    start = load_weights(network, spec, options.weights) if options.weights else None
    history: list[EpochRecord] = []
    try:
        for phase, epochs in _phases(options.epochs, start):
            history += _run_phase(
                network, phase, epochs, start is not None, dataset, split, options, on_progress
            )
    except tf.errors.ResourceExhaustedError as error:
        raise TaskError(
            "There is not enough memory for training.", "Use a smaller batch size or a smaller network."
        ) from error
    if not all(np.isfinite(weight).all() for weight in network.get_weights()):
        raise TaskError("Training diverged.", "Use a lower learning rate, for example 0.001.")
    model = build_keras(spec)
    model.set_weights(network.get_weights())
    predicted = predict_classes(model, dataset.images, split.test)
    weights = class_weights(dataset.labels[split.train], dataset.classes)
    return TrainingResult(
        model=model,
        history=tuple(history),
        split=split.sizes,
        accuracy=accuracy_of(predicted, dataset.labels[split.test], dataset.classes),
        class_weights=None if weights is None else tuple(map(float, weights)),
        start=start,
        seconds=time.monotonic() - started,
    )


def _check(spec: NetworkSpec, dataset: Dataset) -> None:
    expected = (spec.resolution, spec.resolution, spec.channels)
    if dataset.images.shape[1:] != expected:
        raise InputError(
            f"The images are {dataset.images.shape[1:]}, the network takes {expected}.",
            "Load the images at the network's resolution.",
        )
    if dataset.classes != spec.classes:
        raise InputError(
            f"The images have {dataset.classes} classes, the network {spec.classes}.",
            "Leave out --classes, so that the folder decides.",
        )


def _phases(epochs: int, start: LoadedWeights | None) -> list[tuple[Phase, int]]:
    """Return the phases and their epochs; a loaded classifier needs no phase of its own."""
    if start is None or not start.new_head or epochs < 2:
        return [("all", epochs)]
    head = min(5, max(1, epochs // 4))
    return [("head", head), ("all", epochs - head)]


def _run_phase(
    network: Any,
    phase: Phase,
    epochs: int,
    fine_tuning: bool,
    dataset: Dataset,
    split: Split,
    options: TrainingOptions,
    on_progress: OnProgress | None,
) -> list[EpochRecord]:
    """Train ``network`` in place and leave the weights of the phase's best epoch in it."""
    _, keras = load_keras()
    for layer in network.layers:
        layer.trainable = phase == "all" or layer.name == "conv_preds"
    batch = min(options.batch_size, len(split.train))
    steps = len(split.train) // batch
    default = _HEAD_RATE if phase == "head" else _FINE_RATE if fine_tuning else _SCRATCH_RATE
    peak = options.learning_rate or default
    warm_up = steps if epochs > 1 else 0
    schedule = keras.optimizers.schedules.CosineDecay(
        peak / 10 if warm_up else peak,
        max(1, steps * epochs - warm_up),
        warmup_target=peak if warm_up else None,
        warmup_steps=warm_up,
        alpha=0.01,
    )
    network.compile(
        keras.optimizers.Adam(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    report = _reporter(phase, epochs, steps, on_progress)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=options.patience, restore_best_weights=True)
    network.fit(
        training_batches(
            dataset, split.train, batch, options.seed, augment=options.augment, flip=options.flip
        ),
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=evaluation_batches(dataset, split.validation, batch),
        callbacks=[stop, keras.callbacks.TerminateOnNaN(), report],
        shuffle=False,  # the batches are shuffled already
        verbose=0,
    )
    records: list[EpochRecord] = report.records
    return records


def _reporter(phase: Phase, epochs: int, steps: int, on_progress: OnProgress | None) -> Any:
    """Return a Keras callback that keeps the history and passes progress on."""
    _, keras = load_keras()

    class Reporter(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        """Keras' logs as plain records."""

        def __init__(self) -> None:
            super().__init__()
            self.records: list[EpochRecord] = []
            self.started = time.monotonic()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.started = time.monotonic()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if on_progress:
                loss, accuracy = float(logs["loss"]), float(logs["accuracy"])
                on_progress(
                    TrainingProgress(phase, len(self.records), epochs, batch + 1, steps, loss, accuracy)
                )

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            record = EpochRecord(
                phase,
                float(logs["loss"]),
                float(logs["accuracy"]),
                float(logs["val_loss"]),
                float(logs["val_accuracy"]),
                time.monotonic() - self.started,
            )
            self.records.append(record)
            if on_progress:
                on_progress(
                    TrainingProgress(
                        phase,
                        len(self.records),
                        epochs,
                        steps,
                        steps,
                        record.loss,
                        record.accuracy,
                        record.validation_loss,
                        record.validation_accuracy,
                    )
                )

    return Reporter()
