"""Training small networks on images that can be learned in seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekit.errors import InputError
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.quantize.accuracy import float_accuracy, int8_accuracy
from edgekit.quantize.convert import quantize_keras
from edgekit.quantize.representative import representative_images
from edgekit.training.dataset import Dataset, Split, split_dataset
from edgekit.training.metrics import accuracy_of
from edgekit.training.options import TrainingOptions, TrainingProgress
from edgekit.training.pipeline import class_weights, evaluation_batches, training_batches
from edgekit.training.train import TrainingResult, train

SPEC = NetworkSpec("mobilenet_v1", 0.1, 32, 1, 3)
EPOCHS = 6


def stripes(counts: tuple[int, int, int] = (120, 120, 60)) -> Dataset:
    """Noisy images with stripes across, upright, and none."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), counts)
    images = rng.integers(0, 90, (len(labels), 32, 32, 1))
    wave = (np.arange(32) // 4 % 2 * 120)[:, None]
    images[labels == 0] += wave[:, :, None]
    images[labels == 1] += wave[None]
    return Dataset(images.astype(np.uint8), labels, ("across", "upright", "none"))


@pytest.fixture(scope="module")
def data() -> Dataset:
    return stripes()


@pytest.fixture(scope="module")
def split(data: Dataset) -> Split:
    return split_dataset(data, seed=0)


@pytest.fixture(scope="module")
def progress() -> list[TrainingProgress]:
    return []


@pytest.fixture(scope="module")
def trained(data: Dataset, split: Split, progress: list[TrainingProgress]) -> TrainingResult:
    return train(SPEC, data, split, TrainingOptions(epochs=EPOCHS, batch_size=16), progress.append)


def test_a_small_network_learns(trained: TrainingResult) -> None:
    assert trained.accuracy.images == trained.split["test"] == 45
    assert trained.accuracy.top1 > 0.85
    assert 1 <= len(trained.history) <= EPOCHS


def test_progress_tells_every_step_and_epoch(
    trained: TrainingResult, progress: list[TrainingProgress]
) -> None:
    steps = trained.split["train"] // 16
    ends = [item for item in progress if item.validation_loss is not None]
    assert len(progress) == len(trained.history) * (steps + 1)
    assert [item.epoch for item in ends] == list(range(1, len(ends) + 1))
    assert all(item.epochs == EPOCHS and item.steps == steps and item.phase == "all" for item in progress)
    assert [item.validation_loss for item in ends] == [epoch.validation_loss for epoch in trained.history]


def test_the_best_epoch_is_kept(trained: TrainingResult, data: Dataset, split: Split) -> None:
    best = min(trained.history, key=lambda epoch: epoch.validation_loss)
    again = float_accuracy(trained.model, data, split.validation)
    assert again.top1 == pytest.approx(best.validation_accuracy, abs=1e-6)


def test_uneven_classes_are_weighted(trained: TrainingResult) -> None:
    assert trained.class_weights is not None
    assert trained.class_weights[2] == pytest.approx(2 * trained.class_weights[0], rel=0.05)


def test_the_trained_network_keeps_its_accuracy_in_int8(
    trained: TrainingResult, data: Dataset, split: Split
) -> None:
    quantized = quantize_keras(trained.model, representative_images(data, split.train, samples=60))
    calls: list[tuple[int, int]] = []
    accuracy = int8_accuracy(quantized.model, data, split.test, progress=lambda *n: calls.append(n))
    assert accuracy.top1 >= trained.accuracy.top1 - 0.05
    assert calls[-1] == (45, 45)
    assert float_accuracy(trained.model, data, split.test) == trained.accuracy


def test_int8_accuracy_refuses_another_data_set(trained: TrainingResult, data: Dataset, split: Split) -> None:
    quantized = quantize_keras(trained.model, representative_images(data, split.train, samples=5))
    other = Dataset(data.images, data.labels, (*data.names, "fourth"))
    with pytest.raises(InputError, match="3 classes"):
        int8_accuracy(quantized.model, other, split.test)


def test_fine_tuning_starts_with_the_new_head(trained: TrainingResult, data: Dataset, tmp_path: Path) -> None:
    trained.model.save(tmp_path / "three.keras")
    two = data.labels < 2
    pair = Dataset(data.images[two], data.labels[two], data.names[:2])
    spec = NetworkSpec("mobilenet_v1", 0.1, 32, 1, 2)
    options = TrainingOptions(epochs=4, batch_size=16, weights=str(tmp_path / "three.keras"))
    result = train(spec, pair, split_dataset(pair, 1), options)
    assert [epoch.phase for epoch in result.history] == ["head", "all", "all", "all"]
    assert result.start is not None
    assert result.start.new_head
    assert result.class_weights is None
    assert result.accuracy.top1 > 0.9


def test_a_data_set_of_another_shape_is_refused(data: Dataset, split: Split) -> None:
    with pytest.raises(InputError, match="network takes"):
        train(NetworkSpec("mobilenet_v1", 0.1, 48, 1, 3), data, split)
    with pytest.raises(InputError, match="3 classes"):
        train(NetworkSpec("mobilenet_v1", 0.1, 32, 1, 4), data, split)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"batch_size": 1}, {"learning_rate": -1.0}, {"patience": 0}, {"seed": -1}],
)
def test_absurd_options_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        TrainingOptions(**wrong)  # type: ignore[arg-type]


