"""What edgekit knows of a board, as frozen data: :class:`BoardProfile` and its parts.

Every figure is in bytes, MHz or ms. A file that does not hold together is rejected when it is loaded; the
rules are here, the files and the messages in :mod:`edgekit.boards.catalog`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from edgekit.boards.kernels import Engine, KernelLibrary, TflmKernels, aot_kernels
from edgekit.errors import InputError
from edgekit.units import parse_size

RegionKind = Literal["sram", "dtcm", "itcm", "dram", "psram", "sdram", "flash", "sd"]
"""What a memory region is made of. ``dram`` is the main memory of a Linux board, ``sd`` its card."""

Framework = Literal["esp_idf", "pico_sdk", "zephyr", "arduino", "platformio", "bare_metal", "linux"]
FRAMEWORK_NAMES: Final[tuple[Framework, ...]] = get_args(Framework)
DeviceMethod = Literal[
    "esptool",
    "picotool",
    "uf2",
    "west",
    "pyocd",
    "openocd",
    "jlink",
    "bossac",
    "nrfutil",
    "teensy_loader",
]
"""How an image gets onto a board of silicon, named after the tool."""
FlashMethod = Literal[DeviceMethod, "qemu", "ssh"]
"""The same for every board; ``qemu`` and ``ssh`` start it instead."""

_ARENA_KINDS: Final = ("sram", "dtcm", "dram")
_FLASH_KINDS: Final = ("flash", "sd")


def _size(value: Any) -> Any:
    """Turn ``"512KB"`` into bytes; leave everything else to the integer check."""
    try:
        return parse_size(value) if isinstance(value, str) else value
    except OverflowError as error:
        raise ValueError(f"{value[:20]}... is far too large") from error


Size = Annotated[int, BeforeValidator(_size), Field(ge=0, le=1 << 50)]
"""Bytes; files may give an integer or text such as ``"512KB"``."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Core = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+._-]*$", max_length=64)]
UsbId = Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{4}:([0-9A-F]{4}|\*)$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class MemoryRegion(_Frozen):
    """One named, contiguous block of memory.

    Attributes
    ----------
    kind:
        What it is made of.
    total:
        Bytes, as the datasheet or the linker script says.
    reserved:
        Bytes that the SDK and edgekit's firmware need of it, so not available.
    reserved_why:
        Who needs them and how the figure was got; compulsory when ``reserved`` is not 0.
    source:
        Where the figures are from.
    arena:
        Whether the tensor arena goes here; exactly one region of a board.
    cache:
        Bytes of the cache that a region outside the chip is read through; 0 where it is read directly.
    """

    name: Name
    kind: RegionKind
    total: Annotated[Size, Field(gt=0)]
    reserved: Size = 0
    reserved_why: str = ""
    source: Text
    arena: bool = False
    cache: Size = 0

    @property
    def available(self) -> int:
        """Bytes left for edgekit: ``total - reserved``."""
        return self.total - self.reserved

    @model_validator(mode="after")
    def _holds_together(self) -> MemoryRegion:
        if self.reserved > self.total:
            raise ValueError(f"reserved: {self.reserved:,} bytes are more than the total of {self.total:,}")
        if self.reserved and not self.reserved_why.strip():
            raise ValueError("reserved_why: say what the reserved bytes are for")
        if self.arena and self.kind not in _ARENA_KINDS:
            raise ValueError(f"arena: a {self.kind} region cannot hold the arena by default")
        return self


class Sdk(_Frozen):
    """The software a firmware for the board is built with.

    Attributes
    ----------
    framework:
        Which project templates apply.
    name:
        The SDK, for people.
    tflm_package:
        The package that brings TFLite Micro (or LiteRT) to this SDK.
    tflm_release:
        Which upstream TFLite Micro that package holds, as far as known.
    tflm_source:
        How that is known.
    """

    framework: Framework
    name: Text
    tflm_package: Text
    tflm_release: Text
    tflm_source: Text


class Limits(_Frozen):
    """Default limits; ``None`` means what the memory regions leave.

    Attributes
    ----------
    ram_bytes, flash_bytes:
        For arena and image, in bytes.
    latency_ms:
        For one inference, in ms.
    """

    ram_bytes: Annotated[Size, Field(gt=0)] | None = None
    flash_bytes: Annotated[Size, Field(gt=0)] | None = None
    latency_ms: float = Field(gt=0, le=3_600_000)


