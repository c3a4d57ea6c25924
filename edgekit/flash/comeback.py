"""After flashing a board: its port comes back, perhaps under another name, and what runs there is asked who it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from edgekit.boards.profile import BoardProfile
from edgekit.errors import EdgekitError, InputError, TaskError
from edgekit.flash import ports
from edgekit.flash.flasher import Job
from edgekit.flash.identity import Answer, difference
from edgekit.flash.ports import PortInfo, is_url
from edgekit.wire.declaration import BAUD, Identity

PATIENCE_S: Final = 20.0
"""How long a board may take to come back, besides the inference of its self-test."""
_ASK_S: Final = 2.0
_STEP_S: Final = 0.1
_SETTLE_S: Final = 3.0
"""A device that has just come gets its owner from udev a moment later: so long a refusal means nothing."""


def wait_for_board(
    job: Job,
    board: BoardProfile,
    before: Sequence[PortInfo],
    port: PortInfo | None,
    patience_s: float = PATIENCE_S,
) -> tuple[PortInfo, Identity]:
    """Wait until the board that was flashed answers, and return its port and who it is.

    Parameters
    ----------
    job:
        What was flashed.
    board:
        Its profile.
    before:
        The ports that were there before.
    port:
        The one that it was at; ``None`` where none was known.
    patience_s:
        Seconds, besides the inference that it tests itself with.

    Raises
    ------
    InputError
        If its port is there and may not be opened.
    TaskError
        If it does not come back, something else answers, or it runs another image than was flashed.
    """
    assert job.ask is not None
    predicted = job.project.latency_ms
    boot_s = predicted.high / 1000 if predicted else 0.0
    start = time.monotonic()
    answer: Answer | None = None
    error: EdgekitError | None = None
    refused: float | None = None
    while time.monotonic() - start < patience_s + boot_s:
        for candidate in _candidates(board, before, port):
            try:
                answer = job.ask(candidate.device, BAUD, _ASK_S + boot_s)
            except InputError as caught:
                # It may not be opened, or is gone again.
                error, refused = caught, refused or time.monotonic()
                if "denied" in caught.message and time.monotonic() - refused > _SETTLE_S:
                    raise
                continue
            except EdgekitError as caught:
                error = caught
                continue
            if answer.identity is not None:
                _check(job, candidate, answer.identity)
                return candidate, answer.identity
        time.sleep(_STEP_S)
    raise _lost(board, port, answer, error, patience_s + boot_s)


def _candidates(
    board: BoardProfile, before: Sequence[PortInfo], port: PortInfo | None
) -> tuple[PortInfo, ...]:
    """Return the ports where the board may be now, the likeliest first."""
    if port is not None and is_url(port.device):
        return (port,)
    here = ports.list_ports()
    if port is not None:
        same = tuple(one for one in here if one.same_device(port))
        if same:
            return same
        if port.usb_id is None:
            # One that is not on USB stays where it is, even if the system does not list it.
            return (port,)
    # It may call itself something else now; but it is none of the others that were there before.
    others = [one for one in before if port is None or not one.same_device(port)]
    return tuple(
        one for one in here if one.may_be(board) and not any(one.same_device(other) for other in others)
    )


def _check(job: Job, port: PortInfo, identity: Identity) -> None:
    wrong = difference(identity, job.project)
    if wrong is not None:
        raise TaskError(
            f"{port.device} still runs another image than was flashed. {wrong}",
            "Reset the board and flash it again; if several boards are connected, name its port with --port.",
        )


def _lost(
    board: BoardProfile,
    port: PortInfo | None,
    answer: Answer | None,
    error: EdgekitError | None,
    waited_s: float,
) -> TaskError:
    where = f" at {port.device}" if port is not None else ""
    hint = "Press its reset button, or unplug it and plug it in again; then `edgekit bench --port PORT`."
    if answer is not None:
        return TaskError(
            f"{board.name} was flashed, but within {waited_s:.0f} s no firmware of edgekit's has answered{where}: "
            f"{answer}.",
            hint,
            [line[:100] for line in answer.said[-5:]],
        )
    if error is not None:
        return TaskError(
            f"{board.name} was flashed, but its port cannot be used: {error.message}",
            error.hint,
            error.details,
        )
    return TaskError(
        f"{board.name} was flashed, but its port has not come back within {waited_s:.0f} s.", hint
    )
