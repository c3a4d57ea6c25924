"""Where the data that travels with edgekit is: ``boards/``, ``templates/`` and ``firmware/``.

In a wheel they lie in ``edgekit/_data``; in a checkout (editable install) beside the package.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal


@cache
def resource_dir(name: Literal["boards", "templates", "firmware"]) -> Path:
    """Return the folder of the shipped data ``name``.

    Raises
    ------
    FileNotFoundError
        If the installation is incomplete.
    """
    package = Path(__file__).parent
    for candidate in (package / "_data" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"edgekit's own folder {name}/ is missing from this installation")
