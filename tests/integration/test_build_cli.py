"""``edgekit build``: a build folder becomes an image, with a real CMake and compiler, and is measured and judged."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aot_networks import random_network
from command_line import edgekit, refused
from firmware_folder import BOARDS, LISTENER, export_folder, processes_with, set_main, wait_until

from edgekit.build.process import run_logged
from edgekit.build.tflm import TFLM_VARIABLE
from edgekit.cli.main import run
from edgekit.errors import TaskError
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.writer import write_model

COMPILER = "arm-none-eabi-gcc"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_model: bytes) -> Path:
    """A build folder whose image was built; not to be changed."""
    folder = export_folder(tiny_model, tmp_path_factory.mktemp("built") / "edgekit-build")
    set_main(folder, LISTENER)
    assert run(["build", "--build", str(folder)]) == 0
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """The same folder, before it was built, to be changed."""
    copy = tmp_path / "copy"
    shutil.copytree(built, copy, ignore=shutil.ignore_patterns("out", "build.*"))
    return copy


def only(tmp_path: Path, *programs: str) -> str:
    """Return a PATH on which nothing but ``programs`` is found."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in programs:
        found = shutil.which(name)
        assert found, f"{name} is not installed: tools/setup_target.sh installs it"
        (place / name).symlink_to(found)
    return str(place)


def image_hash(folder: Path) -> str:
    return hashlib.sha256((folder / "out" / "firmware.elf").read_bytes()).hexdigest()


@pytest.mark.parametrize("board", BOARDS)
def test_every_port_builds_without_a_warning_and_with_the_arena_that_was_planned(
    board: str, tiny_model: bytes, tmp_path: Path
) -> None:
    folder = export_folder(tiny_model, tmp_path / "build", board)
    set_main(folder, LISTENER)
    assert run(["build", "--build", str(folder)]) == 0
    record = json.loads((folder / "build.json").read_text())
    project = json.loads((folder / "project.json").read_text())
    assert record["schema"] == "edgekit.build/1" and record["ok"] and record["board"] == board
    assert record["ram"]["arena_measured"] == project["arena"]["total"] == record["ram"]["arena_predicted"]
    assert record["flash"]["predicted"] == project["flash"]
    assert "warning:" not in (folder / "build.log").read_text()


def test_the_record_has_the_sizes_that_the_compilers_own_tool_sees(built: Path) -> None:
    record = json.loads((built / "build.json").read_text())
    said = subprocess.run(
        ["arm-none-eabi-size", built / "out" / "firmware.elf"], capture_output=True, text=True, check=True
    )
    text, data, bss = map(int, said.stdout.splitlines()[1].split()[:3])
    sizes = record["sizes"]
    assert (sizes["text"], sizes["data"], sizes["bss"]) == (text, data, bss)
    assert record["flash"]["measured"] == text + data and record["ram"]["total"] == data + bss
    assert record["image"]["sha256"] == image_hash(built)
    names = {part["name"]: part for part in record["largest"]}
    assert names["ek_arena"] == {
        "name": "ek_arena",
        "file": "model.c",
        "memory": "ram",
        "bytes": record["ram"]["arena_measured"],
    }


def test_the_tools_are_recorded_with_their_versions(built: Path) -> None:
    tools = json.loads((built / "build.json").read_text())["tools"]
    assert tools.keys() == {"cmake", "ninja", COMPILER}
    assert re.fullmatch(r"\d+\.\d+.*", tools["cmake"]) and re.fullmatch(r"\d+\.\d+.*", tools["ninja"])
    assert tools[COMPILER].startswith(COMPILER)


def test_the_folder_alone_is_enough_and_gives_the_same_image_anywhere(built: Path, tmp_path: Path) -> None:
    moved = tmp_path / "an other plåce" / "-build"
    shutil.copytree(built, moved)  # with CMake's cache, which tells of the first place
    done = edgekit("build", "--build=-build", cwd=moved.parent, env={"CFLAGS": "-DX -O0", "CC": "false"})
    assert done.returncode == 0, done.stderr
    assert image_hash(moved) == image_hash(built)


def test_make_takes_the_place_of_ninja(folder: Path, tmp_path: Path, built: Path) -> None:
    done = edgekit(
        "build",
        "--build",
        folder,
        "--json",
        env={"PATH": only(tmp_path, "cmake", "make", COMPILER, "arm-none-eabi-ar", "arm-none-eabi-ranlib")},
    )
    assert done.returncode == 0, done.stderr + (folder / "build.log").read_text()
    record = json.loads(done.stdout)
    assert record == json.loads((folder / "build.json").read_text())
    assert "make" in record["tools"] and image_hash(folder) == image_hash(built)


