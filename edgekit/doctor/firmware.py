"""What is wrong with an image: slow kernels, no optimization, float printf, alignment, the arena's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from edgekit.boards.profile import Framework
from edgekit.build.elf import Elf
from edgekit.build.memory_map import arena_memory, memory_at
from edgekit.codegen.record import FirmwareProject
from edgekit.doctor.evidence import Compilation, compilations, of_sources
from edgekit.doctor.finding import Finding, note, ok, problem, warning
from edgekit.units import format_size

_ALIGNMENT: Final = 16
"""Bytes; what TFLite Micro wants of model and arena."""
_SLOW: Final = ("-O0", "-Og")
_SMALL: Final = ("-O1", "-Os", "-Oz")
_OPTIMIZE: Final[Mapping[Framework, str]] = {
    "esp_idf": "CONFIG_COMPILER_OPTIMIZATION_PERF=y in sdkconfig.defaults",
    "zephyr": "CONFIG_SPEED_OPTIMIZATIONS=y in prj.conf",
    "pico_sdk": "target_compile_options(firmware PRIVATE -O2) in CMakeLists.txt",
    "platformio": "build_unflags = -Os and build_flags = -O2 in platformio.ini",
    "arduino": "the board's option for -O2, or compiler.c.extra_flags=-O2 with --build-property",
    "bare_metal": "-O2 in CMakeLists.txt",
}
_FLOAT_PRINTF: Final = (
    "_printf_float",
    "_dtoa_r",
    "__dtoa_engine",
    "__d_vfprintf",
    "_ftoa",
    "_etoa",
    "encode_float",
)
"""What prints floating-point numbers: in newlib, picolibc, the Pico SDK, Zephyr."""
_NO_FLOAT: Final[Mapping[Framework, str]] = {
    "esp_idf": "CONFIG_LIBC_NEWLIB_NANO_FORMAT=y (CONFIG_NEWLIB_NANO_FORMAT=y before ESP-IDF 6) in sdkconfig.defaults",
    "zephyr": "CONFIG_CBPRINTF_FP_SUPPORT=n in prj.conf",
    "pico_sdk": "target_compile_definitions(firmware PRIVATE PICO_PRINTF_SUPPORT_FLOAT=0) in CMakeLists.txt",
}
_ENGINE: Final = ("ek_engine_tflm.cc",)
_STATIC: Final = "TF_LITE_STATIC_MEMORY"


@dataclass(frozen=True)
class Image:
    """An image, and what is known of how it came about.

    Attributes
    ----------
    project:
        What it was built from.
    elf:
        The linked program.
    compiled:
        How its sources were compiled; empty if nothing tells.
    """

    project: FirmwareProject
    elf: Elf
    compiled: Sequence[Compilation]

    @property
    def own(self) -> list[Compilation]:
        """How the project's own sources were compiled."""
        names = {PurePosixPath(name).name for name in self.project.files if name.startswith("src/")}
        return of_sources(self.compiled, names)


def load_image(folder: Path, file: str, project: FirmwareProject) -> Image:
    """Return the image ``file`` of the build folder ``folder``.

    Raises
    ------
    InputError
        If it is no ELF file.
    OSError
        If it cannot be read.
    """
    content = (folder / file).read_bytes()
    return Image(project, Elf(content), compilations(folder, content))


def check_firmware(image: Image) -> list[Finding]:
    """Return the findings on an image."""
    found = [
        check_optimization(image),
        check_kernels(image),
        check_float_printf(image),
        check_alignment(image),
        check_arena(image),
        check_static_memory(image),
    ]
    return [finding for finding in found if finding is not None]


