"""The agent on TCP against hosts that are right, slow, rude and hostile."""

from __future__ import annotations

import random
import socket
from binascii import crc32

import pytest
from agents import PATIENCE_S, Clock, Host, serving
from conversations import conversation, frame
from fake_lines import ToyEngine, toy_output

from edgekit.bench.client import Client
from edgekit.bench.line import open_line
from edgekit.device.agent.tcp import Limits
from edgekit.errors import TaskError
from edgekit.wire import declaration as d
from edgekit.wire.frames import decode

BUSY_LINE = d.BUSY_LINE.encode() + b"\r\n"
BOOT = b"m-ready\r\n"
NAME = b"m-name-dut-[edgekit]\r\nm-ready\r\n"
SIZE = 1300
AT_ONCE = Limits(handover_s=0.0)
"""For clocks that stand still: nobody waits for the host before."""


def client(port: int) -> Client:
    return Client(open_line(f"socket://127.0.0.1:{port}"))


def check_works(port: int) -> None:
    """Bench a little, as a host that comes after another one."""
    host = client(port)
    while host.line.receive(host.line.clock() + PATIENCE_S) != d.READY:
        pass
    data = random.Random(3).randbytes(SIZE)
    result = host.run(data, runs=3, warmup=1)
    assert result.output == toy_output(data, 700) and len(result.ticks) == 3 and result.stable
    host.line.close()


def test_hosts_are_served_one_after_the_other() -> None:
    with serving(ToyEngine()) as port:
        for _ in range(3):
            check_works(port)
        host = client(port)
        assert host.connect().identity.board == "toy"
        host.line.close()


def test_a_second_host_is_told_that_the_agent_is_busy() -> None:
    with serving(ToyEngine(), Limits(handover_s=0.1)) as port, Host(port) as first:
        first.until(BOOT)
        for _ in range(3):
            with Host(port) as second:
                second.send(b"name%" * 100)
                assert second.rest() == BUSY_LINE
        with pytest.raises(TaskError, match="in use by another host"):
            client(port).connect()
        first.send(b"name%")
        assert first.until(BOOT) == NAME


def test_a_host_that_comes_a_moment_early_is_served() -> None:
    with serving(ToyEngine(), Limits(handover_s=PATIENCE_S)) as port:
        first, second = Host(port), Host(port)
        first.until(BOOT)
        first.send(b"name%")
        assert first.until(BOOT) == NAME
        first.close()
        assert second.until(BOOT).startswith(b"m-timestamp")
        second.close()


def test_a_crowd_is_turned_away_and_the_host_that_is_served_does_not_notice() -> None:
    with serving(ToyEngine(), Limits(handover_s=0.02)) as port, Host(port) as first:
        first.until(BOOT)
        crowd = [Host(port) for _ in range(60)]
        first.send(b"name%")
        assert first.until(BOOT) == NAME
        said = [other.rest() for other in crowd]
        assert set(said) <= {BUSY_LINE, b""} and BUSY_LINE in said
        for other in crowd:
            other.close()
        first.send(b"name%")
        assert first.until(BOOT) == NAME


def test_a_host_that_is_gone_without_a_word_makes_room() -> None:
    clock = Clock()
    with serving(ToyEngine(), AT_ONCE, clock) as port, Host(port) as silent:
        silent.until(BOOT)
        clock.now += 9.0
        with Host(port) as early:
            assert early.rest() == BUSY_LINE
        clock.now += 2.0
        check_works(port)
        assert silent.rest() == b""


def test_bytes_without_an_end_do_not_keep_others_out() -> None:
    clock = Clock()
    with serving(ToyEngine(), AT_ONCE, clock) as port, Host(port) as loris:
        loris.until(BOOT)
        for _ in range(11):
            loris.send(b"x")
            clock.now += 1.0
        check_works(port)


def test_a_host_that_sends_messages_keeps_its_place() -> None:
    clock = Clock()
    with serving(ToyEngine(), AT_ONCE, clock) as port, Host(port) as first:
        first.until(BOOT)
        for _ in range(5):
            clock.now += 9.0
            first.send(b"name%")
            assert first.until(BOOT) == NAME
        with Host(port) as second:
            assert second.rest() == BUSY_LINE


def load(host: Host, data: bytes = bytes(SIZE)) -> None:
    host.send(f"db load {len(data)}%db {data.hex()[:400]}%".encode())
    for start in range(200, len(data), 200):
        host.send(f"db {data[start : start + 200].hex()}%".encode())
    assert host.until(b"m-load-done\r\nm-ready\r\n")


