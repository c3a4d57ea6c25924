"""The terminal: everything that is no document goes to stderr, so that stdout can be piped."""

from __future__ import annotations

from rich.console import Console


def stderr_console() -> Console:
    """Return a console on stderr; a pipe gets 140 columns, so that tables are not broken."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=True, highlight=False, width=140)
    return console
