"""The commands that carry binary frames: identity, load, run, profile, self-test, read."""

from __future__ import annotations

from binascii import crc32
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgekit.device.engine import Engine
from edgekit.device.jobs import Job, Profiling, Runs, Selftest, Work
from edgekit.wire.declaration import (
    ACK_EVERY,
    COMMAND_END,
    DATA_BYTES,
    LINE_END,
    PROTOCOL_VERSION,
    RUNS_MAX,
    WARMUP_MAX,
    Ack,
    Chunk,
    Code,
    Data,
    Error,
    Load,
    OpTicks,
    Profile,
    Profiled,
    Progress,
    Ran,
    Read,
    Run,
    RunFlag,
    Table,
    Type,
)
from edgekit.wire.frames import Frame, FrameError, decode, encode

if TYPE_CHECKING:
    from edgekit.device.machine import Device

_MASK_BITS = 32


class _Refused(Exception):
    def __init__(self, code: Code, value: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.value = value


@dataclass
class _Loading:
    """A load: ``next`` is the first frame that has not come, bit i of ``mask`` is frame ``next + 1 + i``."""

    request: int
    total: int
    crc: int
    next: int = 0
    mask: int = 0

    @property
    def frames(self) -> int:
        return -(-self.total // DATA_BYTES)

    def accept(self, sequence: int) -> None:
        if sequence > self.next:
            self.mask |= 1 << (sequence - self.next - 1)
        elif sequence == self.next:
            self.next += 1
            while self.mask & 1:
                self.next += 1
                self.mask >>= 1
            self.mask >>= 1


@dataclass
class _Finished:
    """The last RUN or PROFILE: its reply, to repeat when that was lost, and its tables."""

    request: int
    type: Type
    reply: bytes
    tables: dict[int, bytes] = field(default_factory=dict)


class BinaryCommands:
    """Answers binary requests on behalf of a device."""

    def __init__(self, engine: Engine, device: Device) -> None:
        self._engine = engine
        self._device = device
        self._loading: _Loading | None = None
        self._finished: _Finished | None = None
        self._handlers: dict[int, Callable[[Frame], None]] = {
            Type.IDENTIFY: self._identify,
            Type.LOAD: self._load,
            Type.DATA: self._data,
            Type.RUN: self._run,
            Type.PROFILE: self._profile,
            Type.SELFTEST: self._selftest,
            Type.READ: self._read,
            Type.CANCEL: self._cancel,
        }

    def receive(self, message: bytes, too_long: bool) -> None:
        """Answer one message that begins with the mark."""
        if too_long:
            self._error(0, 0, Code.TOO_LONG)
            return
        try:
            frame = decode(message, COMMAND_END)
        except FrameError:
            self._error(0, 0, Code.DAMAGED)
            return
        try:
            if frame.version != PROTOCOL_VERSION:
                raise _Refused(Code.VERSION, PROTOCOL_VERSION)
            handler = self._handlers.get(frame.type)
            if handler is None:
                raise _Refused(Code.UNKNOWN_TYPE)
            if self._device.work is not None and frame.type not in (Type.IDENTIFY, Type.CANCEL):
                self._while_busy(frame, self._device.work)
                return
            handler(frame)
        except _Refused as refusal:
            self._error(frame.request, frame.type, refusal.code, refusal.value)
        except ValueError:
            self._error(frame.request, frame.type, Code.BAD_REQUEST)

    def forget(self) -> None:
        """Give up a load under way and the results of the last run."""
        self._loading = None
        self._finished = None

    def forget_results(self) -> None:
        """Give up the results of the last run."""
        self._finished = None

    def input_used(self) -> None:
        """Give up a load: its bytes are no longer in the input."""
        self._loading = None

    def _while_busy(self, frame: Frame, work: Work) -> None:
        if frame.request != work.request or frame.type not in (Type.RUN, Type.PROFILE, Type.SELFTEST):
            raise _Refused(Code.BUSY)
        self._send(Type.PROGRESS, frame.request, Progress(work.job.done, work.job.total).pack())

    def _identify(self, frame: Frame) -> None:
        identity = replace(self._engine.identity, boot_test=self._device.boot_test)
        tensors = b"".join(tensor.pack() for tensor in self._engine.tensors)
        self._send(Type.IDENTIFIED, frame.request, identity.pack() + tensors)

    def _cancel(self, frame: Frame) -> None:
        self._device.stop()
        self._loading = None
        self._send(Type.CANCELLED, frame.request, b"")

    def _load(self, frame: Frame) -> None:
        load = Load.unpack(frame.payload)
        size = len(self._engine.input)
        if load.bytes != size:
            raise _Refused(Code.BAD_SIZE, size)
        if self._loading is None or self._loading.request != frame.request:
            self._device.forget_loads()
            self._loading = _Loading(frame.request, load.bytes, load.crc)
        self._acknowledge(self._loading)

    def _data(self, frame: Frame) -> None:
        loading = self._loading
        if loading is None or loading.request != frame.request:
            raise _Refused(Code.NO_LOAD)
        sequence = Data.unpack(frame.payload).sequence
        data = frame.payload[Data.size() :]
        if sequence >= loading.frames or len(data) != min(DATA_BYTES, loading.total - sequence * DATA_BYTES):
            raise _Refused(Code.BAD_REQUEST)
        fresh = loading.next <= sequence <= loading.next + _MASK_BITS
        in_order = sequence == loading.next and loading.mask == 0
        if fresh:
            self._engine.input[sequence * DATA_BYTES : sequence * DATA_BYTES + len(data)] = data
            loading.accept(sequence)
        if fresh and loading.next == loading.frames:
            self._finish_load(loading)
        elif not in_order or loading.next % ACK_EVERY == 0:
            self._acknowledge(loading)

    def _finish_load(self, loading: _Loading) -> None:
        crc = crc32(self._engine.input)
        if crc != loading.crc:
            self._loading = None
            raise _Refused(Code.INPUT_CRC, crc)
        self._device.input_loaded = True
        self._acknowledge(loading)

    def _acknowledge(self, loading: _Loading) -> None:
        self._send(Type.ACK, loading.request, Ack(loading.next, loading.mask).pack())

    def _run(self, frame: Frame) -> None:
        if self._repeated(frame):
            return
        run = Run.unpack(frame.payload)
        if not 1 <= run.runs <= RUNS_MAX or run.warmup > WARMUP_MAX:
            raise _Refused(Code.BAD_REQUEST)
        self._check_input(run.input_crc)
        self._device.use_output()
        job = Runs(self._engine, run.warmup, run.runs)

        def ended() -> None:
            ticks = job.tick_table()
            kept = RunFlag.INPUT_KEPT if self._engine.keeps_input else RunFlag(0)
            flags = kept | (RunFlag.STABLE if job.stable else RunFlag(0))
            ran = Ran(
                run.runs, run.warmup, run.input_crc, len(job.output), crc32(job.output), crc32(ticks), flags
            )
            self._finish(frame, Type.RAN, ran.pack(), {Table.OUTPUT: job.output, Table.TICKS: ticks})

        self._start(frame, job, ended)

    def _profile(self, frame: Frame) -> None:
        if self._repeated(frame):
            return
        self._check_input(Profile.unpack(frame.payload).input_crc)
        job = Profiling(self._engine)

        def ended() -> None:
            if job.ops is None:
                self._error(frame.request, frame.type, Code.UNSUPPORTED)
                return
            table = b"".join(OpTicks(op.index, op.builtin, op.ticks).pack() for op in job.ops)
            profiled = Profiled(len(job.ops), crc32(table), job.ticks)
            self._finish(frame, Type.PROFILED, profiled.pack(), {Table.OPS: table})

        self._start(frame, job, ended)

    def _selftest(self, frame: Frame) -> None:
        if self._repeated(frame):
            return
        self._device.forget_loads()
        job = Selftest(self._engine)
        self._start(frame, job, lambda: self._finish(frame, Type.SELFTESTED, job.result().pack(), {}))

    def _read(self, frame: Frame) -> None:
        read = Read.unpack(frame.payload)
        if self._finished is None or self._finished.request != read.run:
            raise _Refused(Code.STALE)
        table = self._finished.tables.get(read.table)
        if table is None or read.length > DATA_BYTES or read.offset > len(table):
            raise _Refused(Code.BAD_REQUEST)
        chunk = Chunk(read.run, read.table, read.offset, len(table)).pack()
        self._send(Type.CHUNK, frame.request, chunk + table[read.offset : read.offset + read.length])

    def _check_input(self, crc: int) -> None:
        if not self._device.input_loaded:
            raise _Refused(Code.NO_INPUT)
        actual = crc32(self._engine.input)
        if actual != crc:
            raise _Refused(Code.INPUT_CRC, actual)

    def _repeated(self, frame: Frame) -> bool:
        """Answer a request again whose reply was lost, without doing the work again."""
        finished = self._finished
        if finished is None or finished.request != frame.request:
            return False
        self._send(finished.type, frame.request, finished.reply)
        return True

    def _start(self, frame: Frame, job: Job, ended: Callable[[], None]) -> None:
        self._finished = None
        self._device.use_input()

        def moved() -> None:
            self._send(Type.PROGRESS, frame.request, Progress(job.done, job.total).pack())

        self._device.work = Work(
            job,
            frame.request,
            moved=moved,
            ended=ended,
            failed=lambda: self._error(frame.request, frame.type, Code.ENGINE),
            stopped=lambda: self._error(frame.request, frame.type, Code.STOPPED),
        )
        moved()

    def _finish(self, frame: Frame, type_: Type, reply: bytes, tables: dict[int, bytes]) -> None:
        self._finished = _Finished(frame.request, type_, reply, tables)
        self._send(type_, frame.request, reply)

    def _error(self, request: int, type_: int, code: Code, value: int = 0) -> None:
        self._send(Type.ERROR, request, Error(code, type_, value).pack())

    def _send(self, type_: Type, request: int, payload: bytes) -> None:
        self._device.send(encode(type_, request, payload, LINE_END))
