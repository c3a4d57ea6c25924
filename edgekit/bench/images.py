"""Labelled images as the inputs of a benchmark: what the device makes of them is compared, and counted as top-1."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgekit.bench.cases import Case
from edgekit.errors import InputError
from edgekit.tflite.interpreter import HostInterpreter, Port
from edgekit.training.dataset import Dataset
from edgekit.training.folder import ImageFolder


def check_labels(folder: ImageFolder, labels: Sequence[str]) -> None:
    """Check that every class of ``folder`` is one of the model's.

    Raises
    ------
    InputError
        If the model's classes have no names, or the folder has a class that is none of them.
    """
    if not labels:
        raise InputError(
            "Nothing says which class each output of the model is, so images cannot be judged.",
            "Use a build folder that was made with `edgekit fit --data` or `edgekit export --labels FILE`.",
        )
    unknown = [name for name in folder.labels if name not in labels]
    if unknown:
        raise InputError(
            f"{folder.root} has class folders that the model does not know: {_list(unknown)}.",
            f"Name them as the model's classes: {_list(labels)}.",
        )


def choose_images(folder: ImageFolder, limit: int, seed: int) -> ImageFolder:
    """Return ``folder`` with at most ``limit`` of its images: classes as even as they can be, otherwise at random.

    Raises
    ------
    InputError
        If that is less than one image a class.
    """
    if limit < len(folder.labels):
        raise InputError(
            f"--limit {limit} is less than one image for each of the {len(folder.labels)} classes.",
            f"Give --limit {len(folder.labels)} or more.",
        )
    source = random.Random(seed)
    turns = []
    for label in range(len(folder.labels)):
        paths = [path for path, of in folder.files if of == label]
        # Every class in turn, so that a small class gives all it has and the others make up for it.
        turns += [
            (turn, label, path) for turn, path in enumerate(source.sample(paths, min(limit, len(paths))))
        ]
    turns.sort()
    chosen = sorted((label, path) for _, label, path in turns[:limit])
    return ImageFolder(folder.root, folder.labels, tuple((path, label) for label, path in chosen))


def image_size(interpreter: HostInterpreter) -> tuple[int, int, int]:
    """Return height, width and channels of the images that a model takes.

    Raises
    ------
    InputError
        If it takes no images, or is no int8 classifier.
    """
    source, target = interpreter.inputs[0], interpreter.outputs[0]
    image = len(source.shape) == 4 and source.shape[0] == 1 and source.shape[3] in (1, 3)
    if len(interpreter.inputs) != 1 or not image or {source.dtype, target.dtype} != {"int8"}:
        raise InputError(
            f"The model takes {_type(source)} and gives {_type(target)}; it is no int8 classifier of images.",
            "Leave --data out: the device's outputs are compared on other inputs.",
        )
    return source.shape[1], source.shape[2], source.shape[3]


def image_cases(
    interpreter: HostInterpreter,
    folder: ImageFolder,
    dataset: Dataset,
    labels: Sequence[str],
    offset: int,
    advance: Callable[[int, int], None] | None = None,
) -> list[Case]:
    """Return the decoded images of ``folder`` as inputs, with the outputs of the host's reference kernels.

    Parameters
    ----------
    interpreter:
        The model on the host.
    folder, dataset:
        The images, and what became of them: uint8 [n, h, w, c] of the model's size.
    labels:
        The model's classes in the order of its outputs; those of the folder are among them.
    offset:
        What is added to a pixel to get the model's int8 input.
    advance:
        Told after every image.
    """
    skipped = {item.path for item in dataset.skipped}
    paths = [path for path, _ in folder.files if path not in skipped]
    cases = []
    for number, (path, pixels, label) in enumerate(
        zip(paths, dataset.images, dataset.labels.tolist(), strict=True), 1
    ):
        values: NDArray[np.int8] = (pixels.astype(np.int16) + offset).astype(np.int8)[None]
        interpreter.set_inputs([values])
        interpreter.invoke()
        truth = labels.index(dataset.names[label])
        name = path.relative_to(folder.root).as_posix()
        cases.append(Case(values.tobytes(), interpreter.output_bytes(), truth, name))
        if advance is not None:
            advance(number, len(paths))
    return cases


def winner(output: bytes) -> int:
    """Return the most probable class of an int8 output, the first one of several; -1 for an output of nothing."""
    return int(np.frombuffer(output, np.int8).argmax()) if output else -1


def _type(port: Port) -> str:
    return f"{port.dtype} {list(port.shape)}"


def _list(names: Sequence[str], shown: int = 10) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
