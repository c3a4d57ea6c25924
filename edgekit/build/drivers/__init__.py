"""What drives the tools of each framework, one module each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edgekit.boards.profile import Framework
from edgekit.build.drivers import arduino, bare_metal, esp_idf, pico_sdk, platformio, zephyr
from edgekit.build.drivers.driver import Driver, Plan, Products, Request
from edgekit.codegen.record import FirmwareProject
from edgekit.errors import TaskError

__all__ = ["DRIVERS", "Driver", "Plan", "Products", "Request", "driver_of"]

DRIVERS: Final[Mapping[Framework, Driver]] = {
    "bare_metal": bare_metal.BareMetal(),
    "esp_idf": esp_idf.EspIdf(),
    "pico_sdk": pico_sdk.PicoSdk(),
    "zephyr": zephyr.Zephyr(),
    "platformio": platformio.PlatformIo(),
    "arduino": arduino.Arduino(),
}
"""By the name that project.json has."""


def driver_of(project: FirmwareProject) -> Driver:
    """Return what builds ``project``.

    Raises
    ------
    TaskError
        If nothing does.
    """
    if project.framework == "linux":
        raise TaskError(
            f"There is nothing to build for {project.board}: a Linux board runs the model file itself.",
            "Put it there with `edgekit flash --target USER@HOST`.",
        )
    driver = DRIVERS.get(project.framework)
    if driver is None:
        raise TaskError(
            f"edgekit does not build for {project.board} ({project.framework}) yet.",
            "Compile the sources below src/ in a project of your own; src/model/README.md says how.",
        )
    return driver