def test_inferences_under_way_are_not_idleness_but_end_with_their_host() -> None:
    clock = Clock()
    with serving(ToyEngine(), AT_ONCE, clock) as port:
        with Host(port) as first:
            first.until(BOOT)
            load(first)
            first.send(b"infer 1000000 1000000%")
            first.until(b"m-warmup-start-1000000\r\n")
            clock.now += 100.0
            with Host(port) as second:
                assert second.rest() == BUSY_LINE
        check_works(port)


def test_a_host_that_has_closed_its_side_gets_its_answers() -> None:
    with serving(ToyEngine()) as port, Host(port) as host:
        host.send(b"name%help%name%")
        host.socket.shutdown(socket.SHUT_WR)
        said = host.rest()
        assert said.startswith(b"m-timestamp-mode-performance") and said.endswith(NAME)
        assert said.count(b"m-name-dut") == 2


def test_a_message_without_end_takes_no_memory_and_is_refused() -> None:
    with serving(ToyEngine()) as port, Host(port) as host:
        host.until(BOOT)
        host.send(b"a" * 5_000_000 + b"%")
        assert host.until(BOOT) == b"e-[Command too long]\r\nm-ready\r\n"
        host.send(b"ek" + b"a" * 5_000_000 + b"%")
        refusal = decode(host.until(b"\r\n")[:-2], d.LINE_END)
        assert d.Error.unpack(refusal.payload).code == d.Code.TOO_LONG
        host.send(b"name%")
        assert host.until(BOOT) == NAME


def test_a_host_that_never_reads_is_dropped() -> None:
    clock = Clock()
    with serving(ToyEngine(), AT_ONCE, clock) as port, Host(port) as deaf:
        deaf.until(BOOT)
        load(deaf)
        deaf.socket.settimeout(1.0)
        with pytest.raises(TimeoutError):
            # Answers are 60 times as long as the commands: the agent must stop taking those.
            while True:
                deaf.send(b"db print%" * 200)
        with Host(port) as other:
            assert other.rest() == BUSY_LINE
        # The system may still find room for an answer, and then one more command is taken, now and then.
        for tries_left in reversed(range(20)):
            clock.now += 11.0
            try:
                check_works(port)
                break
            except TaskError:
                assert tries_left, "the host that never reads is not dropped"


def test_no_host_sees_the_input_of_another() -> None:
    with serving(ToyEngine()) as port:
        with Host(port) as first:
            first.until(BOOT)
            load(first, b"\x5a" * SIZE)
        with Host(port) as second:
            second.until(BOOT)
            second.send(b"db print%")
            shown = second.until(BOOT)
            assert shown.startswith(b"m-buffer-00-00") and b"5a" not in shown
            second.send(b"infer 1 0%")
            assert b"e-[Load the input first]" in second.until(BOOT)


@pytest.mark.parametrize("seed", range(12))
def test_conversations_of_all_kinds_leave_it_working(seed: int) -> None:
    source = random.Random(seed)
    engine = ToyEngine(golden=((bytes(SIZE), toy_output(bytes(SIZE), 700)),))
    with serving(engine, Limits(ended_s=0.0)) as port:
        for _ in range(4):
            with Host(port) as host:
                sent = b"".join(conversation(source, SIZE))
                if source.random() < 0.5:
                    sent = sent[: source.randrange(len(sent))]
                at = 0
                while at < len(sent):
                    step = source.choice((1, 7, 100, 5000))
                    host.send(sent[at : at + step])
                    at += step
                if source.random() < 0.5:
                    request = source.getrandbits(31) | 1
                    host.send(b"%" + frame(d.Type.CANCEL, request))
                    host.socket.shutdown(socket.SHUT_WR)
                    host.rest()
        check_works(port)


@pytest.mark.parametrize("seed", range(4))
def test_noise_leaves_it_working(seed: int) -> None:
    source = random.Random(seed)
    requests = (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00", b"SSH-2.0-x\r\n", bytes(4096))
    with serving(ToyEngine()) as port:
        for request in (*requests, *(source.randbytes(source.randrange(1, 20_000)) for _ in range(10))):
            with Host(port) as host:
                host.send(request)
        check_works(port)


def test_an_engine_that_fails_says_so_and_goes_on() -> None:
    with serving(ToyEngine(fails=True)) as port, Host(port) as host:
        host.until(BOOT)
        load(host)
        host.send(b"infer 1 0%")
        assert b"e-[The inference failed]" in host.until(BOOT)
        crc = crc32(bytes(SIZE))
        host.send(frame(d.Type.RUN, 77, d.Run(1, 0, crc).pack()))
        assert host.until(b"\r\n").startswith(b"ek")
