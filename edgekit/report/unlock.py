"""What ``edgekit fit`` prints on the networks that do not fit, and what they would take."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from edgekit.search.changes import Unlock


def print_unlocks(console: Console, unlocks: tuple[Unlock, ...]) -> None:
    """Print for each network the cheapest change that unlocks it, and the boards that hold it."""
    if not unlocks:
        return
    console.print("What the next larger networks would take:")
    for unlock in unlocks:
        console.print(f"  {escape(unlock_line(unlock))}")


def unlock_line(unlock: Unlock) -> str:
    """Return one network with its changes, and the boards that hold it, as a line."""
    changes = " and ".join(change.text for change in unlock.changes)
    instead = "".join(f" (or {change.text})" for change in unlock.instead)
    boards = f"; as it is on {', '.join(unlock.boards)}" if unlock.boards else "; no other board holds it"
    network = f"{unlock.alpha:g}/{unlock.resolution} ({unlock.top1:.1f} %) with {unlock.kernels}"
    return f"{network}: {changes}{instead}{boards}"
