"""The device: bytes in, bytes out, one inference at a time.

The reference for firmware in C: no I/O, no clock but the engine's, a bounded buffer. The owner passes what
the line brings to :meth:`Device.feed`, and calls :meth:`Device.poll` as long as it returns true and whenever
there is time.
"""

from __future__ import annotations

from collections.abc import Callable

from edgekit.device.binary import BinaryCommands
from edgekit.device.engine import Engine, EngineError
from edgekit.device.jobs import Selftest, Work
from edgekit.device.textual import TextCommands
from edgekit.wire.declaration import (
    BOOT_LINES,
    COMMAND_END,
    FRAME_MARK,
    MESSAGE_MAX,
    MESSAGE_TIMEOUT_MS,
    BootTest,
)


class Device:
    """A device on one end of a line.

    Parameters
    ----------
    engine:
        The model.
    emit:
        Takes the bytes that the device sends.
    """

    def __init__(self, engine: Engine, emit: Callable[[bytes], object]) -> None:
        self._engine = engine
        self._emit = emit
        self._booted = False
        self._buffer = bytearray()
        self._too_long = False
        self._last_byte = 0
        self.work: Work | None = None
        self.input_loaded = False
        self.boot_test = BootTest.NOT_RUN
        self._text = TextCommands(engine, self)
        self._binary = BinaryCommands(engine, self)

    def boot(self) -> None:
        """Run the first golden vector and send the boot lines; before, everything is ignored."""
        self._booted = True
        if self._engine.golden:
            self._test_at_boot()
        for line in BOOT_LINES:
            self.say(line)

    def feed(self, data: bytes) -> None:
        """Take bytes from the line and answer every message that they complete."""
        if not self._booted or not data:
            return
        self._forget_stale()
        self._last_byte = self._engine.ticks()
        start = 0
        while (end := data.find(COMMAND_END, start)) >= 0:
            self._collect(data[start:end])
            message, too_long = bytes(self._buffer), self._too_long
            self._buffer.clear()
            self._too_long = False
            self._message(message, too_long)
            start = end + 1
        self._collect(data[start:])

    def poll(self) -> bool:
        """Do the next piece of work, at most one inference; return whether there is more."""
        self._forget_stale()
        work = self.work
        if work is None:
            return False
        if work.job.done < work.job.total:
            try:
                work.job.step()
            except EngineError:
                self.work = None
                work.failed()
                return False
            self._last_byte = self._engine.ticks()  # nobody listened meanwhile
            work.moved()
        if work.job.done >= work.job.total:
            self.work = None
            work.ended()
        return self.work is not None

    def stop(self) -> None:
        """Stop the work under way, if any; it is answered as stopped."""
        work, self.work = self.work, None
        if work is not None:
            work.stopped()

    def say(self, line: str) -> None:
        """Send a line of text."""
        self._emit(line.encode("ascii", "replace") + b"\r\n")

    def send(self, message: bytes) -> None:
        """Send a frame that has been stuffed."""
        self._emit(message + b"\r\n")

    def forget_loads(self) -> None:
        """Give up a load under way and the last run's results: the input is about to change."""
        self.input_loaded = False
        self._binary.forget()
        self._text.forget()

    def use_input(self) -> None:
        """Note that inferences begin: an engine that does not keep its input needs a new one afterwards."""
        if not self._engine.keeps_input:
            self.input_loaded = False
            self._binary.input_used()

    def use_output(self) -> None:
        """Note that a run begins: what was kept of the last one's output is about to be overwritten."""
        self._binary.forget_results()
        self._text.forget_results()

    def _test_at_boot(self) -> None:
        test = Selftest(self._engine)
        try:
            test.step()
            passed = test.passed == 1
        except EngineError:
            passed = False
        self.boot_test = BootTest.PASSED if passed else BootTest.FAILED
        self._engine.input[:] = bytes(len(self._engine.input))
        if not passed:
            self.say("e-[Self-test failed]")

    def _forget_stale(self) -> None:
        """Drop the beginning of a message whose end did not come in time."""
        if self._buffer or self._too_long:
            waited = self._engine.ticks() - self._last_byte
            if waited * 1000 > MESSAGE_TIMEOUT_MS * self._engine.identity.ticks_per_second:
                self._buffer.clear()
                self._too_long = False

    def _collect(self, data: bytes) -> None:
        room = MESSAGE_MAX - len(self._buffer)
        self._too_long |= len(data) > room
        self._buffer += data[:room]

    def _message(self, message: bytes, too_long: bool) -> None:
        message = message.lstrip(b"\r\n")
        if message.startswith(FRAME_MARK):
            self._binary.receive(message, too_long)
        else:
            self.stop()
            self._text.receive(message, too_long)
