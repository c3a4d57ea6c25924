"""The serial protocol, declared once: constants, codes and message layouts.

Devices and hosts in Python use this module; devices in C use the header that
``templates/protocol/ek_protocol.h.j2`` renders from :func:`header_context`. ``docs/protocol.md`` says how the
pieces are used on the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Annotated as A
from typing import Any, Final

from edgekit.wire.layout import Layout, Message, Wire, layout_of, snake_case

PROTOCOL_VERSION: Final = 1
"""Goes up when a message changes its meaning or layout; host and device must have the same."""

BAUD: Final = 115_200
"""Line speed when the board's profile says nothing else; 8 data bits, no parity, one stop bit."""

COMMAND_END: Final = ord("%")
"""Ends everything that the host sends; never occurs within it."""

LINE_END: Final = ord("\n")
"""Ends everything that the device sends, after a CR; never occurs within it."""

FRAME_MARK: Final = b"ek"
"""Begins a message that carries a binary frame, in both directions. No text begins so."""

READY: Final = "m-ready"
"""Last line of every text command's answer, and of the boot lines."""
ERROR_LINE: Final = "e-["
"""Begins a line that says what is wrong."""

BUSY_LINE: Final = ERROR_LINE + "Busy: another host is connected]"
"""All that an agent on a network says to a host that comes while it serves another one; then it closes."""

BOOT_LINES: Final = ("m-timestamp-mode-performance", "m-lap-us-0", "m-init-done", READY)
"""What the device says after a reset; it ignores what comes before."""

DATA_BYTES: Final = 512
"""Input bytes in every DATA frame but the last, and most bytes of a table that one READ returns."""

WINDOW: Final = 16
"""DATA frames that the host may send beyond the first one that is not acknowledged; at most 32."""

ACK_EVERY: Final = 4
"""The device acknowledges at least every so many DATA frames in order, and at once when one is missing."""

RUNS_MAX: Final = 64
"""Most timed inferences of one RUN; the device keeps their ticks until the next."""

WARMUP_MAX: Final = 1_000
"""Most inferences before the timed ones of one RUN."""

TENSORS_MAX: Final = 4
"""Most inputs and outputs of a model together."""

INFER_MAX: Final = 1_000_000
"""Most timed, and most warm-up, inferences of the text command ``infer``."""

DEFAULT_WARMUP: Final = 10
"""Warm-up inferences of ``infer`` when not given."""

MESSAGE_TIMEOUT_MS: Final = 1_000
"""The device forgets a message of which no byte has come for so long."""

REPLY_TIMEOUT_MS: Final = 1_500
"""The host repeats a request that has not been answered for so long."""

INFERENCE_TIMEOUT_MS: Final = 30_000
"""The host gives up when a running device is silent for so long: one inference takes less."""

TEXT_TIMEOUT_MS: Final = 5_000
"""The host gives up on a text command when no line has come for so long (``infer``: INFERENCE_TIMEOUT_MS)."""


class Text:
    """The text commands (MLPerf Tiny)."""

    NAME: Final = "name"
    PROFILE: Final = "profile"
    TIMESTAMP: Final = "timestamp"
    DB: Final = "db"
    INFER: Final = "infer"
    RESULTS: Final = "results"
    HELP: Final = "help"


class Type(IntEnum):
    """What a frame is. A reply has the request's type with the highest bit set."""

    IDENTIFY = 0x01
    LOAD = 0x02
    DATA = 0x03
    RUN = 0x04
    PROFILE = 0x05
    SELFTEST = 0x06
    READ = 0x07
    CANCEL = 0x08
    IDENTIFIED = 0x81
    ACK = 0x82
    RAN = 0x84
    PROFILED = 0x85
    SELFTESTED = 0x86
    CHUNK = 0x87
    CANCELLED = 0x88
    PROGRESS = 0xF0
    ERROR = 0xFF


