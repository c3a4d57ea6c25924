"""The search space: which members of the family are looked at."""

from __future__ import annotations

from typing import Final, Literal, get_args

from edgekit.mobilenet.architecture import Arch, NetworkSpec

Grid = Literal["paper", "fine"]
GRIDS: Final[tuple[Grid, ...]] = get_args(Grid)

_ALPHAS: Final = {
    "paper": (0.25, 0.5, 0.75, 1.0),
    "fine": tuple(round(0.05 * step, 2) for step in range(2, 21)),
}
_RESOLUTIONS: Final = {
    "paper": (96, 128, 160, 192, 224),
    "fine": tuple(range(32, 225, 16)),
}


def search_space(grid: Grid, arch: Arch, channels: int, classes: int) -> tuple[NetworkSpec, ...]:
    """Return the networks of a grid: ``paper`` has 4 alphas x 5 resolutions, ``fine`` 19 x 13.

    Raises
    ------
    InputError
        If ``arch``, ``channels`` or ``classes`` are out of range.
    """
    return tuple(
        NetworkSpec(arch, alpha, resolution, channels, classes)
        for alpha in _ALPHAS[grid]
        for resolution in _RESOLUTIONS[grid]
    )
