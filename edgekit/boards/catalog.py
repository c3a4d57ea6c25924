"""Finding and loading boards: the shipped ones and the user's own.

A board is one file ``NAME.toml``. Folders are searched as a shell searches ``$PATH``: those given on the
command line (``--boards-dir``) in their order, then those of ``$EDGEKIT_BOARDS``, then the shipped ones; the
first that has the name wins, so a user's board can take the place of a shipped one.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from edgekit.boards.profile import BoardProfile
from edgekit.errors import InputError
from edgekit.files import read_bytes
from edgekit.resources import resource_dir
from edgekit.tomlfile import load_toml

BOARDS_VARIABLE: Final = "EDGEKIT_BOARDS"
"""Environment variable with folders of boards, separated like ``$PATH``."""

_MAX_BYTES: Final = 1024**2
_ALIASES: Final = re.compile(rb"^aliases\s*=\s*\[([^\]]*)\]", re.MULTILINE)
_QUOTED: Final = re.compile(rb"[\"']([^\"'\n]+)[\"']")


def board_dirs(extra_dirs: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Return the folders to search, first come first served.

    Parameters
    ----------
    extra_dirs:
        Folders that the user named on the command line.

    Raises
    ------
    InputError
        If one of the user's folders does not exist.
    """
    from_variable = [Path(part) for part in os.environ.get(BOARDS_VARIABLE, "").split(os.pathsep) if part]
    for folder, origin in [(d, "--boards-dir") for d in extra_dirs] + [
        (d, f"${BOARDS_VARIABLE}") for d in from_variable
    ]:
        if not folder.is_dir():
            raise InputError(
                f"{origin} names {folder}, which is not a folder.",
                "Give a folder that holds board files (*.toml).",
            )
    return (*extra_dirs, *from_variable, resource_dir("boards"))


def load_catalog(extra_dirs: Sequence[Path] = ()) -> Mapping[str, BoardProfile]:
    """Load every board.

    Parameters
    ----------
    extra_dirs:
        Folders that the user named on the command line.

    Returns
    -------
    Mapping[str, BoardProfile]
        By name, sorted.

    Raises
    ------
    InputError
        If a folder is missing, a file is not a valid board, or two boards of a folder share a name or alias.
    """
    boards: dict[str, BoardProfile] = {}
    for folder in board_dirs(extra_dirs):
        owner: dict[str, Path] = {}
        for path in _files(folder):
            board = load_board(path)
            for name in (board.name, *board.aliases):
                if name in owner:
                    raise InputError(
                        f"{path}: aliases: {name!r} is also a name or alias in {owner[name].name}.",
                        "Give every board of a folder names of its own.",
                    )
                owner[name] = path
            boards.setdefault(board.name, board)
    return MappingProxyType(dict(sorted(boards.items())))


def get_board(name: str, extra_dirs: Sequence[Path] = ()) -> BoardProfile:
    """Load one board by name or alias, in any case; only its own file is parsed.

    Parameters
    ----------
    name:
        For example ``"esp32s3"`` or ``"pico"``.
    extra_dirs:
        Folders that the user named on the command line.

    Raises
    ------
    InputError
        If there is none (the hint has close matches), a folder is missing, or its file is not valid.
    """
    wanted = name.strip().lower()
    known: list[str] = []
    for folder in board_dirs(extra_dirs):
        files = list(_files(folder))
        for path in files:
            if path.stem.lower() == wanted:
                return load_board(path)
        for path in files:
            aliases = _aliases_in(path)
            if wanted in aliases:
                return load_board(path)
            known += [path.stem, *aliases]
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    raise InputError(
        f"There is no board {name!r}.",
        (f"Did you mean {' or '.join(close)}? " if close else "") + "`edgekit boards` lists them all.",
    )


def load_board(path: Path) -> BoardProfile:
    """Load the board file ``path``.

    Raises
    ------
    InputError
        If it is not a valid board; the message names file, key and reason.
    """
    return parse_board(load_toml(path, "board"), path)


def parse_board(content: Mapping[str, Any], path: Path) -> BoardProfile:
    """Check the parsed ``content`` of the board file ``path`` and return the board.

    Raises
    ------
    InputError
        As :func:`load_board`.
    """
    try:
        # Through JSON, because pydantic's strict mode takes lists for tuples only there; dates become text.
        board = BoardProfile.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        first, *others = [_explain(detail, content) for detail in error.errors()]
        raise InputError(
            f"{path}: {first}.",
            "Correct the file; `edgekit boards esp32s3 --json` shows a whole board.",
            others,
        ) from error
    if board.name != path.stem:
        raise InputError(
            f"{path}: name: {board.name!r} is not the name of the file.",
            f"Call the file {board.name}.toml, or the board {path.stem}.",
        )
    return board


def _files(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        raise InputError(
            f"Cannot read the folder {folder}: {error.strerror}.", "Check its permissions."
        ) from error


def _aliases_in(path: Path) -> tuple[str, ...]:
    """Return the aliases that a board file seems to have, without parsing it; a look-up stays fast so."""
    match = _ALIASES.search(read_bytes(path, "board", _MAX_BYTES))
    return tuple(part.decode(errors="replace") for part in _QUOTED.findall(match[1])) if match else ()


def _explain(detail: ErrorDetails, content: Mapping[str, Any]) -> str:
    """Return ``key: reason`` for one of pydantic's complaints; regions are called by their names."""
    key = ""
    value: Any = content
    for part in detail["loc"]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
        if isinstance(part, int):
            name = value.get("name") if isinstance(value, Mapping) else None
            key += f".{name}" if isinstance(name, str) else f"[{part}]"
        else:
            key += f".{part}" if key else str(part)
    reason = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "missing":
        reason = "it is missing"
    elif detail["type"] == "extra_forbidden":
        reason = "there is no such key"
    elif detail["type"] == "value_error" and re.match(r"[a-z_.]+: ", reason):
        return f"{key}.{reason}" if key else reason
    elif detail["type"] != "value_error":
        reason = f"{reason[0].lower()}{reason[1:]}" + (f", not {value!r}" if value is not None else "")
    return f"{key}: {reason}" if key else reason
