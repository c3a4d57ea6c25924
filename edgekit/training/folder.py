"""A folder of labelled images: one subfolder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.training.images import SUFFIXES

_LAYOUT_HINT = "Give a folder with one subfolder per class, each with JPEG or PNG images."


@dataclass(frozen=True)
class ImageFolder:
    """What was found in a folder; nothing is decoded yet.

    Attributes
    ----------
    root:
        The folder.
    labels:
        Names of the class folders, sorted as text like Keras does: class 0 first.
    files:
        (path, class index) of every image, class by class, sorted by path within one.
    """

    root: Path
    labels: tuple[str, ...]
    files: tuple[tuple[Path, int], ...]

    def counts(self) -> dict[str, int]:
        """Return the number of images of each class."""
        counts = [0] * len(self.labels)
        for _, label in self.files:
            counts[label] += 1
        return dict(zip(self.labels, counts, strict=True))


def scan_folder(root: Path) -> ImageFolder:
    """Find the classes and images below ``root``.

    Hidden files and folders are ignored, and so are files of other types. Class folders are searched to any
    depth; a folder that is reached twice, as through a symbolic link to a parent, counts once.

    Raises
    ------
    InputError
        If the folder is missing or unreadable, has no images or fewer than two classes, or a class is empty.
    """
    if not root.exists():
        raise InputError(f"There is no folder {root}.", _LAYOUT_HINT)
    if not root.is_dir():
        raise InputError(f"{root} is a file, not a folder of images.", _LAYOUT_HINT)
    try:
        entries = sorted((entry for entry in root.iterdir() if not _hidden(entry.name)), key=lambda e: e.name)
    except OSError as error:
        raise InputError(
            f"Cannot read {root}: {error.strerror}.", "Check the folder's permissions."
        ) from error
    seen = {_identity(root)}
    found: dict[str, list[Path]] = {}
    for entry in entries:
        if entry.is_dir() and _identity(entry) not in seen:
            found[entry.name] = sorted(_images(entry, seen))
    _check_classes(root, found, [entry for entry in entries if _is_image(entry)])
    files = tuple((path, index) for index, paths in enumerate(found.values()) for path in paths)
    return ImageFolder(root, tuple(found), files)


def _check_classes(root: Path, found: dict[str, list[Path]], loose: list[Path]) -> None:
    if not any(found.values()):
        if loose:
            raise InputError(
                f"{root} has {len(loose)} images but no class folders.",
                "Sort the images into one subfolder per class.",
            )
        raise InputError(f"There are no JPEG or PNG images in the subfolders of {root}.", _LAYOUT_HINT)
    for name, paths in found.items():
        if not paths:
            raise InputError(
                f"The class folder {root / name} has no JPEG or PNG images.",
                "Add images to it, or remove the folder if it is not a class.",
            )
    if len(found) < 2:
        raise InputError(
            f"{root} has only one class, {next(iter(found))!r}; a classifier needs two at least.",
            _LAYOUT_HINT + " For a yes-or-no question, add a folder of images that show something else.",
        )


def _images(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield the images below ``folder``, entering no folder twice."""
    for current, folders, names in os.walk(folder, followlinks=True):
        identity = _identity(Path(current))
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        folders[:] = [name for name in folders if not _hidden(name)]
        yield from (path for name in names if _is_image(path := Path(current, name)))


def _is_image(path: Path) -> bool:
    return not _hidden(path.name) and path.suffix.lower() in SUFFIXES and path.is_file()


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError:
        return (-1, -1)
    return (status.st_dev, status.st_ino)
