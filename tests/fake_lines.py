"""Devices and lines for tests: the real protocol on a line that loses and damages bytes, in virtual time."""

from __future__ import annotations

import hashlib
import os
import random
import select
import threading
import tty
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgekit.device import Device, Engine, EngineError, Settings
from edgekit.wire.declaration import BAUD, Dtype, Identity, OpTicks, Tensor

TOY_SHA256 = b"toymodel"


class ToyEngine:
    """An engine whose output is a hash of its input, so that any wrong byte anywhere shows."""

    def __init__(
        self,
        input_bytes: int = 1300,
        output_bytes: int = 700,
        *,
        keeps_input: bool = True,
        clock: Callable[[], float] = lambda: 0.0,
        fails: bool = False,
        profiles: bool = True,
        golden: Sequence[tuple[bytes, bytes]] = (),
        pixel_offset: int = 0,
    ) -> None:
        self.keeps_input = keeps_input
        self.settings = Settings(model_id="toy")
        self.input = bytearray(input_bytes)
        self.golden = tuple(golden)
        self.invocations = 0
        self._clock = clock
        self._fails = fails
        self._profiles = profiles
        self._output = bytes(output_bytes)
        shape = (1, input_bytes, 0, 0, 0, 0)
        self.tensors = (
            Tensor(shape, input_bytes, 1.0, 0, pixel_offset, Dtype.INT8, 2),
            Tensor((1, output_bytes, 0, 0, 0, 0), output_bytes, 1 / 256, -128, 0, Dtype.INT8, 2),
        )
        self.identity = Identity(
            board="toy",
            engine="toy",
            kernels="reference",
            plan="greedy",
            build="test",
            model_sha256=TOY_SHA256,
            ticks_per_second=1_000_000,
            clock_hz=1_000_000,
            ns_per_instruction=0,
            model_bytes=8,
            arena_bytes=2000,
            arena_used=1500,
            inputs=1,
            outputs=1,
            golden=len(golden),
            reset_reason=0,
        )

    def ticks(self) -> int:
        return int(self._clock() * 1_000_000) + self.invocations * 5_000

    def invoke(self) -> None:
        if self._fails:
            raise EngineError("made to fail")
        self.invocations += 1
        self._output = toy_output(bytes(self.input), len(self._output))
        if not self.keeps_input:
            self.input[:] = bytes(value ^ 0x5A for value in self.input)

    def output(self) -> bytes:
        return self._output

    def profile(self) -> Sequence[OpTicks] | None:
        if not self._profiles:
            return None
        self.invoke()
        return [OpTicks(index, 3, 1000 + index) for index in range(40)]


def toy_output(data: bytes, size: int) -> bytes:
    """What :class:`ToyEngine` answers to an input."""
    return hashlib.shake_128(data).digest(size)


@dataclass(frozen=True)
class Faults:
    """Probabilities: of a byte being hit, of a write resetting the device, of a reply being held back."""

    drop: float = 0.0
    double: float = 0.0
    flip: float = 0.0
    swap: float = 0.0
    insert: float = 0.0
    reset: float = 0.0
    delay: float = 0.0
    delay_s: float = 3.0

    def mangle(self, data: bytes, source: random.Random) -> bytes:
        out = bytearray()
        for value in data:
            if source.random() < self.drop:
                continue
            if source.random() < self.flip:
                value ^= 1 << source.randrange(8)
            out.append(value)
            if source.random() < self.double:
                out.append(value)
            if source.random() < self.insert:
                out.append(source.randrange(256))
            if len(out) > 1 and source.random() < self.swap:
                out[-1], out[-2] = out[-2], out[-1]
        return bytes(out)


class VirtualLine:
    """A line with a device behind it: a port whose clock moves with the bytes and the waiting."""

    def __init__(
        self,
        make_engine: Callable[[Callable[[], float]], ToyEngine],
        faults: Faults | None = None,
        seed: int = 0,
        baud: int = BAUD,
        latency_s: float = 0.0,
    ) -> None:
        self.faults = faults or Faults()
        self.now = 0.0
        self.idle_s = 0.0
        self.resets = 0
        self._make_engine = make_engine
        self._random = random.Random(seed)
        self._byte_s = 10 / baud
        self._latency_s = latency_s
        self._arriving: deque[tuple[float, bytes]] = deque()
        self._ready = bytearray()
        self.reset()

    def clock(self) -> float:
        return self.now

    def reset(self) -> None:
        self.engine = self._make_engine(self.clock)
        self.device = Device(self.engine, self._from_device)
        self.device.boot()

    @property
    def in_waiting(self) -> int:
        self._settle()
        return len(self._ready)

    def read(self, size: int = 1, /) -> bytes:
        self._settle()
        if not self._ready:
            until = self.now + 0.05
            if self._arriving:
                until = min(until, max(self.now, self._arriving[0][0]))
            self.idle_s += until - self.now
            self.now = until
            self._settle()
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data

    def write(self, data: bytes, /) -> int:
        self.now += len(data) * self._byte_s
        if self._random.random() < self.faults.reset:
            self.resets += 1
            self.reset()
        mangled = self.faults.mangle(data, self._random)
        at = 0
        while at < len(mangled):
            step = self._random.randrange(1, 64)
            self.device.feed(mangled[at : at + step])
            self.device.poll()
            at += step
        while self.device.poll():
            pass
        return len(data)

    def close(self) -> None:
        pass

    def _from_device(self, data: bytes) -> None:
        due = self.now + self._latency_s
        if self._random.random() < self.faults.delay:
            due += self.faults.delay_s
        if self._arriving:
            due = max(due, self._arriving[-1][0])
        self._arriving.append((due, self.faults.mangle(data, self._random)))

    def _settle(self) -> None:
        while self._arriving and self._arriving[0][0] <= self.now:
            self._ready += self._arriving.popleft()[1]


class PtyDevice:
    """A device behind a pseudo-terminal; ``path`` is what a host opens; leaving pulls the plug."""

    def __init__(self, engine: Engine) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave
        self._wake, self._stop = os.pipe()
        self._device = Device(engine, lambda data: os.write(self._master, data))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> PtyDevice:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def unplug(self) -> None:
        if self._stop >= 0:
            os.close(self._stop)
            self._stop = -1
            self._thread.join()
            for descriptor in (self._master, self._slave, self._wake):
                os.close(descriptor)

    def _run(self) -> None:
        self._device.boot()
        busy = False
        while True:
            ready, _, _ = select.select([self._master, self._wake], [], [], 0 if busy else None)
            if self._wake in ready:
                return
            if self._master in ready:
                self._device.feed(os.read(self._master, 4096))
            busy = self._device.poll()
