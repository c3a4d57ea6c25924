"""The frameworks that edgekit writes whole projects for, one module each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edgekit.boards.kernels import Engine
from edgekit.boards.profile import BoardProfile, Framework
from edgekit.codegen.frameworks import arduino, bare_metal, esp_idf, pico_sdk, platformio, zephyr
from edgekit.codegen.frameworks.framework import Application, ProjectFramework

__all__ = ["FRAMEWORKS", "Application", "ProjectFramework", "frameworks_of"]

FRAMEWORKS: Final[Mapping[Framework, ProjectFramework]] = {
    "esp_idf": esp_idf.FRAMEWORK,
    "pico_sdk": pico_sdk.FRAMEWORK,
    "zephyr": zephyr.FRAMEWORK,
    "arduino": arduino.FRAMEWORK,
    "platformio": platformio.FRAMEWORK,
    "bare_metal": bare_metal.FRAMEWORK,
}
"""By the name they have in board profiles and project.json."""


def frameworks_of(board: BoardProfile, engine: Engine) -> tuple[Framework, ...]:
    """Return the frameworks with a project for ``board`` and ``engine``, the one of its profile first."""
    usable = [name for name, framework in FRAMEWORKS.items() if framework.supports(board, engine)]
    return tuple(sorted(usable, key=lambda name: name != board.sdk.framework))
