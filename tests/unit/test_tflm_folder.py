"""Finding TFLite Micro in a user's folder: the right library for kernels and core, or what to do about it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from edgekit.boards.cores import get_core
from edgekit.boards.kernels import KernelLibrary
from edgekit.build.tflm import LIBRARY, TFLM_VARIABLE, find_tflm
from edgekit.build.toolchain import compile_nothing, find_cxx_compiler
from edgekit.errors import InputError, TaskError

M4F = get_core("cortex-m4f")
HEADERS = (
    "tensorflow/lite/micro/micro_interpreter.h",
    "downloads/flatbuffers/include/flatbuffers/flatbuffers.h",
    "downloads/gemmlowp/fixedpoint/fixedpoint.h",
    "downloads/ruy/ruy/profiler/instrumentation.h",
    # As upstream's tree has it elsewhere too, deeper.
    "python/old/copies/tensorflow/lite/micro/micro_interpreter.h",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with headers and no library."""
    root = tmp_path / "tflite-micro"
    for header in HEADERS:
        (root / header).parent.mkdir(parents=True)
        (root / header).touch()
    return root


def add_library(place: Path, core: str = "cortex-m4f", *, cmsis_nn: bool = False) -> Path:
    """Make a library of empty objects for ``core``."""
    place.mkdir(parents=True)
    names = ["micro_interpreter.o", *(["arm_convolve_s8.o"] if cmsis_nn else [])]
    for name in names:
        (place / name).write_bytes(compile_nothing(get_core(core)))
    subprocess.run(["arm-none-eabi-ar", "-r", LIBRARY, *names], cwd=place, check=True, capture_output=True)
    for name in names:
        (place / name).unlink()
    return place / LIBRARY


@pytest.mark.parametrize(("kernels", "cmsis_nn"), [("reference", False), ("cmsis_nn_dsp", True)])
@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33", "cortex-m55"])
def test_of_many_libraries_the_one_for_kernels_and_core_is_found(
    folder: Path, kernels: KernelLibrary, cmsis_nn: bool, core: str
) -> None:
    for other in ("cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33", "cortex-m55"):
        for has in (False, True):
            add_library(folder / "gen" / f"{other}_{has}" / "lib", other, cmsis_nn=has)
    found = find_tflm(folder, kernels, get_core(core))
    assert found.record.library == f"gen/{core}_{cmsis_nn}/lib/{LIBRARY}"
    assert found.record.sha256 == hashlib.sha256((folder / found.record.library).read_bytes()).hexdigest()
    assert found.record.commit is None
    downloads = folder / "downloads"
    assert found.include == (
        folder,
        downloads / "flatbuffers/include",
        downloads / "gemmlowp",
        downloads / "ruy",
    )


def test_the_variable_names_the_folder_and_the_argument_goes_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = add_library(folder / "lib")
    monkeypatch.setenv(TFLM_VARIABLE, str(folder))
    assert find_tflm(None, "reference", M4F).library == library
    with pytest.raises(InputError, match="elsewhere is no folder with TFLite Micro"):
        find_tflm(tmp_path / "elsewhere", "reference", M4F)


def test_a_build_with_logs_goes_before_others_and_two_of_them_are_too_many(folder: Path) -> None:
    add_library(folder / "gen" / "m4_default_gcc")
    best = add_library(folder / "gen" / "m4_release_with_logs_gcc")
    assert find_tflm(folder, "reference", M4F).library == best
    add_library(folder / "gen" / "copy_release_with_logs_gcc")
    with pytest.raises(InputError, match="has 2 times") as caught:
        find_tflm(folder, "reference", M4F)
    assert len(caught.value.details) == 2 and str(best) in caught.value.details


@pytest.mark.parametrize(
    ("kernels", "core", "words"),
    [
        ("reference", "cortex-m4f", "TARGET_ARCH=cortex-m4+fp BUILD_TYPE=release_with_logs microlite"),
        ("cmsis_nn", "cortex-m3", "TARGET_ARCH=cortex-m3 OPTIMIZED_KERNEL_DIR=cmsis_nn BUILD_TYPE="),
        ("cmsis_nn_mve", "cortex-m55", "TARGET_ARCH=cortex-m55 OPTIMIZED_KERNEL_DIR=cmsis_nn BUILD_TYPE="),
    ],
)
def test_what_is_missing_comes_with_the_command_that_makes_it(
    kernels: KernelLibrary, core: str, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TFLM_VARIABLE, raising=False)
    with pytest.raises(TaskError, match="no folder with it is named") as caught:
        find_tflm(None, kernels, get_core(core))
    assert words in caught.value.hint and "--tflm CLONE" in caught.value.hint
    with pytest.raises(InputError, match=f"for the {core}") as refused:
        find_tflm(folder, kernels, get_core(core))
    assert words in refused.value.hint


@pytest.mark.parametrize(
    ("core", "cmsis_nn"), [("cortex-m7", False), ("cortex-m3", False), ("cortex-m4f", True)]
)
def test_a_library_for_another_core_or_other_kernels_is_not_linked(
    core: str, cmsis_nn: bool, folder: Path
) -> None:
    library = add_library(folder / "lib", core, cmsis_nn=cmsis_nn)
    with pytest.raises(InputError, match="for the cortex-m4f with reference kernels") as caught:
        find_tflm(folder, "reference", M4F)
    assert caught.value.details == (f"not that: {library}",)


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"no library"])
def test_a_damaged_library_is_not_linked(content: bytes, folder: Path) -> None:
    (folder / LIBRARY).write_bytes(content)
    with pytest.raises(InputError, match="has no libtensorflow-microlite"):
        find_tflm(folder, "reference", M4F)


@pytest.mark.parametrize("header", HEADERS[:4])
def test_a_folder_without_one_of_the_headers_is_refused(header: str, folder: Path) -> None:
    add_library(folder / "lib")
    for name in {header, HEADERS[4]} if header == HEADERS[0] else {header}:
        (folder / name).unlink()
    with pytest.raises(InputError, match=f"there is no .*{Path(header).name}"):
        find_tflm(folder, "reference", M4F)


def test_the_commit_of_a_clone_is_told(folder: Path) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    add_library(folder / "lib")
    author = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for command in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "x")):
        subprocess.run([git, "-C", str(folder), *author, *command], check=True)
    commit = find_tflm(folder, "reference", M4F).record.commit
    assert commit is not None and len(commit) == 40


def test_a_missing_cxx_compiler_or_library_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TaskError, match=r"compiler for cortex-m4f, arm-none-eabi-g\+\+, is not") as caught:
        find_cxx_compiler(M4F)
    assert "libstdc++-arm-none-eabi-newlib" in caught.value.hint and "brew install" in caught.value.hint
    compiler = tmp_path / "arm-none-eabi-g++"
    compiler.write_text('#!/bin/sh\nset -- "${1#-print-file-name=}"\necho "$PREFIX$1"\n')
    compiler.chmod(0o755)
    with pytest.raises(TaskError, match=r"library of arm-none-eabi-g\+\+ is not installed"):
        find_cxx_compiler(M4F)
    monkeypatch.setenv("PREFIX", "/usr/lib/")
    assert find_cxx_compiler(M4F) == compiler
