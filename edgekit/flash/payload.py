"""What is sent to a Linux board: edgekit's own modules, the model, and the script that installs them."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import edgekit
from edgekit.codegen.record import PROJECT_FILE, FirmwareProject, load_model
from edgekit.errors import InputError
from edgekit.files import read_bytes
from edgekit.resources import resource_dir

INSTALLER: Final = "install.sh"
WHEELS: Final = "wheels"
_SUFFIXES: Final = (".py", ".toml")
_WHEEL_SUFFIXES: Final = (".whl", ".tar.gz")
_NAME_DIGITS: Final = 16
_WHEEL_MAX_BYTES: Final = 512 * 1024**2
_RECORD_MAX_BYTES: Final = 256 * 1024**2


@dataclass(frozen=True)
class Payload:
    """Files by their path on the board; ``name`` stands for their content, but for that of the wheels."""

    files: Mapping[str, bytes]

    @property
    def name(self) -> str:
        """The first digits of a SHA-256 over paths and content."""
        digest = hashlib.sha256()
        for path, content in self.files.items():
            if not path.startswith(f"{WHEELS}/"):
                digest.update(f"{path}\0{len(content)}\0".encode())
                digest.update(content)
        return digest.hexdigest()[:_NAME_DIGITS]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.files.values()))

    def archive(self) -> bytes:
        """Return a .tar.gz of the files; the same bytes for the same files."""
        packed = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive,
        ):
            for path, content in self.files.items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
        return packed.getvalue()


def make_payload(folder: Path, project: FirmwareProject, wheels: Path | None = None) -> Payload:
    """Return what an agent for the build folder ``folder`` consists of.

    Parameters
    ----------
    folder, project:
        A build folder and its record.
    wheels:
        Folder with packages for a board that has no network.

    Raises
    ------
    InputError
        If the folder's model is missing or another one, or ``wheels`` holds no packages.
    """
    files = {
        project.model.file: load_model(folder, project),
        PROJECT_FILE: read_bytes(folder / PROJECT_FILE, "project", _RECORD_MAX_BYTES),
        INSTALLER: (resource_dir("templates") / "linux" / INSTALLER).read_bytes(),
    }
    for name in project.files.keys() - files.keys():  # golden vectors and labels
        if (folder / name).is_file():
            files[name] = read_bytes(folder / name, "project", _RECORD_MAX_BYTES)
    package = Path(edgekit.__file__).parent
    for path in package.rglob("*"):
        inside = path.relative_to(package)
        if path.suffix in _SUFFIXES and inside.parts[0] != "_data":
            files[f"{package.name}/{inside.as_posix()}"] = path.read_bytes()
    if wheels is not None:
        files |= _wheels(wheels)
    return Payload(dict(sorted(files.items())))


def _wheels(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.glob("*") if path.name.endswith(_WHEEL_SUFFIXES)]
    if not paths:
        raise InputError(
            f"There are no wheels in {folder}.",
            "Fill it with `pip download`; docs/linux.md shows how for another machine than this one.",
        )
    return {f"{WHEELS}/{path.name}": read_bytes(path, "wheel", _WHEEL_MAX_BYTES) for path in paths}
