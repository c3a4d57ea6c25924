"""The record of a build, build.json: what was built with what, its sizes, and whether they are within the limits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from edgekit.codegen.record import (
    PROJECT_FILE,
    SOURCE_FOLDER,
    ImageSizeRecord,
    RelativePath,
    Sha256,
    load_project,
)
from edgekit.documents import Document, Part
from edgekit.errors import InputError
from edgekit.files import file_sha256

BUILD_FILE: Final = "build.json"
"""Name of the record in a build folder."""
BUILD_LOG: Final = "build.log"
OUT_FOLDER: Final = "out"
"""Where the framework's tools work; an earlier build's is thrown away."""

Count = Annotated[int, Field(ge=0)]
FileKind = Literal["elf", "bin", "hex", "uf2", "zip"]
"""Format of an image; a ``zip`` is a package for a boot loader."""


class ImageRecord(Part):
    """The image: its file in the build folder, and its SHA-256."""

    file: RelativePath
    sha256: Sha256
    bytes: Count


class FlashFile(Part):
    """A file that is put onto the board.

    Attributes
    ----------
    kind:
        Its format.
    address:
        Where it goes in flash, for a ``bin``; ``None`` where the file itself says.
    """

    kind: FileKind
    file: RelativePath
    address: Annotated[int, Field(ge=0)] | None = None
    sha256: Sha256


class SizesRecord(Part):
    """Bytes as ``size`` prints them: code and constants, variables with a value, variables without and the stack."""

    text: Count
    data: Count
    bss: Count
    stack: Count


class FlashUse(Part):
    """Bytes of flash: predicted, in the image, and the limit; ``None`` where the project does not say."""

    predicted: ImageSizeRecord | None
    measured: Count
    budget: Count | None


class RamUse(Part):
    """Bytes of RAM: the arena as predicted and in the image, all of what it lies in, and the limit of that."""

    arena_predicted: Count
    arena_measured: Count | None
    total: Count
    budget: Count | None


class Contributor(Part):
    """A function, variable or constant, and the bytes that it takes.

    Attributes
    ----------
    file:
        Source file, for names that are private to one; else empty.
    memory:
        Where it lies: ``both`` is a variable with an initial value.
    """

    name: str
    file: str
    memory: Literal["flash", "ram", "both"]
    bytes: Count


class TflmRecord(Part):
    """Which TFLite Micro was linked.

    Attributes
    ----------
    library:
        Its library, below the folder that was named.
    sha256:
        Of the library.
    commit:
        Of the clone that it lies in; ``None`` where it lies elsewhere.
    """

    library: str
    sha256: Sha256
    commit: str | None


class BuildRecord(Document):
    """What a build gave.

    Attributes
    ----------
    sources_sha256:
        Of everything that went into it; see :func:`sources_digest`.
    changed:
        Rendered files that were not what edgekit had written.
    tools:
        Program to version.
    tflm:
        TFLite Micro; ``None`` with the aot engine.
    seconds:
        How long it took.
    image:
        The ELF file.
    flash_files:
        What can be put onto the board: the parts that all have to be, or one image in several formats.
    flash_settings:
        What the flasher has to be told: for the ESP32s ``chip``, and ``mode``, ``freq`` and ``size`` of the flash.
    memories:
        Bytes that the image takes of each RAM of the board; empty where the addresses of those are not known.
    arena_memory:
        The memory that the arena lies in, likewise.
    largest:
        The largest functions, variables and constants.
    failures:
        What is wrong, a sentence each; empty when ``ok``.
    """

    schema_: Literal["edgekit.build/1"] = Field("edgekit.build/1", alias="schema")
    board: str
    engine: str
    kernels: str
    plan: str
    model_sha256: Sha256
    sources_sha256: Sha256
    changed: tuple[str, ...]
    tools: Mapping[str, str]
    tflm: TflmRecord | None = None
    seconds: Annotated[float, Field(ge=0)]
    image: ImageRecord
    flash_files: tuple[FlashFile, ...]
    flash_settings: Mapping[str, str] = Field(default_factory=dict)
    sizes: SizesRecord
    flash: FlashUse
    ram: RamUse
    memories: Mapping[str, Count] = Field(default_factory=dict)
    arena_memory: str | None = None
    largest: tuple[Contributor, ...]
    failures: tuple[str, ...]
    ok: bool
    edgekit_version: str


def sources_digest(folder: Path) -> str:
    """Return the SHA-256 over everything in the build folder that goes into an image, names included.

    That is project.json, every file that it names, and whatever else lies with the sources.

    Raises
    ------
    InputError
        If project.json is missing or damaged.
    """
    names = {PROJECT_FILE, *load_project(folder).files}
    names |= {
        path.relative_to(folder).as_posix() for path in (folder / SOURCE_FOLDER).rglob("*") if path.is_file()
    }
    digest = hashlib.sha256()
    for name in sorted(names):
        path = folder / name
        if path.is_file():
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def load_build(folder: Path) -> BuildRecord | None:
    """Return the record of what was built in ``folder``; ``None`` if nothing was, or it is not what is there now.

    The image, what is put onto the board, and all that it was made from must be unchanged.
    """
    record = last_build(folder)
    if record is None:
        return None
    try:
        files = {record.image.file: record.image.sha256, **{f.file: f.sha256 for f in record.flash_files}}
        if any(file_sha256(folder / name) != digest for name, digest in files.items()):
            return None
        return record if sources_digest(folder) == record.sources_sha256 else None
    except (OSError, InputError):
        return None


def last_build(folder: Path) -> BuildRecord | None:
    """Return the record of the last build in ``folder``, whatever has become of its files; ``None`` without one."""
    try:
        return BuildRecord.model_validate_json((folder / BUILD_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def built_files(folder: Path) -> set[str]:
    """Return the files in ``folder`` that the last build has left and told of, its record included."""
    record = last_build(folder)
    images = {record.image.file, *(file.file for file in record.flash_files)} if record else set()
    return {BUILD_FILE, BUILD_LOG} | images
