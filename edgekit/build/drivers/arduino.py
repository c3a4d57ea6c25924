"""Arduino: arduino-cli compiles the example sketch of the library that the build folder is."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Final

from edgekit.build.drivers.driver import Plan, Products, Request, check_files, refuse_tflm
from edgekit.build.drivers.products import beside, nothing_left, only_elf
from edgekit.build.process import Tool
from edgekit.build.record import OUT_FOLDER
from edgekit.build.tools import TOOLS, need_tool
from edgekit.errors import TaskError

_LIBRARY: Final = "library.properties"
_SKETCHES: Final = "examples/*/*.ino"
_FQBN: Final = re.compile(r"compile for ([\w.-]+:[\w.-]+:[\w-]+(?::[\w,=-]+)?)")
"""The board's name for arduino-cli, in what library.properties says of the library."""
_PLACE: Final = "arduino"
_TIMEOUT_S: Final = 60


class Arduino:
    """The driver."""

    def plan(self, request: Request) -> Plan:
        """Return how ``request`` is built.

        Raises
        ------
        InputError
            If files of the project are missing, or a folder with TFLite Micro is named.
        TaskError
            If arduino-cli or the board's core is missing, or the sketch does not say for which board it is.
        """
        check_files(request, (_LIBRARY,))
        refuse_tflm(request)
        source = request.folder.resolve()
        sketch = _sketch(source)
        board = fqbn(source)
        cli = need_tool("arduino-cli")
        core = ":".join(board.split(":")[:2])
        place = source / OUT_FOLDER / _PLACE
        build = [str(cli.path), "compile", "--fqbn", board, "--library", str(source)]
        build += ["--build-path", str(place), "--no-color", str(sketch.parent)]
        return Plan((tuple(build),), {"arduino-cli": cli.version, core: core_version(cli, core)})

    def products(self, request: Request) -> Products:
        """Return the ELF file, and what the core has made of it.

        Raises
        ------
        TaskError
            If there is none.
        """
        image = only_elf(request.folder, _PLACE)
        return Products(image, beside(request.folder, image))


def fqbn(folder: Path) -> str:
    """Return the board that a library was written for, as arduino-cli names it.

    Raises
    ------
    TaskError
        If it does not say.
    """
    found = _FQBN.search((folder / _LIBRARY).read_text(errors="replace"))
    if found is None:
        raise TaskError(
            f"{folder / _LIBRARY} does not say what to compile for.",
            "Run `edgekit fit` or `edgekit export` again, or compile the sketch with the Arduino IDE.",
        )
    return found[1]


def core_version(cli: Tool, core: str) -> str:
    """Return the version of a core that is installed.

    Raises
    ------
    TaskError
        If it is not, or arduino-cli does not say.
    """
    try:
        done = subprocess.run(
            [str(cli.path), "core", "list", "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        document = json.loads(done.stdout)
        platforms = document.get("platforms") if isinstance(document, dict) else document
        installed = {str(entry["id"]): str(entry["installed_version"]) for entry in platforms or ()}
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TaskError(
            "arduino-cli does not say which cores are installed.", f"Try `{cli.path} core list`: {error}."
        ) from error
    if core not in installed:
        raise TaskError(
            f"The Arduino core {core} is not installed.",
            f"`arduino-cli core update-index`, then `arduino-cli core install {core}`; for a core that is not Arduino's"
            f" own both with --additional-urls and the address of its index. See {TOOLS['arduino-cli'].page}",
        )
    return installed[core]


def _sketch(folder: Path) -> Path:
    sketches = sorted(folder.glob(_SKETCHES))
    if len(sketches) != 1:
        raise nothing_left(folder, f"{len(sketches)} sketches in examples/")
    return sketches[0]
