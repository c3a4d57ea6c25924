"""The record of what was put onto a board, flash.json, by which bench and monitor find it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from edgekit.codegen.record import Sha256
from edgekit.documents import Document
from edgekit.errors import InputError

FLASH_FILE: Final = "flash.json"
"""Name of the record in a build folder."""
FLASH_LOG: Final = "flash.log"


class FlashRecord(Document):
    """What every record says; those of one kind of board add to it, ``method`` among it.

    Attributes
    ----------
    board:
        Name of its profile.
    port:
        Where its line is: what ``edgekit bench --port`` takes. ``None`` as long as it is not ready.
    image_sha256:
        Of the image that it runs.
    started:
        When, in ISO 8601, UTC.
    """

    schema_: Literal["edgekit.flash/1"] = Field("edgekit.flash/1", alias="schema")
    board: str
    port: str | None
    image_sha256: Sha256
    started: str
    edgekit_version: str


class EmulatorRecord(FlashRecord):
    """An emulator that runs a board's firmware.

    Attributes
    ----------
    pid:
        Its process.
    identity:
        When that was started and what it runs: a process with the same number but another identity is another.
    emulator:
        The emulator's program.
    machine:
        The board that it emulates.
    """

    method: Literal["qemu"] = "qemu"
    pid: Annotated[int, Field(gt=1)]
    identity: str
    emulator: str
    machine: str


AnyRecord = EmulatorRecord
"""One of the records, told apart by ``method``."""

_RECORD: Final[TypeAdapter[AnyRecord]] = TypeAdapter(AnyRecord)


def load_flash(folder: Path) -> AnyRecord | None:
    """Return the record in ``folder``, or ``None`` if there is none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    path = folder / FLASH_FILE
    try:
        return _RECORD.validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{path} is damaged, so it is not known which board it tells of.",
            f"If an emulator of it runs (`ps`), end it; then delete {path} and flash again.",
        ) from error
