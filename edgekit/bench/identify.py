"""Asking who is at a port, for those who only want to know that."""

from __future__ import annotations

import contextlib

from edgekit.bench.client import Client, Stranger
from edgekit.bench.line import open_line
from edgekit.flash.identity import Answer


def ask_identity(port: str, baud: int, patience_s: float) -> Answer:
    """Open ``port``, ask who is there, and close it.

    Parameters
    ----------
    port:
        A port or URL, as for :func:`~edgekit.bench.line.open_port`.
    baud:
        Speed of the line.
    patience_s:
        Seconds that what is there may take to start.

    Raises
    ------
    InputError, TaskError
        If the port cannot be opened.
    TaskError
        If the line is lost while it is asked.
    """
    line = open_line(port, baud)
    try:
        return Answer(Client(line).connect(boot_s=patience_s).identity)
    except Stranger as error:
        return Answer(None, error.said, error.trouble)
    finally:
        with contextlib.suppress(OSError):
            line.close()
