"""Whatever the line does to the bytes, no wrong result is accepted, and nothing waits for ever."""

from __future__ import annotations

import random

import pytest
from fake_lines import Faults, ToyEngine, VirtualLine, toy_output
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.bench.client import Client
from edgekit.bench.line import Line
from edgekit.bench.mlperf import TextClient
from edgekit.device import Device
from edgekit.errors import TaskError
from edgekit.wire.declaration import DATA_BYTES, BootTest

INPUT = 10 * DATA_BYTES + 77

probability = st.sampled_from([0.0, 0.0, 1e-4, 5e-4, 2e-3])
fault_rates = st.builds(
    Faults,
    drop=probability,
    double=probability,
    flip=probability,
    swap=probability,
    insert=probability,
    reset=st.sampled_from([0.0, 0.0, 0.01]),
    delay=st.sampled_from([0.0, 0.0, 0.02]),
)


def connected(faults: Faults, seed: int, *, keeps_input: bool = True) -> tuple[Client, VirtualLine]:
    virtual = VirtualLine(lambda clock: ToyEngine(INPUT, keeps_input=keeps_input, clock=clock), faults, seed)
    return Client(Line(virtual, "test", virtual.clock), seed=seed), virtual


@given(faults=fault_rates, seed=st.integers(0, 2**31), keeps_input=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_result_is_right_or_there_is_none(faults: Faults, seed: int, keeps_input: bool) -> None:
    client, virtual = connected(faults, seed, keeps_input=keeps_input)
    data = random.Random(seed).randbytes(INPUT)
    try:
        client.connect()
        result = client.run(data, runs=3, warmup=1)
    except TaskError:
        pass
    else:
        assert result.output == toy_output(data, 700)
        assert len(result.ticks) == 3
    assert virtual.now < 600
    virtual.faults = Faults()
    client.connect()
    assert client.run(data, runs=1, warmup=0).output == toy_output(data, 700)


@pytest.mark.parametrize("kind", ["drop", "double", "flip", "swap", "insert"])
@pytest.mark.parametrize("seed", range(4))
def test_one_byte_in_two_thousand_is_repaired(kind: str, seed: int) -> None:
    client, _ = connected(Faults(**{kind: 5e-4}), seed)
    client.connect()
    data = random.Random(seed).randbytes(INPUT)
    for _ in range(3):
        assert client.run(data, runs=2, warmup=0).output == toy_output(data, 700)


def test_a_device_that_restarts_now_and_then_is_loaded_again() -> None:
    client, virtual = connected(Faults(reset=0.03), seed=5)
    client.connect()
    data = bytes(INPUT)
    for _ in range(10):
        assert client.run(data, runs=2, warmup=0).output == toy_output(data, 700)
    assert virtual.resets > 0


def test_more_runs_than_one_request_allows_are_split() -> None:
    client, virtual = connected(Faults(), 0, keeps_input=False)
    client.connect()
    result = client.run(b"a" * INPUT, runs=150, warmup=2)
    assert len(result.ticks) == 150 and set(result.ticks) == {5000}
    assert virtual.engine.invocations == 152


@pytest.mark.parametrize("baud", [115_200, 921_600])
def test_a_load_takes_at_least_nine_tenths_of_the_line_for_data(baud: int) -> None:
    size = 96 * 96 * 3
    virtual = VirtualLine(lambda clock: ToyEngine(size, clock=clock), baud=baud, latency_s=0.004)
    client = Client(Line(virtual, "test", virtual.clock, baud / 10), seed=1)
    client.connect()
    start = virtual.now
    client.load(random.Random(1).randbytes(size))
    assert size * 10 / baud / (virtual.now - start) >= 0.9


class Booting(VirtualLine):
    """A board that is reset when the port is opened: its boot loader talks at another speed, then it takes its time."""

    def __init__(self, boot_s: float, junk: bytes = b"") -> None:
        self._boots_at, self._junk = boot_s, junk
        super().__init__(lambda clock: ToyEngine(INPUT, golden=VECTORS, clock=clock))

    def reset(self) -> None:
        self.engine = self._make_engine(self.clock)
        self.device = Device(self.engine, self._from_device)
        self._from_device(self._junk)

    def _settle(self) -> None:
        if not self.device._booted and self.now >= self._boots_at:
            self.device.boot()
        super()._settle()


VECTORS = [(bytes(INPUT), toy_output(bytes(INPUT), 700))]
JUNK = bytes(random.Random(8).choices(range(0x80, 0x100), k=700)) + b"ek\n\x00ets Jul 29 2019\r\nm-read"


@pytest.mark.parametrize("junk", [b"", JUNK])
@pytest.mark.parametrize("boot_s", [0.0, 0.15, 1.0, 3.0, 9.0])
def test_boot_lines_are_absorbed_however_late_they_come(boot_s: float, junk: bytes) -> None:
    virtual = Booting(boot_s, junk)
    client = Client(Line(virtual, "booting", virtual.clock), seed=1)
    assert client.connect().identity.boot_test == BootTest.PASSED
    assert client.run(bytes(INPUT), runs=2, warmup=1).output == toy_output(bytes(INPUT), 700)
    virtual = Booting(boot_s, junk)
    text = TextClient(Line(virtual, "booting", virtual.clock))
    assert text.connect() == "edgekit"
    assert text.profile() == ("edgekit", "toy")


def test_a_board_whose_self_test_takes_long_is_waited_for() -> None:
    virtual = Booting(18.0)
    client = Client(Line(virtual, "booting", virtual.clock), seed=1)
    with pytest.raises(TaskError, match="Nothing answers at booting within 10 s"):
        client.connect()
    virtual = Booting(18.0)
    client = Client(Line(virtual, "booting", virtual.clock), seed=1)
    assert client.connect(inference_s=10.0).identity.board == "toy"


def test_a_dead_device_is_reported_within_the_stated_time() -> None:
    client, virtual = connected(Faults(), 0)
    client.connect()
    virtual.faults = Faults(drop=1.0)
    start = virtual.now
    with pytest.raises(TaskError, match="stopped taking the input"):
        client.run(bytes(INPUT), runs=1, warmup=0)
    assert virtual.now - start < 60
    virtual.faults = Faults(drop=1.0)
    with pytest.raises(TaskError, match="Nothing answers"):
        client.connect()


def test_a_failing_inference_is_reported() -> None:
    virtual = VirtualLine(lambda clock: ToyEngine(INPUT, clock=clock, fails=True))
    client = Client(Line(virtual, "test", virtual.clock))
    client.connect()
    with pytest.raises(TaskError, match="the inference failed"):
        client.run(bytes(INPUT), runs=1, warmup=0)


def test_a_device_with_another_input_size_refuses_the_load() -> None:
    client, _ = connected(Faults(), 0)
    client.connect()
    with pytest.raises(TaskError, match="input has another size"):
        client.load(bytes(INPUT - 1))


def test_profile_and_self_test_survive_a_bad_line() -> None:
    vectors = [(bytes([i]) * 1300, toy_output(bytes([i]) * 1300, 700)) for i in range(3)]
    virtual = VirtualLine(
        lambda clock: ToyEngine(clock=clock, golden=vectors), Faults(flip=1e-3, drop=1e-3), seed=3
    )
    client = Client(Line(virtual, "test", virtual.clock), seed=9)
    client.connect()
    profile = client.profile(bytes(1300))
    assert profile is not None and [op.ticks for op in profile.ops] == [1000 + i for i in range(40)]
    assert profile.ticks == 5000
    tested = client.selftest()
    assert (tested.vectors, tested.passed) == (3, 3)


def test_the_self_test_names_the_first_byte_that_differs() -> None:
    right = toy_output(bytes(1300), 700)
    wrong = right[:41] + bytes([right[41] ^ 1]) + right[42:]
    virtual = VirtualLine(
        lambda clock: ToyEngine(clock=clock, golden=[(bytes(1300), right), (bytes(1300), wrong)])
    )
    client = Client(Line(virtual, "test", virtual.clock))
    client.connect()
    tested = client.selftest()
    assert (tested.vectors, tested.passed, tested.vector, tested.offset) == (2, 1, 1, 41)
    assert (tested.expected, tested.got) == (right[41] ^ 1, right[41])


class Intruding(VirtualLine):
    """Somebody else on the line loads another input, once, just before the run."""

    intruded = False

    def write(self, data: bytes, /) -> int:
        if self.device.input_loaded and not self.intruded:
            self.intruded = True
            self.engine.input[1000] ^= 1
        return super().write(data)


def test_an_input_that_somebody_else_changes_is_loaded_again() -> None:
    virtual = Intruding(lambda clock: ToyEngine(INPUT, clock=clock))
    client = Client(Line(virtual, "test", virtual.clock), seed=1)
    client.connect()
    data = bytes(INPUT)
    assert client.run(data, runs=1, warmup=0).output == toy_output(data, 700)
    assert virtual.intruded and virtual.engine.invocations == 1


class Replaying(VirtualLine):
    """A line on which every answer comes again in front of the next ones."""

    earlier = b""

    def _from_device(self, data: bytes) -> None:
        super()._from_device(self.earlier)
        super()._from_device(data)
        self.earlier = data


def test_an_answer_to_an_earlier_request_is_not_taken_for_this_one() -> None:
    virtual = Replaying(lambda clock: ToyEngine(INPUT, clock=clock))
    client = Client(Line(virtual, "test", virtual.clock), seed=1)
    client.connect()
    for value in range(5):
        data = bytes([value]) * INPUT
        assert client.run(data, runs=1, warmup=0).output == toy_output(data, 700)
    assert virtual.engine.invocations == 5


class LosingOneWrite(VirtualLine):
    """A line that swallows one message whole."""

    lose_in = -1

    def write(self, data: bytes, /) -> int:
        self.lose_in -= 1
        if self.lose_in == 0:
            self.now += len(data) * 10 / 115_200
            return len(data)
        return super().write(data)


@pytest.mark.parametrize("lost", [2, 5, 9])
def test_a_lost_frame_is_sent_again_without_waiting_for_a_timeout(lost: int) -> None:
    virtual = LosingOneWrite(lambda clock: ToyEngine(INPUT, clock=clock))
    client = Client(Line(virtual, "test", virtual.clock), seed=1)
    client.connect()
    virtual.lose_in = lost
    before = virtual.idle_s
    client.load(bytes(INPUT))
    assert bytes(virtual.engine.input) == bytes(INPUT)
    assert virtual.idle_s - before < 0.01
