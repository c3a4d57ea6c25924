"""Which flasher puts an image onto which board."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from edgekit.boards.catalog import get_board
from edgekit.codegen.record import FirmwareProject
from edgekit.errors import TaskError
from edgekit.flash.emulator import MACHINES
from edgekit.flash.flasher import Flasher
from edgekit.flash.qemu import EmulatorFlasher

FLASHERS: Final[Mapping[str, Flasher]] = {"qemu": EmulatorFlasher()}
"""By method, which is that of a board's profile (:data:`~edgekit.boards.profile.FlashMethod`) or of a framework."""

_OF_FRAMEWORK: Final[Mapping[str, str]] = {}
"""Frameworks that flash in a way of their own, whatever the board."""


def method_of(project: FirmwareProject) -> str:
    """Return how an image gets onto the board of ``project``: a key of :data:`FLASHERS`, or what there should be.

    Raises
    ------
    InputError
        If its board is not known here.
    """
    if project.board in MACHINES:
        return "qemu"
    return _OF_FRAMEWORK.get(project.framework) or get_board(project.board).flash_method


def flasher_of(project: FirmwareProject, method: str | None = None) -> Flasher:
    """Return what puts an image onto the board of ``project``, by ``method`` or else the board's own.

    Raises
    ------
    InputError
        If its board is not known here.
    TaskError
        If there is none.
    """
    with suppress(KeyError):
        return FLASHERS[method or method_of(project)]
    raise TaskError(
        f"edgekit cannot put firmware onto {project.board} yet.",
        f"Flash what you have built from the sources below src/ yourself with {method or method_of(project)}, "
        "then `edgekit bench --port PORT`.",
    )
