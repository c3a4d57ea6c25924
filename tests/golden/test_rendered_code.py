"""Rendered C++ compiled and run on this host: the bytes that a board gets are the bytes that Python has."""

from __future__ import annotations

import os
import re
import shutil
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rendering import STRICT, STRICT_C, aot_variant, compilers, make_spec, run

from edgekit.build.tflm import TFLM_VARIABLE, find_headers
from edgekit.codegen.environment import render
from edgekit.codegen.literals import c_bytes, c_int8
from edgekit.codegen.project import ProjectSpec, render_project
from edgekit.codegen.resolver import Registration
from edgekit.tflite.operators import ADD_METHODS, CMSIS_NN_INT8, CUSTOM_ADD_METHODS

HERE = Path(__file__).parent
Unpack = Callable[[Mapping[str, bytes | str]], Path]
C_OF = {"g++": "gcc", "clang++": "clang"}
pytestmark = pytest.mark.skipif(not compilers(), reason="no C++ compiler is installed")


def compile_strictly(compiler: str, folder: Path, *sources: Path, options: tuple[str, ...] = ()) -> Path:
    """Compile and link ``sources`` with every warning an error; return the program."""
    program = folder / "program"
    c_sources = [source for source in sources if source.suffix == ".c"]
    objects = [source.with_suffix(".o") for source in c_sources]
    for source, target in zip(c_sources, objects, strict=True):
        run(C_OF[compiler], *STRICT_C, *options, *include(folder), "-c", source, "-o", target)
    others = [source for source in sources if source not in c_sources]
    run(compiler, *STRICT, *options, *include(folder), *others, *objects, "-o", program)
    return program


def include(folder: Path) -> list[str]:
    """Return the options that make a build folder's headers found, and the stubs of TFLite Micro's."""
    parts = [folder / "src" / name for name in ("model", "core", "engine/aot", "engine/tflm", "ports")]
    return [f"-I{part}" for part in (*parts, HERE / "stubs") if part.is_dir()]


def report(program: Path) -> dict[str, str]:
    """Run the program and return what it says, one ``key value`` a line."""
    lines = run(program).stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines)


@pytest.mark.parametrize("compiler", compilers())
@pytest.mark.parametrize("labelled", [True, False])
def test_the_compiled_data_equal_the_model_and_the_golden_vectors(
    compiler: str, labelled: bool, tiny_spec: ProjectSpec, unpack: Unpack
) -> None:
    spec = tiny_spec if labelled else replace(tiny_spec, labels=())
    files = render_project(spec)
    folder = unpack(files)
    said = report(compile_strictly(compiler, folder, *model_check(folder)))
    assert said["model"] == f"{len(spec.model)} {zlib.crc32(spec.model)} aligned {len(spec.model)}"
    assert said["sha256"] == spec.model_sha256
    assert said["prefix"] == f"{spec.model_sha256[:16]} {spec.model_sha256[:16]}"
    assert (
        said["golden"]
        == f"4 {zlib.crc32(spec.golden_inputs.tobytes())} {zlib.crc32(spec.golden_outputs.tobytes())}"
    )
    assert said["target"] == "golden-board tflm cmsis_nn_dsp greedy"
    assert said["arena"] == "2688 2572 2688"
    assert said["ops"] == "3 4 1 3 22 25 of 6"
    assert said["input"] == "9 1 6 6 3 108 1006632960 0 128"  # int8; 0x3c000000 is 1/128 as binary32
    assert said["output"] == "9 1 3 3 998244352 -128 0"  # 0x3b800000 is 1/256
    *labels, end = said["labels"].split(" ") if labelled else [said["labels"]]
    assert tuple(bytes.fromhex(text).decode() for text in labels) == spec.labels and end == "ended"


def model_check(folder: Path) -> list[Path]:
    """Return the sources of the program that says what a tflm folder's model holds."""
    return [
        HERE / "check_model.cc",
        *(folder / "src/model" / name for name in ("model_data.cc", "settings.c")),
    ]


