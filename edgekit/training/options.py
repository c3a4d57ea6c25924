"""How to train, and what is reported while it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgekit.errors import InputError

Phase = Literal["head", "all"]


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of a training run.

    Attributes
    ----------
    epochs:
        At most so many over the training images, the epochs of the new classifier alone included.
    batch_size:
        Images a step.
    learning_rate:
        Peak rate of Adam after one epoch of warm-up, followed by a cosine to zero; ``None``: 1e-2 from
        scratch, 3e-3 for a new classifier and 1e-3 for fine-tuning all of it.
    patience:
        Stop after so many epochs without a better validation loss; the best weights are kept in any case.
    seed:
        Seed of the split, the initial weights, the order of images and their augmentation.
    augment:
        Whether training images are shifted, scaled and changed in brightness and contrast at random.
    flip:
        Whether they are mirrored left to right as well. Off by default: it changes the meaning of digits and
        text.
    dropout:
        Rate before the classifier.
    weights:
        What to start from: ``imagenet``, a file, or ``None``.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float | None = None
    patience: int = 8
    seed: int = 0
    augment: bool = True
    flip: bool = False
    dropout: float = 0.1
    weights: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= 10_000:
            raise InputError(f"{self.epochs} epochs are not possible.", "Give 1 to 10,000.")
        if not 2 <= self.batch_size <= 4096:
            raise InputError(f"A batch of {self.batch_size} images is not possible.", "Give 2 to 4096.")
        if self.learning_rate is not None and not 0 < self.learning_rate <= 1:
            raise InputError(f"A learning rate of {self.learning_rate} is not possible.", "Try 0.01.")
        if self.patience < 1:
            raise InputError(f"A patience of {self.patience} epochs is not possible.", "Give 1 at least.")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"The seed {self.seed} is out of range.", "Give 0 to 2147483647.")


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where training is; sent after every step and, with the validation figures, after every epoch.

    Attributes
    ----------
    phase:
        ``head``: only the new classifier learns; ``all``: every layer.
    epoch, epochs:
        Epochs finished in this phase, and their largest number.
    step, steps:
        Steps finished in this epoch, and their number.
    loss, accuracy:
        Mean over the epoch so far, with augmentation.
    validation_loss, validation_accuracy:
        After an epoch, else ``None``.
    """

    phase: Phase
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


OnProgress = Callable[[TrainingProgress], None]


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of the history."""

    phase: Phase
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float
