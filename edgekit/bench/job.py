"""A whole benchmark: every input to the device, every output against the host, the latencies summed up."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from edgekit import __version__
from edgekit.bench.cases import Case
from edgekit.bench.client import Client, DeviceInfo, ProfileResult, RunResult
from edgekit.bench.comparison import compare_bytes, compare_results
from edgekit.bench.images import winner
from edgekit.bench.judge import Judge, choose_judge, steps_apart
from edgekit.bench.line import Line
from edgekit.bench.mlperf import TextClient
from edgekit.bench.profile import op_records, profile_record
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
    Top1Record,
)
from edgekit.bench.statistics import latencies, latency_unit, summarize
from edgekit.boards.kernels import TFLM_KERNELS
from edgekit.codegen.record import FirmwareProject
from edgekit.device.engine import Settings
from edgekit.device.host import HOST_BOARD
from edgekit.errors import InputError, TaskError
from edgekit.flash.identity import difference
from edgekit.memory.plans import plan_problems
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph
from edgekit.units import format_ms
from edgekit.wire.declaration import BootTest, Identity, Tensor
from edgekit.wire.text import exact_thousandths

Advance = Callable[[int, int], None]
"""Told how many of the job's steps are done, and how many there are in all."""

_DIGEST: Final = re.compile("[0-9a-f]{16}")
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
        Inputs and expected outputs; top-1 is counted when all have a label.
    runs:
        Timed inferences in all, spread over the inputs: at least one each.
    warmup:
        Inferences before the first.
    max_latency_ms:
        Limit for the 95th percentile.
    project:
        The build folder's record, which says what the device should be and what was predicted.
    graph:
        The model's graph, when one inference is to be profiled.
    predicted_instructions:
        Estimate for an emulated board.
    interpreter:
        Package and version of the host's interpreter that the expected outputs are of.
    tolerance:
        Quantized steps by which outputs may be off, for devices that need not be equal to the bit.
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
    graph: Graph | None = None
    predicted_instructions: int | None = None
    interpreter: str = ""
    tolerance: int = 0
    host_arena: Callable[[bytes], int | None] | None = None

    @property
    def steps(self) -> int:
        """What there is to do: timed inferences, and the one that is profiled."""
        return self.runs + (self.graph is not None)

    def runs_of(self, index: int) -> int:
        """Return the timed inferences of input ``index``."""
        each, more = divmod(self.runs, len(self.cases))
        return each + (index < more)


@dataclass(frozen=True)
class _Found:
    """What a job found on the device; ``wrong`` are sentences on what no input's output shows."""

    latency: LatencyStatistics
    mismatches: Sequence[Mismatch]
    device: str
    identity: Identity | None = None
    wrong: tuple[str, ...] = ()
    top1: Top1Record | None = None
    ops: tuple[OpRecord, ...] | None = None
    profile: ProfileRecord | None = None
    judge: JudgeRecord | None = None


def run_job(line: Line, job: Job, advance: Advance | None = None) -> BenchRecord:
    """Run ``job`` with the binary commands.

    Raises
    ------
    InputError
        If a latency limit is given for a device that counts instructions, or a tolerance for one that has to be equal.
    TaskError
        If the device cannot be talked to, is not the one that is expected, or cannot do what is asked for.
    """
    client = Client(line)
    predicted = job.project.latency_ms if job.project else None
    info = client.connect(predicted.high / 1000 if predicted else 0.0)
    identity = info.identity
    check_device(info, job)
    unit = latency_unit(identity)
    if job.max_latency_ms is not None and unit != "ms":
        raise InputError(
            "The device is emulated and counts instructions, which no latency limit can be held to.",
            "Leave --max-latency out.",
        )
    judge = choose_judge(identity, job.model, job.cases, job.interpreter, job.tolerance)
    try:
        wrong = _self_test(client, identity)
        profile = _profile(client, job)
        results = _run_cases(client, job, advance)
    except KeyboardInterrupt:
        client.abandon()
        raise
    values = [value for result in results for value in latencies(identity, result.ticks)]
    found = _Found(
        latency=summarize(values, unit),
        mismatches=_mismatches(judge, info.outputs, results),
        device=identity.build,
        identity=identity,
        wrong=wrong,
        top1=_top1(judge.cases, results),
        judge=judge.record(info.outputs, [result.output for result in results]),
        ops=op_records(job.graph, identity, profile) if job.graph and profile else None,
        profile=profile_record(identity, profile) if profile else None,
    )
    return _record(line, job, found)


