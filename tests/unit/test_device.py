"""The device: text commands as MLPerf Tiny has them, and an answer after whatever came before."""

from __future__ import annotations

import random
from binascii import crc32
from typing import Any

import pytest
from fake_lines import ToyEngine, toy_output
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device import Device
from edgekit.wire import declaration as d
from edgekit.wire.frames import Frame, decode, encode


class Wired:
    """A device with its input and output at hand."""

    def __init__(self, engine: ToyEngine | None = None) -> None:
        self.now = 0.0
        self.engine = engine or ToyEngine(40, 2, clock=lambda: self.now)
        self.out = bytearray()
        self.device = Device(self.engine, self.out.extend)
        self.device.boot()
        self.out.clear()

    def send(self, data: bytes | str, polls: int = 10_000) -> list[str]:
        self.device.feed(data.encode() if isinstance(data, str) else data)
        for _ in range(polls):
            if not self.device.poll():
                break
        text = self.out.decode("latin-1")
        self.out.clear()
        assert text == "" or text.endswith("\r\n")
        return text.split("\r\n")[:-1]

    def frame(self, type_: d.Type, request: int, payload: bytes = b"", polls: int = 10_000) -> list[Frame]:
        lines = self.send(encode(type_, request, payload, d.COMMAND_END) + b"%", polls)
        return [decode(line.encode("latin-1"), d.LINE_END) for line in lines]


NAME = ["m-name-dut-[edgekit]", "m-ready"]


def test_nothing_is_answered_before_the_boot_lines() -> None:
    out = bytearray()
    device = Device(ToyEngine(), out.extend)
    device.feed(b"name%")
    assert not out
    device.boot()
    assert out == b"m-timestamp-mode-performance\r\nm-lap-us-0\r\nm-init-done\r\nm-ready\r\n"


def test_a_whole_run_as_the_industry_runner_does_it() -> None:
    wired = Wired()
    data = bytes(range(40))
    assert wired.send("name%") == NAME
    assert wired.send("profile%") == ["m-profile-[edgekit]", "m-model-[toy]", "m-ready"]
    assert wired.send("db load 40%") == ["m-[Expecting 40 bytes]", "m-ready"]
    assert wired.send(f"db {data[:31].hex()}%") == ["m-ready"]
    assert wired.send(f"db {data[31:].hex()}%") == ["m-load-done", "m-ready"]
    assert wired.send("db ffff%") == ["m-ready"]
    expected = toy_output(data, 2)
    results = [round(1000 * (((b + 128) % 256 - 128) + 128) / 256 + 1e-9) for b in expected]
    line = f"m-results-[0.{results[0]:03d},0.{results[1]:03d}]"
    start = wired.engine.ticks()
    assert wired.send("infer 3 2%") == [
        "m-warmup-start-2",
        "m-warmup-done",
        "m-infer-start-3",
        f"m-lap-us-{start + 10_000}",
        f"m-lap-us-{start + 25_000}",
        "m-infer-done",
        line,
        "m-ready",
    ]
    assert wired.send("results%") == [line, "m-ready"]
    assert wired.send("timestamp%") == [f"m-lap-us-{start + 25_000}", "m-ready"]


def load_text(wired: Wired, data: bytes = bytes(40)) -> None:
    wired.send(f"db load {len(data)}%")
    assert wired.send(f"db {data.hex()}%") == ["m-load-done", "m-ready"]


def test_infer_warms_up_ten_times_by_default() -> None:
    wired = Wired()
    load_text(wired)
    assert wired.send("infer 1%")[0] == "m-warmup-start-10"
    assert wired.engine.invocations == 11
    assert wired.send("infer 1 0%")[:3] == ["m-warmup-start-0", "m-warmup-done", "m-infer-start-1"]


