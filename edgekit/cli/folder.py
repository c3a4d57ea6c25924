"""Writing a build folder over the one that an earlier run left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.errors import InputError
from edgekit.files import write_all


def write_build(output: Path, files: Mapping[str, bytes | str]) -> None:
    """Write ``files`` (relative path to content) to ``output``, and remove what an earlier run left there.

    Raises
    ------
    TaskError
        If the folder cannot be written, or another edgekit is at work in it.
    """
    from edgekit.build.lock import folder_lock

    with folder_lock(output):
        stale = _stale(output, files)
        write_all(output, files)
        for path in stale:
            path.unlink(missing_ok=True)


def _stale(output: Path, files: Mapping[str, bytes | str]) -> list[Path]:
    """Return what an earlier run, its build and its bench wrote to ``output`` and ``files`` does not replace.

    The record of an emulator that runs stays: it is what ends it.
    """
    from edgekit.bench.record import BENCH_FILE
    from edgekit.build.record import built_files
    from edgekit.codegen.record import PROJECT_FILE, load_project
    from edgekit.pipeline import FIT_FILE, TRAINING_FILE

    if not (output / PROJECT_FILE).exists():
        return []
    try:
        earlier = {*load_project(output).files, FIT_FILE, TRAINING_FILE, BENCH_FILE}
        earlier |= built_files(output)
    except InputError:
        return []
    return [output / name for name in sorted(earlier - files.keys())]
