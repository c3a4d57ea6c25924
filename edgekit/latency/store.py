"""Where measurements on boards are kept: a file for each board, kernel library, SDK and unit, in the user's folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, TypeVar

from pydantic import Field, ValidationError

from edgekit.boards.kernels import KERNEL_LIBRARIES, KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.documents import Document
from edgekit.errors import InputError, TaskError
from edgekit.files import read_bytes, write_atomic
from edgekit.latency.calibration import CalibrationRecord

DATA_VARIABLE: Final = "EDGEKIT_DATA"
"""Environment variable that names another folder for what edgekit keeps."""
_ANOTHER_FOLDER: Final = f"Name a folder that you may read and write with ${DATA_VARIABLE}."
_MAX_BYTES: Final = 16 * 1024**2
_FILE_NAME: Final = re.compile(
    rf"(?P<board>.+)--(?P<kernels>{'|'.join(KERNEL_LIBRARIES)})--[a-z0-9-]*--(cycles|instructions)\.json"
)
"""What :func:`_name` makes. A board's name may have two dashes, the rest of it does not but at its end."""

_Document = TypeVar("_Document", bound=Document)


class CalibrationSet(Document):
    """Calibrations of any number of boards, to be passed on."""

    schema_: Literal["edgekit.calibrations/1"] = Field("edgekit.calibrations/1", alias="schema")
    calibrations: tuple[CalibrationRecord, ...]


def store_folder() -> Path:
    """Return the folder of measurements: below ``$EDGEKIT_DATA``, or the platform's folder for a user's data."""
    if given := os.environ.get(DATA_VARIABLE):
        return Path(given) / "calibration"
    from platformdirs import user_data_path

    return user_data_path("edgekit", appauthor=False) / "calibration"


def record_path(record: CalibrationRecord) -> Path:
    """Return the file that ``record`` is kept in."""
    return store_folder() / _name(record.board, record.kernels, record.sdk, record.unit)


def save(record: CalibrationRecord) -> Path:
    """Add ``record`` to what is kept for its board, and return the file.

    Raises
    ------
    InputError, TaskError
        If the folder cannot be read or written, or what is there is damaged.
    """
    path = record_path(record)
    if _is_there(path):
        record = load_record(path).merged(record)
    try:
        write_atomic(path, record.to_json())
    except InputError as error:
        raise InputError(error.message, _ANOTHER_FOLDER) from error
    return path


def find(board: BoardProfile, kernels: KernelLibrary) -> CalibrationRecord | None:
    """Return what was measured on ``board`` with ``kernels`` and its SDK; ``None`` if nothing was.

    Raises
    ------
    InputError
        If it cannot be read or is damaged.
    """
    path = store_folder() / _name(
        board.name, kernels, board.sdk.name, "instructions" if board.emulated else "cycles"
    )
    if not _is_there(path):
        return None
    record = load_record(path)
    return record if record.fits_board(board) else None


def load_all() -> Iterator[tuple[Path, CalibrationRecord]]:
    """Yield every file that is kept with its record, by name.

    Raises
    ------
    InputError
        If the folder or one of them cannot be read, or is damaged.
    """
    for path, _ in _kept():
        yield path, load_record(path)


def forget(board: str | None, kernels: KernelLibrary | None = None) -> tuple[Path, ...]:
    """Remove what is kept for ``board`` (any, if ``None``) and ``kernels``, and return the files.

    Damaged files are known by their names and go as well.

    Raises
    ------
    InputError
        If the folder cannot be read.
    TaskError
        If a file cannot be removed.
    """
    wanted = [
        path
        for path, name in _kept()
        if board in (None, name["board"]) and kernels in (None, name["kernels"])
    ]
    for path in wanted:
        try:
            path.unlink()
        except OSError as error:
            raise TaskError(
                f"Cannot remove {path}: {error.strerror}.", "Check the permissions of its folder."
            ) from error
    return tuple(wanted)


def load_record(path: Path) -> CalibrationRecord:
    """Return the record in ``path``.

    Raises
    ------
    InputError
        If it cannot be read or is none.
    """
    return _load(path, CalibrationRecord, "Remove it with `edgekit calibration forget`, and measure again.")


def load_set(path: Path) -> CalibrationSet:
    """Return the records in a file that ``edgekit calibration export`` wrote.

    Raises
    ------
    InputError
        If it cannot be read or is none.
    """
    return _load(path, CalibrationSet, "Give a file that `edgekit calibration export` wrote.")


def _load(path: Path, model: type[_Document], hint: str) -> _Document:
    content = read_bytes(path, "calibration", _MAX_BYTES)
    try:
        return model.model_validate_json(content)
    except (ValidationError, RecursionError) as error:
        details = (
            [f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors()[:5]]
            if isinstance(error, ValidationError)
            else []
        )
        raise InputError(f"{path} is not a calibration.", hint, details) from error


def _kept() -> Iterator[tuple[Path, re.Match[str]]]:
    """Yield the files of the store, by name, with the parts of their names; what else lies there is not edgekit's."""
    folder = store_folder()
    try:
        files = sorted(os.listdir(folder)) if _is_there(folder) else []
    except OSError as error:
        raise InputError(f"Cannot read {folder}: {error.strerror}.", _ANOTHER_FOLDER) from error
    for file in files:
        if name := _FILE_NAME.fullmatch(file):
            yield folder / file, name


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"Cannot read {path.parent}: {error.strerror}.", _ANOTHER_FOLDER) from error


def _name(board: str, kernels: str, sdk: str, unit: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", sdk.lower()).strip("-")
    return f"{board}--{kernels}--{words[:80]}--{unit}.json"
