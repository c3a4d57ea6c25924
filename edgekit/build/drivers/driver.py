"""What a driver is: it knows the tools of one framework, what they are to be told, and what they leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgekit.build.process import Tool
from edgekit.build.record import FlashFile, TflmRecord
from edgekit.codegen.record import FirmwareProject
from edgekit.errors import InputError, TaskError

SDK_TIMEOUT_S = 3600.0
"""Seconds for an SDK's build: the first one compiles the whole SDK, and may have to download a part of it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be built.

    Attributes
    ----------
    folder:
        The build folder.
    project:
        Its record.
    tflm:
        The folder with TFLite Micro that the user has named, if any.
    """

    folder: Path
    project: FirmwareProject
    tflm: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How it is built.

    Attributes
    ----------
    commands:
        What is run, in order, in the build folder.
    tools:
        What they use: program to version.
    environment:
        Variables that are set for them.
    tflm:
        The TFLite Micro that is linked; ``None`` with the aot engine.
    timeout_s:
        Seconds that each of them may take.
    """

    commands: tuple[tuple[str, ...], ...]
    tools: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    tflm: TflmRecord | None = None
    timeout_s: float = SDK_TIMEOUT_S

    @property
    def slow(self) -> bool:
        """Whether an SDK is built as well, so that it may take minutes."""
        return self.timeout_s >= SDK_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Products:
    """What a build has left.

    Attributes
    ----------
    image:
        The ELF file, relative to the build folder.
    flash_files:
        What is to be put onto the board.
    flash_settings:
        What whoever puts it there has to be told.
    tools:
        Tools and components that are only known after the build: name to version.
    image_bytes:
        What the image takes of flash, where that is not the sum of the ELF file's sections.
    """

    image: str
    flash_files: tuple[FlashFile, ...]
    flash_settings: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    image_bytes: int | None = None


class Driver(Protocol):
    """Builds the projects of one framework."""

    def plan(self, request: Request) -> Plan:
        """Return how ``request`` is built; nothing has been written then.

        Raises
        ------
        InputError
            If files of the project are missing.
        TaskError
            If a tool is missing or too old.
        """

    def products(self, request: Request) -> Products:
        """Return what the build of ``request`` has left.

        Raises
        ------
        TaskError
            If something that it should have left is not there.
        """


def versions(tools: Iterable[Tool]) -> dict[str, str]:
    """Return program to version."""
    return {tool.name: tool.version for tool in tools}


def check_files(request: Request, names: Iterable[str]) -> None:
    """Check that the files ``names`` are in the project, and still there.

    Raises
    ------
    TaskError
        If the folder has sources alone: there is no project of its framework for its board and engine.
    InputError
        If a file has gone.
    """
    project = request.project
    for name in names:
        if name not in project.files:
            raise TaskError(
                f"{request.folder} has sources for {project.board}, and no project of {project.framework} to build.",
                "Compile the sources below src/ in a project of your own, as src/model/README.md says; or make the"
                " folder anew with another --framework or --engine.",
            )
        if not (request.folder / name).is_file():
            raise InputError(
                f"{request.folder} has no {name}.", "Run `edgekit fit` or `edgekit export` again."
            )


def refuse_tflm(request: Request) -> None:
    """Check that no folder with TFLite Micro is named where the project's own dependencies bring it, or none is taken.

    Raises
    ------
    InputError
        If one is.
    """
    if request.tflm is not None:
        project = request.project
        why = (
            f"a project of {project.framework} brings TFLite Micro itself"
            if project.engine == "tflm"
            else f"the project is for the {project.engine} engine"
        )
        raise InputError(
            f"A folder with TFLite Micro is named, and {why}.",
            "Leave --tflm out, or make the build folder anew for what you want.",
        )