def _self_test(client: Client, identity: Identity) -> tuple[str, ...]:
    """Return what is wrong with a device whose self-test failed when it started, found out by all golden vectors."""
    if identity.boot_test != BootTest.FAILED:
        return ()
    tested = client.selftest()
    if tested.passed == tested.vectors:
        return ("The device's self-test failed when it started, but passes now.",)
    return (
        f"The device's self-test failed: {tested.vectors - tested.passed} of {tested.vectors} golden vectors differ, "
        f"first byte {tested.offset} of vector {tested.vector}, which is {tested.got} and not {tested.expected}.",
    )


def _profile(client: Client, job: Job) -> ProfileResult | None:
    if job.graph is None:
        return None
    result = client.profile(job.cases[0].data)
    if result is None:
        raise TaskError(
            "The device's engine does not tell the time of single operators.", "Leave --profile out."
        )
    return result


def _run_cases(client: Client, job: Job, advance: Advance | None) -> list[RunResult]:
    results: list[RunResult] = []
    before = job.steps - job.runs
    for index, case in enumerate(job.cases):

        def moved(now: int, _: int, before: int = before) -> None:
            if advance is not None:
                advance(before + now, job.steps)

        runs = job.runs_of(index)
        results.append(client.run(case.data, runs, job.warmup if index == 0 else 0, moved))
        before += runs
    return results


def _mismatches(judge: Judge, tensors: Sequence[Tensor], results: Sequence[RunResult]) -> list[Mismatch]:
    found = []
    for index, (case, result) in enumerate(zip(judge.cases, results, strict=True)):
        mismatch = compare_bytes(index, case.expected, result.output)
        if mismatch is not None and judge.tolerance:
            apart = steps_apart(tensors, case.expected, result.output)
            if apart is not None and apart <= judge.tolerance:
                mismatch = None
        if mismatch is None and not result.stable:
            mismatch = Mismatch(input=index, kind="unstable")
        if mismatch is not None:
            found.append(mismatch.model_copy(update={"name": case.name}))
    return found


def _top1(cases: Sequence[Case], results: Sequence[RunResult]) -> Top1Record | None:
    if any(case.label is None for case in cases):
        return None
    device = sum(winner(result.output) == case.label for case, result in zip(cases, results, strict=True))
    host = sum(winner(case.expected) == case.label for case in cases)
    images = len(cases)
    return Top1Record(value=100 * device / images, images=images, host=100 * host / images)


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
        If the device cannot be talked to, or is edgekit's and runs another model.
    """
    client = TextClient(line)
    name = client.connect()
    _, model_id = client.profile()
    if name == Settings().vendor:
        _check_model_id(model_id, job)
    values: list[float] = []
    mismatches: list[Mismatch] = []
    done = 0
    for index, case in enumerate(job.cases):
        client.load(bytes((value + pixel_offset) & 0xFF for value in case.data))
        latency, results = client.infer(job.runs_of(index), job.warmup if index == 0 else 0)
        values.append(latency)
        done += job.runs_of(index)
        if advance is not None:
            advance(done, job.steps)
        expected = exact_thousandths(output, case.expected[: output.bytes])
        if (mismatch := compare_results(index, expected, results)) is not None:
            mismatches.append(mismatch)
    return _record(line, job, _Found(summarize(values, "ms"), mismatches, name))


def check_device(info: DeviceInfo, job: Job) -> None:
    """Check that the device is what the model and the build folder say.

    Raises
    ------
    TaskError
        If it runs another model, or is another board or build.
    """
    identity = info.identity
    _check_model(identity.model_sha256.hex(), job.model)
    if info.input_bytes != len(job.cases[0].data):
        raise TaskError(
            f"The device's input has {info.input_bytes:,} bytes, the model's {len(job.cases[0].data):,}.",
            _FLASH_AGAIN,
        )
    if identity.board == HOST_BOARD:
        return
    check_kernels(identity.kernels, job.model)
    if job.project is None:
        return
    wrong = difference(identity, job.project)
    if wrong is not None:
        raise TaskError(wrong, _FLASH_AGAIN)


def check_kernels(kernels: str, model: bytes) -> None:
    """Check that the memory plan in ``model`` is one for the kernels that a device says it has.

    Raises
    ------
    TaskError
        If it is not, so that outputs are wrong.
    """
    known = next((name for name in TFLM_KERNELS if name == kernels and name != "xnnpack"), None)
    if known is None:
        return
    found = plan_problems(read_graph(model), known)
    if found:
        raise TaskError(f"The device has {kernels} kernels. {found[0].problem}", found[0].remedy)


def _check_model(on_device: str, model: bytes) -> None:
    """Check the first digits of the SHA-256 that the device tells of its model."""
    digest = hashlib.sha256(model).hexdigest()
    if not digest.startswith(on_device):
        raise TaskError(
            f"The device runs another model: its SHA-256 begins with {on_device}, not {digest[: len(on_device)]}.",
            _FLASH_AGAIN,
        )


def _check_model_id(on_device: str, job: Job) -> None:
    """Check what edgekit's firmware calls its model: the first digits of the SHA-256, or a name that it was given."""
    expected = job.project.model_id if job.project else None
    if on_device == expected:
        return
    if _DIGEST.fullmatch(on_device):
        _check_model(on_device, job.model)
    elif expected is not None:
        raise TaskError(
            f"The device's model is called {on_device!r}, the build folder's {expected!r}.", _FLASH_AGAIN
        )


