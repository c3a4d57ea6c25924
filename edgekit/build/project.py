"""Building a build folder: CMake and a cross compiler turn it into an image, which is measured and judged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from edgekit import __version__
from edgekit.boards.cores import Core, get_core
from edgekit.boards.kernels import Engine
from edgekit.boards.ports import PORTS
from edgekit.build.elf import Elf, Symbol
from edgekit.build.lock import folder_lock
from edgekit.build.process import Tool, find_tool, run_logged, version_line
from edgekit.build.record import (
    BUILD_FILE,
    BUILD_LOG,
    IMAGE_FILE,
    OUT_FOLDER,
    BuildRecord,
    Contributor,
    FlashUse,
    ImageRecord,
    RamUse,
    SizesRecord,
    load_build,
    sources_digest,
)
from edgekit.build.tflm import Tflm, find_tflm
from edgekit.build.toolchain import find_compiler, find_cxx_compiler
from edgekit.codegen.frameworks.bare_metal import CMAKE_FILE, TOOLCHAIN_FILE
from edgekit.codegen.record import FirmwareProject, changed_files, load_project
from edgekit.errors import InputError, TaskError
from edgekit.files import write_atomic
from edgekit.units import format_size

_TIMEOUT_S: Final = 600
_LARGEST: Final = 20
_SHOWN: Final = 8
_MARK: Final = ".edgekit"
"""A file that says that a folder is edgekit's to throw away."""
_ARENA: Final = "ek_arena"
_STACK: Final = ".stack"
_OVERFLOW: Final = re.compile(r"region [`'](\w+)' overflowed by (\d+) bytes")
_ERROR: Final = re.compile(r"\berror\b|undefined reference|multiple definition", re.IGNORECASE)
_CMAKE: Final = "Install it: `apt-get install cmake`, on macOS `brew install cmake`, or `pip install cmake`."
_NINJA: Final = (
    "Install it: `apt-get install ninja-build`, on macOS `brew install ninja`, or `pip install ninja`."
)


@contextmanager
def built_image(folder: Path, built: Callable[[BuildRecord], None] | None = None) -> Iterator[BuildRecord]:
    """Give what is built in ``folder``, having built it if that is not what is there now.

    For the length of the block no other edgekit changes it.

    Parameters
    ----------
    folder:
        A build folder.
    built:
        Told of a build that had to be made.

    Raises
    ------
    InputError, TaskError
        As :func:`build_project` and :func:`~edgekit.build.lock.folder_lock`; also if the image is over a limit.
    """
    with folder_lock(folder):
        record = load_build(folder)
        if record is None or not record.ok:
            record = build_project(folder)
            if built is not None:
                built(record)
        if not record.ok:
            raise over_budget(record)
        yield record


def over_budget(record: BuildRecord) -> TaskError:
    """Return the error that says what of ``record`` is over which limit, and what takes most of it."""
    flash = record.flash
    in_flash = flash.budget is not None and flash.measured > flash.budget
    kinds = ("flash", "both") if in_flash else ("ram", "both")
    parts = [part for part in record.largest if part.memory in kinds][:_SHOWN]
    return TaskError(
        " ".join(record.failures),
        "Choose a smaller network, or raise the limit with --ram or --flash where the board has more.",
        [f"{part.bytes:>9,} B  {part.name}{f'  ({part.file})' if part.file else ''}" for part in parts],
    )


