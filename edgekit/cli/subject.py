"""What ``edgekit bench`` runs: the port, the model and the build folder that its options mean, and the line to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from edgekit.cli.params import DEFAULT_BUILD, show_complaint
from edgekit.errors import InputError

if TYPE_CHECKING:
    from edgekit.bench.line import Line
    from edgekit.codegen.record import FirmwareProject
    from edgekit.tflite.graph import Graph

_EMULATED: Final = "qemu"
"""The port that means an emulated board, started for this."""


@dataclass(frozen=True)
class Subject:
    """What is benched: port (or the word for an emulated board), model with its graph, and the build folder if any."""

    port: str
    model: bytes
    graph: Graph
    build: Path | None
    project: FirmwareProject | None


def find_subject(port: str | None, build: Path | None, model: Path | None) -> Subject:
    """Find the model, the build folder and the port that the options mean."""
    from edgekit.codegen.record import load_model, load_project
    from edgekit.device.line.protocol_host import SCHEME, model_path
    from edgekit.files import read_bytes
    from edgekit.flash.board import port_of
    from edgekit.tflite.interpreter import check_foreign
    from edgekit.tflite.reader import MAX_MODEL_BYTES, read_graph

    if model is None and build is None and port is not None and port.lower().startswith(SCHEME):
        model = model_path(port)
    if build is None and (model is None or port in (None, _EMULATED)):
        build = DEFAULT_BUILD
        if model is not None and port is None and not build.exists():
            raise InputError(
                "Nothing says where the board is that the model is on.",
                "Give its --port (host for this computer in its place), or its build folder with --build.",
            )
    project = load_project(build) if build is not None else None
    if port is None:
        assert build is not None
        port = port_of(build)
    if model is not None:
        content = read_bytes(model, "model", MAX_MODEL_BYTES)
        if build is not None and project is not None and content != load_model(build, project):
            raise InputError(
                f"{model} is not the model of the build folder {build}.", "Leave out --model or --build."
            )
        graph = read_graph(content)
        check_foreign(content)
    else:
        assert build is not None and project is not None
        model = build / project.model.file
        content = load_model(build, project)
        graph = read_graph(content)
    if port == "host":
        port = f"{SCHEME}{quote(str(model.resolve()))}"
    return Subject(port, content, graph, build, project)


@contextmanager
def open_subject(subject: Subject, baud: int) -> Iterator[Line]:
    """Open the line to the device, having started an emulated one for it where that is asked for."""
    from edgekit.bench.line import open_line
    from edgekit.flash.board import emulated_board
    from edgekit.report.build import print_build
    from edgekit.report.console import stderr_console

    with ExitStack() as stack:
        port = subject.port
        if port == _EMULATED:
            assert subject.build is not None
            console = stderr_console()
            port = stack.enter_context(
                emulated_board(subject.build, lambda build: print_build(build, console), show_complaint)
            )
        line = open_line(port, baud)
        stack.callback(line.close)
        yield line
