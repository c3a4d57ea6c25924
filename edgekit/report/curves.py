"""The paper's two figures: accuracy against Mult-Adds and against parameters, with what a board can hold.

Howard et al. 2017, figures 4 and 5. Drawn with matplotlib, which the extra ``plot`` brings.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from edgekit.boards.profile import BoardProfile
from edgekit.errors import TaskError
from edgekit.search.records import Candidate, FitRecord
from edgekit.units import format_ms, format_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Format = Literal["svg", "png"]
_Amount = Callable[[Candidate], float]

_WIDTH, _HEIGHT = 11.0, 5.2
_DPI: Final = 120
_FITS, _CLOSE, _NOT = "#228833", "#eeb422", "#c8c8c8"
"""Colours that people with colour blindness can tell apart, by brightness too."""
_LABEL: Final[dict[str, Any]] = {"textcoords": "offset points", "fontsize": 8, "color": "#445566"}
_LABEL_STEP: Final = 1.7
"""Percent of top-1 between two labels that lie one above the other."""
_LABELLED: Final = 6
"""Most resolutions whose lines are labelled and whose points are drawn large."""


def draw_curves(record: FitRecord, board: BoardProfile, form: Format) -> bytes:
    """Return the two figures of a search as an SVG or PNG file.

    A point is a network, with the software that suits the board best: what fits, else what misses by the least. A line
    joins the networks of one resolution. The shaded area ends at the best top-1 of those that fit with as many
    Mult-Adds, or parameters, at most. The file is the same for the same record.

    Raises
    ------
    TaskError
        If matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TaskError(
            "Drawing curves needs matplotlib, which is not installed.",
            "Install it with: pip install 'edgekit-mcu[plot]'",
        ) from error
    points = network_points(record)
    # A file must not depend on when and where it was drawn: no date in it, and no random names.
    with matplotlib.rc_context({"svg.hashsalt": "edgekit", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _draw(left, points, record.chosen, lambda c: c.mult_adds / 1e6, "Mult-Adds (millions)")
        _draw(right, points, record.chosen, lambda c: c.params / 1e6, "parameters (millions)")
        _label_lines(right, points)
        left.set_ylabel("expected top-1 on ImageNet, int8 (%)")
        figure.suptitle(_title(record, board))
        _legend(figure)
        buffer = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def network_points(record: FitRecord) -> tuple[Candidate, ...]:
    """Return a candidate for each network of ``record``: the first that fits, else the one that misses by the least."""
    found: dict[tuple[float, int], Candidate] = {}
    for candidate in record.candidates:
        key = (candidate.alpha, candidate.resolution)
        if key not in found or candidate.overrun < found[key].overrun:
            found[key] = candidate
    return tuple(found[key] for key in sorted(found))


def _draw(axes: Axes, points: Sequence[Candidate], chosen: Candidate | None, x: _Amount, label: str) -> None:
    from matplotlib import ticker

    few = len({point.resolution for point in points}) <= _LABELLED
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel(label)
    values = [point.top1.value for point in points]
    axes.set_ylim(max(0.0, min(values) - 5), max(values) + 4)
    axes.grid(True, which="major", color="#ebebeb", linewidth=0.8)
    axes.set_axisbelow(True)
    _region(axes, [point for point in points if point.fits], x)
    for row in _rows(points):
        axes.plot([x(p) for p in row], [p.top1.value for p in row], color="#8899aa", linewidth=0.9, zorder=2)
    for point in points:
        axes.plot(
            x(point),
            point.top1.value,
            marker="o" if point.top1.basis == "published" else "s",
            markersize=6 if few else 3.5,
            color=_colour(point),
            markeredgecolor="#444444",
            markeredgewidth=0.6 if few else 0.3,
            linestyle="none",
            zorder=3,
        )
    if chosen is not None:
        axes.plot(
            x(chosen),
            chosen.top1.value,
            marker="*",
            markersize=17,
            color=_colour(chosen),
            markeredgecolor="black",
            linestyle="none",
            zorder=4,
        )
        axes.annotate(
            f"{chosen.spec.label}, {chosen.kernels}\n{format_ms(chosen.latency_ms.estimate)}",
            (x(chosen), chosen.top1.value),
            # The curves rise, so there is room on the lower right.
            xytext=(60, -70),
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": "#444444", "linewidth": 0.7, "shrinkB": 8},
            bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            fontsize=8.5,
            fontweight="bold",
            zorder=5,
        )


def _rows(points: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    """Yield the networks of each resolution, by alpha."""
    for resolution in sorted({point.resolution for point in points}):
        yield [point for point in points if point.resolution == resolution]


def _label_lines(axes: Axes, points: Sequence[Candidate]) -> None:
    """Write each line's resolution at its right end; of many, of the first and the last."""
    rows = list(_rows(points))
    below = -100.0
    for row in rows if len(rows) <= _LABELLED else (rows[0], rows[-1]):
        last = row[-1]
        place = max(last.top1.value, below + _LABEL_STEP)
        axes.annotate(f"{last.resolution} px", (last.params / 1e6, place), xytext=(8, -3), **_LABEL)
        below = place
    axes.margins(x=0.12)


def _region(axes: Axes, holding: Sequence[Candidate], x: _Amount) -> None:
    best = 0.0
    xs: list[float] = []
    ys: list[float] = []
    for point in sorted(holding, key=lambda p: (x(p), -p.top1.value)):
        best = max(best, point.top1.value)
        xs.append(x(point))
        ys.append(best)
    if len(set(xs)) > 1:
        axes.fill_between(xs, ys, step="post", color=_FITS, alpha=0.13, linewidth=0, zorder=1)


def _colour(point: Candidate) -> str:
    if not point.fits:
        return _NOT
    return _CLOSE if point.close else _FITS


def _legend(figure: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def dot(marker: str, colour: str, label: str, size: float = 6) -> Line2D:
        return Line2D(
            [],
            [],
            marker=marker,
            markersize=size,
            color=colour,
            label=label,
            linestyle="none",
            markeredgecolor="#444444",
            markeredgewidth=0.6,
        )

    handles = [
        dot("o", _FITS, "fits"),
        dot("o", _CLOSE, "fits, latency close"),
        dot("o", _NOT, "does not fit"),
        dot("s", "white", "top-1 not published"),
        dot("*", _FITS, "chosen", 12),
        Patch(color=_FITS, alpha=0.2, label="what the board holds"),
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8.5
    )


def _title(record: FitRecord, board: BoardProfile) -> str:
    budget = record.budget
    return (
        f"{_archs(record.candidates)} on {board.title}: RAM {format_size(budget.ram_bytes)},"
        f" flash {format_size(budget.flash_bytes)}, {format_ms(budget.latency_ms)}"
    )


def _archs(candidates: Iterable[Candidate]) -> str:
    return ", ".join(sorted({candidate.arch for candidate in candidates}))
