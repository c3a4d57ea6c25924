"""Zephyr: west, in the workspace that ``ZEPHYR_BASE`` lies in or that is where the documentation puts it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edgekit.build.drivers.driver import Plan, Products, Request, check_files, refuse_tflm
from edgekit.build.drivers.products import beside, only_elf
from edgekit.build.record import OUT_FOLDER
from edgekit.build.tools import TOOLS, check_version, in_home, missing, need_tool, version_key
from edgekit.errors import TaskError

BASE_VARIABLE: Final = "ZEPHYR_BASE"
SDK_VARIABLE: Final = "ZEPHYR_SDK_INSTALL_DIR"
VARIANT_VARIABLE: Final = "ZEPHYR_TOOLCHAIN_VARIANT"

_PLACES: Final = ("~/zephyrproject/zephyr", "/opt/zephyrproject/zephyr")
_SDK_PLACES: Final = ("~", "~/.local", "~/.local/opt", "~/bin", "/opt", "/usr/local")
"""Where Zephyr's own CMake package looks for the SDK; docs.zephyrproject.org, develop/toolchains/zephyr_sdk."""
_SDK_REGISTRY: Final = ("~/.cmake/packages/Zephyr-sdk", "~/.cmake/packages/zephyr-sdk")
"""Where its setup script has CMake remember it; cmake.org, cmake-packages(7), "User Package Registry"."""
_SDK_MARK: Final = "sdk_version"
_BOARD: Final = re.compile(r"^\s*set\(BOARD\s+([^\s)]+)\)", re.MULTILINE)
_REVISION: Final = re.compile(r"- name: zephyr\n(?:.*\n)*?\s*revision: v(\d+\.\d+)")
_VERSION_PART: Final = re.compile(r"^(VERSION_MAJOR|VERSION_MINOR|PATCHLEVEL)\s*=\s*(\d+)", re.MULTILINE)
_TFLM: Final = ("optional/modules/lib/tflite-micro", "modules/lib/tflite-micro")
_MANIFEST: Final = "west.yml"


def find_zephyr(folder: Path | None = None) -> Path | None:
    """Return the folder of Zephyr: in the workspace around ``folder``, or where the environment says, or as usual."""
    workspaces = (
        [parent for parent in folder.resolve().parents if os.path.isdir(parent / ".west")] if folder else []
    )
    named = os.environ.get(BASE_VARIABLE)
    places = [workspace / "zephyr" for workspace in workspaces]
    places += [Path(named)] if named else [in_home(place) for place in _PLACES]
    return next((path for path in places if os.path.isfile(path / "VERSION")), None)


def west_environment(base: Path) -> dict[str, str]:
    """Return what west is told so that it works with the Zephyr in ``base`` from any folder."""
    # Not resolved: west finds the workspace by the folders that this one is said to lie in.
    return {BASE_VARIABLE: str(base.absolute())}


def zephyr_version(base: Path) -> str:
    """Return the version of the Zephyr in ``base``; empty if it does not say."""
    try:
        parts = dict(_VERSION_PART.findall((base / "VERSION").read_text()))
    except (OSError, UnicodeDecodeError):
        return ""
    return ".".join(parts[name] for name in ("VERSION_MAJOR", "VERSION_MINOR", "PATCHLEVEL") if name in parts)


def find_zephyr_sdk() -> Path | None:
    """Return the folder of the Zephyr SDK that the environment names, or else one where it is looked for."""
    named = os.environ.get(SDK_VARIABLE)
    places = [Path(named)] if named else _sdk_places()
    return next((path for path in places if os.path.isfile(path / _SDK_MARK)), None)


def zephyr_sdk_version(sdk: Path) -> str:
    """Return the version of the Zephyr SDK in ``sdk``; empty if it does not say."""
    try:
        return (sdk / _SDK_MARK).read_text(errors="replace").strip()
    except OSError:
        return ""


def other_toolchain() -> str:
    """Return what the environment tells Zephyr to compile with in place of its SDK; empty if it does not."""
    variant = os.environ.get(VARIANT_VARIABLE, "")
    return "" if variant.startswith("zephyr") else variant


