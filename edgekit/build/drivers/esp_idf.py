"""ESP-IDF: idf.py, from the environment that its export.sh made, or from where it is usually installed.

What is read of a build are its ``project_description.json`` and ``flasher_args.json``, whose templates are
tools/cmake/project_description.json.in and components/esptool_py/flasher_args.json.in in espressif/esp-idf.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edgekit.boards.catalog import get_board
from edgekit.build.drivers.driver import Plan, Products, Request, check_files, refuse_tflm
from edgekit.build.drivers.products import flash_file, nothing_left, read_json
from edgekit.build.record import OUT_FOLDER, FlashFile
from edgekit.build.tools import TOOLS, check_version, in_home, missing, version_key
from edgekit.codegen.record import FirmwareProject
from edgekit.errors import InputError

IDF_VARIABLE: Final = "IDF_PATH"
IDF_MINIMUM: Final = "5.1"
"""What esp-tflite-micro needs."""
_PLACES: Final = (
    "~/esp/esp-idf",
    "~/esp/*/esp-idf",
    "~/.espressif/*/esp-idf",
    "/opt/esp/idf",
    "/opt/esp-idf",
)
_INSTALLED: Final = "~/.espressif/tools/eim_idf.json"
"""What the ESP-IDF Installation Manager writes: docs.espressif.com/projects/idf-im-ui."""
_VERSION_PART: Final = re.compile(r"set\(IDF_VERSION_(MAJOR|MINOR|PATCH) (\d+)\)")
_NEEDED: Final = re.compile(r"ESP-IDF (\d+(?:\.\d+)+)")
_COMPONENT: Final = re.compile(r"^  ([\w./-]+):$|^    version: ['\"]?([\w.~+-]+)", re.MULTILINE)
# export.sh is for a shell that reads it. It would take this script's arguments for its own, so they are put aside, and
# looks whether the shell was called by its own name, which is why it is not $0.
_ENTER: Final = (
    'script="$1"; shift; arguments=("$@"); set --; . "$script" && exec'
    ' "${IDF_PYTHON_ENV_PATH:+$IDF_PYTHON_ENV_PATH/bin/}python" "$IDF_PATH/tools/idf.py" "${arguments[@]}"'
)
_LOCK_FILE: Final = "dependencies.lock"


@dataclass(frozen=True, slots=True)
class Idf:
    """An ESP-IDF.

    Attributes
    ----------
    path:
        Its folder.
    command:
        What runs its idf.py.
    version:
        Its version.
    """

    path: Path
    command: tuple[str, ...]
    version: str


def find_idf() -> Idf | None:
    """Return the ESP-IDF to build with: the one whose environment this is, the one that ``IDF_PATH`` names, or another.

    The others are the one that the installation manager has selected, and those in the usual places, newest first.
    """
    value = os.environ.get(IDF_VARIABLE)
    # Absolute: its tools are run in the build folder.
    named = Path(value).absolute() if value else None
    if named is not None and not _is_idf(named):
        named = None
    program = shutil.which("idf.py")
    if program:
        path = named or Path(program).resolve().parents[1]
        return Idf(path, (program,), idf_version(path))
    if named is not None:
        return _entered(named, named / "export.sh")
    for path, script in (*_installed(), *_placed()):
        if _is_idf(path):
            return _entered(path, script)
    return None


def idf_version(path: Path) -> str:
    """Return the version of the ESP-IDF in ``path``, by tools/cmake/version.cmake; empty if it does not say."""
    try:
        parts = dict(_VERSION_PART.findall((path / "tools/cmake/version.cmake").read_text()))
    except (OSError, UnicodeDecodeError):
        return ""
    return ".".join(parts[name] for name in ("MAJOR", "MINOR", "PATCH") if name in parts)


def _is_idf(path: Path) -> bool:
    return os.path.isfile(path / "tools/idf.py")


def _entered(path: Path, script: Path) -> Idf:
    return Idf(
        path, (shutil.which("bash") or "bash", "-c", _ENTER, "edgekit", str(script)), idf_version(path)
    )


def _installed() -> Iterator[tuple[Path, Path]]:
    """Yield folder and activation script of what the installation manager has installed, the selected one first."""
    try:
        document = json.loads(in_home(_INSTALLED).read_text())
        entries = list(document["idfInstalled"])
        entries.sort(key=lambda entry: entry["id"] != document.get("idfSelectedId"))
        yield from [(Path(entry["path"]), Path(entry["activationScript"])) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):
        return


def _placed() -> Iterator[tuple[Path, Path]]:
    for place in _PLACES:
        pattern = in_home(place)
        found = pattern.parent.parent.glob("*/esp-idf") if "*" in place else [pattern]
        for path in sorted(found, key=lambda path: version_key(idf_version(path)), reverse=True):
            yield path, path / "export.sh"


def needed_idf(sdk: str) -> str:
    """Return the oldest ESP-IDF that will do, by what a board's profile calls its SDK: "ESP-IDF 5.3 or later"."""
    needed = _NEEDED.search(sdk)
    return needed[1] if needed else IDF_MINIMUM