# --- batches ---


def first_batches(data: Dataset, count: int, **options: bool) -> list[NDArray[np.float32]]:
    indices = np.arange(len(data.labels))
    settings = {"augment": False, "flip": False} | options
    batches = training_batches(data, indices, 8, 3, **settings)
    return [np.asarray(batch[0]) for batch in batches.take(count)]


def test_without_augmentation_images_are_only_scaled(data: Dataset) -> None:
    known = {((image.astype(np.float32) - 128) / 128).tobytes() for image in data.images}
    for batch in first_batches(data, 50):
        assert batch.shape == (8, 32, 32, 1)
        assert all(image.tobytes() in known for image in batch)


def test_augmentation_changes_images_within_the_input_range(data: Dataset) -> None:
    plain, changed = first_batches(data, 3), first_batches(data, 3, augment=True)
    for before, after in zip(plain, changed, strict=True):
        assert not np.array_equal(before, after)
        assert after.min() >= -1
        assert after.max() <= 127 / 128
        assert np.abs(before.mean(axis=(1, 2, 3)) - after.mean(axis=(1, 2, 3))).max() < 0.35


def test_augmentation_is_repeatable(data: Dataset) -> None:
    one, two = first_batches(data, 3, augment=True), first_batches(data, 3, augment=True)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_flipping_mirrors_about_half_of_the_images_and_nothing_else(data: Dataset) -> None:
    plain, flipped = first_batches(data, 10), first_batches(data, 10, flip=True)
    mirrored = 0
    for before, after in zip(np.concatenate(plain), np.concatenate(flipped), strict=True):
        same = np.allclose(before, after, atol=1e-5)
        assert same or np.allclose(before[:, ::-1], after, atol=1e-5)
        mirrored += not same
    assert 20 <= mirrored <= 60


def test_evaluation_batches_hold_every_image_once_in_order(data: Dataset) -> None:
    indices = np.arange(5, 30)
    labels = np.concatenate([np.asarray(batch[1]) for batch in evaluation_batches(data, indices, 8)])
    assert np.array_equal(labels, data.labels[indices])


def test_class_weights_even_out_the_classes() -> None:
    labels = np.repeat([0, 1], [90, 10])
    weights = class_weights(labels, 2)
    assert weights is not None
    assert np.allclose(weights * [90, 10], [50, 50])
    assert class_weights(np.repeat([0, 1], [50, 40]), 2) is None


def test_confusion_is_true_by_predicted() -> None:
    accuracy = accuracy_of(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), 3)
    assert accuracy.confusion == ((1, 1, 0), (0, 2, 0), (0, 0, 0))
    assert (accuracy.top1, accuracy.images) == (0.75, 4)


# --- interruption ---


def test_control_c_ends_training_cleanly(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_training import SPEC, stripes\n"
        "from edgekit.training.dataset import split_dataset\n"
        "from edgekit.training.options import TrainingOptions\n"
        "from edgekit.training.train import train\n"
        "data = stripes()\n"
        "try:\n"
        "    train(SPEC, data, split_dataset(data, 0), TrainingOptions(epochs=9999, patience=9999),\n"
        "          lambda progress: print('step', flush=True))\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
        "sys.exit('training was not interrupted')\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "step\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