def build_project(folder: Path, tflm_folder: Path | None = None) -> BuildRecord:
    """Build the image of ``folder``, and write build.json and build.log there.

    Nothing goes in but what is in the folder, and with the tflm engine TFLite Micro.

    Parameters
    ----------
    folder:
        A build folder.
    tflm_folder:
        Where TFLite Micro is; ``None`` for the folder that the environment names.

    Raises
    ------
    InputError
        If it is no build folder, or ``tflm_folder`` has no TFLite Micro for it.
    TaskError
        If edgekit does not build for its board, a tool is missing, or the sources do not compile or link.
    """
    project = load_project(folder)
    core = _core_of(project)
    for name in (CMAKE_FILE, TOOLCHAIN_FILE):
        if not (folder / name).is_file():
            raise InputError(f"{folder} has no {name}.", "Run `edgekit fit` or `edgekit export` again.")
    tflm = _tflm(project, core, tflm_folder)
    cmake, generator, *compilers = _tools(core, project.engine)
    digest = sources_digest(folder)
    start = time.monotonic()
    try:
        _clean(folder)
        _compile(folder, cmake, generator, tflm)
    except OSError as error:
        raise TaskError(
            f"Could not build in {folder}: {error.strerror or error}.",
            "Free some space, or make the build folder where you may write.",
        ) from error
    seconds = time.monotonic() - start
    content = (folder / IMAGE_FILE).read_bytes()
    tools = (cmake, generator, *compilers)
    record = _record(folder, project, Elf(content), digest, tools, tflm, seconds)
    write_atomic(folder / BUILD_FILE, record.to_json())
    return record


def _core_of(project: FirmwareProject) -> Core:
    if project.framework != "bare_metal":
        raise TaskError(
            f"edgekit does not build for {project.board} ({project.framework}) yet.",
            "Compile the sources below src/ in a project of your own; src/model/README.md says how.",
        )
    port = PORTS.get(project.board)
    if port is None:
        raise TaskError(
            f"edgekit has no port to {project.board}, so it cannot build for it.",
            f"It has ports to {', '.join(PORTS)}.",
        )
    return get_core(port.core)


def _tools(core: Core, engine: Engine) -> tuple[Tool, ...]:
    """Return CMake, what it drives, and the compilers."""
    cmake = find_tool(("cmake",), _CMAKE)
    generator = find_tool(("ninja", "make"), _NINJA)
    compilers = [find_compiler(core)]
    if engine == "tflm":
        compilers.append(find_cxx_compiler(core))
    return (cmake, generator, *(Tool(path.stem, path, version_line(path)) for path in compilers))


def _tflm(project: FirmwareProject, core: Core, folder: Path | None) -> Tflm | None:
    if project.engine == "tflm":
        return find_tflm(folder, project.kernels, core)
    if folder is not None:
        raise InputError(
            f"A folder with TFLite Micro is named, and the project is for the {project.engine} engine.",
            "Leave --tflm out, or make the build folder anew with --engine tflm.",
        )
    return None


def _clean(folder: Path) -> None:
    """Throw away an earlier build: a cache of CMake's is worth nothing once the folder was moved.

    Raises
    ------
    InputError
        If what is there does not look like a build.
    """
    out = folder / OUT_FOLDER
    if out.exists() and not any((out / name).is_file() for name in (_MARK, "CMakeCache.txt")):
        raise InputError(
            f"{out} is in the way: edgekit builds there, and it holds something else.",
            "Move it elsewhere, or make the build folder anew in another place with -o.",
        )
    for name in (BUILD_FILE, BUILD_LOG):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(out)
    out.mkdir()
    (out / _MARK).touch()


def _compile(folder: Path, cmake: Tool, generator: Tool, tflm: Tflm | None) -> None:
    # Absolute: CMake would take a path that begins with a dash for an option.
    source, out = folder.resolve(), (folder / OUT_FOLDER).resolve()
    name = "Ninja" if generator.name == "ninja" else "Unix Makefiles"
    configure = [str(cmake.path), "-S", str(source), "-B", str(out), "-G", name]
    configure += [f"-DCMAKE_MAKE_PROGRAM={generator.path}"]
    configure += [f"-DCMAKE_TOOLCHAIN_FILE={source / TOOLCHAIN_FILE}"]
    if tflm is not None:
        configure += [f"-DTFLM_INCLUDE={';'.join(map(str, tflm.include))}", f"-DTFLM_LIBRARY={tflm.library}"]
    build = [str(cmake.path), "--build", str(out), "--parallel", str(os.cpu_count() or 1), "--verbose"]
    with (folder / BUILD_LOG).open("w+", encoding="utf-8", errors="replace") as log:
        for command in (configure, build):
            if run_logged(command, log, _TIMEOUT_S):
                raise _refusal(folder, log)


