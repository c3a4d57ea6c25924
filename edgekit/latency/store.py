"""Where measurements on boards are kept: a file for each board, kernel library, SDK and unit, in the user's folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from edgekit.boards.kernels import KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.errors import InputError
from edgekit.files import read_bytes, write_atomic
from edgekit.latency.calibration import CALIBRATION_SCHEMA, CalibrationRecord

DATA_VARIABLE: Final = "EDGEKIT_DATA"
"""Environment variable that names another folder for what edgekit keeps."""
_MAX_BYTES: Final = 16 * 1024**2


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
        If the folder cannot be written to, or what is there is damaged.
    """
    path = record_path(record)
    if path.is_file():
        record = load_record(path).merged(record)
    write_atomic(path, record.to_json())
    return path


def find(board: BoardProfile, kernels: KernelLibrary) -> CalibrationRecord | None:
    """Return what was measured on ``board`` with ``kernels`` and its SDK; ``None`` if nothing was.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = store_folder() / _name(
        board.name, kernels, board.sdk.name, "instructions" if board.emulated else "cycles"
    )
    if not path.is_file():
        return None
    record = load_record(path)
    return record if record.fits_board(board) else None


def load_all() -> Iterator[tuple[Path, CalibrationRecord]]:
    """Yield every file that is kept with its record, by name.

    Raises
    ------
    InputError
        If one is damaged.
    """
    folder = store_folder()
    if folder.is_dir():
        for path in sorted(folder.glob("*.json")):
            yield path, load_record(path)


def load_record(path: Path) -> CalibrationRecord:
    """Return the record in ``path``.

    Raises
    ------
    InputError
        If it cannot be read or is none.
    """
    return parse_records(read_bytes(path, "calibration", _MAX_BYTES), path)[0]


def parse_records(content: bytes, path: Path) -> tuple[CalibrationRecord, ...]:
    """Return the records in ``content``: one, or the list that `edgekit calibration export` writes.

    Raises
    ------
    InputError
        If it is none; ``path`` is for the message.
    """
    hint = f"Remove it, or give a file that `edgekit calibration export` wrote ({CALIBRATION_SCHEMA})."
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON.", hint) from error
    rows = document if isinstance(document, list) else [document]
    try:
        # Through JSON, because lists are tuples there.
        records = tuple(CalibrationRecord.model_validate_json(json.dumps(row)) for row in rows)
    except (ValidationError, ValueError, RecursionError) as error:
        details = (
            [f"{'.'.join(map(str, item['loc'])) or 'record'}: {item['msg']}" for item in error.errors()[:5]]
            if isinstance(error, ValidationError)
            else []
        )
        raise InputError(f"{path} is not a calibration.", hint, details) from error
    if not records:
        raise InputError(f"{path} holds no calibration.", hint)
    return records


def _name(board: str, kernels: str, sdk: str, unit: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", sdk.lower()).strip("-")
    return f"{board}--{kernels}--{words[:80]}--{unit}.json"