def _record(line: Line, job: Job, found: _Found) -> BenchRecord:
    identity, project = found.identity, job.project
    failures = _failures(job, found)
    predicted = project.latency_ms if project else None
    if project and identity and project.framework == "linux" and identity.kernels != project.kernels:
        predicted = None  # it is for the other kernels
    return BenchRecord(
        port=line.name,
        board=identity.board if identity else None,
        engine=identity.engine if identity else None,
        kernels=identity.kernels if identity else None,
        plan=identity.plan if identity else None,
        protocol="edgekit" if identity else "mlperf",
        device=found.device,
        model=BenchedModel(sha256=hashlib.sha256(job.model).hexdigest(), bytes=len(job.model)),
        runs=job.runs,
        warmup=job.warmup,
        outputs=OutputsRecord(compared=len(job.cases), mismatched=len(found.mismatches)),
        judge=found.judge,
        latency=found.latency,
        predicted_latency=PredictedLatency(**predicted.model_dump()) if predicted else None,
        predicted_instructions=job.predicted_instructions if found.latency.unit == "instructions" else None,
        max_latency_ms=job.max_latency_ms,
        selftest=_SELFTEST.get(identity.boot_test) if identity else None,
        arena=ArenaComparison(
            predicted=project.arena.total if project else None, measured=_measured_arena(job, identity)
        ),
        top1=found.top1,
        ops=found.ops,
        profile=found.profile,
        mismatches=tuple(found.mismatches),
        failures=tuple(failures),
        ok=not failures,
        edgekit_version=__version__,
    )


_SELFTEST: Final[Mapping[int, Literal["passed", "failed"]]] = {
    BootTest.PASSED: "passed",
    BootTest.FAILED: "failed",
}


def _measured_arena(job: Job, identity: Identity | None) -> int | None:
    if identity is None:
        return None
    if not identity.arena_used and identity.board == HOST_BOARD and job.host_arena is not None:
        return job.host_arena(job.model)
    return identity.arena_used or None


def _failures(job: Job, found: _Found) -> list[str]:
    failures = [*map(describe, found.mismatches), *found.wrong]
    if job.max_latency_ms is not None and found.latency.p95 > job.max_latency_ms:
        failures.append(
            f"The 95th percentile of the latency is {format_ms(found.latency.p95)}, "
            f"more than the limit of {format_ms(job.max_latency_ms)}."
        )
    return failures


def describe(mismatch: Mismatch) -> str:
    """Return a mismatch as a sentence."""
    which = f"Input {mismatch.input}" + (f" ({mismatch.name})" if mismatch.name else "")
    if mismatch.kind == "unstable":
        return f"{which}: the device gave different outputs for the same input."
    expected = "nothing" if mismatch.expected is None else mismatch.expected
    got = "nothing" if mismatch.got is None else mismatch.got
    if mismatch.kind == "byte":
        return (
            f"{which}: output byte {mismatch.offset} is {got}, the host has {expected} "
            f"({mismatch.differing} bytes differ)."
        )
    return (
        f"{which}: result {mismatch.offset} is {got} thousandths, the host has {expected} "
        f"({mismatch.differing} results differ)."
    )
