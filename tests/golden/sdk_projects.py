"""Projects for SDKs, and what CMake, kconfgen and compilers make of them with stubs of the SDK."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rendering import aot_variant, make_spec, run
from tiny import TINY_MODEL

from edgekit.boards.catalog import get_board
from edgekit.boards.kernels import Engine, KernelLibrary
from edgekit.codegen.project import ProjectSpec, render_project

HERE = Path(__file__).parent
STUBS = HERE.parent / "sdk_stubs"
TFLM_STUBS = HERE / "stubs"

STRICT = ("-Wall", "-Wextra", "-Werror", "-O1")


def project_spec(board: str, engine: Engine, kernels: KernelLibrary | None = None) -> ProjectSpec:
    """Return the specification of the tiny network's project for a board of the catalog."""
    profile = get_board(board)
    spec = replace(make_spec(TINY_MODEL.read_bytes()), board=profile, kernels=profile.kernels_of("tflm")[0])
    if engine == "aot":
        spec = aot_variant(spec)
    return replace(spec, kernels=kernels or profile.kernels_of(engine)[0])


def write_project(spec: ProjectSpec, folder: Path) -> Path:
    """Write the project of ``spec`` to ``folder`` and return it."""
    for name, content in render_project(spec).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def configure(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run CMake in ``folder`` with a build folder in it, which begins anew."""
    shutil.rmtree(folder / "build", ignore_errors=True)
    command = ["cmake", "-G", "Ninja", "-S", str(folder), "-B", str(folder / "build"), *options]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def lines(folder: Path, name: str) -> list[str]:
    """Return the lines of what a stub has noted in the build folder."""
    path = folder / "build" / name
    return path.read_text().splitlines() if path.exists() else []


def sources_on_disk(folder: Path) -> list[str]:
    """Return all C and C++ files of a project, sorted."""
    return sorted(str(path) for path in folder.rglob("*") if path.suffix in (".c", ".cc", ".cpp"))


_compiled: set[str] = set()


def compile_source(folder: Path, source: str, command: Sequence[str]) -> None:
    """Compile one file of a project, unless the same text was compiled in the same way before.

    The headers of a project differ with its model alone, and the tests have one; what they are configured by is in the
    ports only, which are always compiled.
    """
    text = Path(source).read_text()
    here = " ".join(command).replace(str(folder), "")
    key = hashlib.sha256(f"{here}\n{Path(source).name}\n{text}".encode()).hexdigest()
    if key in _compiled and "/ports/" not in source:
        return
    run(*command, "-c", source, "-o", os.devnull)
    _compiled.add(key)


def kconfig(folder: Path, target: str, *fragments: str) -> Path:
    """Let Espressif's kconfgen make sdkconfig and sdkconfig.h of a project's defaults; return sdkconfig.

    ``fragments`` follow sdkconfig.defaults as in ``SDKCONFIG_DEFAULTS``.
    """
    output = folder / "kconfig"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    defaults = []
    for name in ("sdkconfig.defaults", *fragments):
        for file in (folder / name, folder / f"{name}.{target}"):
            defaults += ["--defaults", str(file)] if file.exists() else []
    environment = {"IDF_TARGET": target, "EDGEKIT_KCONFIG": str(folder / "main" / "Kconfig.projbuild")}
    command = [sys.executable, "-m", "kconfgen", "--kconfig", str(STUBS / "esp_idf" / "Kconfig"), *defaults]
    command += ["--config", str(output / "sdkconfig")]
    for name, value in environment.items():
        command += ["--env", f"{name}={value}"]
    command += ["--output", "config", str(output / "sdkconfig")]
    command += ["--output", "header", str(output / "sdkconfig.h")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "unknown kconfig symbol" not in said, said
    return output / "sdkconfig"


def not_taken(folder: Path, sdkconfig: Path, target: str, *fragments: str) -> list[str]:
    """Return the settings of a project's defaults that are not in the configuration that came of them."""
    taken = set(sdkconfig.read_text().splitlines())
    missing = []
    for name in ("sdkconfig.defaults", f"sdkconfig.defaults.{target}", *fragments):
        for line in (folder / name).read_text().splitlines():
            if not line.startswith("CONFIG_"):
                continue
            key, _, value = line.partition("=")
            wanted = f"# {key} is not set" if value == "n" else line
            if wanted not in taken:
                missing.append(line)
    return missing


def compile_commands(folder: Path) -> dict[str, list[str]]:
    """Return how CMake would compile each file of the target, without its output."""
    found: dict[str, list[str]] = {}
    for entry in json.loads((folder / "build" / "compile_commands.json").read_text()):
        assert entry["file"] not in found, f"{entry['file']} is compiled twice"
        parts = entry["command"].replace('\\"', '"').split()
        found[entry["file"]] = parts[: parts.index("-o")]
    return found