def _sdk_places() -> Iterator[Path]:
    for place in _SDK_PLACES:
        found = in_home(place).glob("zephyr-sdk-*")
        yield from sorted(found, key=lambda path: version_key(path.name), reverse=True)
    registered = [folder for place in _SDK_REGISTRY for folder in _registered(in_home(place))]
    yield from sorted(registered, key=lambda path: version_key(zephyr_sdk_version(path)), reverse=True)


def _registered(registry: Path) -> Iterator[Path]:
    """Yield the SDKs of CMake's registry: each file has the folder of a package, which is ``cmake`` in the SDK."""
    for entry in registry.glob("*"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            yield Path(entry.read_text().strip()).parent


class Zephyr:
    """The driver."""

    def plan(self, request: Request) -> Plan:
        """Return how ``request`` is built.

        Raises
        ------
        InputError
            If files of the project are missing, or a folder with TFLite Micro is named.
        TaskError
            If Zephyr, west, a module or the toolchain is missing, or too old.
        """
        check_files(request, ("CMakeLists.txt", "prj.conf"))
        refuse_tflm(request)
        west = need_tool("west")
        base = find_zephyr(request.folder)
        if base is None:
            raise missing(TOOLS["zephyr"])
        version = zephyr_version(base)
        check_version(TOOLS["zephyr"], version, pinned_zephyr(request.folder))
        _check_tflm(request, base)
        source = request.folder.resolve()
        # Without sysbuild, which a user may have made west's default, so that the image is where it is looked for.
        build = [str(west.path), "build", "--no-sysbuild", "-d", str(source / OUT_FOLDER)]
        build += ["-b", _board(request.folder), str(source)]
        return Plan(
            commands=(tuple(build),),
            tools={"west": west.version, "zephyr": version, **_toolchain()},
            environment=west_environment(base),
        )

    def products(self, request: Request) -> Products:
        """Return the ELF file, and the same image as hex, bin and UF2 where the board has those.

        Raises
        ------
        TaskError
            If there is none.
        """
        name = f"{OUT_FOLDER}/zephyr/zephyr.elf"
        image = name if (request.folder / name).is_file() else only_elf(request.folder, "zephyr")
        return Products(image, beside(request.folder, image, ("hex", "elf", "bin", "uf2")))


def _board(folder: Path) -> str:
    """Return what the project is for, as Zephyr names it.

    Raises
    ------
    TaskError
        If the project does not say.
    """
    found = _BOARD.search((folder / "CMakeLists.txt").read_text(errors="replace"))
    if found is None:
        raise TaskError(
            f"{folder / 'CMakeLists.txt'} does not set BOARD, so it is not known what to build for.",
            "Run `edgekit fit` or `edgekit export` again.",
        )
    return found[1]


def pinned_zephyr(folder: Path) -> str:
    """Return the release that the project's own manifest pins, without its patch level; empty where it pins none."""
    try:
        found = _REVISION.search((folder / _MANIFEST).read_text())
    except (OSError, UnicodeDecodeError):
        return ""
    return found[1] if found else ""


def _check_tflm(request: Request, base: Path) -> None:
    workspace = base.absolute().parent
    if request.project.engine == "tflm" and not any((workspace / name).is_dir() for name in _TFLM):
        raise TaskError(
            f"The workspace {workspace} has no TFLite Micro.",
            f"In it: `west config manifest.project-filter -- +tflite-micro`, then `west update`; or make a workspace of"
            f" {request.folder} itself: `west init -l {request.folder}`, then `west update`.",
        )


def _toolchain() -> dict[str, str]:
    """Return what Zephyr will compile with: its SDK, or what the environment says instead.

    Raises
    ------
    TaskError
        If there is neither.
    """
    variant = other_toolchain()
    if variant:
        return {"toolchain": variant}
    sdk = find_zephyr_sdk()
    if sdk is not None:
        return {"zephyr-sdk": zephyr_sdk_version(sdk)}
    raise missing(TOOLS["zephyr-sdk"])
