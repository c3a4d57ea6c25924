"""CMake, for the frameworks that leave driving it to the user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from edgekit.build.process import Tool
from edgekit.build.record import OUT_FOLDER


def cmake_commands(
    folder: Path, cmake: Tool, generator: Tool, variables: Mapping[str, str | Path]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the commands that configure the project in ``folder`` and build it in its ``out/``.

    Parameters
    ----------
    folder:
        The build folder.
    cmake, generator:
        CMake, and what it drives: ninja or make.
    variables:
        Entries of CMake's cache.
    """
    # Absolute: CMake would take a path that begins with a dash for an option.
    source = folder.resolve()
    out = source / OUT_FOLDER
    configure = [str(cmake.path), "-S", str(source), "-B", str(out)]
    configure += ["-G", "Ninja" if generator.name == "ninja" else "Unix Makefiles"]
    settings = {"CMAKE_MAKE_PROGRAM": generator.path, "CMAKE_EXPORT_COMPILE_COMMANDS": "ON", **variables}
    configure += [f"-D{name}={value}" for name, value in settings.items()]
    build = [str(cmake.path), "--build", str(out), "--parallel", str(os.cpu_count() or 1), "--verbose"]
    return tuple(configure), tuple(build)
