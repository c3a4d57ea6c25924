"""The errors that edgekit shows to people.

::

    EdgekitError            what is wrong, what to do about it, and the exit status
    ├── InputError          exit 2: what the user gave cannot be used
    └── TaskError           exit 1: the input is fine, but it could not be done

One sentence says what is wrong (``message``), one says what to do (``hint``). The command line prints both and never
a traceback for these; anything else that escapes is a bug in edgekit.
"""

from __future__ import annotations

from collections.abc import Sequence


class EdgekitError(Exception):
    """Base of all errors that are meant for people.

    Parameters
    ----------
    message:
        One sentence on what is wrong.
    hint:
        One sentence on what to do about it.
    details:
        Further lines for those who want to know more, for example a tool's own output.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)


class InputError(EdgekitError):
    """What the user gave cannot be used: an option, a file, a folder (exit status 2)."""

    exit_code = 2


class TaskError(EdgekitError):
    """The input is fine, but it could not be done (exit status 1)."""

    exit_code = 1
