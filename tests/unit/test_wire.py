"""Layouts, frames and decimals."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

import numpy as np
import pytest
from fake_lines import ToyEngine
from hypothesis import given
from hypothesis import strategies as st

from edgekit.wire import declaration as d
from edgekit.wire.frames import FrameError, decode, encode, stuff, unstuff
from edgekit.wire.layout import Message, Wire, layout_of
from edgekit.wire.text import bracketed, buffer_lines, decimal, result_thousandths, thousandths

ENDS = st.sampled_from([d.COMMAND_END, d.LINE_END])


@given(data=st.binary(min_size=1, max_size=d.FRAME_MAX), end=ENDS)
def test_stuffed_bytes_never_hold_the_end_and_come_back(data: bytes, end: int) -> None:
    stuffed = stuff(data, end)
    assert end not in stuffed
    assert len(stuffed) <= len(data) + len(data) // 254 + 1
    assert unstuff(stuffed, end) == data


@pytest.mark.parametrize("size", [1, 253, 254, 255, 508, 509, 540])
@pytest.mark.parametrize("fill", [0, 1, d.COMMAND_END, 255])
def test_stuffing_at_block_borders(size: int, fill: int) -> None:
    data = bytes([fill]) * size
    assert unstuff(stuff(data, d.COMMAND_END), d.COMMAND_END) == data


@given(data=st.binary(max_size=700), end=ENDS)
def test_any_bytes_are_a_frame_or_an_error(data: bytes, end: int) -> None:
    try:
        frame = decode(d.FRAME_MARK + data, end)
    except FrameError:
        return
    assert encode(d.Type(frame.type), frame.request, frame.payload, end) == d.FRAME_MARK + data


@given(payload=st.binary(max_size=d.PAYLOAD_MAX), request=st.integers(0, 2**32 - 1), end=ENDS)
def test_a_frame_comes_back(payload: bytes, request: int, end: int) -> None:
    message = encode(d.Type.DATA, request, payload, end)
    assert len(message) <= d.MESSAGE_MAX and end not in message
    frame = decode(message, end)
    assert (frame.type, frame.request, frame.payload) == (d.Type.DATA, request, payload)


def test_every_single_changed_lost_or_doubled_byte_is_noticed() -> None:
    message = encode(d.Type.RUN, 77, d.Run(20, 2, 0xDEADBEEF).pack(), d.COMMAND_END)
    for at in range(len(message)):
        for bit in range(8):
            flipped = message[:at] + bytes([message[at] ^ 1 << bit]) + message[at + 1 :]
            with pytest.raises(FrameError):
                decode(flipped, d.COMMAND_END)
        with pytest.raises(FrameError):
            decode(message[:at] + message[at + 1 :], d.COMMAND_END)
        with pytest.raises(FrameError):
            decode(message[:at] + message[at : at + 1] + message[at:] + b"", d.COMMAND_END)


def test_a_payload_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        encode(d.Type.DATA, 1, bytes(d.PAYLOAD_MAX + 1), d.COMMAND_END)


@pytest.mark.parametrize("message", d.MESSAGES)
def test_a_message_comes_back_from_its_bytes(message: type[Message]) -> None:
    layout = layout_of(message)
    source = random.Random(layout.name)
    values: dict[str, object] = {}
    for field in layout.fields:
        if field.wire.code == "c":
            values[field.name] = "text"
        elif field.wire.code == "o":
            values[field.name] = source.randbytes(field.size)
        elif field.wire.code == "f":
            values[field.name] = 0.25
        elif field.array:
            values[field.name] = tuple(source.randrange(2**7) for _ in range(field.wire.count))
        else:
            values[field.name] = source.randrange(2**7)
    original = message(**values)
    packed = original.pack()
    assert len(packed) == layout.size == struct.calcsize(layout.format)
    assert message.unpack(packed + b"more") == original
    with pytest.raises(ValueError, match=layout.name):
        message.unpack(packed[:-1])


def test_a_layout_that_a_compiler_would_pad_is_refused() -> None:
    @dataclass(frozen=True)
    class Gap(Message):
        """A hole before the second field."""

        a: Annotated[int, Wire("B", "")]
        b: Annotated[int, Wire("I", "")]

    @dataclass(frozen=True)
    class Tail(Message):
        """A hole at the end."""

        a: Annotated[int, Wire("I", "")]
        b: Annotated[int, Wire("B", "")]

    for message in (Gap, Tail):
        with pytest.raises(TypeError, match=r"aligned|padding"):
            layout_of(message)


def test_long_text_is_cut_and_unknown_letters_replaced() -> None:
    identity = replace(ToyEngine().identity, board="x" * 40, engine="Käse")
    back = d.Identity.unpack(identity.pack())
    assert (back.board, back.engine) == ("x" * 24, "K?se")


@given(value=st.integers(-(2**15), 2**15), scale=st.floats(2**-40, 2**20, width=32))
def test_thousandths_are_exact(value: int, scale: float) -> None:
    exact = Decimal(value) * Decimal(scale) * 1000
    assert thousandths(value, scale) == int(exact.to_integral_value(ROUND_HALF_UP))


def test_decimals_are_printed_with_three_places() -> None:
    assert [decimal(v) for v in (986, 14, 0, -1, -1500, 123456)] == [
        "0.986",
        "0.014",
        "0.000",
        "-0.001",
        "-1.500",
        "123.456",
    ]


def test_results_are_dequantized() -> None:
    tensor = d.Tensor((1, 3, 0, 0, 0, 0), 3, float(np.float32(1 / 256)), -128, 0, d.Dtype.INT8, 2)
    assert result_thousandths(tensor, bytes([0x80, 0x7F, 0x00])) == [0, 996, 500]


def test_buffer_lines_have_eight_bytes() -> None:
    assert list(buffer_lines(bytes(range(10)))) == ["m-buffer-00-01-02-03-04-05-06-07", "m-buffer-08-09"]


@given(st.text(max_size=100))
def test_bracketed_text_cannot_end_its_line_or_bracket(text: str) -> None:
    inner = bracketed(text)[1:-1]
    assert len(inner) <= 32 and inner.isascii()
    assert not set(inner) & set("[]%\r\n\0")
