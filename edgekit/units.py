"""Sizes and times as people write them. Data is in bytes and ms; KB = 1024 B and MB = 1024 KB in print."""

from __future__ import annotations

import re
from typing import Final

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|K|KB|KIB|M|MB|MIB|G|GB|GIB)?", re.IGNORECASE)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s)?", re.IGNORECASE)
_SIZE_FACTOR: Final = {"": 1, "B": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_TIME_FACTOR: Final = {"": 1.0, "us": 1e-3, "ms": 1.0, "s": 1e3}


def parse_size(text: str) -> int:
    """Return the bytes that ``text`` means: ``262144``, ``256KB``, ``1.5 MB``.

    Raises
    ------
    ValueError
        If ``text`` is not a size, or not a whole number of bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 256KB, 2MB or 262144")
    unit = (match[2] or "").upper().rstrip("B").rstrip("I")
    return round(float(match[1]) * _SIZE_FACTOR[unit])


def parse_time_ms(text: str) -> float:
    """Return the milliseconds that ``text`` means: ``400``, ``400ms``, ``0.4s``, ``250us``.

    Raises
    ------
    ValueError
        If ``text`` is not a time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time such as 400ms or 1.5s")
    return float(match[1]) * _TIME_FACTOR[(match[2] or "").lower()]


def format_size(size: int) -> str:
    """Return ``size`` (bytes) for print: ``512 B``, ``98.3 KB``, ``4.34 MB``."""
    if abs(size) < 1024:
        return f"{size} B"
    if abs(size) < 1024**2:
        return f"{size / 1024:.1f} KB"
    if abs(size) < 1024**3:
        return f"{size / 1024**2:.2f} MB"
    return f"{size / 1024**3:.2f} GB"


def format_ms(ms: float) -> str:
    """Return ``ms`` for print with three significant digits: ``0.42 ms``, ``38.1 ms``, ``1.24 s``."""
    if ms >= 999.5:  # three digits of which would be 1000 ms
        return f"{ms / 1000:.3g} s" if ms < 100_000 else f"{ms / 1000:.0f} s"
    return f"{ms:.3g} ms"


def format_millions(count: int) -> str:
    """Return a count in millions: ``7.49 M``, ``569 M``."""
    millions = count / 1e6
    return f"{millions:.0f} M" if millions >= 100 else f"{millions:.3g} M"
