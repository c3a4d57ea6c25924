"""Sizes and times as people write them."""

import pytest

from edgekit.units import format_ms, format_size, parse_size, parse_time_ms


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("262144", 262144),
        ("256KB", 262144),
        ("256k", 262144),
        ("1.5 MB", 1572864),
        ("2MiB", 2097152),
        ("0", 0),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "KB", "-1KB", "1e6", "12 QB", "nan", "1,000"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(("text", "ms"), [("400", 400), ("400ms", 400), ("0.4s", 400), ("250us", 0.25)])
def test_times_are_read_as_people_write_them(text: str, ms: float) -> None:
    assert parse_time_ms(text) == pytest.approx(ms)


@pytest.mark.parametrize("text", ["", "s", "-5ms", "1h", "inf"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_time_ms(text)


def test_print_uses_binary_units() -> None:
    assert [format_size(n) for n in (512, 1024, 100_660, 1_304_708)] == [
        "512 B",
        "1.0 KB",
        "98.3 KB",
        "1.24 MB",
    ]
    assert [format_ms(t) for t in (0.4211, 38.12, 999.4, 999.6, 1240, 151_000)] == [
        "0.421 ms",
        "38.1 ms",
        "999 ms",
        "1 s",
        "1.24 s",
        "151 s",
    ]
