"""Finding the port of a board: by its USB ids, and where several match, by asking each who it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgekit.boards.profile import BoardProfile
from edgekit.errors import EdgekitError, InputError
from edgekit.flash import ports
from edgekit.flash.flasher import Job
from edgekit.flash.identity import Answer
from edgekit.flash.ports import PortInfo, is_url
from edgekit.wire.declaration import BAUD

_ASK_S: Final = 3.0
"""How long a device may take to answer, before it counts as one without firmware of edgekit's."""


@dataclass(frozen=True, slots=True)
class Found:
    """The port that was chosen.

    Attributes
    ----------
    port:
        The port.
    others:
        Those that match as well, where nothing may be asked: the choice is open.
    """

    port: PortInfo | None
    others: tuple[PortInfo, ...] = ()


def find_port(job: Job, board: BoardProfile) -> Found:
    """Return the port of ``board``: the one that the user named, or one with its USB ids.

    Several are asked who they are, and one that says it is this board is taken; where none does, the only one
    without firmware of edgekit's. Nothing is asked without ``job.ask``.

    Raises
    ------
    InputError
        If it cannot be told which one it is.
    """
    here = ports.list_ports()
    if (named := job.wishes.port) is not None:
        return Found(_known(here, named) or PortInfo(named))
    matching = tuple(port for port in here if port.may_be(board))
    if len(matching) < 2:
        return Found(matching[0] if matching else None)
    if job.ask is None:
        return Found(None, matching)
    answers = [(port, _ask(job, port)) for port in matching]
    chosen = _only(
        [port for port, answer in answers if answer is not None and _board(answer) == board.name]
    ) or _only([port for port, answer in answers if answer is not None and _board(answer) is None])
    if chosen is None:
        raise InputError(
            f"{len(matching)} ports may be {board.name}, and what answers there does not tell which to take.",
            "Name it with --port.",
            [
                f"{port.device}: {answer if answer is not None else 'cannot be asked'}"
                for port, answer in answers
            ],
        )
    job.told.says(f"{len(matching)} ports may be {board.name}; taking {chosen.device}.")
    return Found(chosen)


def no_port(board: BoardProfile, manual: str) -> InputError:
    """Return the error for a board that is not there; ``manual`` says what to press."""
    ids = ", ".join(board.usb_ids)
    return InputError(
        f"No port of {board.name} is here{f' (USB ids {ids})' if ids else ''}.",
        "Plug the board in with a cable that carries data, or name its port with --port.",
        [
            *([manual] if manual else []),
            _here(),
        ],
    )


def check_there(port: str) -> None:
    """Check that a port that the user named is here, where it names a device of this computer.

    Raises
    ------
    InputError
        If it is not.
    """
    if Path(port).is_absolute() and not os.path.exists(port):
        raise InputError(
            f"There is no port {port}.",
            "Plug the board in with a cable that carries data, or name another port.",
            [_here()],
        )


def check_named(job: Job, tool: str, *, urls: bool) -> None:
    """Check that a port that the user named is one, and with ``urls`` unset one of this computer.

    Raises
    ------
    InputError
        If it is empty, or a URL.
    """
    if job.wishes.port == "":
        raise InputError(
            "--port names no port.", "Give its path, such as /dev/ttyUSB0, or leave --port out.", [_here()]
        )
    if not urls and job.wishes.port is not None and is_url(job.wishes.port):
        raise InputError(
            f"{tool} cannot flash over {job.wishes.port}.",
            "Run `edgekit flash` where the board is plugged in; bench and monitor work over the network.",
        )


def _ask(job: Job, port: PortInfo) -> Answer | None:
    """Return who is at ``port``; ``None`` if it cannot be asked."""
    assert job.ask is not None
    try:
        return job.ask(port.device, BAUD, _ASK_S)
    except EdgekitError:
        return None


def _board(answer: Answer) -> str | None:
    return answer.identity.board if answer.identity is not None else None


def _only(found: Sequence[PortInfo]) -> PortInfo | None:
    return found[0] if len(found) == 1 else None


def _known(here: Sequence[PortInfo], named: str) -> PortInfo | None:
    """Return the port that is called ``named``, or that this leads to, as /dev/serial/by-id/... does."""
    same = [port for port in here if port.device == named]
    leads_to = os.path.realpath(named)
    same += [port for port in here if os.path.realpath(port.device) == leads_to]
    return same[0] if same else None


def _here() -> str:
    here = ports.list_ports()
    return f"Ports here: {', '.join(_named(port) for port in here)}." if here else "There are no ports here."


def _named(port: PortInfo) -> str:
    return f"{port.device} ({port.usb_id})" if port.usb_id else port.device