def test_pixels_are_shifted_when_the_settings_say_so() -> None:
    wired = Wired(ToyEngine(4, 2, pixel_offset=128))
    wired.send("db load 4%")
    wired.send("db 00 %")
    assert wired.send("db 007f80ff%") == ["m-load-done", "m-ready"]
    assert bytes(wired.engine.input) == b"\x80\x80\xff\x00"
    assert wired.send("db print%") == ["m-buffer-00-00-7f-80", "m-ready"]


def test_the_buffer_is_printed_from_an_offset() -> None:
    wired = Wired()
    wired.send("db load 40%")
    wired.send(f"db {bytes(range(40)).hex()}%")
    assert wired.send("db print 3 8%") == ["m-buffer-08-09-0a", "m-ready"]
    assert wired.send("db print 9 38%") == ["m-buffer-26-27", "m-ready"]


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("foo bar", "e-[Unknown command: foo bar]"),
        ("", "e-[Unknown command: ]"),
        ("db", "e-[db wants load, print or digits]"),
        ("db 01", "e-[db load comes first]"),
        ("db load 0", "e-[Expecting 1 to 40 bytes]"),
        ("db load 41", "e-[Expecting 1 to 40 bytes]"),
        ("db load", "e-[Expecting 1 to 40 bytes]"),
        ("db load x", "e-[Not a number: x]"),
        ("db load -1", "e-[Not a number: -1]"),
        ("db 0", "e-[Not pairs of hex digits]"),
        ("infer 0", "e-[infer wants 1 to 1000000 runs]"),
        ("infer 99999999999999999999", "e-[Not a number: 999999999999999...]"),
        ("results", "e-[No results yet]"),
    ],
)
def test_a_wrong_command_is_one_error_line(command: str, error: str) -> None:
    assert Wired().send(command + "%") == [error, "m-ready"]


def test_a_command_that_is_too_long_is_an_error_line() -> None:
    wired = Wired()
    assert wired.send("db " + "00" * d.MESSAGE_MAX + "%") == ["e-[Command too long]", "m-ready"]
    assert wired.send("a" * 1_000_000) == []
    assert len(wired.device._buffer) == d.MESSAGE_MAX
    assert wired.send("%name%") == ["e-[Command too long]", "m-ready", *NAME]
    assert [f.type for f in wired.frame(d.Type.IDENTIFY, 1)] == [d.Type.IDENTIFIED]
    lines = wired.send(b"ek" + b"a" * d.MESSAGE_MAX + b"%")
    error = d.Error.unpack(decode(lines[0].encode("latin-1"), d.LINE_END).payload)
    assert error.code == d.Code.TOO_LONG


def test_line_ends_of_a_terminal_are_ignored() -> None:
    assert Wired().send("\r\nna\nme\r%") == NAME


def test_half_a_command_is_forgotten_after_a_second() -> None:
    wired = Wired()
    wired.send(b"infer 1")
    wired.now += 1.1
    assert wired.send("name%") == NAME


def test_a_failing_engine_is_an_error_line() -> None:
    wired = Wired(ToyEngine(40, fails=True))
    load_text(wired)
    assert wired.send("infer 2 1%")[-2:] == ["e-[The inference failed]", "m-ready"]
    assert wired.send("name%") == NAME


def test_a_text_command_stops_a_long_run() -> None:
    wired = Wired()
    load_text(wired)
    wired.send("infer 1000000 0%", polls=3)
    assert wired.send("name%") == ["e-[Stopped]", "m-ready", *NAME]


def test_what_came_before_a_long_inference_waits_for_its_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    wired = Wired()
    load_text(wired)
    invoke = wired.engine.invoke

    def slow(*args: Any) -> None:
        invoke(*args)
        wired.now += 2

    monkeypatch.setattr(wired.engine, "invoke", slow)
    wired.send("infer 3 0%", polls=1)
    wired.send("na", polls=1)
    assert wired.send("me%") == ["e-[Stopped]", "m-ready", *NAME]


FORGOTTEN = ["e-[Load the input first]", "m-ready"]


