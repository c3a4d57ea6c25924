"""Whether a device is the one that a build folder is for: what it says of itself against project.json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edgekit.codegen.record import FirmwareProject
from edgekit.wire.declaration import Identity

COMPARED: Final = ("board", "engine", "kernels", "plan", "build")
"""What of an identity is compared with the attributes of a project that have the same names."""

COMPARED_LINUX: Final = ("board", "build")
"""The same for an agent: it says which interpreter runs on which machine, and may be told to use other kernels."""

_ROM: Final = ("waiting for download", "DOWNLOAD(", "DOWNLOAD_BOOT")
_BLANK: Final = "invalid header: 0xffffffff"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from a port that was asked who is there.

    Attributes
    ----------
    identity:
        Who it is; ``None`` if no firmware of edgekit's answers.
    said:
        Lines of text that came instead or before.
    trouble:
        Why something that answers does not say who it is, in a few words; empty where that is not known.
    """

    identity: Identity | None
    said: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def firmware(self) -> bool:
        """Whether some firmware may run there: what came is not what an ESP32 says that runs none."""
        return self._nothing() is None

    def __str__(self) -> str:
        """Return it in a few words."""
        if self.identity is not None:
            return f"{self.identity.board}, build {self.identity.build or 'unknown'}"
        return self.trouble or self._nothing() or ("another firmware" if self.said else "no answer")

    def _nothing(self) -> str | None:
        text = "\n".join(self.said)
        if any(mark in text for mark in _ROM):
            return "it is in download mode"
        return "an ESP32 without firmware" if _BLANK in text else None


Ask = Callable[[str, int, float], Answer]
"""Asks who is at a port, at a baud rate, and waits some seconds for a board that starts.

Raises what opening the port raises, and a ``TaskError`` when the line is lost meanwhile.
"""


def difference(identity: Identity, project: FirmwareProject) -> str | None:
    """Return in what a device is not what ``project`` says, as a sentence; ``None`` if it is."""
    expected = project.model.sha256
    digest = identity.model_sha256.hex()
    if not expected.startswith(digest):
        return (
            f"The device runs another model: its SHA-256 begins with {digest}, not {expected[: len(digest)]}."
        )
    for what in COMPARED_LINUX if project.framework == "linux" else COMPARED:
        on_device, wanted = getattr(identity, what), getattr(project, what)
        if wanted is not None and on_device != wanted:
            return f"The device's {what} is {on_device!r}, the build folder's {wanted!r}."
    return None
