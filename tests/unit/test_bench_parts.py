"""Statistics, comparison, error messages, and what a host does with devices that are not edgekit's."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import serial
from fake_lines import Faults, ToyEngine, VirtualLine
from rich.console import Console

from edgekit.bench import line as line_module
from edgekit.bench.client import Client
from edgekit.bench.comparison import compare_bytes, compare_results
from edgekit.bench.identify import ask_identity
from edgekit.bench.line import Line, open_line
from edgekit.bench.mlperf import TextClient
from edgekit.bench.record import (
    ArenaComparison,
    BenchedModel,
    BenchRecord,
    JudgeRecord,
    LatencyStatistics,
    Mismatch,
    OpRecord,
    OutputsRecord,
    PredictedLatency,
    ProfileRecord,
    ReferenceShare,
)
from edgekit.bench.statistics import latencies, latency_unit, summarize
from edgekit.errors import EdgekitError, InputError, TaskError
from edgekit.report.bench import print_bench
from edgekit.wire.declaration import BUSY_LINE, COMMAND_END, FRAME_MARK, LINE_END, Code, Error, Type
from edgekit.wire.frames import Frame, decode, encode


def test_statistics_use_the_nearest_rank() -> None:
    latency = summarize([float(v) for v in range(100, 0, -1)], "ms")
    assert (latency.min, latency.median, latency.p95, latency.max) == (1, 50.5, 95, 100)
    one = summarize([3.0], "instructions")
    assert (one.unit, one.min, one.median, one.p95, one.max) == ("instructions", 3, 3, 3, 3)
    assert summarize([float(v) for v in range(20)], "ms").p95 == 18
    with pytest.raises(ValueError, match="no latencies"):
        summarize([], "ms")


def test_ticks_are_time_or_under_emulation_instructions() -> None:
    identity = replace(ToyEngine().identity, ticks_per_second=25_000_000)
    assert latency_unit(identity) == "ms" and latencies(identity, [25_000]) == [1.0]
    emulated = replace(identity, ns_per_instruction=64)
    assert latency_unit(emulated) == "instructions" and latencies(emulated, [64_000]) == [40_000]


def test_the_first_differing_byte_is_reported() -> None:
    assert compare_bytes(0, b"abc", b"abc") is None
    assert compare_bytes(4, b"abcd", b"abXY") == Mismatch(
        input=4, kind="byte", offset=2, expected=ord("c"), got=ord("X"), differing=2
    )
    assert compare_bytes(0, b"abc", b"ab") == Mismatch(
        input=0, kind="byte", offset=2, expected=ord("c"), got=None, differing=1
    )


def test_results_may_differ_by_rounding_alone() -> None:
    assert compare_results(0, [996.09375, 0.5, 3.5], [996, 0, 4]) is None
    assert compare_results(0, [996.09375, 3.9], [996, 5]) == Mismatch(
        input=0, kind="result", offset=1, expected=4, got=5, differing=1
    )
    mismatch = compare_results(0, [1.0, 2.0], [1])
    assert mismatch is not None and mismatch.got is None


def virtual_client(virtual: VirtualLine) -> Client:
    return Client(Line(virtual, "test", virtual.clock))


def test_a_device_with_the_text_protocol_alone_is_named() -> None:
    virtual = VirtualLine(lambda clock: ToyEngine(clock=clock))
    virtual.device._binary.receive = virtual.device._text.receive  # type: ignore[method-assign]
    with pytest.raises(TaskError, match="speaks MLPerf Tiny") as caught:
        virtual_client(virtual).connect()
    assert "--mlperf" in caught.value.hint
    assert TextClient(Line(virtual, "test", virtual.clock)).connect() == "edgekit"


class Babbling(VirtualLine):
    """Something else: a console that prints all the time."""

    def read(self, size: int = 1, /) -> bytes:
        super().read(size)
        self.now += 0.01
        return b"[ 12.345678] usb 1-1: new device\r\n"


def test_something_that_talks_all_the_time_is_given_up() -> None:
    virtual = Babbling(lambda clock: ToyEngine(clock=clock), Faults(drop=1.0))
    with pytest.raises(TaskError, match="is not edgekit's firmware"):
        virtual_client(virtual).connect()
    with pytest.raises(TaskError, match="stopped taking the input"):
        virtual_client(virtual).load(bytes(1300))
    with pytest.raises(TaskError, match="Nothing that speaks MLPerf Tiny"):
        TextClient(Line(virtual, "test", virtual.clock)).connect()
    assert virtual.now < 400


def test_a_line_that_only_damages_is_named() -> None:
    virtual = VirtualLine(lambda clock: ToyEngine(clock=clock), Faults(flip=0.1), seed=2)
    with pytest.raises(TaskError, match="damages what it carries"):
        virtual_client(virtual).connect()


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (
            serial.SerialException(errno.ENOENT, "could not open port: [Errno 2] No such file"),
            2,
            "There is no port",
        ),
        (
            serial.SerialException(errno.EACCES, "could not open port: Permission denied"),
            2,
            "permission denied",
        ),
        (
            serial.SerialException("could not open port 'COM5': PermissionError(13, 'Access is denied.')"),
            2,
            "denied",
        ),
        (
            serial.SerialException("could not open port 'COM9': FileNotFoundError(2, '...')"),
            2,
            "There is no port",
        ),
        (serial.SerialException(errno.EBUSY, "Device or resource busy"), 1, "in use"),
        (serial.SerialException(errno.EIO, "something else"), 1, "could not be opened"),
    ],
)
def test_errors_of_opening_say_what_to_do(error: Exception, status: int, words: str) -> None:
    told: EdgekitError = line_module._open_error("/dev/ttyX", error)
    assert told.exit_code == status and words in told.message and told.hint


def test_permission_denied_names_the_group() -> None:
    told = line_module._open_error("/dev/ttyUSB0", serial.SerialException(errno.EACCES, "Permission denied"))
    assert "dialout" in told.hint


def test_a_url_of_no_known_kind_is_refused() -> None:
    with pytest.raises(InputError, match="is not a port"):
        open_line("gopher://x")


@pytest.mark.parametrize(
    "url", ["socket://127.0.0.1", "socket://127.0.0.1:99999", "SOCKET://:1", "rfc2217://[::1", "socket://a:b"]
)
def test_a_url_without_host_and_port_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="does not name a host and a port") as caught:
        open_line(url)
    assert f"Write {url.partition(':')[0].lower()}://HOST:PORT" in caught.value.hint


def test_a_host_that_nobody_knows_is_named() -> None:
    unknown = serial.SerialException("Could not open port socket://x:1: [Errno -2] Name or service not known")
    unknown.__context__ = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    told = line_module._open_error("socket://x:1", unknown)
    assert told.message == "The host of socket://x:1 is not known: Name or service not known."
    other = serial.SerialException("Could not open port socket://x:1: timed out")
    assert (
        line_module._open_error("socket://x:1", other).message
        == "socket://x:1 could not be opened: timed out."
    )


class Gone(VirtualLine):
    """A cable that was pulled out."""

    def write(self, data: bytes, /) -> int:
        raise serial.SerialException("write failed: [Errno 5] Input/output error")


def test_an_unplugged_device_is_reported() -> None:
    with pytest.raises(TaskError, match="connection to test was lost"):
        virtual_client(Gone(lambda clock: ToyEngine(clock=clock))).load(bytes(1300))


def test_why_a_line_is_gone_may_have_come_before() -> None:
    class Refused(Gone):
        waiting = f"{BUSY_LINE}\r\n".encode()

        @property
        def in_waiting(self) -> int:
            return len(self.waiting)

        def read(self, size: int = 1, /) -> bytes:
            came, self.waiting = self.waiting, b""
            return came

    with pytest.raises(TaskError, match="in use by another host"):
        Line(Refused(lambda clock: ToyEngine(clock=clock)), "test").send_text("name")


def record(**changes: object) -> BenchRecord:
    values: dict[str, object] = {
        "port": "/dev/ttyUSB0",
        "board": "esp32s3",
        "engine": "tflm",
        "kernels": "esp_nn_s3",
        "plan": "greedy",
        "protocol": "edgekit",
        "device": "build 1",
        "model": BenchedModel(sha256="00", bytes=3),
        "runs": 20,
        "warmup": 1,
        "outputs": OutputsRecord(compared=5, mismatched=0),
        "latency": LatencyStatistics(unit="ms", min=38.0, median=38.5, p95=40.1, max=41.0),
        "predicted_latency": PredictedLatency(estimate=37.0, low=30.0, high=45.0, basis="estimated"),
        "max_latency_ms": None,
        "arena": ArenaComparison(predicted=100_708, measured=100_708),
        "top1": None,
        "ops": None,
        "mismatches": (),
        "failures": (),
        "ok": True,
        "edgekit_version": "0.1.0",
    }
    return BenchRecord(**{**values, **changes})


def printed(shown: BenchRecord) -> str:
    out = io.StringIO()
    print_bench(shown, Console(file=out, width=120, highlight=False))
    return out.getvalue()


def test_predicted_stands_next_to_measured() -> None:
    text = printed(record())
    assert (
        "within the error bar of 30 ms to 45 ms" in text and "equal" in text and "OK: all 5 outputs" in text
    )
    text = printed(record(arena=ArenaComparison(predicted=100_708, measured=100_756)))
    assert "+48 B" in text
    slow = LatencyStatistics(unit="ms", min=50.0, median=50.0, p95=50.0, max=50.0)
    assert "OUTSIDE the error bar" in printed(record(latency=slow))
    emulated = LatencyStatistics(unit="instructions", min=24.1e6, median=24.1e6, p95=24.1e6, max=24.1e6)
    assert "24.1 M" in printed(record(latency=emulated)) and "no time" in printed(record(latency=emulated))
    text = printed(record(latency=emulated, predicted_instructions=24_000_000))
    assert "24 M (estimated)" in text and "+0.4%" in text and "37 ms" not in text


def test_what_concerns_the_whole_is_shown_before_many_mismatches() -> None:
    wrong = tuple(Mismatch(input=i, kind="byte") for i in range(9))
    failures = (*(f"Input {i} differs." for i in range(9)), "The self-test failed.")
    text = printed(record(mismatches=wrong, failures=failures, ok=False, selftest="failed"))
    assert "The self-test failed." in text and "and 5 more" in text and "9 of 5 outputs differ" in text
    text = printed(record(failures=("The self-test failed.",), ok=False, selftest="failed"))
    assert "FAILED, though all 5 outputs equal" in text and "Self-test passed" not in text


def test_steps_agree_with_their_number() -> None:
    def judged(count: int, tolerance: int, **changes: Any) -> str:
        share = ReferenceShare(differing=count, largest=count)
        judge = JudgeRecord(
            interpreter="ai-edge-litert 2",
            kernels="xnnpack",
            exact=False,
            tolerance=tolerance,
            differing=count,
            largest=count,
            reference=share,
        )
        return " ".join(printed(record(judge=judge, **changes)).split())

    text = judged(1, 1)
    assert "at most 1 step off" in text and "compared to 1 step with" in text
    assert "are within 1 step of the host's (xnnpack kernels); 1 of them differs." in text
    text = judged(3, 3)
    assert "at most 3 steps off" in text and "within 3 steps of" in text and "3 of them differ." in text
    wrong = {"mismatches": (Mismatch(input=0, kind="byte"),), "ok": False}
    text = judged(1, 0, **wrong, failures=("Input 0 differs.",))
    assert "by at most 1 step." in text and "1 of 5 outputs differs." in text
    # Outputs that only are within what was allowed are not called equal.
    text = judged(2, 3, failures=("The 95th percentile is above.",), ok=False)
    assert "FAILED, though all 5 outputs are within 3 steps of the host's" in text


def test_a_profile_of_an_emulated_board_is_in_instructions() -> None:
    emulated = LatencyStatistics(unit="instructions", min=5e6, median=5e6, p95=5e6, max=5e6)
    ops = (
        OpRecord(index=0, op="CONV_2D", latency=3e6, shape=(1, 8, 8, 4), mult_adds=1_000_000),
        OpRecord(index=2, op="SOFTMAX", latency=1e6, shape=(1, 10)),
    )
    text = printed(record(latency=emulated, ops=ops, profile=ProfileRecord(sum=4e6, whole=5e6)))
    words = [line.split() for line in text.splitlines()]
    assert ["0", "CONV_2D", "1x8x8x4", "3,000,000", "60.0", "1,000,000", "3.00"] in words
    assert ["2", "SOFTMAX", "1x10", "1,000,000", "20.0"] in words
    assert "Operators together 4 M of 5 M (80.0 %)" in text


def test_a_port_is_opened_with_both_lines_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Port:
        dtr = rts = False

        def open(self) -> None:
            seen.append((self.dtr, self.rts))

    monkeypatch.setattr(line_module.serial, "serial_for_url", lambda *_, **__: Port())
    open_line("/dev/ttyUSB0")
    assert seen == [(True, True)]


def test_a_record_has_exactly_the_promised_keys() -> None:
    document = json.loads(record().to_json())
    promised = {"schema", "port", "board", "engine", "kernels", "plan", "runs", "outputs", "latency", "arena"}
    assert promised | {"top1", "ops", "ok"} <= set(document)
    assert set(document["latency"]) == {"unit", "min", "median", "p95", "max"}
    assert set(document["arena"]) == {"predicted", "measured"}
    assert set(document["outputs"]) == {"compared", "mismatched"}
    assert BenchRecord.model_validate(document) == record()


@contextmanager
def answering(reply: Callable[[Frame], bytes | None]) -> Iterator[str]:
    """Serve one host with what ``reply`` makes of each of its requests, until it is ``None``; give the URL."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            came = b""
            while more := connection.recv(4096):
                *messages, came = (came + more).split(bytes([COMMAND_END]))
                for message in filter(None, messages):
                    answer = reply(decode(message, COMMAND_END))
                    if answer is None:
                        return
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(30)
        assert not thread.is_alive()


def test_why_it_is_not_known_who_is_there_is_told() -> None:
    def newer(frame: Frame) -> bytes:
        error = Error(Code.VERSION, frame.type, 9)
        return encode(Type.ERROR, frame.request, error.pack(), LINE_END) + bytes([LINE_END])

    with answering(newer) as url:
        answer = ask_identity(url, 115_200, 3.0)
        assert (
            answer.identity is None and str(answer) == "it speaks version 9 of the protocol, this edgekit 1"
        )

    def senseless(frame: Frame) -> bytes:
        return encode(Type.IDENTIFIED, frame.request, b"me", LINE_END) + bytes([LINE_END])

    with answering(senseless) as url:
        assert str(ask_identity(url, 115_200, 3.0)) == "its identity makes no sense"
    with answering(lambda frame: FRAME_MARK + b"\xff\n") as url:
        assert str(ask_identity(url, 115_200, 0.0)) == "it answers, but the line damages what it carries"
    with answering(lambda frame: b"hello\r\n" * 9) as url:
        assert str(ask_identity(url, 115_200, 0.0)) == "another firmware"
    with answering(lambda frame: None) as url, pytest.raises(TaskError, match="was lost"):
        ask_identity(url, 115_200, 3.0)
