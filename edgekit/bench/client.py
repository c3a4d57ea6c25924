"""The host's side of the binary commands: whatever the line loses or damages is repeated, or reported.

Every request has an id of its own that its replies echo, so that a late or doubled reply is never taken for
another's.
"""

from __future__ import annotations

import contextlib
import random
from binascii import crc32
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from edgekit.bench.line import DamagedFrame, Line, Received, unpack
from edgekit.bench.loading import Sender
from edgekit.errors import TaskError
from edgekit.flash.identity import Answer
from edgekit.wire.declaration import (
    BOOT_LINES,
    DATA_BYTES,
    ERROR_LINE,
    INFERENCE_TIMEOUT_MS,
    PROTOCOL_VERSION,
    READY,
    REPLY_TIMEOUT_MS,
    RUNS_MAX,
    Chunk,
    Code,
    Error,
    Identity,
    Load,
    OpTicks,
    Profile,
    Profiled,
    Progress,
    Ran,
    Read,
    Run,
    RunFlag,
    Selftested,
    Table,
    Tensor,
    Type,
)
from edgekit.wire.frames import Frame

_REPLY_S: Final = REPLY_TIMEOUT_MS / 1000
_INFERENCE_S: Final = INFERENCE_TIMEOUT_MS / 1000
_TRIES: Final = 8
"""A request is sent so often before the host gives up."""
_RESTARTS: Final = 4
"""A load or run is begun anew so often, when the device has forgotten it."""
_QUIET_S: Final = 0.2
_BOOT_S: Final = 10.0
"""How long a board may take to boot after its port was opened, besides the inference of its self-test."""

_T = TypeVar("_T")