@pytest.mark.parametrize("keeps_input", [True, False])
def test_infer_wants_an_input_that_was_loaded_whole_and_is_still_there(keeps_input: bool) -> None:
    wired = Wired(ToyEngine(40, 2, keeps_input=keeps_input))
    assert wired.send("infer 1 0%") == FORGOTTEN
    wired.send("db load 40%")
    wired.send(f"db {bytes(39).hex()}%")
    assert wired.send("infer 1 0%") == FORGOTTEN and wired.engine.invocations == 0
    wired.send("db 00%")
    first = wired.send("infer 1 2%")[-2:]
    assert first[0].startswith("m-results-") and wired.engine.invocations == 3
    assert wired.send("infer 1 0%")[-2:] == (first if keeps_input else FORGOTTEN)
    assert wired.send("results%") == first


GOLDEN = (bytes(40), toy_output(bytes(40), 2))


@pytest.mark.parametrize(
    ("engine", "outcome"),
    [
        (ToyEngine(40, 2), d.BootTest.NOT_RUN),
        (ToyEngine(40, 2, golden=[GOLDEN, (b"a" * 40, b"no")]), d.BootTest.PASSED),
        (ToyEngine(40, 2, golden=[(b"a" * 40, GOLDEN[1]), GOLDEN]), d.BootTest.FAILED),
        (ToyEngine(40, 2, golden=[GOLDEN], fails=True), d.BootTest.FAILED),
    ],
)
def test_the_first_golden_vector_is_run_at_boot(engine: ToyEngine, outcome: d.BootTest) -> None:
    out = bytearray()
    device = Device(engine, out.extend)
    device.boot()
    failed = ["e-[Self-test failed]"] if outcome == d.BootTest.FAILED else []
    assert out.decode().splitlines() == [*failed, *d.BOOT_LINES]
    assert bytes(engine.input) == bytes(40)
    out.clear()
    device.feed(b"infer 1 0%" + encode(d.Type.IDENTIFY, 1, b"", d.COMMAND_END) + b"%")
    *text, identified = out.split(b"\r\n")[:-1]
    assert [line.decode() for line in text] == FORGOTTEN
    assert d.Identity.unpack(decode(bytes(identified), d.LINE_END).payload).boot_test == outcome


def load(wired: Wired, data: bytes, request: int = 5) -> None:
    wired.frame(d.Type.LOAD, request, d.Load(len(data), crc32(data)).pack())
    acks = wired.frame(d.Type.DATA, request, d.Data(0).pack() + data)
    assert d.Ack.unpack(acks[-1].payload).next == 1


def test_a_repeated_run_is_answered_but_not_executed_again() -> None:
    wired = Wired()
    load(wired, bytes(40))
    run = d.Run(3, 1, crc32(bytes(40))).pack()
    first = wired.frame(d.Type.RUN, 6, run)
    assert [f.type for f in first] == [d.Type.PROGRESS] * 5 + [d.Type.RAN]
    assert wired.engine.invocations == 4
    again = wired.frame(d.Type.RUN, 6, run)
    assert again == first[-1:] and wired.engine.invocations == 4


def test_only_cancel_identify_and_the_same_request_are_taken_while_running() -> None:
    wired = Wired()
    load(wired, bytes(40))
    run = d.Run(50, 0, crc32(bytes(40))).pack()
    wired.frame(d.Type.RUN, 6, run, polls=3)
    assert wired.frame(d.Type.RUN, 6, run, polls=0)[0].type == d.Type.PROGRESS
    busy = wired.frame(d.Type.LOAD, 7, d.Load(40, 0).pack(), polls=0)
    assert d.Error.unpack(busy[0].payload).code == d.Code.BUSY
    assert wired.frame(d.Type.IDENTIFY, 8, polls=0)[0].type == d.Type.IDENTIFIED
    stopped, cancelled = wired.frame(d.Type.CANCEL, 9)
    assert (stopped.request, d.Error.unpack(stopped.payload).code) == (6, d.Code.STOPPED)
    assert cancelled.type == d.Type.CANCELLED


