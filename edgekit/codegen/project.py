"""Rendering a firmware project: from a quantized model and a board to the files of a build folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edgekit import __version__
from edgekit.aot.plan import plan_program
from edgekit.aot.program import lower
from edgekit.boards.kernels import KERNEL_TITLES, Engine, KernelLibrary
from edgekit.boards.profile import BoardProfile, Framework
from edgekit.codegen.aot import render_aot
from edgekit.codegen.environment import render
from edgekit.codegen.firmware import firmware_sources
from edgekit.codegen.frameworks import FRAMEWORKS, Application, frameworks_of
from edgekit.codegen.golden import GOLDEN_FILE, golden_to_npz
from edgekit.codegen.record import (
    PROJECT_FILE,
    ArenaRecord,
    BudgetRecord,
    FirmwareProject,
    ImageSizeRecord,
    InputRecord,
    LatencyRecord,
    ModelRecord,
    TensorRecord,
)
from edgekit.codegen.resolver import registrations
from edgekit.errors import InputError
from edgekit.tflite.graph import Graph, Tensor
from edgekit.tflite.reader import schema_enum
from edgekit.tflite.support import release_day

MODEL_FILE: Final = "model.tflite"
LABELS_FILE: Final = "labels.txt"
MODEL_FOLDER: Final = "src/model"
"""Where the generated code of the model lies in a build folder."""

ARENA_ALIGNMENT: Final = 16
"""Bytes; what TFLite Micro aligns its arena and its buffers to."""

_SCALE_LIMIT: Final = 2.0**37
"""Devices print results by integer arithmetic of 64 bits, which is enough below."""

_TFLM_FILES: Final = (
    "model.h",
    "model_data.h",
    "model_data.cc",
    "op_resolver.h",
    "op_resolver.cc",
)


@dataclass(frozen=True)
class ProjectSpec:
    """Everything that a project is rendered from.

    Attributes
    ----------
    board:
        The board.
    engine, kernels, plan:
        Runtime, kernel library and memory plan.
    model:
        Content of the .tflite file.
    graph:
        Its graph: one int8 input and one int8 output, both quantized.
    arena:
        The predicted arena, in bytes.
    arena_bytes:
        Bytes to set aside for it: at least ``arena.total``.
    golden_inputs, golden_outputs:
        int8 [n, ...input shape] and [n, ...output shape], n at least 1.
    labels:
        One for each output; empty when unknown.
    input_offset:
        What to add to a uint8 pixel to get the input's int8 value.
    latency:
        Predicted latency, if there is a prediction.
    flash:
        Predicted image, if there is a prediction.
    budget:
        The limits that a built image is held to.
    model_id:
        What the device calls the model in the text protocol; the beginning of its SHA-256 unless given.
    framework:
        What the project is written for; the board's own unless given.

    Raises
    ------
    InputError
        If the model's inputs, outputs or labels are not what edgekit can put on a board, or there is no project of
        ``framework`` for it.
    ValueError
        If sizes or golden vectors do not fit the model.
    """

    board: BoardProfile
    engine: Engine
    kernels: KernelLibrary
    plan: str
    model: bytes = field(repr=False)
    graph: Graph = field(repr=False)
    arena: ArenaRecord
    arena_bytes: int
    golden_inputs: NDArray[np.int8] = field(repr=False)
    golden_outputs: NDArray[np.int8] = field(repr=False)
    labels: tuple[str, ...] = ()
    input_offset: int = -128
    latency: LatencyRecord | None = None
    flash: ImageSizeRecord | None = None
    budget: BudgetRecord | None = None
    model_id: str | None = None
    framework: Framework | None = None

    @property
    def model_name(self) -> str:
        """What the device calls the model in the text protocol."""
        return self.model_id or self.model_sha256[:16]

    @property
    def framework_name(self) -> Framework:
        """What the project is written for."""
        return self.framework or self.board.sdk.framework

    def __post_init__(self) -> None:
        check_framework(self.board, self.engine, self.framework)
        for what, indices in (("input", self.graph.inputs), ("output", self.graph.outputs)):
            _check_port(what, [self.graph.tensors[i] for i in indices])
        if self.labels and len(self.labels) != self.graph.output.elements:
            raise InputError(
                f"There are {len(self.labels)} labels for a model with {self.graph.output.elements} outputs.",
                "Give one label for each output, in order.",
            )
        for label in self.labels:
            if "\0" in label or not _is_text(label):
                raise InputError(f"The label {label!r} is not text.", "Rename the class.")
        if self.arena_bytes < self.arena.total:
            raise ValueError(
                f"an arena of {self.arena_bytes} B is below the {self.arena.total} B that are needed"
            )
        for golden, tensor in (
            (self.golden_inputs, self.graph.input),
            (self.golden_outputs, self.graph.output),
        ):
            if golden.dtype != np.int8 or golden.shape[1:] != tensor.shape or len(golden) < 1:
                raise ValueError(
                    f"golden vectors {golden.dtype} {golden.shape} for a tensor of shape {tensor.shape}"
                )
        if len(self.golden_inputs) != len(self.golden_outputs):
            raise ValueError(f"{len(self.golden_inputs)} golden inputs, {len(self.golden_outputs)} outputs")

    @cached_property
    def model_sha256(self) -> str:
        """SHA-256 of the model in hexadecimal."""
        return hashlib.sha256(self.model).hexdigest()

    @cached_property
    def build_id(self) -> str:
        """What the firmware tells of itself: edgekit's version, and eight digits that stand for all it is made from.

        At most 24 characters.
        """
        settings = (
            self.board.name,
            self.engine,
            self.kernels,
            self.plan,
            self.arena_bytes,
            self.input_offset,
            self.model_name,
            self.framework_name,
        )
        digest = hashlib.sha256(repr((settings, self.labels)).encode())
        for content in (self.model, self.golden_inputs.tobytes(), self.golden_outputs.tobytes()):
            digest.update(hashlib.sha256(content).digest())
        return f"{__version__:.15} {digest.hexdigest()[:8]}"

    @property
    def golden_bytes(self) -> int:
        """Bytes of flash that the golden vectors take when the firmware uses them."""
        return self.golden_inputs.nbytes + self.golden_outputs.nbytes


def render_project(spec: ProjectSpec) -> dict[str, bytes | str]:
    """Return the files of the build folder for ``spec``: relative path (with ``/``) to content.

    The same ``spec`` gives the same bytes: nothing of time, host or folder goes in. Boards with Linux run the
    model file itself and get no C++; for a framework that edgekit writes projects for, the folder is a whole one.

    Raises
    ------
    InputError
        If the engine has no kernel for an operator of the model.
    """
    files: dict[str, bytes | str] = {
        MODEL_FILE: spec.model,
        LABELS_FILE: "".join(f"{' '.join(label.splitlines())}\n" for label in spec.labels),
        GOLDEN_FILE: golden_to_npz(spec.golden_inputs, spec.golden_outputs),
    }
    if not spec.board.linux:
        files |= render_model(spec)
    if spec.framework_name in frameworks_of(spec.board, spec.engine):
        application = Application(
            board=spec.board,
            kernels=spec.kernels,
            image_bytes=spec.flash.total if spec.flash else None,
            generated=frozenset(files),
        )
        files |= FRAMEWORKS[spec.framework_name].render(application)
    files[PROJECT_FILE] = _record(spec, files).to_json()
    return files


def render_model(spec: ProjectSpec) -> dict[str, bytes | str]:
    """Return the model's code and README, and the firmware's sources for any board, by path in the build folder.

    Raises
    ------
    InputError
        If the engine has no kernel for an operator of the model.
    """
    context = _context(spec)
    texts = _render_aot(spec) if spec.engine == "aot" else _render_tflm(spec, context)
    texts |= {name: render(f"model/{name}.j2", context) for name in ("settings.c", "README.md")}
    files: dict[str, bytes | str] = {f"{MODEL_FOLDER}/{name}": text for name, text in texts.items()}
    return files | firmware_sources(spec.engine)


def check_framework(board: BoardProfile, engine: Engine, framework: Framework | None) -> None:
    """Check that there is a project of ``framework`` for ``board`` and ``engine``; ``None`` is the board's own.

    The board's own is always allowed: where edgekit writes no project for it, the folder has sources alone.

    Raises
    ------
    InputError
        If there is none.
    """
    usable = frameworks_of(board, engine)
    if framework is None or framework == board.sdk.framework or framework in usable:
        return
    raise InputError(
        f"edgekit has no {framework} project for {board.title} with the {engine} engine.",
        f"Use {' or '.join(usable) or board.sdk.framework}.",
    )


def _render_tflm(spec: ProjectSpec, context: dict[str, Any]) -> dict[str, str]:
    """Return the model as an array, and the resolver of its operators, by file name."""
    release = release_day(spec.board.sdk.tflm_release)
    context["registrations"] = registrations(spec.graph, spec.kernels, release)
    return {name: render(f"model/{name}.j2", context) for name in _TFLM_FILES}


def _render_aot(spec: ProjectSpec) -> dict[str, str]:
    """Return the model as C99 by file name."""
    program = lower(spec.graph)
    plan = plan_program(program)
    if plan.total != spec.arena.total:
        raise ValueError(f"an arena of {spec.arena.total} B for a plan of {plan.total} B")
    return render_aot(program, plan)


def _context(spec: ProjectSpec) -> dict[str, Any]:
    """Return what the templates of ``templates/model`` may use."""
    return {
        "spec": spec,
        "kernels_title": KERNEL_TITLES[spec.kernels],
        "input": _input_record(spec),
        "output": TensorRecord(**_tensor_values(spec.graph.output)),
        "arena_alignment": ARENA_ALIGNMENT,
        "registrations": (),
        "op_codes": [(schema_enum("BuiltinOperator", op.kind), op.kind) for op in spec.graph.ops],
        "edgekit_version": __version__,
    }


def _record(spec: ProjectSpec, files: dict[str, bytes | str]) -> FirmwareProject:
    return FirmwareProject(
        board=spec.board.name,
        engine=spec.engine,
        kernels=spec.kernels,
        plan=spec.plan,
        model=ModelRecord(file=MODEL_FILE, sha256=spec.model_sha256, bytes=len(spec.model)),
        arena=spec.arena,
        arena_bytes=spec.arena_bytes,
        input=_input_record(spec),
        output=TensorRecord(**_tensor_values(spec.graph.output)),
        labels=spec.labels,
        framework=spec.framework_name,
        latency_ms=spec.latency,
        flash=spec.flash,
        budget=spec.budget,
        build=spec.build_id,
        model_id=spec.model_name,
        edgekit_version=__version__,
        files={path: hashlib.sha256(_as_bytes(files[path])).hexdigest() for path in sorted(files)},
    )


def _input_record(spec: ProjectSpec) -> InputRecord:
    return InputRecord(**_tensor_values(spec.graph.input), offset=spec.input_offset)


def _tensor_values(tensor: Tensor) -> dict[str, Any]:
    assert tensor.quantization is not None
    return {
        "shape": tensor.shape,
        "dtype": tensor.dtype,
        "scale": tensor.quantization.scale[0],
        "zero_point": tensor.quantization.zero_point[0],
    }


def _check_port(what: str, tensors: list[Tensor]) -> None:
    remedy = "Convert the model with `edgekit convert`, which gives int8 in and out."
    if len(tensors) != 1 or tensors[0].dtype != "int8":
        found = ", ".join(f"{tensor.dtype} {list(tensor.shape)}" for tensor in tensors)
        raise InputError(
            f"The model's {what}s are {found}; edgekit needs exactly one {what}, of type int8.", remedy
        )
    tensor = tensors[0]
    if tensor.dynamic or not tensor.shape or min(tensor.shape) < 1:
        raise InputError(
            f"The model's {what} has no fixed shape: {list(tensor.shape)}.",
            "Build the network with a fixed batch size of 1.",
        )
    if tensor.quantization is None or not tensor.quantization.zero_point or tensor.quantization.scale[0] <= 0:
        raise InputError(f"The model's {what} has no scale and zero point.", remedy)
    if tensor.quantization.scale[0] >= _SCALE_LIMIT:
        raise InputError(f"The model's {what} has a scale of {tensor.quantization.scale[0]:g}.", remedy)


def _is_text(label: str) -> bool:
    try:
        label.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content