def test_a_flipped_byte_is_found_by_the_same_check(tiny_spec: ProjectSpec, unpack: Unpack) -> None:
    files = render_project(tiny_spec)
    for path in ("src/model/model_data.cc", "src/model/settings.c"):
        text = str(files[path])
        item = re.search(r"0x1c," if "data" in path else r" -128,", text)
        assert item is not None
        changed = "0x1d," if "data" in path else " -127,"
        files[path] = text[: item.start()] + changed + text[item.end() :]
    folder = unpack(files)
    said = report(compile_strictly(compilers()[0], folder, *model_check(folder)))
    assert said["model"].split()[0] == str(len(tiny_spec.model))
    assert said["model"].split()[1] != str(zlib.crc32(tiny_spec.model))
    assert said["golden"].split()[1] != str(zlib.crc32(tiny_spec.golden_inputs.tobytes()))


@pytest.mark.parametrize("size", [1, 15, 16, 17, 33])
def test_byte_arrays_of_every_length_compile_to_themselves(size: int, tmp_path: Path) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    source = tmp_path / "array.cc"
    source.write_text(
        f"""#include <cstdio>
const unsigned char bytes[] = {{
{c_bytes(data.tobytes())}
}};
const signed char numbers[] = {{
{c_int8(data.view(np.int8))}
}};
int main() {{
  for (unsigned char b : bytes) std::printf("%d ", b);
  for (signed char n : numbers) std::printf("%d ", n);
}}
"""
    )
    run(compilers()[0], *STRICT, source, "-o", tmp_path / "array")
    numbers = [int(text) for text in run(tmp_path / "array").stdout.split()]
    assert numbers == [*data.tolist(), *data.view(np.int8).tolist()]


@pytest.mark.parametrize("compiler", compilers())
@pytest.mark.parametrize(
    ("kernels", "defines", "expected"),
    [
        ("reference", (), "CONV_2D DEPTHWISE_CONV_2D AVERAGE_POOL_2D RESHAPE SOFTMAX"),
        ("esp_nn_s3", ("-DESP_NN",), "CONV_2D DEPTHWISE_CONV_2D AVERAGE_POOL_2D RESHAPE SOFTMAX"),
        (
            "cmsis_nn_mve",
            ("-DCMSIS_NN",),
            "CONV_2D_INT8 DEPTHWISE_CONV_2D_INT8 AVERAGE_POOL_2D_INT8 RESHAPE SOFTMAX_INT8",
        ),
    ],
)
def test_the_resolver_holds_exactly_the_models_operators(
    compiler: str,
    kernels: str,
    defines: tuple[str, ...],
    expected: str,
    tiny_spec: ProjectSpec,
    unpack: Unpack,
) -> None:
    folder = unpack(render_project(replace(tiny_spec, kernels=kernels)))  # type: ignore[arg-type]
    program = compile_strictly(
        compiler, folder, HERE / "check_resolver.cc", folder / "src/model/op_resolver.cc", options=defines
    )
    said = report(program)
    assert said["first"] == f"ok {expected}"
    # The resolver is full and nothing is added twice: the error of an Add call comes through.
    assert said["second"] == "error"


def test_every_operator_of_the_table_compiles(tmp_path: Path) -> None:
    source = tmp_path / "op_resolver.cc"
    source.write_text(render("model/op_resolver.cc.j2", {"registrations": all_registrations(int8=True)}))
    header = render("model/op_resolver.h.j2", {"registrations": all_registrations(int8=True)})
    (tmp_path / "op_resolver.h").write_text(header)
    run(compilers()[0], *STRICT, "-DCMSIS_NN", "-I", HERE / "stubs", "-fsyntax-only", source)


@pytest.mark.parametrize("define", [None, "CMSIS_NN", "ESP_NN"])
def test_every_operator_of_the_table_exists_in_the_real_headers(define: str | None, tmp_path: Path) -> None:
    includes = real_headers()
    registrations = all_registrations(int8=define == "CMSIS_NN")
    for suffix in ("h", "cc"):
        text = render(f"model/op_resolver.{suffix}.j2", {"registrations": registrations})
        (tmp_path / f"op_resolver.{suffix}").write_text(text)
    options = ["-DTF_LITE_STATIC_MEMORY", *([f"-D{define}"] if define else [])]
    run(compilers()[0], *STRICT, *options, *includes, "-fsyntax-only", tmp_path / "op_resolver.cc")


