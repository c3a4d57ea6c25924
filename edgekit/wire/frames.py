"""Frames: header, payload and CRC-32, stuffed so that they lie on a line of text.

The stuffing is COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999): it removes every zero
byte at a cost of one byte, plus one for every 254. Each byte is then XORed with the byte that ends a message
in that direction, so that this byte is the one that cannot occur: ``%`` from the host, LF from the device.
"""

from __future__ import annotations

from binascii import crc32
from dataclasses import dataclass

from edgekit.wire.declaration import (
    CRC_BYTES,
    FRAME_MARK,
    FRAME_MAX,
    PAYLOAD_MAX,
    PROTOCOL_VERSION,
    Header,
    Type,
)


class FrameError(ValueError):
    """A frame was damaged on the line."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that has arrived whole; ``type`` is a number since the other side may know more types."""

    type: int
    request: int
    payload: bytes
    version: int = PROTOCOL_VERSION


def stuff(data: bytes, end: int) -> bytes:
    """Return ``data`` without the byte ``end`` in it, at most one byte in 254 plus one longer."""
    out = bytearray()
    for part in data.split(b"\0"):
        start = 0
        while len(part) - start >= 254:
            out += b"\xff" + part[start : start + 254]
            start += 254
        out.append(len(part) - start + 1)
        out += part[start:]
    return bytes(out).translate(_xor_table(end))


def unstuff(data: bytes, end: int) -> bytes:
    """Return what :func:`stuff` was given.

    Raises
    ------
    FrameError
        If no data gives these bytes.
    """
    plain = data.translate(_xor_table(end))
    out = bytearray()
    at = 0
    while at < len(plain):
        code = plain[at]
        block = plain[at + 1 : at + code]
        if code == 0 or 0 in block or len(block) != code - 1:
            raise FrameError("the stuffing is broken")
        out += block
        at += code
        if code != 0xFF and at < len(plain):
            out.append(0)
    if not plain:
        raise FrameError("there is nothing")
    return bytes(out)


def encode(type_: Type, request: int, payload: bytes, end: int) -> bytes:
    """Return the message that carries a frame, without its end.

    Raises
    ------
    ValueError
        If the payload is larger than a frame may have.
    """
    if len(payload) > PAYLOAD_MAX:
        raise ValueError(f"{len(payload)} bytes are more than the {PAYLOAD_MAX} of a frame")
    body = Header(type_, PROTOCOL_VERSION, len(payload), request).pack() + payload
    return FRAME_MARK + stuff(body + crc32(body).to_bytes(CRC_BYTES, "little"), end)


def decode(message: bytes, end: int) -> Frame:
    """Return the frame in ``message`` (mark included, end not).

    Raises
    ------
    FrameError
        If anything about it is wrong.
    """
    if not message.startswith(FRAME_MARK):
        raise FrameError("the mark is missing")
    raw = unstuff(message[len(FRAME_MARK) :], end)
    if not Header.size() + CRC_BYTES <= len(raw) <= FRAME_MAX:
        raise FrameError("the length is impossible")
    body, sent = raw[:-CRC_BYTES], int.from_bytes(raw[-CRC_BYTES:], "little")
    if crc32(body) != sent:
        raise FrameError("the CRC differs")
    header = Header.unpack(body)
    payload = body[Header.size() :]
    if header.length != len(payload):
        raise FrameError("the length differs")
    return Frame(header.type, header.request, payload, header.version)


def _xor_table(end: int) -> bytes:
    return bytes(value ^ end for value in range(256))
