"""Which ImageNet top-1 accuracy to expect of a member of the family, from published figures.

MobileNet V1 has 16 published points, float and quantized. Between them the logit of the accuracy is
interpolated linearly in log(alpha) and log(resolution); outside it goes on with one slope an axis. Both are
continuous, exact at the published points, and monotone in alpha and in resolution, because the published
figures are; logits stay within 0 and 100 percent. Conv and Shallow MobileNet have one published figure each;
they keep V1's distance at that point.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import exp, isclose, log
from pathlib import Path
from typing import Any, Final, Literal, cast

from edgekit.errors import InputError
from edgekit.mobilenet.architecture import ARCHS, Arch
from edgekit.tomlfile import load_toml

_FILE: Final = Path(__file__).with_name("accuracy.toml")
_PAPER: Final = "Howard et al. 2017, MobileNets, tables 4 to 6"

Top1Basis = Literal["published", "interpolated", "extrapolated"]


@dataclass(frozen=True, slots=True)
class Top1:
    """Expected top-1 accuracy on ImageNet.

    Attributes
    ----------
    value:
        Percent, quantized to 8 bits: what is deployed.
    basis:
        How ``value`` was got.
    float_value, float_basis:
        The same before quantization.
    source:
        Where the figures behind it were published.
    """

    value: float
    basis: Top1Basis
    float_value: float
    float_basis: Top1Basis
    source: str


@dataclass(frozen=True, slots=True)
class PaperFigure:
    """One row of the paper, at 224 px and 1000 classes: float top-1 in percent, counts in millions."""

    arch: Arch
    alpha: float
    top1: float
    mult_adds_m: float
    params_m: float


def expected_top1(arch: str, alpha: float, resolution: int) -> Top1:
    """Return the top-1 accuracy on ImageNet to expect.

    Parameters
    ----------
    arch:
        One of :data:`~edgekit.mobilenet.architecture.ARCHS`.
    alpha:
        Width multiplier, above 0.
    resolution:
        Input height = width in pixels, above 0.

    Raises
    ------
    InputError
        If there is no such architecture.
    ValueError
        If ``alpha`` or ``resolution`` is not positive.
    """
    if alpha <= 0 or resolution <= 0:
        raise ValueError(f"alpha {alpha} and resolution {resolution} must be positive")
    if arch not in ARCHS:
        raise InputError(f"There is no architecture {arch!r}.", f"Choose one of {', '.join(ARCHS)}.")
    figures = _figures()
    surfaces = (figures.quantized, figures.float_)
    if arch == "mobilenet_v1":
        value, float_value = (surface.at(alpha, resolution) for surface in surfaces)
        basis = figures.quantized.basis(alpha, resolution)
        return Top1(value, basis, float_value, basis, figures.source)
    offset = figures.offsets[cast(Arch, arch)]
    value, float_value = (_percent(_logit(s.at(alpha, resolution)) + offset) for s in surfaces)
    for row in figures.paper:
        if row.arch == arch and isclose(row.alpha, alpha) and resolution == 224:
            return Top1(value, "extrapolated", row.top1, "published", _PAPER)
    return Top1(value, "extrapolated", float_value, "extrapolated", f"{_PAPER}; {figures.source}")


def paper_figures() -> tuple[PaperFigure, ...]:
    """Return the four rows of the paper that compare the architectures."""
    return _figures().paper


@dataclass(frozen=True)
class _Surface:
    """Logits over a grid of log(alpha) and log(resolution), with the slopes that lead on beyond its edges."""

    percent: Sequence[Sequence[float]]
    alphas: Sequence[float]
    resolutions: Sequence[int]
    slope_below: float

    def at(self, alpha: float, resolution: float) -> float:
        """Return the accuracy in percent; the published figure itself where there is one."""
        row = next((i for i, a in enumerate(self.alphas) if isclose(a, alpha)), None)
        if row is not None and resolution in self.resolutions:
            return self.percent[row][self.resolutions.index(int(resolution))]
        x, y = log(alpha), log(resolution)
        xs, ys = [log(a) for a in self.alphas], [log(r) for r in self.resolutions]
        inside_x, inside_y = min(max(x, xs[0]), xs[-1]), min(max(y, ys[0]), ys[-1])
        i, u = _cell(xs, inside_x)
        j, v = _cell(ys, inside_y)
        z = [[_logit(self.percent[i + di][j + dj]) for dj in (0, 1)] for di in (0, 1)]
        inside = (1 - u) * ((1 - v) * z[0][0] + v * z[0][1]) + u * ((1 - v) * z[1][0] + v * z[1][1])
        below_x, above_x, above_y = self._edges
        beyond_x = below_x * min(0.0, x - xs[0]) + above_x * max(0.0, x - xs[-1])
        beyond_y = self.slope_below * min(0.0, y - ys[0]) + above_y * max(0.0, y - ys[-1])
        return _percent(inside + beyond_x + beyond_y)

    def basis(self, alpha: float, resolution: float) -> Top1Basis:
        """Return how :meth:`at` gets its figure."""
        known = resolution in self.resolutions and any(isclose(a, alpha) for a in self.alphas)
        if known:
            return "published"
        inside = (
            self.alphas[0] <= alpha <= self.alphas[-1]
            and self.resolutions[0] <= resolution <= self.resolutions[-1]
        )
        return "interpolated" if inside else "extrapolated"

    @cached_property
    def _edges(self) -> tuple[float, float, float]:
        """Slopes below and above the widths (mean, smallest), and above the resolutions (smallest)."""
        logits = [[_logit(p) for p in row] for row in self.percent]
        x, y = [log(a) for a in self.alphas], [log(r) for r in self.resolutions]
        first = [(b - a) / (x[1] - x[0]) for a, b in zip(logits[0], logits[1], strict=True)]
        last = [(b - a) / (x[-1] - x[-2]) for a, b in zip(logits[-2], logits[-1], strict=True)]
        return sum(first) / len(first), min(last), min((z[-1] - z[-2]) / (y[-1] - y[-2]) for z in logits)


@dataclass(frozen=True)
class _Figures:
    source: str
    quantized: _Surface
    float_: _Surface
    paper: tuple[PaperFigure, ...]
    offsets: dict[Arch, float]


@cache
def _figures() -> _Figures:
    content = load_toml(_FILE, "accuracy table")
    v1, small = content["mobilenet_v1"], content["mobilenet_v2_small"]
    drops = [_logit(a) - _logit(b) for a, b in zip(small["at_128"], small["at_96"], strict=True)]
    slope = sum(drops) / len(drops) / log(128 / 96)
    paper = tuple(PaperFigure(**row) for row in content["paper"])
    base = next(row.top1 for row in paper if row.arch == "mobilenet_v1" and row.alpha == 1)
    return _Figures(
        source=v1["source"],
        quantized=_surface(v1, "quantized", slope),
        float_=_surface(v1, "float", slope),
        paper=paper,
        offsets={row.arch: _logit(row.top1) - _logit(base) for row in paper if row.arch != "mobilenet_v1"},
    )


def _surface(content: dict[str, Any], key: str, slope_below: float) -> _Surface:
    return _Surface(content[key], content["alphas"], content["resolutions"], slope_below)


def _cell(points: Sequence[float], value: float) -> tuple[int, float]:
    """Return the interval of ``points`` that ``value`` is in, and where in it (0 to 1)."""
    i = min(max(bisect_right(points, value) - 1, 0), len(points) - 2)
    return i, (value - points[i]) / (points[i + 1] - points[i])


def _logit(percent: float) -> float:
    return log(percent / (100 - percent))


def _percent(logit: float) -> float:
    return 100 / (1 + exp(-logit))
