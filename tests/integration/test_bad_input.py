"""What bad input gets: one clear sentence, what to do, the right exit status, and nothing half-written."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import check_refusal, contents, edgekit, refused, write_image_classes

from edgekit.boards.catalog import BOARDS_VARIABLE
from edgekit.cli.main import run
from edgekit.resources import resource_dir
from edgekit.tflite.reader import MAX_MODEL_BYTES

FIT = ("fit", "--board", "mps2-an386")
SMALL_FIT = (
    *(*FIT, "--engine", "tflm", "--grid", "fine"),
    *("--channels", "1", "--ram", "28KB", "--max-latency", "100ms"),
)


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BOARDS_VARIABLE, raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder with the result of earlier work."""
    folder = tmp_path / "build"
    (folder / "src").mkdir(parents=True)
    for name in ("fit.json", "project.json", "model.tflite", "src/model.cc"):
        (folder / name).write_text(f"earlier {name}")
    return folder


# --- model files ---


def test_a_model_cut_off_anywhere_is_refused(
    tiny_model: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "cut.tflite"
    for length in sorted({*range(0, 64), *range(64, len(tiny_model), 61), len(tiny_model) - 1}):
        model.write_bytes(tiny_model[:length])
        # The file ends with its least important bytes; once nothing is missing that is read, it may pass.
        if length < len(tiny_model) - 64:
            refused(capsys, "inspect", model)
        else:
            assert run(["inspect", str(model)]) in (0, 2)
    model.write_bytes(tiny_model)
    assert run(["inspect", str(model)]) == 0


def test_a_model_with_flipped_bits_is_refused_or_judged(
    tiny_model: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "flipped.tflite"
    statuses = []
    for seed in range(200):
        generator, content = random.Random(seed), bytearray(tiny_model)
        for _ in range(generator.choice([1, 4, 16, 64])):
            content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        model.write_bytes(content)
        statuses.append(run(["inspect", str(model), "--board", "mps2-an386"]))
        said = capsys.readouterr().err
        if statuses[-1] == 2:
            check_refusal(said)
        assert "Traceback" not in said
    assert set(statuses) <= {0, 1, 2}
    assert statuses.count(2) > 50 and statuses.count(0) > 0


@pytest.mark.parametrize("command", ["inspect", "bench"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a .tflite"),
        (b"\x1c\0\0\0TFL3", "damaged"),
    ],
)
def test_what_is_no_model_is_refused(
    command: str, content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(content)
    args = [model] if command == "inspect" else ["--port", "host", "--model", model]
    refused(capsys, command, *args, words=words)


def test_a_huge_file_is_refused_without_being_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "huge.tflite"
    with model.open("wb") as file:
        file.truncate(MAX_MODEL_BYTES + 1)
    refused(capsys, "inspect", model, words="more than")
    refused(capsys, "bench", "--port", "host", "--model", model, words="more than")


def test_missing_files_and_folders_in_their_place_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "inspect", "nowhere.tflite", words="no model file")
    refused(capsys, "inspect", tmp_path, words="is a folder")


def test_a_kernel_library_of_another_board_is_refused(
    tiny_model: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.tflite").write_bytes(tiny_model)
    args = ("--board", "rp2040", "--kernels", "esp_nn_s3")
    refused(capsys, "inspect", tmp_path / "m.tflite", *args, words="cannot use esp_nn_s3")
    refused(capsys, "inspect", tmp_path / "m.tflite", "--ram", "1KB", words="need a board")


def test_a_zip_that_is_no_keras_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "fake.keras"
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("config.json", '{"class_name": "Nothing"}')
    refused(capsys, "convert", model, "-o", tmp_path / "out.tflite")
    assert not (tmp_path / "out.tflite").exists()


# --- data and weights ---


def test_folders_that_are_no_data_set_are_refused_before_anything_is_done(
    tmp_path: Path, earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(earlier)
    one = write_image_classes(tmp_path / "one", 3)
    for label in ("across", "none"):
        (one / label).rename(tmp_path / label)
    empty = tmp_path / "empty"
    (empty / "a").mkdir(parents=True)
    (tmp_path / "file").write_text("no folder")
    for data, words in (
        (tmp_path / "missing", "no folder"),
        (tmp_path / "file", "is a file"),
        (empty, "no JPEG or PNG"),
        (one, "only one class"),
    ):
        refused(capsys, *SMALL_FIT, "--data", data, "-o", earlier, words=words)
    assert contents(earlier) == before


def test_another_number_of_classes_than_folders_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_image_classes(tmp_path / "images", 2)
    refused(capsys, *SMALL_FIT, "--data", data, "--classes", "4", words="--classes says 4")


def test_a_class_with_too_few_images_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_image_classes(tmp_path / "images", 2)
    output = tmp_path / "new"
    said = refused(capsys, *SMALL_FIT, "--data", data, "-o", output, words="across")
    assert "images" in said and not output.exists()


def test_weights_that_cannot_be_used_are_refused(
    tmp_path: Path, earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(earlier)
    (tmp_path / "fake.keras").write_bytes(b"not a zip file")
    for weights in ("nowhere.h5", tmp_path / "fake.keras", tmp_path):
        refused(capsys, *SMALL_FIT, "--classes", "3", "--weights", weights, "-o", earlier)
    assert contents(earlier) == before


def test_imagenet_weights_without_network_are_a_clear_error(tmp_path: Path, earlier: Path) -> None:
    before = contents(earlier)
    nowhere = "http://127.0.0.1:9"
    environment = {
        "KERAS_HOME": str(tmp_path / "keras"),
        **{name: nowhere for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")},
    }
    limits = ("--engine", "tflm", "--ram", "110KB")
    args = (*FIT, *limits, "--classes", "2", "--weights", "imagenet", "-o", earlier)
    done = edgekit(*args, env=environment)
    assert done.returncode == 1 and done.stdout == ""
    check_refusal(done.stderr, "could not be downloaded")
    assert contents(earlier) == before


# --- boards and limits ---


def test_an_unknown_board_gets_close_names(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "fit", "--board", "esp32s4", "--search-only", words="no board 'esp32s4'")
    assert "esp32s3" in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("clock_mhz = 25", "clock_mhz = ", "not valid TOML"),
        ("clock_mhz = 25", 'clock_mhz = "fast"', "clock_mhz"),
        ("clock_mhz = 25", "clock_ghz = 25", "clock"),
        ("total = 4194304", "total = -1", "memory"),
        ('core = "cortex-m4f"', "", "core"),
    ],
)
def test_a_malformed_board_names_file_key_and_reason(
    old: str, new: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (resource_dir("boards") / "mps2-an386.toml").read_text()
    assert old in text
    (tmp_path / "mps2-an386.toml").write_text(text.replace(old, new, 1))
    said = refused(capsys, *FIT, "--search-only", "--boards-dir", tmp_path, words=words)
    assert "mps2-an386.toml" in said


@pytest.mark.parametrize(
    "option",
    [
        ("--ram", "-1"),
        ("--ram", "0"),
        ("--ram", "9999999TB"),
        ("--ram", "lots"),
        ("--ram", "nan"),
        ("--ram", "1e400"),
        ("--flash", "-2MB"),
        ("--flash", "inf"),
        ("--max-latency", "-5ms"),
        ("--max-latency", "0"),
        ("--max-latency", "nan"),
        ("--max-latency", "99999h"),
        ("--classes", "1"),
        ("--classes", "100001"),
        ("--channels", "2"),
        ("--grid", "coarse"),
        ("--arch", "resnet"),
        ("--epochs", "0"),
        ("--samples", "0"),
        ("--seed", "-1"),
    ],
)
def test_negative_and_absurd_values_are_refused_by_the_option(
    option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, *FIT, "--search-only", *option, hint=False, words=option[0])
    assert "Usage: edgekit fit" in said


def test_nothing_fits_says_what_it_would_need_and_writes_nothing(
    earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(earlier)
    args = (*FIT, "--ram", "10KB", "--flash", "20KB", "--max-latency", "1ms", "-o", earlier)
    said = refused(capsys, *args, status=1, words="Nothing fits")
    assert all(f"{option} " in said for option in ("--ram", "--flash", "--max-latency"))
    assert contents(earlier) == before


# --- output ---


def test_an_output_folder_that_cannot_be_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        refused(capsys, *SMALL_FIT, "--classes", "3", "-o", output, words="Cannot write")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KB with an earlier bench.json on it and no room left."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted as root, and where mounting is allowed")
    try:
        (place / "bench.json").write_text("earlier")
        with (place / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                pass
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_and_keeps_what_was_there(
    full_disk: Path, tiny_model: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(full_disk)
    refused(capsys, *SMALL_FIT, "--classes", "3", "-o", full_disk, status=1, words="No space left")
    refused(capsys, *SMALL_FIT, "--classes", "3", "-o", full_disk / "new", status=1, words="No space left")
    (tmp_path / "m.tflite").write_bytes(tiny_model)
    bench = ("bench", "--port", "host", "--model", tmp_path / "m.tflite", "-o", full_disk / "bench.json")
    assert run([str(arg) for arg in bench]) == 1
    check_refusal(capsys.readouterr().err, "No space left")
    assert contents(full_disk) == before
    assert not (full_disk / "new").exists()


# --- interruption ---


def test_control_c_in_the_middle_of_training_keeps_the_earlier_build(tmp_path: Path, earlier: Path) -> None:
    before = contents(earlier)
    data = write_image_classes(tmp_path / "images")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "edgekit", *SMALL_FIT, "--epochs", "10000", "--json"]
    command += ["--data", str(data), "-o", str(earlier)]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = ""
        while "epoch 1:" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        printed, rest = process.communicate(timeout=60)
    assert process.returncode == 130, said + rest
    assert "Traceback" not in said + rest and "Interrupted" in rest
    assert printed == ""
    assert contents(earlier) == before
    assert list(temporary.iterdir()) == []
