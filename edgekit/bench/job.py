"""A whole benchmark: every input to the device, every output against the host, the latencies summed up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from edgekit import __version__
from edgekit.bench.cases import Case
from edgekit.bench.client import Client, DeviceInfo
from edgekit.bench.comparison import compare_bytes, compare_results
from edgekit.bench.line import Line
from edgekit.bench.mlperf import TextClient
from edgekit.bench.record import (
    ArenaComparison,
    BenchedModel,
    BenchRecord,
    LatencyStatistics,
    Mismatch,
    OutputsRecord,
    PredictedLatency,
)
from edgekit.bench.statistics import LatencyUnit, latencies, latency_unit, summarize
from edgekit.codegen.record import FirmwareProject
from edgekit.device.host import HOST_BOARD
from edgekit.errors import InputError, TaskError
from edgekit.units import format_ms
from edgekit.wire.declaration import Identity, Tensor
from edgekit.wire.text import exact_thousandths

Advance = Callable[[int, int], None]
"""Told how many timed inferences are done, and how many there are in all."""

_FLASH_AGAIN: Final = (
    "Flash the firmware of this build folder, or name the folder of what is on the device with --build."
)


@dataclass(frozen=True)
class Job:
    """What to run.

    Attributes
    ----------
    model:
        Content of the .tflite file that is on the device.
    cases:
        Inputs and expected outputs.
    runs:
        Timed inferences in all, spread over the inputs: at least one each.
    warmup:
        Inferences before the first.
    max_latency_ms:
        Limit for the 95th percentile.
    project:
        The build folder's record, which says what the device should be and what was predicted.
    host_arena:
        Measures the arena of real TFLite Micro on this host, for the device behind ``host://``; ``None`` where there
        is none to be measured.
    """

    model: bytes
    cases: Sequence[Case]
    runs: int
    warmup: int
    max_latency_ms: float | None = None
    project: FirmwareProject | None = None
    host_arena: Callable[[bytes], int | None] | None = None

    def runs_of(self, index: int) -> int:
        """Return the timed inferences of input ``index``."""
        each, more = divmod(self.runs, len(self.cases))
        return each + (index < more)


def run_job(line: Line, job: Job, advance: Advance | None = None) -> BenchRecord:
    """Run ``job`` with the binary commands.

    Raises
    ------
    InputError
        If a latency limit is given for a device that counts instructions.
    TaskError
        If the device cannot be talked to, or is not the one that is expected.
    """
    client = Client(line)
    info = client.connect()
    check_device(info, job)
    unit = latency_unit(info.identity)
    if job.max_latency_ms is not None and unit != "ms":
        raise InputError(
            "The device is emulated and counts instructions, which no latency limit can be held to.",
            "Leave --max-latency out.",
        )
    values: list[float] = []
    mismatches: list[Mismatch] = []
    try:
        for index, case in enumerate(job.cases):
            done = len(values)

            def moved(now: int, _: int, done: int = done) -> None:
                if advance is not None:
                    advance(done + now, job.runs)

            warmup = job.warmup if index == 0 else 0
            result = client.run(case.data, job.runs_of(index), warmup, moved)
            values += latencies(info.identity, result.ticks)
            mismatch = compare_bytes(index, case.expected, result.output)
            if mismatch is None and not result.stable:
                mismatch = Mismatch(input=index, kind="unstable")
            if mismatch is not None:
                mismatches.append(mismatch)
    except KeyboardInterrupt:
        client.abandon()
        raise
    identity = info.identity
    measured = identity.arena_used or None
    if measured is None and identity.board == HOST_BOARD and job.host_arena is not None:
        measured = job.host_arena(job.model)
    return _record(line, job, values, unit, mismatches, identity, identity.build, measured)


def run_text_job(
    line: Line, job: Job, output: Tensor, pixel_offset: int, advance: Advance | None = None
) -> BenchRecord:
    """Run ``job`` with the text commands alone, as the MLPerf Tiny runner does.

    The text protocol tells the time of all runs of an input together, so each latency is a mean over them.

    Parameters
    ----------
    line, job, advance:
        As for :func:`run_job`.
    output:
        The model's first output, whose values the results are.
    pixel_offset:
        What the device subtracts from the bytes it is sent.

    Raises
    ------
    TaskError
        If the device cannot be talked to.
    """
    client = TextClient(line)
    name = client.connect()
    client.profile()
    values: list[float] = []
    mismatches: list[Mismatch] = []
    done = 0
    for index, case in enumerate(job.cases):
        client.load(bytes((value + pixel_offset) & 0xFF for value in case.data))
        latency, results = client.infer(job.runs_of(index), job.warmup if index == 0 else 0)
        values.append(latency)
        done += job.runs_of(index)
        if advance is not None:
            advance(done, job.runs)
        expected = exact_thousandths(output, case.expected[: output.bytes])
        if (mismatch := compare_results(index, expected, results)) is not None:
            mismatches.append(mismatch)
    return _record(line, job, values, "ms", mismatches, None, name, None)


def check_device(info: DeviceInfo, job: Job) -> None:
    """Check that the device is what the model and the build folder say.

    Raises
    ------
    TaskError
        If it runs another model, or is another board or build.
    """
    identity = info.identity
    digest = hashlib.sha256(job.model).digest()
    if not digest.startswith(identity.model_sha256):
        raise TaskError(
            f"The device runs another model: its SHA-256 begins with {identity.model_sha256.hex()}, "
            f"not {digest[: len(identity.model_sha256)].hex()}.",
            _FLASH_AGAIN,
        )
    if info.input_bytes != len(job.cases[0].data):
        raise TaskError(
            f"The device's input has {info.input_bytes:,} bytes, the model's {len(job.cases[0].data):,}.",
            _FLASH_AGAIN,
        )
    if job.project is None or identity.board == HOST_BOARD:
        return
    for what in ("board", "engine", "kernels", "plan"):
        on_device, expected = getattr(identity, what), getattr(job.project, what)
        if on_device != expected:
            raise TaskError(
                f"The device's {what} is {on_device!r}, the build folder's {expected!r}.", _FLASH_AGAIN
            )


def _record(
    line: Line,
    job: Job,
    values: Sequence[float],
    unit: LatencyUnit,
    mismatches: Sequence[Mismatch],
    identity: Identity | None,
    device: str,
    measured_arena: int | None,
) -> BenchRecord:
    latency = summarize(values, unit)
    failures = _failures(job, latency, mismatches)
    predicted = job.project.latency_ms if job.project else None
    return BenchRecord(
        port=line.name,
        board=identity.board if identity else None,
        engine=identity.engine if identity else None,
        kernels=identity.kernels if identity else None,
        plan=identity.plan if identity else None,
        protocol="edgekit" if identity else "mlperf",
        device=device,
        model=BenchedModel(sha256=hashlib.sha256(job.model).hexdigest(), bytes=len(job.model)),
        runs=job.runs,
        warmup=job.warmup,
        outputs=OutputsRecord(compared=len(job.cases), mismatched=len(mismatches)),
        latency=latency,
        predicted_latency=PredictedLatency(**predicted.model_dump()) if predicted else None,
        max_latency_ms=job.max_latency_ms,
        arena=ArenaComparison(
            predicted=job.project.arena.total if job.project else None, measured=measured_arena
        ),
        top1=None,
        ops=None,
        mismatches=tuple(mismatches),
        failures=tuple(failures),
        ok=not failures,
        edgekit_version=__version__,
    )


def _failures(job: Job, latency: LatencyStatistics, mismatches: Sequence[Mismatch]) -> list[str]:
    failures = [describe(mismatch) for mismatch in mismatches]
    if job.max_latency_ms is not None and latency.p95 > job.max_latency_ms:
        failures.append(
            f"The 95th percentile of the latency is {format_ms(latency.p95)}, "
            f"more than the limit of {format_ms(job.max_latency_ms)}."
        )
    return failures


def describe(mismatch: Mismatch) -> str:
    """Return a mismatch as a sentence."""
    if mismatch.kind == "unstable":
        return f"Input {mismatch.input}: the device gave different outputs for the same input."
    expected = "nothing" if mismatch.expected is None else mismatch.expected
    got = "nothing" if mismatch.got is None else mismatch.got
    if mismatch.kind == "byte":
        return (
            f"Input {mismatch.input}: output byte {mismatch.offset} is {got}, the host has {expected} "
            f"({mismatch.differing} bytes differ)."
        )
    return (
        f"Input {mismatch.input}: result {mismatch.offset} is {got} thousandths, the host has {expected} "
        f"({mismatch.differing} results differ)."
    )