@pytest.mark.parametrize("name", ["vww_96_int8.tflite", "kws_ref_model.tflite", "ad01_int8.tflite"])
@pytest.mark.parametrize("kernels", ["reference", "cmsis_nn", "esp_nn"])
def test_trained_models_compile(name: str, kernels: str, shared_models: Path, unpack: Unpack) -> None:
    spec = make_spec((shared_models / name).read_bytes(), kernels=kernels, arena_bytes=1 << 20)
    folder = unpack(render_project(spec))
    define = () if kernels == "reference" else (f"-D{kernels.upper()}",)
    for source in (folder / "src").rglob("*.cc"):
        run(compilers()[0], *STRICT, *define, *include(folder), "-fsyntax-only", source)


def test_rendered_code_compiles_for_a_microcontroller(tiny_spec: ProjectSpec, unpack: Unpack) -> None:
    compiler = shutil.which("arm-none-eabi-g++")
    if compiler is None:
        pytest.skip("arm-none-eabi-g++ is not installed")
    folder = unpack(render_project(tiny_spec))
    options = ["-mcpu=cortex-m4", "-mthumb", "-DCMSIS_NN", "-fno-exceptions", "-fno-rtti"]
    # The C++ library, which the engine needs a header of, is a package of its own.
    complete = "/" in run(compiler, "-print-file-name=libstdc++.a").stdout
    sources = sorted((folder / "src" if complete else folder / "src/model").rglob("*.cc"))
    assert len(sources) == 2 + complete
    for source in sources:
        run(compiler, *STRICT, *options, *include(folder), "-c", source, "-o", source.with_suffix(".o"))


@pytest.mark.parametrize("compiler", compilers())
def test_the_model_as_c_gives_the_golden_outputs(
    compiler: str, tiny_spec: ProjectSpec, unpack: Unpack
) -> None:
    folder = unpack(render_project(aot_variant(tiny_spec)))
    program = compile_strictly(compiler, folder, *aot_check(folder))
    assert run(program, check=False).returncode == 0


def test_what_the_readme_says_runs_tflm_compiles(tiny_spec: ProjectSpec, unpack: Unpack) -> None:
    folder = unpack(render_project(tiny_spec))
    readme = (folder / "src/model/README.md").read_text()
    (example,) = re.findall(r"```cpp\n(.*?)```", readme, re.DOTALL)
    source = folder / "example.cc"
    source.write_text(example)
    run(
        compilers()[0], "-std=c++17", "-Wall", "-Wextra", "-Werror", *include(folder), "-fsyntax-only", source
    )


def aot_check(folder: Path) -> list[Path]:
    """Return the sources of the program that runs an aot folder's model on its golden inputs."""
    model = [folder / "src/model" / name for name in ("model.c", "settings.c")]
    return [HERE / "check_aot.cc", *model, *sorted((folder / "src/engine/aot").glob("*.c"))]


def test_a_flipped_bit_of_the_model_as_c_is_found_by_the_same_check(
    tiny_spec: ProjectSpec, unpack: Unpack
) -> None:
    files = render_project(aot_variant(tiny_spec))
    model = str(files["src/model/model.c"])
    weights = re.search(r"ek_weights_3.*\n +(-?\d+)", model)
    assert weights is not None
    files["src/model/model.c"] = f"{model[: weights.start(1)]}{int(weights[1]) ^ 64}{model[weights.end(1) :]}"
    folder = unpack(files)
    program = compile_strictly(compilers()[0], folder, *aot_check(folder))
    assert run(program, check=False).returncode > 0


