"""The record of what was put onto a board, flash.json: for an emulated board, the emulator that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from edgekit.codegen.record import Sha256
from edgekit.documents import Document
from edgekit.errors import InputError

FLASH_FILE: Final = "flash.json"
"""Name of the record in a build folder."""
FLASH_LOG: Final = "flash.log"


class FlashRecord(Document):
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
    port:
        Its serial line; ``None`` until its firmware is ready.
    image_sha256:
        Of the image that it runs.
    started:
        When, in ISO 8601, UTC.
    """

    schema_: Literal["edgekit.flash/1"] = Field("edgekit.flash/1", alias="schema")
    pid: Annotated[int, Field(gt=1)]
    identity: str
    emulator: str
    machine: str
    port: str | None
    image_sha256: Sha256
    started: str
    edgekit_version: str


def load_flash(folder: Path) -> FlashRecord | None:
    """Return the record in ``folder``, or ``None`` if there is none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    path = folder / FLASH_FILE
    try:
        return FlashRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{path} is damaged, so it is not known which emulator it tells of.",
            f"Look for one that runs (`ps`), end it, and delete {path}.",
        ) from error
