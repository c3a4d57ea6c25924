"""A Linux board's TFLite interpreter as a device's engine: what `edgekit agent` answers with."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from edgekit.device.engine import Settings
from edgekit.device.host import HostEngine
from edgekit.errors import InputError
from edgekit.files import read_bytes
from edgekit.tflite.interpreter import HostInterpreter, HostKernels, Runtime

ANY_BOARD: Final = "linux"
"""Name of the board when no build folder says which one it is."""

PROJECT: Final = "project.json"
GOLDEN: Final = "golden.npz"
_MODEL_MAX_BYTES: Final = 512 * 1024**2
_PROJECT_MAX_BYTES: Final = 8 * 1024**2


@dataclass(frozen=True)
class Subject:
    """What an agent runs.

    Attributes
    ----------
    model:
        Content of the .tflite file.
    board, build, model_id:
        What the agent says it is; ``None`` for what follows from the model.
    kernels:
        What the build folder was made for.
    pixel_offset:
        What is subtracted from uint8 pixels; ``None`` to tell from the input's shape.
    golden:
        Pairs of input and output bytes that reference kernels give.
    """

    model: bytes
    board: str = ANY_BOARD
    build: str | None = None
    model_id: str | None = None
    kernels: HostKernels | None = None
    pixel_offset: int | None = None
    golden: Sequence[tuple[bytes, bytes]] = ()


def read_subject(folder: Path) -> Subject:
    """Read what a build folder says of a Linux board's model.

    This runs on the board, where not all of edgekit's packages are; so the record is read without its schema.

    Raises
    ------
    InputError
        If it is no build folder of a Linux board, or what is in it does not belong together.
    """
    path = folder / PROJECT
    try:
        project = json.loads(read_bytes(path, "project", _PROJECT_MAX_BYTES))
        return _subject(folder, project)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged or was written by another edgekit: {type(error).__name__}.",
            "Make the folder anew with `edgekit export` or `edgekit fit`.",
        ) from error


def _subject(folder: Path, project: dict[str, Any]) -> Subject:
    if project["framework"] != "linux":
        raise InputError(
            f"The build folder {folder} is for {project['board']}, which does not run Linux.",
            "Make one with --board rpi4, rpi5 or rpi-zero2w, or give --model.",
        )
    model = read_bytes(folder / Path(project["model"]["file"]).name, "model", _MODEL_MAX_BYTES)
    if hashlib.sha256(model).hexdigest() != project["model"]["sha256"]:
        raise InputError(
            f"The model in {folder} is not the one that the project was made from.",
            "Make the folder anew with `edgekit export` or `edgekit fit`.",
        )
    return Subject(
        model,
        board=str(project["board"]),
        build=project["build"],
        model_id=project["model_id"],
        kernels="xnnpack" if project["kernels"] == "xnnpack" else "reference",
        pixel_offset=-int(project["input"]["offset"]),
        golden=_golden(folder),
    )


def _golden(folder: Path) -> list[tuple[bytes, bytes]]:
    from edgekit.codegen.golden import load_golden

    if not (folder / GOLDEN).is_file():
        return []
    inputs, outputs = load_golden(folder)
    return [(given.tobytes(), result.tobytes()) for given, result in zip(inputs, outputs, strict=True)]


class LinuxEngine(HostEngine):
    """A model with the interpreter of the computer that the agent runs on; ticks are nanoseconds.

    The identity's ``engine`` is the package with its version, and ``plan``, which is the interpreter's own here, says
    machine and threads instead: ``aarch64 x4``.

    Parameters
    ----------
    subject:
        What to run.
    kernels, threads, runtime:
        As for :class:`~edgekit.tflite.interpreter.HostInterpreter`; ``None`` for the kernels of the build folder, and
        with XNNPACK for one thread a core.

    Raises
    ------
    InputError, TaskError
        As :class:`~edgekit.tflite.interpreter.HostInterpreter`; also if golden vectors do not fit the model.
    """

    def __init__(
        self,
        subject: Subject,
        kernels: HostKernels | None = None,
        threads: int | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        chosen: HostKernels = kernels or subject.kernels or "reference"
        if threads is None:
            threads = (os.cpu_count() or 1) if chosen == "xnnpack" else 1
        interpreter = HostInterpreter(subject.model, chosen, threads, runtime)
        # XNNPACK rounds in its own way, and what the golden vectors hold is the reference's.
        golden = subject.golden if chosen == "reference" and _exact(interpreter) else ()
        super().__init__(subject.model, golden, interpreter)
        outputs = sum(port.nbytes for port in interpreter.outputs)
        if any((len(given), len(result)) != (len(self.input), outputs) for given, result in golden):
            raise InputError(
                "The golden vectors are not this model's.",
                "Make the build folder anew with `edgekit export`.",
            )
        if subject.pixel_offset is not None:
            self.tensors = (replace(self.tensors[0], pixel_offset=subject.pixel_offset), *self.tensors[1:])
        self.settings = Settings(
            profile=f"edgekit agent {interpreter.runtime} {chosen}",
            model_id=subject.model_id or self.settings.model_id,
        )
        self.identity = replace(
            self.identity,
            board=subject.board,
            kernels=chosen,
            plan=f"{platform.machine():.10} x{threads}",
            build=subject.build or self.identity.build,
        )


def _exact(interpreter: HostInterpreter) -> bool:
    """Whether the reference kernels are those that golden vectors are made with, to the bit.

    ai-edge-litert's round FULLY_CONNECTED in another way.
    """
    return interpreter.runtime.startswith("tflite-runtime") or "FULLY_CONNECTED" not in interpreter.operators
