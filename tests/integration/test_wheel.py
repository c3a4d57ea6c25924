"""The wheel: what is in it, and that it works in a fresh environment, away from the checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from command_line import write_image_classes
from firmware_folder import processes_with

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"

RENDER = """
import sys
from pathlib import Path
golden, target = map(Path, sys.argv[1:])
sys.path.append(str(golden))
from rendering import LABELS, make_spec
from edgekit.codegen.project import render_project
from edgekit.files import write_all
write_all(target, render_project(make_spec((golden / "tiny.tflite").read_bytes(), labels=LABELS)))
"""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without what would lead back to the checkout."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "EDGEKIT_BOARDS")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["PYTHONNOUSERSITE"] = "1"
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    done = run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, ROOT, cwd=target
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a fresh environment that has the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    made = run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    assert made.returncode == 0, made.stdout + made.stderr
    python = folder / "bin" / "python"
    done = run(
        python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=folder.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return python


@pytest.fixture(scope="module")
def beside_tensorflow(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment that has the wheel, and all else from the one that runs the tests."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    folder = tmp_path_factory.mktemp("beside") / "venv"
    made = run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    assert made.returncode == 0, made.stdout + made.stderr
    python = folder / "bin" / "python"
    done = run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=folder.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    # Of a folder that is named so, the files that make an editable install are not followed.
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "beside.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "another folder"
    folder.mkdir()
    return folder


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_boards_templates_and_firmware_travel_in_the_wheel(wheel: Path) -> None:
    inside = set(names(wheel))
    for folder in ("boards", "templates", "firmware"):
        tracked = {
            f"edgekit/_data/{path.relative_to(ROOT)}"
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
        }
        assert tracked <= inside, folder
    assert "edgekit/_data/boards/esp32s3.toml" in inside
    assert "edgekit/_data/templates/model/op_resolver.cc.j2" in inside
    data = ("latency/op_cycles.toml", "mobilenet/accuracy.toml", "search/code_sizes.toml")
    assert {"edgekit/py.typed", *(f"edgekit/{name}" for name in data)} <= inside


def test_nothing_else_travels_in_the_wheel(wheel: Path) -> None:
    inside = names(wheel)
    assert {name.split("/")[0] for name in inside} == {
        "edgekit",
        next(name.split("/")[0] for name in inside if name.endswith(".dist-info/METADATA")),
    }
    left = [name for name in inside if "__pycache__" in name or name.endswith((".pyc", ".pyo"))]
    assert left == []
    assert not any(part.startswith(".") for name in inside for part in name.split("/"))
    assert len(inside) == len(set(inside))


def test_the_core_does_not_depend_on_tensorflow(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        lines = archive.read(metadata).decode().splitlines()
    assert "Name: edgekit-mcu" in lines
    required = [line for line in lines if line.startswith("Requires-Dist: tensorflow")]
    assert required and all("extra == 'convert'" in line for line in required)


def test_the_installed_package_is_the_one_that_runs(installed: Path, elsewhere: Path) -> None:
    code = "import edgekit, edgekit.resources as r; print(edgekit.__file__); print(r.resource_dir('boards'))"
    done = run(installed, "-c", code, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    environment = str(installed.parents[1])
    assert all(line.startswith(environment) for line in done.stdout.splitlines())
    tensorflow = run(installed, "-c", "import tensorflow", cwd=elsewhere)
    assert tensorflow.returncode == 1 and "ModuleNotFoundError" in tensorflow.stderr


def test_the_command_searches_and_lists_boards_from_another_folder(installed: Path, elsewhere: Path) -> None:
    command = installed.with_name("edgekit")
    boards = run(command, "boards", cwd=elsewhere)
    assert boards.returncode == 0, boards.stderr
    assert "esp32s3" in boards.stdout
    fit = run(command, "fit", "--board", "esp32s3", "--search-only", "--json", cwd=elsewhere)
    document = json.loads(fit.stdout)
    assert len(document["candidates"]) == 60
    assert {c["engine"] for c in document["candidates"]} == {"tflm", "aot"}
    assert fit.returncode == 0 and document["chosen"]["fits"], fit.stderr
    assert list(elsewhere.iterdir()) == []


def test_a_project_is_rendered_and_benched_from_another_folder(installed: Path, elsewhere: Path) -> None:
    done = run(installed, "-c", RENDER, GOLDEN, elsewhere / "build", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "build" / "src" / "model" / "model_data.cc").is_file()
    assert (elsewhere / "build" / "project.json").is_file()
    bench = run(installed.with_name("edgekit"), "bench", "--port", "host", "--build", "build", cwd=elsewhere)
    assert bench.returncode == 0, bench.stderr


def test_what_needs_tensorflow_says_how_to_get_it(installed: Path, elsewhere: Path) -> None:
    args = ("fit", "--board", "mps2-an386", "--grid", "fine", "--ram", "40KB")
    done = run(installed.with_name("edgekit"), *args, cwd=elsewhere)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "edgekit-mcu[convert]" in done.stderr
    shutil.rmtree(elsewhere / "edgekit-build", ignore_errors=True)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
def test_fit_flash_and_bench_in_a_row_in_an_empty_folder(beside_tensorflow: Path, elsewhere: Path) -> None:
    images = write_image_classes(elsewhere.parent / "images")
    edgekit = beside_tensorflow.with_name("edgekit")
    where = run(beside_tensorflow, "-c", "import edgekit; print(edgekit.__file__)", cwd=elsewhere)
    assert where.stdout.startswith(str(beside_tensorflow.parents[1])), where.stdout + where.stderr
    limits = ("--grid", "fine", "--channels", "1", "--ram", "8KB", "--max-latency", "60ms")
    fit = ("fit", "--board", "mps2-an386", *limits, "--data", images, "--epochs", "1")
    try:
        for command in (fit, ("flash",), ("bench",), ("flash", "--stop"), ("bench", "--port", "qemu")):
            done = run(edgekit, *command, cwd=elsewhere)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
            if command[0] == "bench":
                assert "OK: all 5 outputs equal the host's." in done.stderr
    finally:
        run(edgekit, "flash", "--stop", cwd=elsewhere)
    assert not processes_with(elsewhere)
    assert [path.name for path in elsewhere.iterdir()] == ["edgekit-build"]
    built = elsewhere / "edgekit-build"
    assert json.loads((built / "fit.json").read_text())["chosen"]["engine"] == "aot"
    assert json.loads((built / "bench.json").read_text())["latency"]["unit"] == "instructions"
    # What was built, with what, from where: nothing of the checkout.
    assert str(ROOT) not in (built / "build.log").read_text()