def check_optimization(image: Image) -> Finding:
    """Look with which optimization the engine and the kernels were compiled."""
    check = "firmware.optimization"
    kernels = [one for one in image.compiled if _is_kernel(one)]
    sources = {one.file: one for one in (*image.own, *kernels)}
    fix = f"Set {_OPTIMIZE.get(image.project.framework, '-O2')}, and build again."
    if not sources:
        return note(
            check,
            "Nothing tells with which optimization the image was compiled.",
            "neither compile_commands.json nor DWARF",
            "`edgekit build` again with this edgekit leaves a compile_commands.json where the tools can.",
        )
    for levels, report, what, so in (
        (_SLOW, problem, "without optimization", ": they are several times slower"),
        (_SMALL, warning, "for size and not for speed", ""),
    ):
        slow = [one for one in sources.values() if one.optimization in levels]
        if slow:
            first = slow[0]
            return report(
                check,
                f"Engine and kernels were compiled {what} in {len(slow)} of {len(sources)} sources{so}.",
                f"{first.source}: {first.name} with {first.optimization}",
                fix,
            )
    found = sorted({one.optimization for one in sources.values()})
    return ok(
        check,
        f"Engine and kernels were compiled with {' and '.join(found)}.",
        next(iter(sources.values())).source,
    )


def _is_kernel(one: Compilation) -> bool:
    path = one.file.replace("\\", "/").lower()
    return any(part in path for part in ("/micro/kernels/", "cmsis_nn", "cmsis-nn", "esp_nn", "esp-nn"))


def check_kernels(image: Image) -> Finding:
    """Look whether the kernels in the image are those that the project was made for, by the names of its functions."""
    check = "firmware.kernels"
    kernels, framework = image.project.kernels, image.project.framework
    functions = image.elf.functions
    cmsis = next(
        (name for name in functions if name.startswith(("arm_convolve_", "arm_depthwise_conv_"))), ""
    )
    esp = next(
        (name for name in functions if name.startswith(("esp_nn_conv_s8", "esp_nn_depthwise_conv_s8"))), ""
    )
    if image.project.engine == "aot":
        plain = [one for one in image.own if one.defines("EK_PORTABLE")]
        if kernels == "dsp" and plain:
            return problem(
                check,
                "The kernels are plain C, and the project is for those with the DSP extension.",
                f"{plain[0].source}: {plain[0].name} with EK_PORTABLE",
                "Take EK_PORTABLE out of the definitions, and build again.",
            )
        return ok(check, f"The kernels are edgekit's own, {kernels}.")
    if kernels.startswith("cmsis_nn") and not cmsis:
        return problem(
            check,
            "There is no CMSIS-NN in the image: the reference kernels run, which are several times slower.",
            "no function arm_convolve_* or arm_depthwise_conv_*",
            f"{_cmsis_fix(framework)}, and build again.",
        )
    if kernels.startswith("esp_nn"):
        suffix = {"esp_nn_s3": "_esp32s3", "esp_nn_p4": "_esp32p4"}.get(kernels, "")
        right = [name for name in functions if name.startswith("esp_nn_") and name.endswith(suffix)]
        if not esp or not right:
            what = "ESP-NN's plain C" if esp else "the reference kernels"
            return problem(
                check,
                f"The image has {what} in place of {'the vector instructions' if suffix else 'ESP-NN'}.",
                f"function {esp}" if esp else "no function esp_nn_conv_s8* or esp_nn_depthwise_conv_s8*",
                "CONFIG_NN_OPTIMIZED=y in sdkconfig.defaults; espressif/esp-tflite-micro in main/idf_component.yml.",
            )
    if kernels == "reference" and (cmsis or esp):
        return warning(
            check,
            f"The image has {'CMSIS-NN' if cmsis else 'ESP-NN'}, and the project is for the reference kernels:"
            " arena and latency were predicted for those.",
            f"function {cmsis or esp}",
            "Make the build folder anew with --kernels for what the image has, or link a library without it.",
        )
    return ok(check, f"The kernels are those that the project is for, {kernels}.", cmsis or esp)


