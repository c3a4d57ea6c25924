"""Labelled images in memory, decoded once, and their split into training, validation and test images."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import InputError, TaskError
from edgekit.training.folder import ImageFolder
from edgekit.training.images import UnreadableImage, read_image

IN_MEMORY_BYTES: Final = 1024**3
"""Decoded images larger than this are kept in a temporary file."""
MIN_IMAGES_PER_CLASS: Final = 5
"""One to validate with, one to test with, and three to learn from."""
_CHUNK = 256

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True)
class Skipped:
    """An image that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Decoded images with their labels.

    Attributes
    ----------
    images:
        uint8 [n, h, w, c]; read-only and memory-mapped when large.
    labels:
        Class indices, int64 [n].
    names:
        Class names.
    skipped:
        Files that could not be decoded.
    """

    images: NDArray[np.uint8] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.names)


@dataclass(frozen=True)
class Split:
    """Indices into a dataset, int64, disjoint; every class is in all three."""

    train: NDArray[np.int64] = field(repr=False)
    validation: NDArray[np.int64] = field(repr=False)
    test: NDArray[np.int64] = field(repr=False)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images in each part."""
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}


def load_dataset(
    folder: ImageFolder,
    height: int,
    width: int,
    channels: int,
    progress: Progress | None = None,
) -> Dataset:
    """Decode the images of ``folder`` to [height, width, channels], each by ``images.read_image``.

    Images that cannot be decoded are left out and listed in ``Dataset.skipped``.

    Raises
    ------
    InputError
        If no image of some class can be decoded.
    TaskError
        If there is no room for the decoded images.
    """
    shape = (len(folder.files), height, width, channels)
    if int(np.prod(shape, dtype=np.int64)) > IN_MEMORY_BYTES:
        images, labels, skipped = _to_file(folder, shape, progress)
    else:
        images = np.empty(shape, np.uint8)
        kept: list[int] = []
        skipped = []
        for number, (path, label, pixels) in enumerate(_decode(folder.files, shape[1:]), 1):
            if isinstance(pixels, str):
                skipped.append(Skipped(path, pixels))
            else:
                images[len(kept)] = pixels
                kept.append(label)
            if progress:
                progress(number, shape[0])
        images, labels = images[: len(kept)], np.array(kept, np.int64)
    dataset = Dataset(images, labels, folder.labels, tuple(skipped))
    _check_not_empty(folder, dataset)
    return dataset


def split_dataset(dataset: Dataset, seed: int, validation: float = 0.15, test: float = 0.15) -> Split:
    """Split by class into training, validation and test images; the same seed gives the same split.

    Raises
    ------
    InputError
        If a class has fewer than ``MIN_IMAGES_PER_CLASS`` images.
    """
    rng = np.random.default_rng(seed)
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    for index, name in enumerate(dataset.names):
        members = rng.permutation(np.flatnonzero(dataset.labels == index))
        if len(members) < MIN_IMAGES_PER_CLASS:
            raise InputError(
                f"The class {name!r} has {len(members)} usable images; training needs "
                f"{MIN_IMAGES_PER_CLASS} at least.",
                "Add images to it; some hundred a class make a good start.",
            )
        held_out = [max(1, round(len(members) * fraction)) for fraction in (validation, test)]
        cuts = np.cumsum(held_out)
        for part, chosen in zip(parts, np.split(members, cuts), strict=True):
            part.append(chosen)
    val, held, train = (np.sort(np.concatenate(part)) for part in parts)
    return Split(train, val, held)


def _decode(
    files: Sequence[tuple[Path, int]], shape: tuple[int, ...]
) -> Iterator[tuple[Path, int, NDArray[np.uint8] | str]]:
    """Yield (path, label, pixels or why there are none) in order; Pillow decodes outside the GIL."""

    def decode(path: Path) -> NDArray[np.uint8] | str:
        try:
            return read_image(path, *shape)
        except UnreadableImage as error:
            return str(error)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), _CHUNK):
            chunk = files[start : start + _CHUNK]
            decoded = pool.map(decode, [path for path, _ in chunk])
            for (path, label), pixels in zip(chunk, decoded, strict=True):
                yield path, label, pixels


def _to_file(
    folder: ImageFolder, shape: tuple[int, ...], progress: Progress | None
) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[Skipped]]:
    """Decode into an unnamed temporary file and map it: it goes away with the array, whatever happens."""
    kept, skipped = [], []
    try:
        with tempfile.TemporaryFile(prefix="edgekit-images-") as file:
            for number, (path, label, pixels) in enumerate(_decode(folder.files, shape[1:]), 1):
                if isinstance(pixels, str):
                    skipped.append(Skipped(path, pixels))
                else:
                    file.write(pixels.tobytes())
                    kept.append(label)
                if progress:
                    progress(number, shape[0])
            file.flush()
            images: NDArray[Any] = (
                np.memmap(file, np.uint8, "r", shape=(len(kept), *shape[1:]))
                if kept
                else np.empty((0, *shape[1:]), np.uint8)
            )
    except OSError as error:
        raise TaskError(
            f"There is no room for the decoded images in {tempfile.gettempdir()}: {error.strerror or error}.",
            "Free some space, or point TMPDIR at a larger disk.",
        ) from error
    return images, np.array(kept, np.int64), skipped


def _check_not_empty(folder: ImageFolder, dataset: Dataset) -> None:
    if len(dataset.labels) == 0:
        raise InputError(
            f"None of the {len(folder.files)} images in {folder.root} can be read.",
            "Check the files: they must be JPEG or PNG.",
            describe_skipped(dataset.skipped),
        )
    present = set(dataset.labels.tolist())
    for index, name in enumerate(dataset.names):
        if index not in present:
            raise InputError(
                f"None of the images of class {name!r} in {folder.root} can be read.",
                "Replace its images by valid JPEG or PNG files, or remove the folder.",
                describe_skipped([s for s in dataset.skipped if folder.root / name in s.path.parents]),
            )


def describe_skipped(skipped: Sequence[Skipped], limit: int = 5) -> list[str]:
    """Return one line for each of the first ``limit`` skipped files, and one for the number of the rest."""
    lines = [f"{item.path}: {item.reason}" for item in skipped[:limit]]
    if len(skipped) > limit:
        lines.append(f"... and {len(skipped) - limit} more")
    return lines
