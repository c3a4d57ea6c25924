"""Reading TOML, with errors for people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from edgekit.errors import InputError
from edgekit.files import read_bytes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MAX_BYTES: Final = 1024**2
"""Largest accepted file; those that edgekit ships have 20 KB at most."""


def load_toml(path: Path, what: str) -> dict[str, Any]:
    """Return the content of the TOML file ``path``.

    Parameters
    ----------
    path:
        The file.
    what:
        What it should be, for the message: ``"board"``.

    Raises
    ------
    InputError
        If it cannot be read, is larger than 1 MB, is not UTF-8 or not TOML; the message names the file and
        the place.
    """
    return parse_toml(read_bytes(path, what, _MAX_BYTES), path)


def parse_toml(content: bytes, path: Path) -> dict[str, Any]:
    """Return ``content`` parsed as TOML; ``path`` is for the message.

    Raises
    ------
    InputError
        As :func:`load_toml`.
    """
    try:
        parsed: dict[str, Any] = tomllib.loads(content.decode())
        return parsed
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start:,}).", "Save the file as UTF-8."
        ) from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # a number of over 4300 digits is a ValueError, but no TOMLDecodeError
        reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise InputError(f"{path} is not valid TOML: {reason}.", "Correct the file at that place.") from error
