"""What the monitor shows of a line."""

from __future__ import annotations

import pytest

from edgekit.bench.monitor import printable, watch
from edgekit.errors import TaskError


class Scripted:
    """A port that gives what it was told to, then fails."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.sent = b""

    @property
    def in_waiting(self) -> int:
        return len(self.chunks[0]) if self.chunks else 0

    def read(self, size: int = 1, /) -> bytes:
        if not self.chunks:
            raise OSError("gone")
        return self.chunks.pop(0)

    def write(self, data: bytes, /) -> int:
        self.sent += data
        return len(data)

    def close(self) -> None:
        """Do nothing."""


def test_text_is_shown_as_it_is_and_nothing_else_reaches_the_terminal() -> None:
    assert printable(b"m-ready\r\n\tok\r\n") == "m-ready\n\tok\n"
    assert printable(b"\x1b[31m\x00\x9b\xff") == "\\x1b[31m\\x00\\x9b\\xff"


def test_commands_are_sent_and_what_comes_is_shown_until_the_line_is_gone() -> None:
    port, shown = Scripted(b"m-re", b"", b"ady\r\n"), []
    with pytest.raises(TaskError, match="connection to COM5 was lost"):
        watch(port, "COM5", shown.append, ("name", "profile"))
    assert port.sent == b"name%profile%" and shown == ["m-re", "ady\n"]


def test_it_ends_when_its_time_is_over() -> None:
    shown: list[str] = []
    watch(Scripted(b"never read"), "COM5", shown.append, seconds=0)
    assert shown == []
