"""What hosts say to a device: messages of all kinds, right, wrong and damaged."""

from __future__ import annotations

import random
from binascii import crc32

from fake_lines import Faults

from edgekit.wire import declaration as d
from edgekit.wire.frames import encode

LINES = (
    b"name",
    b"profile",
    b"help",
    b"timestamp",
    b"results",
    b"\r\nname",
    b"na\nme\r",
    b"",
    b"db",
    b"db 0",
)
WORDS = (
    b"db",
    b"load",
    b"print",
    b"0",
    b"5",
    b"1000000001",
    b"-1",
    b"x",
    b"zz",
    b"00ff",
    b"name",
    b"[]",
    b"~\x7f",
)


def frame(type_: int, request: int, payload: bytes = b"") -> bytes:
    """Return a whole message with a frame."""
    return encode(d.Type(type_), request, payload, d.COMMAND_END) + b"%"


def conversation(source: random.Random, size: int) -> list[bytes]:
    """Return messages of all kinds."""
    data = source.randbytes(size)
    load_id, run_id = source.getrandbits(32) | 1, source.getrandbits(32) | 1

    def pieces() -> list[bytes]:
        count = -(-size // d.DATA_BYTES)
        order = [*range(count), *source.choices(range(count), k=2)]
        if source.random() < 0.7:
            source.shuffle(order)
        return [
            frame(
                d.Type.DATA,
                load_id,
                d.Data(i).pack() + data[d.DATA_BYTES * i : d.DATA_BYTES * (i + 1)],
            )
            for i in order
        ]

    def digits() -> list[bytes]:
        step = source.randrange(1, 260)
        return [f"db {data[i : i + step].hex()}%".encode() for i in range(0, size, step)]

    crc = crc32(data)
    whole_binary = [frame(d.Type.LOAD, load_id, d.Load(size, crc).pack()), *pieces()]
    whole_text = [f"db load {size}%".encode(), *digits(), b"db ff%"]
    runs, warmup = source.randrange(1, 4), source.randrange(0, 3)
    reads = [
        frame(
            d.Type.READ, i + 1, d.Read(run_id, source.choice([1, 1, 3, 9]), source.randrange(9), 512).pack()
        )
        for i in range(3)
    ]
    kinds: list[list[bytes]] = [
        [*whole_binary, frame(d.Type.RUN, run_id, d.Run(runs, warmup, crc).pack()), *reads],
        [*whole_text, f"infer {runs} {warmup}%".encode(), b"results%", *reads],
        [*whole_text[:-2], b"infer 1 0%", b"results%", b"db print%"],
        [*whole_text, b"infer 1 0%", b"infer 1 0%", frame(d.Type.RUN, run_id, d.Run(1, 0, crc).pack())],
        [*whole_text, frame(d.Type.RUN, run_id, d.Run(runs, 0, (crc + 5) & 0xFFFFFFFF).pack()), b"results%"],
        [frame(d.Type.LOAD, load_id, d.Load(size, crc ^ 1).pack()), *pieces()],
        [frame(d.Type.LOAD, load_id, d.Load(size + 1, crc).pack()), *pieces()[:1], *reads],
        [frame(d.Type.SELFTEST, run_id), frame(d.Type.SELFTEST, run_id), *reads],
        [frame(d.Type.RUN, run_id, d.Run(65, 0, crc).pack()), frame(d.Type.RUN, run_id, b"short")],
        [frame(d.Type.CANCEL, 3), frame(d.Type.IDENTIFY, source.getrandbits(32), source.randbytes(9))],
        [frame(d.Type.CHUNK, 4), frame(d.Type.PROFILE, 5), frame(d.Type.DATA, load_id, bytes(20))],
        [whole_text[0], b"db 01aBfF%", b"db print%", b"db print 3 1%", b"db print 99 999999999%"],
        [source.choice(LINES) + b"%" for _ in range(4)],
        [b" ".join(source.choices(WORDS, k=source.randrange(6))) + b"%"],
        [b"ek" + source.randbytes(source.randrange(40)).replace(b"%", b"") + b"%"],
        [source.randbytes(source.randrange(60)).replace(b"%", b"").lstrip(b"\r\n") + b"%"],
        [source.choice([b"ek", b"db ", b"\r\n", b""]) + b"a" * source.randrange(530, 700) + b"%"],
    ]
    whole = [message for kind in source.choices(kinds, k=12) for message in kind]
    hits = [source.random() < 0.03 for _ in whole]
    return [
        Faults(flip=0.01, drop=0.005).mangle(message[:-1], source).replace(b"%", b"&") + b"%"
        if hit and message.startswith(b"ek")
        else message
        for message, hit in zip(whole, hits, strict=True)
    ]