class Code(IntEnum):
    """Why a request was refused (``Error.code``)."""

    DAMAGED = 1
    TOO_LONG = 2
    VERSION = 3
    UNKNOWN_TYPE = 4
    BAD_REQUEST = 5
    BAD_SIZE = 6
    NO_LOAD = 7
    INPUT_CRC = 8
    NO_INPUT = 9
    BUSY = 10
    STALE = 11
    UNSUPPORTED = 12
    ENGINE = 13
    STOPPED = 14


class Table(IntEnum):
    """What READ can fetch from the last run."""

    OUTPUT = 1
    TICKS = 2
    OPS = 3


class Dtype(IntEnum):
    """Element types, numbered as in the TFLite schema."""

    FLOAT32 = 0
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    INT16 = 7
    INT8 = 9


class BootTest(IntEnum):
    """How the first golden vector went when the device started (``Identity.boot_test``)."""

    NOT_RUN = 0
    PASSED = 1
    FAILED = 2


class RunFlag(IntFlag):
    """What the device knows about the runs (``Ran.flags``)."""

    INPUT_KEPT = 1
    STABLE = 2


_U8 = "B"
_U16 = "H"
_U32 = "I"
_U64 = "Q"


@dataclass(frozen=True)
class Header(Message):
    """Begins every frame; the payload follows, then a CRC-32 of header and payload (u32)."""

    type: A[int, Wire(_U8, "enum ek_type")]
    version: A[int, Wire(_U8, "EK_PROTOCOL_VERSION")]
    length: A[int, Wire(_U16, "of the payload", "bytes")]
    request: A[int, Wire(_U32, "chosen by the host and echoed in every frame that answers it")]


@dataclass(frozen=True)
class Identity(Message):
    """IDENTIFIED: who the device is; followed by one Tensor for each input, then one for each output."""

    board: A[str, Wire("c", "name of the board's profile", count=24)]
    engine: A[str, Wire("c", "inference engine", count=24)]
    kernels: A[str, Wire("c", "kernel library", count=16)]
    plan: A[str, Wire("c", "memory plan", count=16)]
    build: A[str, Wire("c", "build id of the firmware", count=24)]
    model_sha256: A[bytes, Wire("o", "first bytes of the model's SHA-256", count=8)]
    ticks_per_second: A[int, Wire(_U32, "rate of all ticks", "Hz")]
    clock_hz: A[int, Wire(_U32, "core clock, 0 if not known", "Hz")]
    ns_per_instruction: A[int, Wire(_U32, "virtual time of one instruction under emulation, else 0", "ns")]
    model_bytes: A[int, Wire(_U32, "size of the model", "bytes")]
    arena_bytes: A[int, Wire(_U32, "size of the tensor arena, 0 if there is none", "bytes")]
    arena_used: A[int, Wire(_U32, "used of the tensor arena, 0 if not known", "bytes")]
    inputs: A[int, Wire(_U8, "input tensors")]
    outputs: A[int, Wire(_U8, "output tensors")]
    golden: A[int, Wire(_U16, "golden vectors in the image")]
    reset_reason: A[int, Wire(_U32, "the port's own code, 0 if not known")]
    boot_test: A[int, Wire(_U32, "enum ek_boot_test")] = BootTest.NOT_RUN


@dataclass(frozen=True)
class Tensor(Message):
    """One input or output of the model: real = scale * (q - zero_point)."""

    shape: A[tuple[int, ...], Wire(_U32, "dimensions; those past rank are 0", count=6)]
    bytes: A[int, Wire(_U32, "size of the values", "bytes")]
    scale: A[float, Wire("f", "0 if not quantized")]
    zero_point: A[int, Wire("i", "quantized value of real 0")]
    pixel_offset: A[int, Wire("i", "subtracted from the uint8 pixels of the text protocol")]
    dtype: A[int, Wire(_U8, "enum ek_dtype")]
    rank: A[int, Wire(_U8, "number of dimensions, at most 6")]
    reserved: A[int, Wire(_U16, "0")] = 0


