"""Finding what a framework's tools have left in the folder they worked in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, get_args

from edgekit.build.record import BUILD_LOG, OUT_FOLDER, FileKind, FlashFile
from edgekit.errors import InputError, TaskError
from edgekit.files import file_sha256, read_bytes

_MAX_BYTES: Final = 16 * 1024**2


def only_elf(folder: Path, place: str = "") -> str:
    """Return the one ELF file in ``place`` below the build's own folder, relative to the build folder.

    Raises
    ------
    TaskError
        If there is none, or there are several.
    """
    found = sorted((folder / OUT_FOLDER / place).glob("*.elf"))
    if len(found) != 1:
        what = "no image" if not found else f"{len(found)} images"
        raise nothing_left(folder, f"{what} in {Path(OUT_FOLDER, place)}")
    return found[0].relative_to(folder).as_posix()


def beside(folder: Path, image: str, kinds: Iterable[FileKind] = get_args(FileKind)) -> tuple[FlashFile, ...]:
    """Return the image and what lies beside it under the same name in other formats."""
    paths = [(folder / image).with_suffix(f".{kind}") for kind in kinds]
    return tuple(flash_file(folder, path) for path in paths if path.is_file())


def flash_file(folder: Path, path: Path, address: int | None = None) -> FlashFile:
    """Return the entry of a file; its kind is that of its name.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    return FlashFile(
        kind=path.suffix.removeprefix("."),
        file=path.relative_to(folder).as_posix(),
        address=address,
        sha256=file_sha256(path),
    )


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Return a JSON document that a build has left in its own folder.

    Raises
    ------
    TaskError
        If it is missing or no JSON object.
    """
    path = folder / OUT_FOLDER / name
    try:
        document = json.loads(read_bytes(path, "build", _MAX_BYTES))
    except (InputError, ValueError) as error:
        raise nothing_left(folder, f"no {Path(OUT_FOLDER, name)} that can be read") from error
    if not isinstance(document, dict):
        raise nothing_left(folder, f"no {Path(OUT_FOLDER, name)} that is an object")
    return document


def nothing_left(folder: Path, what: str) -> TaskError:
    """Return the error for a build that ended well and has not left what it should have."""
    return TaskError(
        f"The build ended without an error, and there is {what}.",
        f"Look into {folder / BUILD_LOG}; a project that was changed by hand may put its image elsewhere.",
    )
