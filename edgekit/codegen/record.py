"""The record of a firmware project, project.json: what a build folder holds, for flash and bench to read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationError

from edgekit.boards.kernels import Engine, KernelLibrary
from edgekit.boards.profile import Framework
from edgekit.documents import Document, Part
from edgekit.errors import InputError
from edgekit.files import file_sha256, read_bytes
from edgekit.search.records import Basis

PROJECT_FILE: Final = "project.json"
"""Name of the record in a build folder."""
SOURCE_FOLDER: Final = "src"
"""Where all sources lie in a build folder."""
PROJECT_SCHEMA: Final = "edgekit.project/1"

_MAX_RECORD_BYTES: Final = 8 * 1024**2
_MAX_MODEL_BYTES: Final = 512 * 1024**2
_AGAIN: Final = "Run `edgekit fit` again to make the folder anew."


def _inside(path: str) -> str:
    """Check that a file of the project lies in its folder, so that a record cannot point elsewhere."""
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts or "\\" in path or ":" in path:
        raise ValueError(f"{path!r} is not a path inside the folder")
    return path


RelativePath = Annotated[str, AfterValidator(_inside)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Bytes = Annotated[int, Field(ge=0)]
Dimensions = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(max_length=8)]


class ArenaRecord(Part):
    """The tensor arena in bytes: head (activations), scratch (what kernels add), tail (persistent), and their sum."""

    head: Bytes
    tail: Bytes
    scratch: Bytes
    total: Bytes
    basis: Basis


class LatencyRecord(Part):
    """The predicted latency of one inference in ms, with its error bar."""

    estimate: Annotated[float, Field(ge=0)]
    low: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(ge=0)]
    basis: Basis


class ImageSizeRecord(Part):
    """The predicted image in bytes: the model, the code around it, and their sum."""

    model: Bytes
    code: Bytes
    total: Bytes
    basis: Basis


class BudgetRecord(Part):
    """The limits that the project was made for, in bytes.

    Attributes
    ----------
    ram_bytes:
        For the arena.
    ram_reserved:
        What the board keeps free beside the arena, for stack, variables and buffers.
    flash_bytes:
        For the image.
    """

    ram_bytes: Bytes
    ram_reserved: Bytes
    flash_bytes: Bytes


class ModelRecord(Part):
    """The model file of the project."""

    file: RelativePath
    sha256: Sha256
    bytes: Bytes


class TensorRecord(Part):
    """The model's output: ``real = scale * (q - zero_point)``."""

    shape: Dimensions
    dtype: Literal["int8"]
    scale: Annotated[float, Field(gt=0)]
    zero_point: Annotated[int, Field(ge=-128, le=127)]


class InputRecord(TensorRecord):
    """The model's input; ``q = pixel + offset`` for a uint8 pixel."""

    offset: Annotated[int, Field(ge=-255, le=255)]


class FirmwareProject(Document):
    """What project.json says.

    Attributes
    ----------
    board, engine, kernels, plan:
        What the project is for.
    model:
        The model file.
    arena:
        The predicted arena, in bytes.
    arena_bytes:
        Bytes that the firmware sets aside for the arena: the prediction and a margin where one is needed.
    input, output:
        Shape (with the batch of 1), type and quantization.
    labels:
        Names of the classes, in output order; empty when unknown.
    framework:
        The SDK that the sources are written for.
    build:
        What the firmware tells as its build id; ``None`` if that was not kept.
    model_id:
        What it calls the model in the text protocol, likewise.
    latency_ms:
        The prediction that bench compares with; ``None`` when there is none.
    files:
        Every rendered file with its SHA-256, this record excepted.
    """

    schema_: Literal["edgekit.project/1"] = Field(PROJECT_SCHEMA, alias="schema")
    board: str
    engine: Engine
    kernels: KernelLibrary
    plan: str
    model: ModelRecord
    arena: ArenaRecord
    arena_bytes: Bytes
    input: InputRecord
    output: TensorRecord
    labels: tuple[str, ...]
    framework: Framework
    latency_ms: LatencyRecord | None
    flash: ImageSizeRecord | None = None
    budget: BudgetRecord | None = None
    build: Annotated[str, Field(max_length=24)] | None = None
    model_id: Annotated[str, Field(max_length=32)] | None = None
    edgekit_version: str
    files: Mapping[RelativePath, Sha256]


def load_project(folder: Path) -> FirmwareProject:
    """Return the record of the build folder ``folder``.

    Raises
    ------
    InputError
        If there is none, it is damaged, or another edgekit wrote it in another form.
    """
    path = folder / PROJECT_FILE
    if not os.path.isfile(path):  # nor is one that may not be looked into
        raise InputError(
            f"{folder} is not a build folder: it has no {PROJECT_FILE}.",
            f"Make one with `edgekit fit --board BOARD -o {folder}`, or name the right folder.",
        )
    text = read_bytes(path, "project", _MAX_RECORD_BYTES)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: it is not JSON.", _AGAIN) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != PROJECT_SCHEMA:
        raise InputError(
            f"{path} has the schema {schema!r}; this edgekit reads {PROJECT_SCHEMA!r}.",
            "Use the edgekit that wrote it, or run `edgekit fit` again.",
        )
    try:
        return FirmwareProject.model_validate(document)
    except ValidationError as error:
        details = [
            f"{'.'.join(str(part) for part in item['loc']) or 'project'}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise InputError(f"{path} is damaged: {details[0]}.", _AGAIN, details[1:]) from error


def load_model(folder: Path, project: FirmwareProject) -> bytes:
    """Return the model of a build folder, having checked that it is the one the project was rendered from.

    Raises
    ------
    InputError
        If it is missing or another one.
    """
    path = folder / project.model.file
    model = read_bytes(path, "model", _MAX_MODEL_BYTES)
    if hashlib.sha256(model).hexdigest() != project.model.sha256:
        raise InputError(f"{path} is not the model that the project in {folder} was made from.", _AGAIN)
    return model


def changed_files(folder: Path, project: FirmwareProject) -> tuple[str, ...]:
    """Return the rendered files that are missing or differ from what was rendered, sorted.

    Nothing is wrong with editing a project; what is built from it is then no longer edgekit's alone.
    """
    changed = []
    for name, digest in project.files.items():
        path = folder / name
        if not path.is_file() or file_sha256(path) != digest:
            changed.append(name)
    return tuple(sorted(changed))