Advance = Callable[[int, int], None]
"""Told what is done and how much there is in all."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What a device said about itself."""

    identity: Identity
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def input_bytes(self) -> int:
        """Bytes of all inputs."""
        return sum(tensor.bytes for tensor in self.inputs)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one input gave: ticks of every timed inference, and the output bytes of the first inference."""

    ticks: tuple[int, ...]
    output: bytes
    stable: bool


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """Ticks of every operator, and of the inference as a whole."""

    ops: tuple[OpTicks, ...]
    ticks: int


class DeviceError(TaskError):
    """The device refused a request; ``code`` says why."""

    def __init__(self, error: Error, what: str) -> None:
        name, meaning = _MEANINGS.get(error.code, (f"code {error.code}", "Update the firmware."))
        super().__init__(f"The device refused to {what}: {name}.", meaning)
        self.code = error.code
        self.value = error.value


class Stranger(TaskError):
    """What is at the line is not firmware that this edgekit understands.

    Attributes
    ----------
    said:
        The lines of text that came.
    trouble:
        Why what answers is not understood, in a few words; empty where nothing answers, or something foreign does.
    """

    said: tuple[str, ...] = ()
    trouble: str = ""

    @classmethod
    def because(cls, trouble: str, message: str, hint: str) -> Stranger:
        """Return one for something that answers, and is not understood for the reason ``trouble``."""
        stranger = cls(message, hint)
        stranger.trouble = trouble
        return stranger


class Client:
    """Speaks the binary commands over a line.

    Parameters
    ----------
    line:
        An open line.
    seed:
        Where request ids begin; random by default, so that a device never takes a new request for one of
        before.
    """

    def __init__(self, line: Line, seed: int | None = None) -> None:
        self.line = line
        self._next_request = (random.getrandbits(32) if seed is None else seed) & 0xFFFFFFFF

    def connect(self, inference_s: float = 0.0, boot_s: float = _BOOT_S) -> DeviceInfo:
        """Absorb boot lines and return who the device is.

        Parameters
        ----------
        inference_s:
            How long one inference may take: a device that starts tests itself before it answers.
        boot_s:
            How long it may take to start, besides.

        Raises
        ------
        Stranger
            If nothing answers, or something else than edgekit's firmware of this version does.
        TaskError
            If the line is lost.
        """
        boot_s += inference_s
        heard: list[Received] = []
        before = self.line.drain(_QUIET_S, limit=boot_s)
        self.line.send_text("")
        self.line.drain(_QUIET_S, limit=boot_s)
        end = self.line.clock() + boot_s
        while True:
            frame = self._ask(Type.IDENTIFY, b"", "say who it is", tries=1, heard=heard)
            if frame is not None:
                return _device_info(frame)
            text_only = all(isinstance(received, str) for received in heard)
            if self.line.clock() >= end or (text_only and heard.count(READY) >= _TRIES // 2):
                error = self._stranger(heard, boot_s)
                error.said = tuple(
                    line for line in (*before, *heard) if isinstance(line, str) and line.strip()
                )
                raise error

    def load(self, data: bytes, advance: Advance | None = None) -> int:
        """Put ``data`` into the device's input, and return its CRC-32.

        Raises
        ------
        TaskError
            If the device refuses it or stops answering.
        """
        crc = crc32(data)
        for _ in range(_RESTARTS):
            sender = Sender(self.line, self._request(), Load(len(data), crc), data)
            error = sender.run(advance)
            if error is None:
                return crc
            if error.code not in (Code.NO_LOAD, Code.INPUT_CRC, Code.STOPPED, Code.BUSY):
                raise DeviceError(error, "take the input")
            self._settle(error)
        raise TaskError(
            "The device keeps losing the input.", "Check the cable, or whether another program talks to it."
        )

    def run(self, data: bytes, runs: int, warmup: int, advance: Advance | None = None) -> RunResult:
        """Load ``data``, run ``warmup`` + ``runs`` inferences, and return ticks and output.

        Raises
        ------
        TaskError
            If the device refuses or stops answering.
        """
        ticks: list[int] = []
        output: bytes | None = None
        stable = True
        loaded = False
        while len(ticks) < runs:
            part = min(RUNS_MAX, runs - len(ticks))
            done = len(ticks)
            if not loaded:
                self.load(data)
            first = warmup if done == 0 else 0

            def moved(now: int, _: int, before: int = done - first) -> None:
                if advance is not None:
                    advance(max(0, before + now), runs)

            once = partial(self._run_once, runs=part, warmup=first, advance=moved)
            result, kept = self._loading_again(data, once)
            loaded = kept
            ticks += result.ticks
            stable &= result.stable and output in (None, result.output)
            output = result.output if output is None else output
        return RunResult(tuple(ticks), output or b"", stable)

    def profile(self, data: bytes) -> ProfileResult | None:
        """Load ``data`` and return the ticks of every operator, or ``None`` if the device cannot tell.

        Raises
        ------
        TaskError
            If the device refuses or stops answering.
        """
        self.load(data)
        try:
            return self._loading_again(data, self._profile_once)
        except DeviceError as error:
            if error.code == Code.UNSUPPORTED:
                return None
            raise

    def selftest(self, advance: Advance | None = None) -> Selftested:
        """Run the golden vectors in the image and return how they went; the input is lost."""
        return unpack(Selftested, self._work(Type.SELFTEST, b"", "test itself", advance).payload)

    def cancel(self) -> None:
        """Stop what the device is doing."""
        self._ask(Type.CANCEL, b"", "stop")

    def abandon(self) -> None:
        """Tell the device to stop, without waiting for it; nothing is raised if the line is gone."""
        with contextlib.suppress(TaskError):
            self.line.send_frame(Type.CANCEL, self._request(), b"")

    def _loading_again(self, data: bytes, work: Callable[[int], _T]) -> _T:
        """Return what ``work`` makes of the CRC-32 of ``data``; when the device has lost its input, load it again."""
        for _ in range(_RESTARTS):
            try:
                return work(crc32(data))
            except DeviceError as error:
                if error.code not in (Code.NO_INPUT, Code.INPUT_CRC, Code.STALE, Code.STOPPED, Code.BUSY):
                    raise
                # The device has restarted, or something else on the line has changed its input.
                self._settle(Error(error.code, 0, error.value))
                self.load(data)
        raise TaskError(
            "The device keeps losing its input while running.",
            "It may restart by itself (power, watchdog, stack): look at its boot lines.",
        )

    def _run_once(self, crc: int, runs: int, warmup: int, advance: Advance) -> tuple[RunResult, bool]:
        """Run on the input that is loaded; also return whether it is still there."""
        frame = self._work(Type.RUN, Run(runs, warmup, crc).pack(), "run", advance)
        ran = unpack(Ran, frame.payload)
        if (ran.runs, ran.warmup, ran.input_crc) != (runs, warmup, crc):
            raise TaskError("The device ran something else than asked.", "Update the firmware.")
        table = self._read_table(frame.request, Table.TICKS, 8 * runs, ran.ticks_crc)
        output = self._read_table(frame.request, Table.OUTPUT, ran.output_bytes, ran.output_crc)
        ticks = tuple(int.from_bytes(table[i : i + 8], "little") for i in range(0, len(table), 8))
        kept = bool(ran.flags & RunFlag.INPUT_KEPT)
        return RunResult(ticks, output, bool(ran.flags & RunFlag.STABLE)), kept

    def _profile_once(self, crc: int) -> ProfileResult:
        frame = self._work(Type.PROFILE, Profile(crc).pack(), "profile", None)
        profiled = unpack(Profiled, frame.payload)
        size = OpTicks.size()
        table = self._read_table(frame.request, Table.OPS, profiled.ops * size, profiled.ops_crc)
        ops = tuple(OpTicks.unpack(table[i : i + size]) for i in range(0, len(table), size))
        return ProfileResult(ops, profiled.ticks)

    def _read_table(self, run: int, table: Table, size: int, crc: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            read = Read(run, table, len(data), min(DATA_BYTES, size - len(data)))
            frame = self._must_ask(Type.READ, read.pack(), "return its results")
            chunk = unpack(Chunk, frame.payload)
            part = frame.payload[Chunk.size() :]
            if (chunk.run, chunk.table, chunk.offset, chunk.total) != (
                run,
                table,
                len(data),
                size,
            ) or not part:
                raise TaskError("The device returned other results than asked for.", "Update the firmware.")
            data += part
        if crc32(data) != crc:
            raise TaskError("The results changed on their way.", "Repeat; if it stays, update the firmware.")
        return bytes(data)

    def _must_ask(self, type_: Type, payload: bytes, what: str) -> Frame:
        frame = self._ask(type_, payload, what)
        if frame is None:
            raise self._silent(what)
        return frame

    def _ask(
        self, type_: Type, payload: bytes, what: str, tries: int = _TRIES, heard: list[Received] | None = None
    ) -> Frame | None:
        """Send a request until it is answered; ``None`` when it never is."""
        request = self._request()
        for _ in range(tries):
            self.line.send_frame(type_, request, payload)
            deadline = self.line.clock() + _REPLY_S
            while (received := self.line.receive(deadline)) is not None:
                if heard is not None:
                    heard.append(received)
                if _unreadable(received):
                    break
                if isinstance(received, Frame) and received.request == request:
                    if received.type == Type.ERROR:
                        self._refuse(received, what)
                    if received.type == type_ | 0x80:
                        return received
        return None

    def _work(self, type_: Type, payload: bytes, what: str, advance: Advance | None) -> Frame:
        """Send a request that takes inferences, and wait for its end as long as there is progress."""
        request = self._request()
        patience = _REPLY_S
        limit = self.line.clock() + _TRIES * _REPLY_S
        heard = self.line.clock()
        while self.line.clock() < limit:
            self.line.send_frame(type_, request, payload)
            deadline = min(limit, self.line.clock() + patience)
            while (received := self.line.receive(deadline)) is not None:
                if _unreadable(received) or received == BOOT_LINES[-2]:
                    break
                if isinstance(received, Frame) and received.request == request:
                    if received.type == Type.ERROR:
                        self._refuse(received, what)
                    if received.type == type_ | 0x80:
                        return received
                    progress = unpack(Progress, received.payload)
                    now = self.line.clock()
                    limit = now + _INFERENCE_S
                    if progress.done:
                        # Asking again does no harm, so there is no need to wait for the whole limit.
                        patience = max(_REPLY_S, 4 * (now - heard))
                    deadline = min(limit, now + (patience if progress.done else _INFERENCE_S))
                    heard = now
                    if advance is not None:
                        advance(progress.done, progress.total)
        raise self._silent(what)

    def _refuse(self, frame: Frame, what: str) -> None:
        error = unpack(Error, frame.payload)
        if error.code == Code.VERSION:
            raise Stranger.because(
                f"it speaks version {error.value} of the protocol, this edgekit {PROTOCOL_VERSION}",
                f"The device speaks protocol version {error.value}, this edgekit {PROTOCOL_VERSION}.",
                "Flash the firmware again with this edgekit.",
            )
        raise DeviceError(error, what)

    def _settle(self, error: Error) -> None:
        """Before something is begun anew: let late replies pass, and stop a run that nobody waits for."""
        if error.code == Code.BUSY:
            self.cancel()
        self.line.drain(_QUIET_S, limit=_REPLY_S)

    def _request(self) -> int:
        self._next_request = (self._next_request + 1) & 0xFFFFFFFF or 1
        return self._next_request

    def _silent(self, what: str) -> TaskError:
        return TaskError(
            f"{self.line.name} did not answer when asked to {what}.",
            "Reset the board and repeat; check the cable, and that no other program uses the port.",
        )

    def _stranger(self, heard: list[Received], waited_s: float) -> Stranger:
        lines = [line for line in heard if isinstance(line, str) and line.strip()]
        if len(lines) < len(heard):
            return Stranger.because(
                "it answers, but the line damages what it carries",
                f"The device at {self.line.name} answers, but the line damages what it carries.",
                "Use a shorter or better cable, a lower --baud, and close other programs that use the port.",
            )
        if any(line.startswith(ERROR_LINE) for line in lines):
            return Stranger(
                f"The device at {self.line.name} speaks MLPerf Tiny, but not edgekit's own commands.",
                "Use --mlperf, or flash edgekit's firmware.",
            )
        answer = Answer(None, tuple(lines))
        if not answer.firmware:
            return Stranger(
                f"No firmware runs at {self.line.name}: {answer}.",
                "Press the board's RESET button; if that is no help, flash it: `edgekit flash`.",
            )
        if lines:
            printable = [line[:80] for line in lines[:3] if line.isascii() and line.isprintable()]
            return Stranger(
                f"What answers at {self.line.name} is not edgekit's firmware.",
                "Check that it is the right port and the right --baud, and flash the firmware.",
                printable,
            )
        return Stranger(
            f"Nothing answers at {self.line.name} within {waited_s:.0f} s.",
            "Check that the firmware is flashed and running, the cable carries data, and --baud is right.",
        )


def _unreadable(received: Received) -> bool:
    """Whether a message was damaged, in either direction: the request is best repeated at once."""
    if isinstance(received, str):
        return received.startswith(ERROR_LINE)
    return isinstance(received, DamagedFrame) or (received.type == Type.ERROR and received.request == 0)


def _device_info(frame: Frame) -> DeviceInfo:
    try:
        identity = Identity.unpack(frame.payload)
        size = Tensor.size()
        count = identity.inputs + identity.outputs
        at = [Identity.size() + i * size for i in range(count)]
        tensors = tuple(Tensor.unpack(frame.payload[start : start + size]) for start in at)
        if not (identity.inputs and identity.outputs and identity.ticks_per_second):
            raise ValueError("no input, no output or no clock")
    except ValueError as error:
        raise Stranger.because(
            "its identity makes no sense",
            f"The device's identity makes no sense: {error}.",
            "Flash the firmware again with this edgekit.",
        ) from error
    return DeviceInfo(identity, tensors[: identity.inputs], tensors[identity.inputs :])


_MEANINGS: Final[dict[int, tuple[str, str]]] = {
    Code.DAMAGED: ("the request was damaged", "Check the cable."),
    Code.TOO_LONG: ("the request was too long", "Check the cable."),
    Code.UNKNOWN_TYPE: ("it does not know the request", "Flash the firmware again with this edgekit."),
    Code.BAD_REQUEST: ("it does not accept the request", "Flash the firmware again with this edgekit."),
    Code.BAD_SIZE: ("its input has another size", "Give the model that is on the device."),
    Code.NO_LOAD: ("it has forgotten the load", "Check whether it restarts or another program talks to it."),
    Code.INPUT_CRC: ("its input is not what was sent", "Check whether another program talks to it."),
    Code.NO_INPUT: ("it has no input", "Check whether it restarts by itself."),
    Code.BUSY: ("it is busy", "Wait, or reset it."),
    Code.STALE: ("the results are gone", "Check whether it restarts or another program talks to it."),
    Code.UNSUPPORTED: ("it cannot do that", "Use firmware that can."),
    Code.ENGINE: ("the inference failed", "Look at the arena size and the operators with `edgekit inspect`."),
    Code.STOPPED: ("the work was stopped", "Check whether another program talks to it."),
}
