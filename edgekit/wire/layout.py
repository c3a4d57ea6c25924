"""Message layouts: a frozen dataclass whose fields say how they lie on the wire.

A message is a dataclass that derives from :class:`Message` and annotates every field with :class:`Wire`. From
that one place come ``pack`` and ``unpack`` here and, through a template, the struct of the C header. Integers
are little-endian, and fields are laid out so that a C compiler's natural alignment adds no padding:
:func:`layout_of` refuses anything else.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from typing_extensions import Self

_C_TYPES: Final = {
    "B": "uint8_t",
    "H": "uint16_t",
    "I": "uint32_t",
    "Q": "uint64_t",
    "i": "int32_t",
    "f": "float",
    "c": "char",
    "o": "uint8_t",
}


@dataclass(frozen=True, slots=True)
class Wire:
    """How a field lies on the wire.

    ``code`` is a :mod:`struct` letter, or ``c`` for text padded with NULs and ``o`` for opaque octets;
    ``count`` is the number of items, 1 for a plain value; ``unit`` and ``about`` are for readers of the
    header and the documentation.
    """

    code: str
    about: str
    unit: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a layout with its place: ``offset`` and ``size`` in bytes."""

    name: str
    wire: Wire
    offset: int

    @property
    def item_size(self) -> int:
        """Bytes of one item, which is also its alignment."""
        return 1 if self.wire.code in "co" else struct.calcsize("<" + self.wire.code)

    @property
    def size(self) -> int:
        """Bytes of the whole field."""
        return self.item_size * self.wire.count

    @property
    def array(self) -> bool:
        """Whether it is an array in C."""
        return self.wire.count > 1

    @property
    def c_type(self) -> str:
        """Type of one item in C99."""
        return _C_TYPES[self.wire.code]

    @property
    def format(self) -> str:
        """:mod:`struct` format of the field."""
        if self.wire.code in "co":
            return f"{self.wire.count}s"
        return f"{self.wire.count if self.array else ''}{self.wire.code}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Name, documentation and fields of a message, in wire order."""

    name: str
    about: str
    fields: tuple[Field, ...]

    @property
    def c_name(self) -> str:
        """The name in snake case, as the C header has it: ``op_ticks``."""
        return snake_case(self.name)

    @property
    def format(self) -> str:
        """:mod:`struct` format of the whole message, little-endian without padding."""
        return "<" + "".join(field.format for field in self.fields)

    @property
    def size(self) -> int:
        """Bytes of the whole message."""
        return struct.calcsize(self.format)


def snake_case(name: str) -> str:
    """Return ``OpTicks`` as ``op_ticks``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class Message:
    """Base of all messages: packs to and unpacks from its declared layout."""

    def pack(self) -> bytes:
        """Return the message's bytes.

        Raises
        ------
        struct.error
            If a value does not fit its field.
        """
        layout = layout_of(type(self))
        values: list[Any] = []
        for field in layout.fields:
            value = getattr(self, field.name)
            if field.wire.code == "c":
                values.append(value.encode("ascii", "replace")[: field.size])
            elif field.array and field.wire.code != "o":
                values += value
            else:
                values.append(value)
        return struct.pack(layout.format, *values)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Return the message that ``data`` begins with; further bytes are left to the caller.

        Raises
        ------
        ValueError
            If ``data`` is too short.
        """
        layout = layout_of(cls)
        if len(data) < layout.size:
            raise ValueError(f"{layout.name} has {layout.size} bytes, not {len(data)}")
        items = iter(struct.unpack_from(layout.format, data))
        values: dict[str, Any] = {}
        for field in layout.fields:
            if field.wire.code == "c":
                values[field.name] = next(items).split(b"\0")[0].decode("ascii", "replace")
            elif field.array and field.wire.code != "o":
                values[field.name] = tuple(next(items) for _ in range(field.wire.count))
            else:
                values[field.name] = next(items)
        return cls(**values)

    @classmethod
    def size(cls) -> int:
        """Return the bytes of this message."""
        return layout_of(cls).size


_layouts: dict[type[Message], Layout] = {}


def layout_of(message: type[Message]) -> Layout:
    """Return the layout that ``message`` declares.

    Raises
    ------
    TypeError
        If a field has no :class:`Wire`, or natural alignment would add padding.
    """
    if message not in _layouts:
        _layouts[message] = _place(message)
    return _layouts[message]


def _place(message: type[Message]) -> Layout:
    hints = get_type_hints(message, include_extras=True)
    placed: list[Field] = []
    offset = 0
    for declared in fields(message):  # type: ignore[arg-type]
        hint = hints[declared.name]
        wire = (
            next((a for a in get_args(hint) if isinstance(a, Wire)), None)
            if get_origin(hint) is Annotated
            else None
        )
        if wire is None:
            raise TypeError(f"{message.__name__}.{declared.name} does not say how it lies on the wire")
        field = Field(declared.name, wire, offset)
        if offset % field.item_size:
            raise TypeError(f"{message.__name__}.{declared.name} is not aligned at offset {offset}")
        placed.append(field)
        offset += field.size
    if offset % max((field.item_size for field in placed), default=1):
        raise TypeError(f"{message.__name__} needs padding at its end")
    return Layout(message.__name__, (message.__doc__ or "").strip().splitlines()[0], tuple(placed))