@dataclass(frozen=True)
class Load(Message):
    """LOAD: announces the input: all input tensors, one after the other."""

    bytes: A[int, Wire(_U32, "size of the input", "bytes")]
    crc: A[int, Wire(_U32, "CRC-32 of the input")]


@dataclass(frozen=True)
class Data(Message):
    """DATA: EK_DATA_BYTES bytes of the input (the last one fewer) follow; request is that of the LOAD."""

    sequence: A[int, Wire(_U32, "place of this frame, from 0")]


@dataclass(frozen=True)
class Ack(Message):
    """ACK: answers LOAD and DATA."""

    next: A[int, Wire(_U32, "the first DATA frame that has not come; the number of all when done", "frames")]
    mask: A[int, Wire(_U32, "bit i: frame next + 1 + i has come")]


@dataclass(frozen=True)
class Run(Message):
    """RUN: warm up, then run and time. A repeated request (same id) is not executed again."""

    runs: A[int, Wire(_U32, "timed inferences, 1 to EK_RUNS_MAX")]
    warmup: A[int, Wire(_U32, "inferences before, at most EK_WARMUP_MAX")]
    input_crc: A[int, Wire(_U32, "CRC-32 that the device's input must have")]


@dataclass(frozen=True)
class Progress(Message):
    """PROGRESS: sent when a RUN is accepted and after each of its inferences."""

    done: A[int, Wire(_U32, "inferences done")]
    total: A[int, Wire(_U32, "inferences in all, warm-up included")]


@dataclass(frozen=True)
class Ran(Message):
    """RAN: the run is over; its output and ticks can be read until the next run or load."""

    runs: A[int, Wire(_U32, "as requested")]
    warmup: A[int, Wire(_U32, "as requested")]
    input_crc: A[int, Wire(_U32, "CRC-32 of the input at the start")]
    output_bytes: A[int, Wire(_U32, "size of all output tensors", "bytes")]
    output_crc: A[int, Wire(_U32, "CRC-32 of the output of the first inference")]
    ticks_crc: A[int, Wire(_U32, "CRC-32 of the ticks table: one u64 a timed inference")]
    flags: A[int, Wire(_U32, "enum ek_run_flag: input kept between inferences; all outputs equal")]


@dataclass(frozen=True)
class Profile(Message):
    """PROFILE: one inference with the ticks of every operator."""

    input_crc: A[int, Wire(_U32, "CRC-32 that the device's input must have")]


@dataclass(frozen=True)
class Profiled(Message):
    """PROFILED: the table EK_TABLE_OPS can be read until the next run or load."""

    ops: A[int, Wire(_U32, "operators, each an OpTicks in the table")]
    ops_crc: A[int, Wire(_U32, "CRC-32 of the table")]
    ticks: A[int, Wire(_U64, "of the whole inference", "ticks")]


@dataclass(frozen=True)
class OpTicks(Message):
    """One entry of the table EK_TABLE_OPS."""

    index: A[int, Wire(_U32, "place of the operator in the model")]
    builtin: A[int, Wire(_U32, "builtin operator code of the TFLite schema")]
    ticks: A[int, Wire(_U64, "time of the operator", "ticks")]


@dataclass(frozen=True)
class Selftested(Message):
    """SELFTESTED: the golden vectors in the image were run; overwrites the input."""

    vectors: A[int, Wire(_U32, "vectors in the image; 0: nothing was tested")]
    passed: A[int, Wire(_U32, "vectors whose output was equal")]
    vector: A[int, Wire(_U32, "first vector that differed; not meaningful when all passed")]
    offset: A[int, Wire(_U32, "its first differing byte", "bytes")]
    expected: A[int, Wire(_U8, "that byte in the image")]
    got: A[int, Wire(_U8, "that byte in the output")]
    reserved: A[int, Wire(_U16, "0")] = 0