@pytest.mark.parametrize(
    ("there", "missing", "package"),
    [
        (("ninja", COMPILER), "cmake", "apt-get install cmake"),
        (("cmake", COMPILER), "ninja or make", "apt-get install ninja-build"),
        (("cmake", "ninja"), COMPILER, "apt-get install gcc-arm-none-eabi"),
    ],
)
def test_a_missing_tool_is_named_with_what_installs_it(
    there: tuple[str, ...],
    missing: str,
    package: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", only(tmp_path, *there))
    said = refused(capsys, "build", "--build", folder, status=1, words=missing)
    assert package in said and "brew install" in said


def test_what_the_compiler_refuses_is_shown_and_no_earlier_image_is_left(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["build", "--build", str(folder)]) == 0
    set_main(folder, "int main(void) { return undeclared; }\n")
    said = refused(capsys, "build", "--build", folder, status=1, words="could not be built")
    assert "main.c" in said and "undeclared" in said
    assert not (folder / "build.json").exists() and not (folder / "out" / "firmware.elf").exists()
    set_main(folder, "int other(void);\nint main(void) { return other(); }\n")
    assert "undefined reference" in refused(capsys, "build", "--build", folder, status=1)
    (folder / "src" / "ports" / "mps2" / "startup.c").unlink()
    assert "startup.c" in refused(capsys, "build", "--build", folder, status=1)


def test_a_changed_source_is_built_and_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = folder / "src" / "model" / "model.c"
    model.write_text(model.read_text() + "\n")
    assert run(["build", "--build", str(folder)]) == 0
    assert "src/model/model.c is not as edgekit wrote it" in capsys.readouterr().err
    assert "src/model/model.c" in json.loads((folder / "build.json").read_text())["changed"]


@pytest.mark.parametrize(
    ("limit", "words", "part"),
    [(("--flash", "1KB"), "flash", "ek_conv2d"), (("--ram", "64"), "RAM", "ek_arena")],
)
def test_an_image_over_the_limit_fails_with_its_largest_parts(
    limit: tuple[str, str],
    words: str,
    part: str,
    tiny_model: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = export_folder(tiny_model, tmp_path / "build", "mps2-an386", *limit)
    set_main(folder, LISTENER)
    said = refused(capsys, "build", "--build", folder, status=1, words=f"of {words}")
    assert re.search(rf"\d+ B  {part}\b", said.partition("Error: ")[2])
    record = json.loads((folder / "build.json").read_text())
    assert not record["ok"] and record["failures"]
    refused(capsys, "flash", "--build", folder, status=1, words=f"of {words}")
    assert not (folder / "flash.json").exists()


def test_an_image_over_the_boards_memory_fails_with_its_largest_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(random_network(NetworkSpec("mobilenet_v1", 0.5, 32, 3, 10), seed=1))
    folder = export_folder(model, tmp_path / "build", "mps3-an547")
    set_main(folder, LISTENER)
    said = refused(
        capsys, "build", "--build", folder, status=1, words="does not fit into the board's memory CODE"
    )
    assert re.search(r"262,144 B  ek_weights_\d+  \(model\.c\)", said)


def test_folders_that_nothing_can_be_built_from_are_refused(
    tiny_model: bytes, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "build", "--build", tmp_path / "none", words="not a build folder")
    computer = export_folder(tiny_model, tmp_path / "computer", "rpi4", "--engine", "tflm")
    refused(capsys, "build", "--build", computer, status=1, words="nothing to build for rpi4")
    (folder / "toolchain.cmake").unlink()
    refused(capsys, "build", "--build", folder, words="has no toolchain.cmake")


def test_tflm_is_asked_for_where_it_is_needed_and_only_there(
    tiny_model: bytes,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(TFLM_VARIABLE, raising=False)
    tflm = export_folder(tiny_model, tmp_path / "tflm", "mps2-an386", "--engine", "tflm")
    for command in (("build",), ("flash",), ("bench", "--port", "qemu")):
        said = refused(capsys, *command, "--build", tflm, status=1, words="TFLite Micro is needed")
        assert "OPTIMIZED_KERNEL_DIR=cmsis_nn" in said and "--tflm" in said
    refused(
        capsys, "build", "--build", tflm, "--tflm", tmp_path / "none", words="no folder with TFLite Micro"
    )
    refused(capsys, "build", "--build", folder, "--tflm", tmp_path, words="is for the aot engine")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that nobody can read from its beginning")
def test_what_cannot_be_read_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = folder / "src/model/model.c"
    source.unlink()
    source.symlink_to("/proc/self/mem")
    refused(capsys, "build", "--build", folder, status=1, words=f"Could not build in {folder}: ")
    refused(capsys, "build", "--build", folder / (300 * "x"), words="is not a build folder")


def test_a_folder_of_the_users_in_the_way_is_left_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "thesis.txt").write_text("mine")
    refused(capsys, "build", "--build", folder, words="in the way")
    assert (folder / "out" / "thesis.txt").read_text() == "mine"


def test_another_model_in_the_folder_takes_the_built_image_away(folder: Path, tiny_model: bytes) -> None:
    assert run(["build", "--build", str(folder)]) == 0
    export_folder(tiny_model, folder, "mps2-an385")
    assert not (folder / "build.json").exists() and not (folder / "out" / "firmware.elf").exists()


def test_a_tool_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    mark = f"{37}.{time.monotonic_ns() % 10**9}"
    with (tmp_path / "log").open("w+") as log:
        with pytest.raises(TaskError, match="did not finish within 1 s"):
            run_logged(["sh", "-c", f"sleep {mark} & sleep {mark}; echo over"], log, timeout=1)
        log.seek(0)
        assert "over\n" not in log.read().splitlines(keepends=True)
    wait_until(lambda: not processes_with(f"sleep\0{mark}"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_build_that_is_ended_leaves_no_compiler(number: signal.Signals, status: int, folder: Path) -> None:
    # Something that CMake waits for: it stays until it is ended.
    mark = f"61.{time.monotonic_ns() % 10**9}"
    toolchain = folder / "toolchain.cmake"
    toolchain.write_text(f"{toolchain.read_text()}execute_process(COMMAND sleep {mark})\n")
    command = [sys.executable, "-m", "edgekit", "build", "--build", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as build:
        wait_until(lambda: bool(processes_with(mark)))
        build.send_signal(number)
        assert build.stderr is not None and "Traceback" not in build.stderr.read()
    assert build.returncode == status
    wait_until(lambda: not processes_with(mark) and not processes_with(folder))
    assert not (folder / "build.json").exists()
