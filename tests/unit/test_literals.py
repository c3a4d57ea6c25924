"""Python values as C++ text."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.codegen.environment import environment
from edgekit.codegen.literals import c_bytes, c_double, c_float, c_identifier, c_int8, c_string

ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "r": 13, '"': 34, "\\": 92, "?": 63}


def read_c_string(literal: str) -> bytes:
    """Read a C string literal as a compiler does."""
    assert literal[0] == literal[-1] == '"'
    out, i, body = bytearray(), 0, literal[1:-1]
    while i < len(body):
        if body[i] != "\\":
            assert body[i] != '"', "an unescaped quote ends the string"
            out.append(ord(body[i]))
            i += 1
        elif digits := re.match(r"[0-7]{1,3}", body[i + 1 :]):
            out.append(int(digits[0], 8))
            i += 1 + len(digits[0])
        else:
            out.append(ESCAPES[body[i + 1]])
            i += 2
    return bytes(out)


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])))
def test_strings_read_back_as_their_utf8_bytes(text: str) -> None:
    literal = c_string(text)
    assert read_c_string(literal) == text.encode()
    assert literal.isascii() and literal.isprintable() and "??" not in literal


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_strings_that_c_cannot_hold_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        c_string(text)


@given(st.text())
def test_identifiers_are_valid_and_not_reserved(text: str) -> None:
    name = c_identifier(text)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and "__" not in name


@pytest.mark.parametrize(
    ("text", "name"),
    [("mobilenet_v1-0.25", "mobilenet_v1_0_25"), ("3d", "n3d"), ("class", "class_"), ("é", "unnamed")],
)
def test_identifiers_stay_close_to_the_text(text: str, name: str) -> None:
    assert c_identifier(text) == name


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_round_trip_exactly(value: float) -> None:
    literal = c_float(value)
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?F", literal) and re.search(r"[.e]", literal)
    assert np.float32(literal[:-1]).tobytes() == np.float32(value).tobytes()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_round_trip_exactly(value: float) -> None:
    assert float(c_double(value)) == value and re.search(r"[.e]", c_double(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_numbers_without_a_literal_are_refused(value: float) -> None:
    with pytest.raises(ValueError):
        c_float(value)


@given(st.binary(min_size=1, max_size=100))
def test_arrays_read_back_and_keep_to_sixteen_a_row(data: bytes) -> None:
    text = c_bytes(data)
    assert bytes(int(item, 16) for item in text.split(",") if item.strip()) == data
    signed = c_int8(np.frombuffer(data, np.int8))
    assert [int(item) for item in signed.split(",") if item.strip()] == np.frombuffer(data, np.int8).tolist()
    for rows in (text.split("\n"), signed.split("\n")):
        assert all(row.count(",") == 16 for row in rows[:-1]) and 1 <= rows[-1].count(",") <= 16


def test_other_types_than_int8_are_not_written_as_int8() -> None:
    with pytest.raises(ValueError, match="uint8"):
        c_int8(np.zeros(3, np.uint8))


def test_an_undefined_name_in_a_template_is_an_error() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        environment().from_string("{{ missing }}").render()
