"""Work that takes inferences: done one inference at a time, so that the device keeps listening in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edgekit.device.engine import Engine
from edgekit.wire.declaration import OpTicks, Selftested


class Job(Protocol):
    """Work in steps of one inference."""

    done: int
    total: int

    def step(self) -> None:
        """Run one inference.

        Raises
        ------
        EngineError
            If it failed.
        """
        ...


class Runs:
    """Warm-up and timed inferences on the input that is loaded.

    ``output`` is that of the very first inference: an engine that does not keep its input has it only then.
    ``stable`` says whether all outputs were equal, as far as the input was the same.
    """

    def __init__(self, engine: Engine, warmup: int, runs: int) -> None:
        self._engine = engine
        self._warmup = warmup
        self.done = 0
        self.total = warmup + runs
        self.ticks: list[int] = []
        self.output = b""
        self.stable = True
        self.started = 0
        self.finished = 0

    def step(self) -> None:
        """Run one inference; see :class:`Job`."""
        before = self._engine.ticks()
        self._engine.invoke()
        after = self._engine.ticks()
        output = self._engine.output()
        if self.done == 0:
            self.output = output
        elif self._engine.keeps_input and output != self.output:
            self.stable = False
        if self.done == self._warmup:
            self.started = before
        if self.done >= self._warmup:
            self.ticks.append(after - before)
        self.finished = after
        self.done += 1

    def tick_table(self) -> bytes:
        """Return the ticks of every timed inference as the table TICKS."""
        return b"".join(tick.to_bytes(8, "little") for tick in self.ticks)


class Profiling:
    """One inference with the ticks of every operator."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.done = 0
        self.total = 1
        self.ticks = 0
        self.ops: tuple[OpTicks, ...] | None = None

    def step(self) -> None:
        """Run the inference; see :class:`Job`."""
        before = self._engine.ticks()
        ops = self._engine.profile()
        self.ticks = self._engine.ticks() - before
        self.ops = None if ops is None else tuple(ops)
        self.done = 1


class Selftest:
    """The golden vectors, one a step; stops at nothing, remembers the first byte that differs.

    ``passed`` counts those whose output was equal.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.done = 0
        self.total = len(engine.golden)
        self.passed = 0
        self._first = (0, 0, 0, 0)

    def step(self) -> None:
        """Run the next vector; see :class:`Job`."""
        given, expected = self._engine.golden[self.done]
        self._engine.input[:] = given
        self._engine.invoke()
        output = self._engine.output()
        if output == expected:
            self.passed += 1
        elif self.passed == self.done:
            offset = next(i for i, (a, b) in enumerate(zip(expected, output, strict=True)) if a != b)
            self._first = (self.done, offset, expected[offset], output[offset])
        self.done += 1

    def result(self) -> Selftested:
        """Return what to answer."""
        return Selftested(self.total, self.passed, *self._first)


class Work:
    """A job under way and what to do when it moves on, ends, fails or is stopped."""

    def __init__(
        self,
        job: Job,
        request: int,
        *,
        moved: Callable[[], None],
        ended: Callable[[], None],
        failed: Callable[[], None],
        stopped: Callable[[], None],
    ) -> None:
        self.job = job
        self.request = request
        self.moved = moved
        self.ended = ended
        self.failed = failed
        self.stopped = stopped
