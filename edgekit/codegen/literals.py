"""Python values as C++ source text: identifiers, strings, numbers and byte arrays.

Arrays are formatted by table look-up in numpy, all bytes at once: several MB take milliseconds.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

_ROW_ITEMS: Final = 16
_INDENT: Final = 4

_KEYWORDS: Final = re.compile(
    "alignas|alignof|and|and_eq|asm|auto|bitand|bitor|bool|break|case|catch|char|char16_t|char32_t|class|compl"
    "|const|const_cast|constexpr|continue|decltype|default|delete|do|double|dynamic_cast|else|enum|explicit"
    "|export|extern|false|float|for|friend|goto|if|inline|int|long|mutable|namespace|new|noexcept|not|not_eq|nullptr"
    "|operator|or|or_eq|private|protected|public|register|reinterpret_cast|restrict|return|short|signed|sizeof|static"
    "|static_assert|static_cast|struct|switch|template|this|thread_local|throw|true|try|typedef|typeid"
    "|typename|union|unsigned|using|virtual|void|volatile|wchar_t|while|xor|xor_eq"
)

_ESCAPES: Final = {0x22: '\\"', 0x5C: "\\\\", 0x07: "\\a", 0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}


def c_identifier(text: str) -> str:
    """Return ``text`` as an identifier of C and C++: ``"mobilenet_v1-0.25"`` gives ``"mobilenet_v1_0_25"``.

    Different texts can give the same identifier. Neither a keyword nor a name reserved for the implementation
    (leading underscore, double underscore) comes out.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    if not name:
        return "unnamed"
    if name[0].isdigit():
        name = f"n{name}"
    return f"{name}_" if _KEYWORDS.fullmatch(name) else name


def c_string(text: str) -> str:
    """Return ``text`` as a quoted C string literal holding its UTF-8 bytes.

    Other than printable ASCII becomes escapes of three octal digits, which unlike hexadecimal ones cannot
    swallow the character that follows. Of two question marks the second is escaped: no trigraph arises.

    Raises
    ------
    ValueError
        If ``text`` has a NUL, which would end the C string, or cannot be encoded as UTF-8.
    """
    parts = []
    previous = 0
    for byte in text.encode():
        if byte == 0:
            raise ValueError(f"{text!r} has a NUL character, which ends a C string")
        if byte == previous == 0x3F:
            parts.append("\\?")
        elif byte in _ESCAPES:
            parts.append(_ESCAPES[byte])
        elif 0x20 <= byte < 0x7F:
            parts.append(chr(byte))
        else:
            parts.append(f"\\{byte:03o}")
        previous = byte
    return f'"{"".join(parts)}"'


def c_float(value: float) -> str:
    """Return the ``float`` literal of ``value`` rounded to binary32: nine digits, enough to round-trip.

    Raises
    ------
    ValueError
        If ``value`` is not finite in binary32.
    """
    with np.errstate(over="ignore"):
        single = float(np.float32(value))
    return f"{_decimal(single, f'{single:.9g}')}F"


def c_double(value: float) -> str:
    """Return the ``double`` literal of ``value``: the shortest decimal that round-trips.

    Raises
    ------
    ValueError
        If ``value`` is not finite.
    """
    return _decimal(value, repr(float(value)))


def c_bytes(data: bytes) -> str:
    """Return ``data`` as indented rows of 16 hexadecimal items, a comma after each, no newline at the end."""
    return _rows(np.frombuffer(data, np.uint8), _hex_items())


def c_int8(values: NDArray[np.int8]) -> str:
    """Return int8 ``values`` (any shape, row-major) as indented rows of 16 aligned decimal items.

    Raises
    ------
    ValueError
        If the array is not int8.
    """
    if values.dtype != np.int8:
        raise ValueError(f"int8 values are wanted, not {values.dtype}")
    return _rows(np.ascontiguousarray(values).reshape(-1).view(np.uint8), _int8_items())


def _decimal(value: float, text: str) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} has no literal")
    return text if re.search(r"[.e]", text) else f"{text}.0"


@cache
def _hex_items() -> NDArray[np.uint8]:
    """Return the text of every byte as hexadecimal, uint8 [256, 5]."""
    return np.frombuffer("".join(f"0x{i:02x}," for i in range(256)).encode(), np.uint8).reshape(256, 5)


@cache
def _int8_items() -> NDArray[np.uint8]:
    """Return the text of every byte read as int8, uint8 [256, 5]."""
    signed = (i - 256 if i > 127 else i for i in range(256))
    return np.frombuffer("".join(f"{i:4d}," for i in signed).encode(), np.uint8).reshape(256, 5)


def _rows(data: NDArray[np.uint8], items: NDArray[np.uint8]) -> str:
    """Return rows of item texts for ``data`` (uint8 [n])."""
    width = items.shape[1] * _ROW_ITEMS
    whole = len(data) // _ROW_ITEMS
    text = np.full((whole, _INDENT + width + 1), ord(" "), np.uint8)
    text[:, _INDENT:-1] = items[data[: whole * _ROW_ITEMS]].reshape(whole, width)
    text[:, -1] = ord("\n")
    last = items[data[whole * _ROW_ITEMS :]].tobytes()
    return (text.tobytes() + (b" " * _INDENT + last if last else b"")).decode("ascii").rstrip("\n")
