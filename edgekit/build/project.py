"""Building a build folder: the framework's tools turn it into an image, which is measured and judged."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edgekit.build.drivers import Plan, Request, driver_of
from edgekit.build.lock import folder_lock
from edgekit.build.measure import measure
from edgekit.build.process import run_logged
from edgekit.build.record import BUILD_FILE, BUILD_LOG, OUT_FOLDER, BuildRecord, load_build, sources_digest
from edgekit.build.refusal import refusal
from edgekit.codegen.record import load_project
from edgekit.errors import InputError, TaskError
from edgekit.files import write_atomic

_SHOWN: Final = 8
_MARK: Final = ".edgekit"
"""A file that says that a folder is edgekit's to throw away."""


@contextmanager
def built_image(folder: Path, built: Callable[[BuildRecord], None] | None = None) -> Iterator[BuildRecord]:
    """Give what is built in ``folder``, having built it if that is not what is there now.

    For the length of the block no other edgekit changes it.

    Parameters
    ----------
    folder:
        A build folder.
    built:
        Told of a build that had to be made.

    Raises
    ------
    InputError, TaskError
        As :func:`build_project` and :func:`~edgekit.build.lock.folder_lock`; also if the image is over a limit.
    """
    with folder_lock(folder):
        record = load_build(folder)
        if record is None or not record.ok:
            record = build_project(folder)
            if built is not None:
                built(record)
        if not record.ok:
            raise over_budget(record)
        yield record


def over_budget(record: BuildRecord) -> TaskError:
    """Return the error that says what of ``record`` is over which limit, and what takes most of it."""
    flash = record.flash
    in_flash = flash.budget is not None and flash.measured > flash.budget
    kinds = ("flash", "both") if in_flash else ("ram", "both")
    parts = [part for part in record.largest if part.memory in kinds][:_SHOWN]
    return TaskError(
        " ".join(record.failures),
        "Choose a smaller network, or raise the limit with --ram or --flash where the board has more.",
        [f"{part.bytes:>9,} B  {part.name}{f'  ({part.file})' if part.file else ''}" for part in parts],
    )


def build_project(
    folder: Path, tflm_folder: Path | None = None, starts: Callable[[Plan], None] | None = None
) -> BuildRecord:
    """Build the image of ``folder``, and write build.json and build.log there.

    Nothing goes in but what is in the folder, the framework's SDK, and with the tflm engine TFLite Micro.

    Parameters
    ----------
    folder:
        A build folder.
    tflm_folder:
        Where TFLite Micro is; ``None`` for the folder that the environment names.
    starts:
        Told how it will be built, before that begins: with an SDK it can take minutes.

    Raises
    ------
    InputError
        If it is no build folder, or ``tflm_folder`` has no TFLite Micro for it.
    TaskError
        If edgekit does not build for its board, a tool is missing, or the sources do not compile or link.
    """
    try:
        project = load_project(folder)
        driver = driver_of(project)
        request = Request(folder, project, tflm_folder)
        plan = driver.plan(request)
        digest = sources_digest(folder)
        if starts is not None:
            starts(plan)
        start = time.monotonic()
        _clean(folder)
        _run(request, plan)
        record = measure(folder, project, digest, plan, driver.products(request), time.monotonic() - start)
    except OSError as error:
        raise TaskError(
            f"Could not build in {folder}: {error.strerror or error}{_named(error)}.",
            "Check that there is space, and that you may read the folder's files and write to it.",
        ) from error
    write_atomic(folder / BUILD_FILE, record.to_json())
    return record


def _named(error: OSError) -> str:
    return f" ({error.filename})" if error.filename else ""


def _clean(folder: Path) -> None:
    """Throw away an earlier build: a cache of CMake's is worth nothing once the folder was moved.

    Raises
    ------
    InputError
        If what is there does not look like a build.
    """
    out = folder / OUT_FOLDER
    if out.exists() and not any((out / name).is_file() for name in (_MARK, "CMakeCache.txt")):
        raise InputError(
            f"{out} is in the way: edgekit builds there, and it holds something else.",
            "Move it elsewhere, or make the build folder anew in another place with -o.",
        )
    for name in (BUILD_FILE, BUILD_LOG):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(out)
    out.mkdir()
    (out / _MARK).touch()


def _run(request: Request, plan: Plan) -> None:
    folder = request.folder
    with (folder / BUILD_LOG).open("w+", encoding="utf-8", errors="replace") as log:
        for command in plan.commands:
            if run_logged(command, log, plan.timeout_s, cwd=folder, environment=plan.environment):
                log.seek(0)
                raise refusal(folder, request.project, log.read())
