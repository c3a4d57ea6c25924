"""The terminal: everything that is no document goes to stderr, so that stdout can be piped."""

from __future__ import annotations

from rich.console import Console


def stderr_console() -> Console:
    """Return a console on stderr; a pipe gets 140 columns, so that tables are not broken."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=True, highlight=False, width=140)
    return console


def stdout_console() -> Console:
    """Return a console on stdout, for a table that is the answer; a pipe gets 160 columns."""
    console = Console(markup=False, highlight=False, emoji=False)
    return console if console.is_terminal else Console(markup=False, highlight=False, emoji=False, width=160)
