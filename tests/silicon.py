"""Build folders for boards of silicon without their SDKs, and devices that are what such a folder is for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fake_lines import ToyEngine
from firmware_folder import export_folder

from edgekit.build.lock import LOCK_FILE
from edgekit.build.record import (
    BUILD_FILE,
    BuildRecord,
    FlashFile,
    FlashUse,
    ImageRecord,
    RamUse,
    SizesRecord,
    sources_digest,
)
from edgekit.codegen.record import PROJECT_FILE, load_project

_MARK = b"EKTEST"
Images = Mapping[str, tuple[bytes, int | None]]
"""File below out/ to its content and address; its name's ending is the kind."""


def silicon_folder(
    model: bytes,
    folder: Path,
    board: str,
    images: Callable[[Path], Images],
    framework: str | None = None,
    **settings: str,
) -> Path:
    """Write the build folder of ``model`` for ``board`` as if its SDK had built ``images`` there.

    ``images`` is given the folder, for images that say of themselves what the folder is for.
    """
    for name, content in _exported(model, board).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if framework is not None:
        project = json.loads((folder / PROJECT_FILE).read_text())
        (folder / PROJECT_FILE).write_text(json.dumps({**project, "framework": framework}))
    (folder / "out").mkdir()
    (folder / "out" / ".edgekit").touch()
    files = []
    for name, (content, address) in {"firmware.elf": (b"\x7fELF", None), **images(folder)}.items():
        path = folder / "out" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        files.append(
            FlashFile.model_validate(
                {
                    "kind": path.suffix[1:],
                    "file": f"out/{name}",
                    "address": address,
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
            )
        )
    _write_build(folder, tuple(files), settings)
    return folder


@cache
def _exported(model: bytes, board: str) -> dict[str, bytes]:
    """Return what ``edgekit export`` writes, once for each board: file to content."""
    with TemporaryDirectory(prefix="edgekit-test-") as name:
        folder = export_folder(model, Path(name, "build"), board)
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != LOCK_FILE]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _write_build(folder: Path, files: tuple[FlashFile, ...], settings: Mapping[str, str]) -> None:
    """Write build.json for what is in ``folder``."""
    project = load_project(folder)
    elf = next(file for file in files if file.kind == "elf")
    record = BuildRecord(
        board=project.board,
        engine=project.engine,
        kernels=project.kernels,
        plan=project.plan,
        model_sha256=project.model.sha256,
        sources_sha256=sources_digest(folder),
        changed=(),
        tools={},
        seconds=1.0,
        image=ImageRecord(file=elf.file, sha256=elf.sha256, bytes=(folder / elf.file).stat().st_size),
        flash_files=files,
        flash_settings=settings,
        sizes=SizesRecord(text=1, data=0, bss=0, stack=0),
        flash=FlashUse(predicted=None, measured=1, budget=None),
        ram=RamUse(arena_predicted=0, arena_measured=None, total=0, budget=None),
        largest=(),
        failures=(),
        ok=True,
        edgekit_version="0",
    )
    (folder / BUILD_FILE).write_text(record.to_json())


def app_of(identity: Mapping[str, str]) -> bytes:
    """Return an image that :func:`engine_of` can run: it says of itself what it is given."""
    text = json.dumps(dict(identity)).encode()
    return _MARK + struct.pack("<I", len(text)) + text


def identity_in(folder: Path) -> dict[str, str]:
    """Return what firmware of a build folder says of itself, as far as it is compared."""
    project = load_project(folder)
    return {
        "board": project.board,
        "engine": project.engine,
        "kernels": project.kernels,
        "plan": project.plan,
        "build": project.build or "",
        "model": project.model.sha256[:16],
    }


def engine_of(app: bytes) -> ToyEngine | None:
    """Return the engine of an image of :func:`app_of`; ``None`` if the bytes are none."""
    if not app.startswith(_MARK):
        return None
    (size,) = struct.unpack_from("<I", app, len(_MARK))
    start = len(_MARK) + 4
    return engine_with(json.loads(app[start : start + size]))


def engine_with(identity: Mapping[str, str]) -> ToyEngine:
    """Return an engine that says of itself what it is given."""
    engine = ToyEngine()
    values = dict(identity)
    digest = bytes.fromhex(values.pop("model"))
    engine.identity = dataclasses.replace(engine.identity, model_sha256=digest, **values)  # type: ignore[arg-type]
    return engine
