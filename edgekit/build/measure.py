"""Measuring an image, and holding it to the limits that its project was made for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edgekit import __version__
from edgekit.build.drivers.driver import Plan, Products
from edgekit.build.elf import Elf, Symbol
from edgekit.build.memory_map import arena_memory, memory_at, ram_use
from edgekit.build.record import BuildRecord, Contributor, FlashUse, ImageRecord, RamUse, SizesRecord
from edgekit.codegen.record import BudgetRecord, FirmwareProject, changed_files
from edgekit.units import format_size

_LARGEST: Final = 20
_LARGEST_IN_RAM: Final = 8
_ARENA: Final = "ek_arena"
_STACKS: Final = (".stack", ".stack_dummy")
"""Sections for the stack: of edgekit's own linker scripts, and of the Pico SDK's."""


def measure(
    folder: Path, project: FirmwareProject, digest: str, plan: Plan, products: Products, seconds: float
) -> BuildRecord:
    """Return the record of a build.

    Parameters
    ----------
    folder, project:
        The build folder.
    digest:
        Of its sources, as they were when the build began.
    plan, products:
        How it was built, and what that has left.
    seconds:
        How long it took.

    Raises
    ------
    InputError
        If the image is no ELF file.
    """
    content = (folder / products.image).read_bytes()
    elf = Elf(content)
    budget = project.budget
    arena = next((symbol.bytes for symbol in elf.symbols if symbol.name == _ARENA), None)
    memories = ram_use(project.board, elf)
    address = elf.address(_ARENA)
    place = memory_at(project.board, address) if address is not None else None
    # An arena that was moved to another memory is not held to the limit of the one that it was planned for.
    limited = budget if place in (None, arena_memory(project.board)) else None
    flash = FlashUse(
        predicted=project.flash,
        measured=products.image_bytes or elf.flash,
        budget=budget.flash_bytes if budget else None,
    )
    ram = RamUse(
        arena_predicted=project.arena.total,
        arena_measured=arena,
        total=memories.get(place or "", elf.ram),
        budget=limited.ram_bytes + limited.ram_reserved if limited else None,
    )
    failures = _failures(limited, flash, ram)
    return BuildRecord(
        board=project.board,
        engine=project.engine,
        kernels=project.kernels,
        plan=project.plan,
        model_sha256=project.model.sha256,
        sources_sha256=digest,
        changed=changed_files(folder, project),
        tools={**plan.tools, **products.tools},
        tflm=plan.tflm,
        seconds=round(seconds, 2),
        image=ImageRecord(
            file=products.image, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content)
        ),
        flash_files=products.flash_files,
        flash_settings=products.flash_settings,
        sizes=SizesRecord(
            text=elf.text,
            data=elf.data,
            bss=elf.bss,
            stack=sum(elf.sections.get(name, 0) for name in _STACKS),
        ),
        flash=flash,
        ram=ram,
        memories=memories,
        arena_memory=place,
        largest=_largest(elf.symbols),
        failures=failures,
        ok=not failures,
        edgekit_version=__version__,
    )


def _failures(limited: BudgetRecord | None, flash: FlashUse, ram: RamUse) -> tuple[str, ...]:
    rows = [
        ("image", "flash", flash.measured, flash.budget),
        ("arena", "RAM for it", ram.arena_measured, limited.ram_bytes if limited else None),
        ("firmware's RAM", "RAM", ram.total, ram.budget),
    ]
    return tuple(
        f"The {what} takes {need:,} B ({format_size(need)}), more than the {have:,} B of {where}."
        for what, where, need, have in rows
        if need is not None and have is not None and need > have
    )


def _largest(symbols: Sequence[Symbol]) -> tuple[Contributor, ...]:
    """Return the largest symbols of flash and of RAM, so that each memory's are there."""
    in_flash = [symbol for symbol in symbols if symbol.in_flash][:_LARGEST]
    chosen = {*in_flash, *[symbol for symbol in symbols if symbol.in_ram][:_LARGEST_IN_RAM]}
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