def _needed_for(project: FirmwareProject) -> str:
    try:
        return needed_idf(get_board(project.board).sdk.name)
    except InputError:  # a board of the user's own, whose folder is not known here
        return IDF_MINIMUM


class EspIdf:
    """The driver."""

    def plan(self, request: Request) -> Plan:
        """Return how ``request`` is built: in ``out/``, with an sdkconfig of its own made from sdkconfig.defaults.

        Raises
        ------
        InputError
            If files of the project are missing, or a folder with TFLite Micro is named.
        TaskError
            If there is no ESP-IDF, or it is too old.
        """
        check_files(request, ("CMakeLists.txt", "main/CMakeLists.txt", "sdkconfig.defaults"))
        refuse_tflm(request)
        info = TOOLS["idf.py"]
        idf = find_idf()
        if idf is None:
            raise missing(info)
        check_version(info, idf.version, _needed_for(request.project))
        source = request.folder.resolve()
        out = source / OUT_FOLDER
        build = (*idf.command, "-C", str(source), "-B", str(out), f"-DSDKCONFIG={out / 'sdkconfig'}", "build")
        return Plan((build,), {"esp-idf": idf.version}, {IDF_VARIABLE: str(idf.path)})

    def products(self, request: Request) -> Products:
        """Return the application's ELF file, and all parts that go to flash with their offsets.

        Raises
        ------
        TaskError
            If they are not there, or what tells of them is damaged.
        """
        folder = request.folder
        project, flasher = (
            read_json(folder, name) for name in ("project_description.json", "flasher_args.json")
        )
        try:
            image = folder / OUT_FOLDER / project["app_elf"]
            settings = {
                "chip": str(flasher["extra_esptool_args"]["chip"]),
                **{key: str(flasher["flash_settings"][f"flash_{key}"]) for key in ("mode", "freq", "size")},
            }
            files = [_part(folder, offset, name) for offset, name in flasher["flash_files"].items()]
            application = str(Path(OUT_FOLDER, flasher["app"]["file"]))
        except (KeyError, TypeError, ValueError, AttributeError, FileNotFoundError) as error:
            raise nothing_left(
                folder, f"something in what tells of it that is not known ({error})"
            ) from error
        if not image.is_file():
            raise nothing_left(folder, f"no {image.relative_to(folder)}")
        files.sort(key=lambda file: file.address or 0)
        return Products(
            image.relative_to(folder).as_posix(),
            (flash_file(folder, image), *files),
            settings,
            _components(folder),
            image_bytes=(folder / application).stat().st_size,
        )


def _part(folder: Path, offset: str, name: Any) -> FlashFile:
    return flash_file(folder, folder / OUT_FOLDER / str(name), int(offset, 0))


def _components(folder: Path) -> dict[str, str]:
    """Return the versions of what the component manager has brought, by its dependencies.lock."""
    try:
        text = (folder / _LOCK_FILE).read_text()
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, str] = {}
    name = ""
    for component, version in _COMPONENT.findall(text):
        if component:
            name = component
        elif name and name != "idf":
            found.setdefault(name, version)
    return found