@dataclass(frozen=True)
class Read(Message):
    """READ: fetch a part of a table that a RUN or PROFILE left."""

    run: A[int, Wire(_U32, "request id of that RUN or PROFILE")]
    table: A[int, Wire(_U32, "enum ek_table")]
    offset: A[int, Wire(_U32, "first byte", "bytes")]
    length: A[int, Wire(_U32, "at most EK_DATA_BYTES; fewer come at the end", "bytes")]


@dataclass(frozen=True)
class Chunk(Message):
    """CHUNK: the bytes asked for follow."""

    run: A[int, Wire(_U32, "as requested")]
    table: A[int, Wire(_U32, "as requested")]
    offset: A[int, Wire(_U32, "as requested", "bytes")]
    total: A[int, Wire(_U32, "size of the whole table", "bytes")]


@dataclass(frozen=True)
class Error(Message):
    """ERROR: the request is refused or failed; request id 0 when the frame could not be read."""

    code: A[int, Wire(_U16, "enum ek_code")]
    type: A[int, Wire(_U16, "type of the request, 0 if not known")]
    value: A[int, Wire(_U32, "BAD_SIZE: bytes that the input has; INPUT_CRC: the input's CRC-32; else 0")]


MESSAGES: Final[tuple[type[Message], ...]] = (
    Header,
    Identity,
    Tensor,
    Load,
    Data,
    Ack,
    Run,
    Progress,
    Ran,
    Profile,
    Profiled,
    OpTicks,
    Selftested,
    Read,
    Chunk,
    Error,
)
"""Every layout on the wire."""

CRC_BYTES: Final = 4
PAYLOAD_MAX: Final = max(Chunk.size() + DATA_BYTES, Identity.size() + TENSORS_MAX * Tensor.size())
"""Most payload bytes of a frame."""

FRAME_MAX: Final = Header.size() + PAYLOAD_MAX + CRC_BYTES
"""Most bytes of a frame before stuffing."""

MESSAGE_MAX: Final = len(FRAME_MARK) + FRAME_MAX + FRAME_MAX // 254 + 1
"""Most bytes of a message, without its end: the size of the device's command buffer, for text too."""


def layouts() -> tuple[Layout, ...]:
    """Return the layout of every message, in the order of the header."""
    return tuple(layout_of(message) for message in MESSAGES)


def header_context() -> dict[str, Any]:
    """Return the variables that the template of the C header needs."""
    constants = {
        "PROTOCOL_VERSION": PROTOCOL_VERSION,
        "BAUD": BAUD,
        "COMMAND_END": COMMAND_END,
        "LINE_END": LINE_END,
        "DATA_BYTES": DATA_BYTES,
        "WINDOW": WINDOW,
        "ACK_EVERY": ACK_EVERY,
        "RUNS_MAX": RUNS_MAX,
        "WARMUP_MAX": WARMUP_MAX,
        "TENSORS_MAX": TENSORS_MAX,
        "INFER_MAX": INFER_MAX,
        "DEFAULT_WARMUP": DEFAULT_WARMUP,
        "MESSAGE_TIMEOUT_MS": MESSAGE_TIMEOUT_MS,
        "CRC_BYTES": CRC_BYTES,
        "PAYLOAD_MAX": PAYLOAD_MAX,
        "FRAME_MAX": FRAME_MAX,
        "MESSAGE_MAX": MESSAGE_MAX,
    }
    texts = {name: value for name, value in vars(Text).items() if name.isupper()}
    return {
        "constants": constants,
        "frame_mark": FRAME_MARK.decode(),
        "ready": READY,
        "boot_lines": BOOT_LINES,
        "texts": texts,
        "enums": {
            snake_case(enum.__name__): tuple(enum) for enum in (Type, Code, Table, Dtype, BootTest, RunFlag)
        },
        "messages": layouts(),
    }
