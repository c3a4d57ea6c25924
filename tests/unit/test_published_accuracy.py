"""Expected accuracy: exact at published points, monotone and continuous everywhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.mobilenet.architecture import ARCHS, NetworkSpec
from edgekit.mobilenet.published import Top1, expected_top1, paper_figures

# tensorflow/models: research/slim/nets/mobilenet_v1.md, typed in again: (float, quantized)
SLIM = {
    (1.0, 224): (70.9, 69.7),
    (1.0, 192): (70.0, 69.0),
    (1.0, 160): (68.0, 67.3),
    (1.0, 128): (65.2, 64.0),
    (0.75, 224): (68.4, 67.9),
    (0.75, 192): (67.2, 66.2),
    (0.75, 160): (65.3, 63.9),
    (0.75, 128): (62.1, 59.8),
    (0.5, 224): (63.3, 62.2),
    (0.5, 192): (61.7, 60.4),
    (0.5, 160): (59.1, 57.7),
    (0.5, 128): (56.3, 54.9),
    (0.25, 224): (49.8, 48.2),
    (0.25, 192): (47.7, 45.8),
    (0.25, 160): (45.5, 43.5),
    (0.25, 128): (41.5, 39.9),
}
ALPHAS = [round(0.05 * step, 2) for step in range(2, 21)]
RESOLUTIONS = list(range(32, 225, 16))


def grid(arch: str) -> dict[tuple[int, int], Top1]:
    return {
        (i, j): expected_top1(arch, alpha, resolution)
        for i, alpha in enumerate(ALPHAS)
        for j, resolution in enumerate(RESOLUTIONS)
    }


@pytest.mark.parametrize("point", SLIM)
def test_published_points_come_out_exactly(point: tuple[float, int]) -> None:
    top1 = expected_top1("mobilenet_v1", *point)
    assert (top1.float_value, top1.value) == SLIM[point]
    assert (top1.basis, top1.float_basis) == ("published", "published")
    assert "mobilenet_v1.md" in top1.source


def test_a_width_that_was_added_up_is_still_the_published_one() -> None:
    assert expected_top1("mobilenet_v1", sum([0.05] * 15), 224).basis == "published"


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("kind", ["value", "float_value"])
def test_the_fine_grid_is_monotone_in_width_and_resolution(arch: str, kind: str) -> None:
    top1 = grid(arch)
    assert len(top1) == 247
    steps = 0
    for (i, j), here in top1.items():
        assert 0.1 < getattr(here, kind) < 72
        for other in ((i + 1, j), (i, j + 1)):
            if other in top1:
                assert getattr(top1[other], kind) > getattr(here, kind), (ALPHAS[i], RESOLUTIONS[j])
                steps += 1
    assert steps == 18 * 13 + 19 * 12


@pytest.mark.parametrize("arch", ARCHS)
def test_the_quantized_figure_is_never_above_the_float_one(arch: str) -> None:
    assert all(top1.value < top1.float_value for top1 in grid(arch).values())


def test_what_lies_between_and_beyond_the_published_points_is_marked() -> None:
    basis = {
        point: expected_top1("mobilenet_v1", *point).basis for point in [(0.35, 160), (0.5, 144), (0.6, 200)]
    }
    assert set(basis.values()) == {"interpolated"}
    beyond = {
        p: expected_top1("mobilenet_v1", *p).basis for p in [(0.25, 96), (0.2, 224), (1.0, 256), (0.1, 32)]
    }
    assert set(beyond.values()) == {"extrapolated"}


def test_an_interpolated_figure_lies_between_its_neighbours() -> None:
    for alpha, resolution in [(0.35, 160), (0.6, 208), (0.9, 144)]:
        top1 = expected_top1("mobilenet_v1", alpha, resolution).value
        corners = [q for (a, r), (_, q) in SLIM.items() if abs(a - alpha) < 0.25 and abs(r - resolution) < 32]
        assert min(corners) < top1 < max(corners)


@given(
    st.sampled_from(ARCHS),
    st.floats(0.05, 1.0),
    st.integers(32, 320),
    st.floats(0, 1e-6),
)
def test_a_tiny_step_in_width_is_a_tiny_step_in_accuracy(
    arch: str, alpha: float, resolution: int, step: float
) -> None:
    here, there = (expected_top1(arch, a, resolution) for a in (alpha, alpha + step))
    assert abs(there.value - here.value) < 1e-3
    assert there.value >= here.value - 1e-9


@pytest.mark.parametrize("edge", [0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("resolution", [64, 128, 150, 224, 256])
def test_there_is_no_jump_at_a_published_width(edge: float, resolution: int) -> None:
    below, at, above = (expected_top1("mobilenet_v1", edge + d, resolution).value for d in (-1e-7, 0, 1e-7))
    assert below == pytest.approx(at, abs=1e-4)
    assert above == pytest.approx(at, abs=1e-4)


@given(st.floats(0.05, 1.0), st.floats(0.05, 1.0), st.integers(32, 320), st.integers(32, 320))
def test_more_width_and_more_pixels_never_cost_accuracy(a: float, b: float, r: int, s: int) -> None:
    small = expected_top1("mobilenet_v1", min(a, b), min(r, s))
    large = expected_top1("mobilenet_v1", max(a, b), max(r, s))
    assert large.value >= small.value - 1e-9 and large.float_value >= small.float_value - 1e-9


def test_the_paper_compares_four_networks() -> None:
    rows = {(row.arch, row.alpha): row for row in paper_figures()}
    assert {key: row.top1 for key, row in rows.items()} == {
        ("conv_mobilenet_v1", 1.0): 71.7,
        ("mobilenet_v1", 1.0): 70.6,
        ("mobilenet_v1", 0.75): 68.4,
        ("shallow_mobilenet_v1", 1.0): 65.3,
    }
    for (arch, alpha), row in rows.items():
        assert NetworkSpec(arch, alpha, 224).mult_adds / 1e6 == pytest.approx(row.mult_adds_m, rel=2e-3)


def test_conv_and_shallow_have_one_published_float_figure_and_keep_their_distance_elsewhere() -> None:
    conv, shallow = (expected_top1(f"{kind}_mobilenet_v1", 1.0, 224) for kind in ("conv", "shallow"))
    assert (conv.float_value, conv.float_basis) == (71.7, "published")
    assert (shallow.float_value, shallow.float_basis) == (65.3, "published")
    assert conv.basis == shallow.basis == "extrapolated", "nobody published them quantized"
    for alpha, resolution in [(1.0, 192), (0.5, 224), (0.25, 96)]:
        base = expected_top1("mobilenet_v1", alpha, resolution)
        conv, shallow = (expected_top1(f"{k}_mobilenet_v1", alpha, resolution) for k in ("conv", "shallow"))
        assert shallow.value < base.value < conv.value
        assert conv.basis == conv.float_basis == "extrapolated"


def test_impossible_members_are_refused() -> None:
    with pytest.raises(InputError, match="resnet"):
        expected_top1("resnet", 1.0, 224)
    for alpha, resolution in [(0, 224), (-1, 224), (1.0, 0)]:
        with pytest.raises(ValueError, match="positive"):
            expected_top1("mobilenet_v1", alpha, resolution)
