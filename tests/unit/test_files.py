"""Nothing half-written is left behind, and no earlier result is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit import files
from edgekit.errors import InputError, TaskError


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_all_files_are_written_with_their_folders(tmp_path: Path) -> None:
    files.write_all(tmp_path / "out", {"a.txt": "ä", "src/b.bin": b"\x00\x01"})
    assert (tmp_path / "out/a.txt").read_bytes() == "ä".encode()
    assert (tmp_path / "out/src/b.bin").read_bytes() == b"\x00\x01"
    assert names(tmp_path / "out") == {"a.txt", "src", "src/b.bin"}


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("old")
    calls = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(TaskError, match="No space left"):
        files.write_all(tmp_path, {"a": "new", "sub/b": "new"})
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == {"a"}


def test_an_interrupt_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("old")

    def fsync(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomic(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == {"a"}


def test_a_file_in_place_of_a_folder_is_the_users_input(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="Cannot write to"):
        files.write_all(tmp_path / "out", {"a": "x"})
    assert (tmp_path / "out").read_text() == "a file"


def test_a_folder_in_place_of_a_file_is_the_users_input(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        files.write_atomic(tmp_path / "out", "x")


def test_reading_explains_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no model file"):
        files.read_bytes(tmp_path / "none", "model", 10)
    with pytest.raises(InputError, match="is a folder"):
        files.read_bytes(tmp_path, "model", 10)
    (tmp_path / "big").write_bytes(bytes(11))
    with pytest.raises(InputError, match="11 bytes, more than the 10"):
        files.read_bytes(tmp_path / "big", "model", 10)