class BoardProfile(_Frozen):
    """One board.

    Attributes
    ----------
    name:
        What ``--board`` takes; the stem of the file as well.
    aliases:
        Other names for it.
    core:
        The core that runs the model: ``"cortex-m4f"``, ``"xtensa-lx7"``.
    clock_mhz:
        Its clock in MHz, as the SDK sets it.
    simd:
        What it has to speed up int8 arithmetic, for people.
    kernels:
        Kernel libraries of TFLite Micro that can be used, best first.
    emulated:
        Whether it is a machine of an emulator: instructions can be counted there, time cannot be measured.
    linux:
        Whether it runs Linux and LiteRT instead of a firmware.
    memory:
        Memory regions.
    flash_method:
        How an image gets onto it.
    flash_target:
        What the tool for that calls the board or its chip, where edgekit does not know: pyOCD's target, OpenOCD's
        scripts, J-Link's device.
    usb_ids:
        ``VID:PID`` in hexadecimal capitals, of the board or its debug probe; ``VID:*`` for all of a vendor's.
    sources:
        Where the facts are from.
    unverified:
        What could not be checked against a source or a measurement.
    """

    name: Name
    title: Text
    aliases: tuple[Name, ...] = ()
    mcu: Text
    core: Core
    clock_mhz: int = Field(gt=0, le=10_000)
    simd: Text
    kernels: tuple[TflmKernels, ...] = Field(min_length=1)
    emulated: bool = False
    linux: bool = False
    memory: tuple[MemoryRegion, ...] = Field(min_length=1)
    sdk: Sdk
    flash_method: FlashMethod
    flash_target: Text | None = None
    usb_ids: tuple[UsbId, ...] = ()
    limits: Limits
    sources: tuple[Text, ...] = Field(min_length=1)
    unverified: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> BoardProfile:
        for key, values in (
            ("memory", [region.name for region in self.memory]),
            ("aliases", [self.name, *self.aliases]),
            ("kernels", [str(library) for library in self.kernels]),
        ):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{key}: {twice[0]!r} is there twice")
        arenas = [region.name for region in self.memory if region.arena]
        if len(arenas) != 1:
            what = f"{' and '.join(arenas)} both have" if arenas else "no region has"
            raise ValueError(f"memory: {what} arena = true; exactly one must")
        if not any(region.kind in _FLASH_KINDS for region in self.memory):
            raise ValueError(f"memory: no region of kind {' or '.join(_FLASH_KINDS)} for the image")
        for key, limit, region in (
            ("ram_bytes", self.limits.ram_bytes, self.arena_region),
            ("flash_bytes", self.limits.flash_bytes, self.flash_region),
        ):
            if limit is not None and limit > region.available:
                raise ValueError(
                    f"limits.{key}: {limit:,} bytes are more than the {region.available:,} of {region.name}"
                )
        return self

    @property
    def arena_region(self) -> MemoryRegion:
        """The region that holds the tensor arena."""
        return next(region for region in self.memory if region.arena)

    @property
    def flash_region(self) -> MemoryRegion:
        """The region that holds the image: the first of kind ``flash`` or ``sd``."""
        return next(region for region in self.memory if region.kind in _FLASH_KINDS)

    @property
    def ram_bytes(self) -> int:
        """Bytes for the tensor arena: the board's own limit, or what its region leaves."""
        return self.limits.ram_bytes or self.arena_region.available

    @property
    def flash_bytes(self) -> int:
        """Bytes for the image: the board's own limit, or what its region leaves."""
        return self.limits.flash_bytes or self.flash_region.available

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines that can run on it."""
        return ("tflm", "aot") if self.kernels_of("aot") else ("tflm",)

    def kernels_of(self, engine: Engine) -> tuple[KernelLibrary, ...]:
        """Return the kernel libraries of ``engine`` that can be used, best first; empty if the engine cannot run."""
        if engine == "tflm":
            return self.kernels
        return () if self.linux else aot_kernels(self.core)

    def check_engine(self, engine: Engine) -> None:
        """Check that ``engine`` can run on the board.

        Raises
        ------
        InputError
            If it cannot.
        """
        if engine not in self.engines:
            raise InputError(
                f"{self.title} cannot run the {engine} engine, which is for microcontrollers.",
                "Use --engine tflm.",
            )