ENGINE_SAYS = {
    "refused": "1 AllocateTensors failed in an arena of 2688 bytes (2572 predicted): "
    "Failed to resize buffer. Requested: 2689, available 2688, missing: 1",
    "unready": "1 1 0",
    "silent": "1 AllocateTensors failed in an arena of 2688 bytes (2572 predicted): "
    "it does not say why (its library is built with TF_LITE_STRIP_ERROR_STRINGS)",
    "ready": "0 2688",
    "given": "1 1 1",
    "hooked": "0:x 1:x 2:x = 0 42",
    "again": "0:x 1:x 2:x = 0 8",
    "unhooked": "0",
    "failing": "0:x 1:x = 1",
}


@pytest.mark.parametrize("compiler", compilers())
def test_the_tflm_engine_runs_and_says_why_it_cannot(
    compiler: str, tiny_spec: ProjectSpec, unpack: Unpack
) -> None:
    folder = unpack(render_project(tiny_spec))
    model = [folder / "src/model" / name for name in ("model_data.cc", "op_resolver.cc")]
    engine = [folder / "src/engine/ek_engine_tflm.cc", folder / "src/engine/tflm/ek_log.c"]
    options = (
        "-DTF_LITE_STATIC_MEMORY",
        "-DCMSIS_NN",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    )
    said = report(
        compile_strictly(compiler, folder, HERE / "check_engine.cc", *model, *engine, options=options)
    )
    assert said == ENGINE_SAYS


def test_what_is_logged_is_what_the_c_library_would_write(tiny_spec: ProjectSpec, unpack: Unpack) -> None:
    folder = unpack(render_project(tiny_spec))
    check = folder / "check_log.c"
    check.write_text((HERE / "check_log.c").read_text())
    program = compile_strictly(compilers()[0], folder, check, folder / "src/engine/tflm/ek_log.c")
    assert run(program).stdout == ""


def test_what_the_readme_says_builds_the_model_as_c(tiny_spec: ProjectSpec, unpack: Unpack) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no cc")
    folder = unpack(render_project(aot_variant(tiny_spec))) / "src/model"
    readme = (folder / "README.md").read_text()
    command, example = re.findall(r"```(?:sh|c)\n(.*?)```", readme, re.DOTALL)
    (folder / "example.c").write_text(example)
    include = command.replace("model.c ", "model.c example.c ")
    run("sh", "-ec", f"cd {folder} && {include}")
    assert (folder / "model.o").exists() and (folder / "example.o").exists()


@pytest.mark.parametrize(
    "target",
    ["arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb", "riscv64-unknown-elf-gcc -march=rv32imac -mabi=ilp32"],
)
def test_the_model_as_c_compiles_for_microcontrollers(
    target: str, tiny_spec: ProjectSpec, unpack: Unpack
) -> None:
    compiler, *options = target.split()
    assert shutil.which(compiler), f"{compiler} is not installed"
    folder = unpack(render_project(aot_variant(tiny_spec)))
    section = '-DEK_ARENA_SECTION=__attribute__((section(".fast")))'
    include = f"-I{folder / 'src/engine/aot'}"
    source = folder / "src/model/model.c"
    run(
        compiler,
        *options,
        *STRICT_C,
        "-ffreestanding",
        section,
        include,
        "-c",
        source,
        "-o",
        folder / "model.o",
    )
    sections = run(compiler.replace("gcc", "objdump"), "-h", folder / "model.o").stdout
    assert re.search(r"\.fast +000000e0", sections), sections


def all_registrations(int8: bool) -> list[Registration]:
    """Return a registration for every operator that edgekit knows."""
    table = [
        Registration(op, method, f"Register_{op}_INT8" if int8 and op in CMSIS_NN_INT8 else "")
        for op, method in ADD_METHODS.items()
    ]
    return table + [Registration(op, method) for op, method in CUSTOM_ADD_METHODS.items()]


def real_headers() -> list[str]:
    """Return the options that make TFLite Micro's own headers found, or skip."""
    root = os.environ.get(TFLM_VARIABLE)
    if not root:
        pytest.skip(f"TFLite Micro's headers are not at hand (set {TFLM_VARIABLE})")
    return [part for folder in find_headers(Path(root), "") for part in ("-isystem", str(folder))]