def _cmsis_fix(framework: Framework) -> str:
    if framework == "zephyr":
        return "CONFIG_TENSORFLOW_LITE_MICRO_CMSIS_NN_KERNELS=y in prj.conf"
    if framework == "bare_metal":
        return "Link a TFLite Micro that was made with OPTIMIZED_KERNEL_DIR=cmsis_nn"
    return "Define CMSIS_NN and link the kernels of TFLite Micro's folder cmsis_nn"


def check_float_printf(image: Image) -> Finding:
    """Look whether what prints floating-point numbers was linked."""
    check = "firmware.float_printf"
    found = {name: size for name, size in image.elf.functions.items() if name in _FLOAT_PRINTF}
    if not found:
        return ok(check, "Nothing that prints floating-point numbers was linked.")
    remedy = _NO_FLOAT.get(image.project.framework)
    return warning(
        check,
        f"What prints floating-point numbers was linked, and takes {format_size(sum(found.values()))} of flash or more;"
        " edgekit's firmware prints none.",
        f"functions {', '.join(sorted(found))}",
        f"If none of your own code needs it: {remedy or 'leave out -u _printf_float'}.",
    )


def check_alignment(image: Image) -> Finding | None:
    """Look whether model and arena lie as TFLite Micro wants them."""
    check = "firmware.alignment"
    if image.project.engine != "tflm":
        return None
    wrong = {}
    for name in ("g_model_data", "ek_arena"):
        address = image.elf.address(name)
        if address is not None and address % _ALIGNMENT:
            wrong[name] = address
    if not wrong:
        return ok(check, f"Model and arena are aligned to {_ALIGNMENT} bytes.")
    return problem(
        check,
        f"{' and '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} not aligned to {_ALIGNMENT} bytes:"
        " TFLite Micro reads wrong values, or the core faults.",
        ", ".join(f"{name} at {address:#x}" for name, address in wrong.items()),
        f"Keep alignas({_ALIGNMENT}) where they are defined, and the linker script from packing the section.",
    )


def check_arena(image: Image) -> Finding | None:
    """Look in which memory the arena lies; ``None`` where the board's memories are not known."""
    check = "firmware.arena"
    address = image.elf.address("ek_arena")
    planned = arena_memory(image.project.board)
    if address is None or planned is None:
        return None
    place = memory_at(image.project.board, address)
    if place == planned:
        return ok(check, f"The arena lies in {place}, as planned.", f"{address:#x}")
    if place == "psram":
        return warning(
            check,
            "The arena lies in PSRAM, behind a cache: inference is several times slower than predicted.",
            f"ek_arena at {address:#x}",
            f"Keep it in {planned} where it fits; otherwise measure with `edgekit bench` before you rely on it.",
        )
    return warning(
        check,
        f"The arena lies in {place or 'a memory that is not known'} and not in {planned}, which it was planned for.",
        f"ek_arena at {address:#x}",
        "Look at EK_ARENA_SECTION and the linker script.",
    )


def check_static_memory(image: Image) -> Finding | None:
    """Look whether TFLite Micro and what calls it agree on how large its structs are.

    ``None`` where there is no TFLite Micro, or no record of how both were compiled.
    """
    check = "firmware.static_memory"
    engine = of_sources(image.compiled, _ENGINE)
    library = [
        one for one in image.compiled if "/micro/kernels/" in one.file and one.file.endswith((".cc", ".cpp"))
    ]
    if not engine or not library or engine[0].source == "DWARF":
        return None
    ours = engine[0].defines(_STATIC)
    others = [one for one in library if one.defines(_STATIC) != ours]
    if not others:
        return ok(
            check, f"TFLite Micro and what calls it were both compiled with{'' if ours else 'out'} {_STATIC}."
        )
    return problem(
        check,
        f"{_STATIC} is defined for {'the engine' if ours else 'TFLite Micro'} alone: their structs differ in size.",
        f"{engine[0].source}: {engine[0].name} and {others[0].name}",
        f"Define {_STATIC} for both, and build everything again.",
    )
