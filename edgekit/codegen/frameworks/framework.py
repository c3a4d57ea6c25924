"""What the frameworks have in common: an application goes in, the files that make a project of it come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edgekit.boards.kernels import Engine, KernelLibrary, engine_of
from edgekit.boards.profile import BoardProfile


@dataclass(frozen=True)
class Application:
    """What a framework's project is written for.

    Attributes
    ----------
    board, kernels:
        What the firmware is for; the kernel library says which engine it has.
    image_bytes:
        The predicted size of the image, if there is a prediction.
    generated:
        Paths in the build folder of the sources that do not depend on the framework: the model's, the engine's, and
        what all firmware shares.
    """

    board: BoardProfile
    kernels: KernelLibrary
    image_bytes: int | None
    generated: frozenset[str] = field(repr=False)

    @property
    def engine(self) -> Engine:
        """The engine that the kernel library belongs to."""
        return engine_of(self.kernels)


@dataclass(frozen=True, slots=True)
class ProjectFramework:
    """A framework that edgekit writes whole projects for.

    Attributes
    ----------
    title:
        Its name, for people.
    supports:
        Whether there is a project for a board with an engine.
    render:
        Returns what the build folder needs beside the sources in ``Application.generated``: relative path to content,
        the port's sources below ``src/ports/`` included. The same application gives the same text.
    """

    title: str
    supports: Callable[[BoardProfile, Engine], bool]
    render: Callable[[Application], dict[str, str]]
