"""The figures of a search: their points are the networks, and the file depends on nothing else."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from command_line import refused
from PIL import Image

from edgekit.boards.catalog import get_board
from edgekit.cli.main import run
from edgekit.report.curves import draw_curves, network_points
from edgekit.search.budget import Budget
from edgekit.search.records import FitRecord
from edgekit.search.search import search
from edgekit.search.space import Grid, search_space

pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra plot)")
BOARD = get_board("esp32s3")


@cache
def found(grid: Grid = "paper", ram: int | None = None) -> FitRecord:
    return search(BOARD, Budget.of_board(BOARD, ram), search_space(grid, "mobilenet_v1", 3, 10))


@cache
def svg(grid: Grid = "paper", ram: int | None = None) -> str:
    return draw_curves(found(grid, ram), BOARD, "svg").decode()


def test_a_point_is_the_best_way_to_run_a_network() -> None:
    points = network_points(found())
    assert len(points) == 20 and len({point.spec for point in points}) == 20
    for point in points:
        others = [c for c in found().candidates if c.spec == point.spec]
        assert point.fits == any(c.fits for c in others)
    assert found().chosen in points


def test_the_picture_says_what_was_searched_and_chosen() -> None:
    root = ET.fromstring(svg())
    texts = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]
    chosen = found().chosen
    assert chosen is not None
    assert any(f"{chosen.spec.label}, {chosen.kernels}" in text for text in texts)
    assert any("Mult-Adds" in text for text in texts) and any("parameters" in text for text in texts)
    assert any(BOARD.title in text for text in texts)
    assert {f"{resolution} px" for resolution in (96, 128, 160, 192, 224)} <= set(texts)


def test_every_network_is_a_marker_and_what_fits_has_its_colour() -> None:
    """Counted in the file: a marker is drawn by ``use``; both figures and the legend have them."""
    uses = re.findall(r'<use [^>]*style="fill: (#\w+)', svg())
    points = network_points(found())
    fitting = sum(point.fits and not point.close for point in points)
    assert uses.count("#c8c8c8") == 2 * sum(not point.fits for point in points) + 1
    chosen_is_sure = found().chosen is not None and not found().chosen.close  # type: ignore[union-attr]
    # In the legend one that fits and one that is chosen; the chosen network has a star on its marker; two regions.
    assert uses.count("#228833") == 2 * (fitting + chosen_is_sure) + 2 + 2


def test_the_shaded_region_goes_where_something_fits() -> None:
    assert len(re.findall(r'id="\w*PolyCollection_\d+"', svg())) == 2
    nothing = svg(ram=1000)
    assert "PolyCollection" not in nothing and "#c8c8c8" in nothing


def test_the_same_search_gives_the_same_file() -> None:
    assert draw_curves(found(), BOARD, "svg").decode() == svg()
    assert "<dc:date>" not in svg()
    assert draw_curves(found(), BOARD, "png") == draw_curves(found(), BOARD, "png")


def test_a_png_is_a_picture_of_what_an_svg_shows() -> None:
    image = Image.open(io.BytesIO(draw_curves(found(), BOARD, "png"))).convert("RGB")
    pixels = np.asarray(image)
    assert image.width > 1000 and image.height > 500
    for colour in ((0x22, 0x88, 0x33), (0xC8, 0xC8, 0xC8)):
        assert (np.abs(pixels.astype(int) - colour).max(axis=2) < 8).sum() > 150
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (edges == 255).all(), "nothing is cut off at the edge"


@pytest.mark.parametrize("name", ["curves.svg", "curves.PNG"])
def test_fit_draws_what_it_searched(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / name
    assert run(["fit", "--board", "esp32s3", "--search-only", "--plot", str(path)]) == 0
    assert str(path) in capsys.readouterr().err.replace("\n", "")
    content = path.read_bytes()
    assert content.startswith(b"<?xml") if name.endswith("svg") else content.startswith(b"\x89PNG")


def test_other_endings_and_all_boards_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "curves.pdf"
    search = ("fit", "--search-only", "--board")
    refused(capsys, *search, "esp32s3", "--plot", path, words="neither in .svg nor in .png", hint=False)
    refused(capsys, *search, "all", "--plot", tmp_path / "x.svg", words="leave out --plot", hint=False)


def test_without_matplotlib_it_is_said_what_to_install(tmp_path: Path) -> None:
    path = tmp_path / "curves.svg"
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        f"from edgekit.cli.main import run\n"
        f"sys.exit(run(['fit', '--board', 'esp32s3', '--search-only', '--plot', {str(path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and "edgekit-mcu[plot]" in done.stderr and "Traceback" not in done.stderr
    assert not path.exists()