@pytest.mark.parametrize(
    ("type_", "payload", "code"),
    [
        (d.Type.RUN, d.Run(1, 0, 0).pack(), d.Code.NO_INPUT),
        (d.Type.RUN, d.Run(0, 0, 0).pack(), d.Code.BAD_REQUEST),
        (d.Type.RUN, d.Run(d.RUNS_MAX + 1, 0, 0).pack(), d.Code.BAD_REQUEST),
        (d.Type.RUN, b"short", d.Code.BAD_REQUEST),
        (d.Type.PROFILE, d.Profile(0).pack(), d.Code.NO_INPUT),
        (d.Type.DATA, d.Data(0).pack(), d.Code.NO_LOAD),
        (d.Type.LOAD, d.Load(41, 0).pack(), d.Code.BAD_SIZE),
        (d.Type.READ, d.Read(1, d.Table.OUTPUT, 0, 1).pack(), d.Code.STALE),
        (d.Type.IDENTIFIED, b"", d.Code.UNKNOWN_TYPE),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_with_its_reason(
    type_: d.Type, payload: bytes, code: d.Code
) -> None:
    (frame,) = Wired().frame(type_, 3, payload)
    error = d.Error.unpack(frame.payload)
    assert (frame.type, frame.request, error.code, error.type) == (d.Type.ERROR, 3, code, type_)


def test_an_input_whose_bytes_changed_is_not_run() -> None:
    wired = Wired()
    load(wired, bytes(40))
    wired.engine.input[7] ^= 1
    (frame,) = wired.frame(d.Type.RUN, 6, d.Run(1, 0, crc32(bytes(40))).pack())
    assert d.Error.unpack(frame.payload).code == d.Code.INPUT_CRC
    assert wired.engine.invocations == 0


def test_an_input_that_is_not_what_was_announced_is_refused() -> None:
    wired = Wired()
    wired.frame(d.Type.LOAD, 5, d.Load(40, 123).pack())
    (frame,) = wired.frame(d.Type.DATA, 5, d.Data(0).pack() + bytes(40))
    assert d.Error.unpack(frame.payload).code == d.Code.INPUT_CRC


def test_an_engine_that_overwrites_its_input_wants_it_again() -> None:
    wired = Wired(ToyEngine(40, 2, keeps_input=False))
    load(wired, bytes(40))
    run = d.Run(2, 0, crc32(bytes(40))).pack()
    ran = d.Ran.unpack(wired.frame(d.Type.RUN, 6, run)[-1].payload)
    assert not ran.flags & d.RunFlag.INPUT_KEPT
    assert ran.output_crc == crc32(toy_output(bytes(40), 2))
    (frame,) = wired.frame(d.Type.RUN, 7, run)
    assert d.Error.unpack(frame.payload).code == d.Code.NO_INPUT


text = st.text("db loadinferpt%0123456789 ek", max_size=60)


@given(chunks=st.lists(st.binary(max_size=200) | text, max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_survived(chunks: list[bytes | str]) -> None:
    wired = Wired()
    for chunk in chunks:
        wired.send(chunk, polls=20)
    assert wired.send("%name%", polls=20)[-2:] == NAME
    wired.now += 5
    assert wired.frame(d.Type.IDENTIFY, 99)[0].request == 99


def test_ten_thousand_random_command_lines_are_survived() -> None:
    source = random.Random(1)
    words = ["name", "profile", "db", "load", "print", "infer", "results", "help", "ek", "x" * 600]
    wired = Wired()
    for _ in range(10_000):
        numbers = [str(source.randrange(-9, 200)) for _ in range(6)]
        line = " ".join(source.choices(words + numbers, k=source.randrange(5))).encode()
        if source.random() < 0.3:
            line = source.randbytes(source.randrange(40)).replace(b"%", b"")
        answer = wired.send(line + b"%", polls=500)
        assert answer and (answer[-1] == "m-ready" or answer[-1].startswith("ek"))
    assert wired.send("name%") == NAME