def _refusal(folder: Path, log: IO[str]) -> TaskError:
    """Return the error for a build that failed, from what its log says."""
    log.seek(0)
    lines = log.read().splitlines()
    hint = f"What the compiler says is below, all of it in {folder / BUILD_LOG}."
    overflow = _OVERFLOW.search("\n".join(lines))
    if overflow:
        objects = (folder / OUT_FOLDER).rglob("*.obj")
        symbols = [symbol for path in objects for symbol in Elf(path.read_bytes()).symbols]
        in_ram = overflow[1] == "RAM"
        parts = [symbol for symbol in symbols if (symbol.in_ram if in_ram else symbol.in_flash)]
        return TaskError(
            f"The firmware does not fit into the board's memory {overflow[1]}: "
            f"it is {int(overflow[2]):,} B too large.",
            "Choose a smaller network; the largest parts are below.",
            [_line(part) for part in sorted(parts, key=lambda part: -part.bytes)[:_SHOWN]],
        )
    return TaskError("The firmware could not be built.", hint, _errors(lines))


def _errors(lines: Sequence[str]) -> list[str]:
    """Return the lines of a log that say what is wrong: CMake's with what follows, else those with an error."""
    first = next((number for number, line in enumerate(lines) if line.startswith("CMake Error")), None)
    if first is not None:
        return [line for line in lines[first:] if line.strip()][:20]
    return [line for line in lines if _ERROR.search(line)][:20] or list(lines[-20:])


def _line(symbol: Symbol) -> str:
    return f"{symbol.bytes:>9,} B  {symbol.name}{f'  ({symbol.file})' if symbol.file else ''}"


def _record(
    folder: Path,
    project: FirmwareProject,
    elf: Elf,
    digest: str,
    tools: Iterable[Tool],
    tflm: Tflm | None,
    seconds: float,
) -> BuildRecord:
    budget = project.budget
    arena = next((symbol.bytes for symbol in elf.symbols if symbol.name == _ARENA), None)
    flash = FlashUse(
        predicted=project.flash, measured=elf.flash, budget=budget.flash_bytes if budget else None
    )
    ram = RamUse(
        arena_predicted=project.arena.total,
        arena_measured=arena,
        total=elf.ram,
        budget=budget.ram_bytes + budget.ram_reserved if budget else None,
    )
    failures = _failures(project, flash, ram)
    return BuildRecord(
        board=project.board,
        engine=project.engine,
        kernels=project.kernels,
        plan=project.plan,
        model_sha256=project.model.sha256,
        sources_sha256=digest,
        changed=changed_files(folder, project),
        tools={tool.name: tool.version for tool in tools},
        tflm=tflm.record if tflm else None,
        seconds=round(seconds, 2),
        image=ImageRecord(
            file=IMAGE_FILE, sha256=hashlib.sha256(elf.content).hexdigest(), bytes=len(elf.content)
        ),
        sizes=SizesRecord(text=elf.text, data=elf.data, bss=elf.bss, stack=elf.sections.get(_STACK, 0)),
        flash=flash,
        ram=ram,
        largest=_largest(elf.symbols),
        failures=failures,
        ok=not failures,
        edgekit_version=__version__,
    )


def _failures(project: FirmwareProject, flash: FlashUse, ram: RamUse) -> tuple[str, ...]:
    rows = [
        ("image", "flash", flash.measured, flash.budget),
        ("arena", "RAM for it", ram.arena_measured, project.budget.ram_bytes if project.budget else None),
        ("firmware's RAM", "RAM", ram.total, ram.budget),
    ]
    return tuple(
        f"The {what} takes {need:,} B ({format_size(need)}), more than the {have:,} B of {where}."
        for what, where, need, have in rows
        if need is not None and have is not None and need > have
    )


def _largest(symbols: Sequence[Symbol]) -> tuple[Contributor, ...]:
    """Return the largest symbols of flash and of RAM, so that each memory's are there."""
    chosen = {*[s for s in symbols if s.in_flash][:_LARGEST], *[s for s in symbols if s.in_ram][:_SHOWN]}
    return tuple(
        Contributor(
            name=symbol.name,
            file=symbol.file,
            memory="both" if symbol.in_flash and symbol.in_ram else "ram" if symbol.in_ram else "flash",
            bytes=symbol.bytes,
        )
        for symbol in symbols
        if symbol in chosen
    )
