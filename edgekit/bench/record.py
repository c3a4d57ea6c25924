"""The record of a benchmark, bench.json."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from edgekit.documents import Document, Part

BENCH_FILE: Final = "bench.json"
"""Name of the record in a build folder."""
BENCH_SCHEMA: Final = "edgekit.bench/1"

Count = Annotated[int, Field(ge=0)]


class OutputsRecord(Part):
    """Inputs whose outputs were compared with the host, and how many of them differed."""

    compared: Count
    mismatched: Count


class ReferenceShare(Part):
    """Outputs that are not those of the reference kernels, and by how many quantized steps at most.

    ``largest`` is ``None`` where an output is not of integers, or not as long as the other.
    """

    differing: Count
    largest: Count | None


class JudgeRecord(Part):
    """What the outputs were compared with; see :mod:`edgekit.bench.judge`.

    Attributes
    ----------
    interpreter:
        The host's package and version; empty if not known.
    kernels:
        Its kernels.
    exact:
        Whether the device has to give the same outputs to the bit. Where that is not promised, outputs that differ by
        more than ``tolerance`` fail all the same.
    tolerance:
        Quantized steps by which every value may be off, as the user has allowed.
    differing:
        Outputs that are not equal to the bit, those within the tolerance among them.
    largest:
        Steps by which a value is off at most; ``None`` as in :class:`ReferenceShare`.
    reference:
        The same against the reference kernels, where those are not what the outputs are held to.
    """

    interpreter: str
    kernels: Literal["reference", "xnnpack"]
    exact: bool
    tolerance: Count
    differing: Count
    largest: Count | None
    reference: ReferenceShare | None = None


class LatencyStatistics(Part):
    """Latency of one inference; see :func:`edgekit.bench.statistics.summarize`."""

    unit: Literal["ms", "instructions"]
    min: float
    median: float
    p95: float
    max: float


class PredictedLatency(Part):
    """What fit predicted, in ms, with its error bar."""

    estimate: float
    low: float
    high: float
    basis: str


class ArenaComparison(Part):
    """Bytes of the tensor arena, ``None`` where not known.

    On the host the measured arena is that of 64-bit TFLite Micro, whose pointers are twice as large as a
    board's.
    """

    predicted: Count | None
    measured: Count | None


class Top1Record(Part):
    """Percent of ``images`` that the device got right, and that the host got right."""

    value: float
    images: Count
    host: float


class OpRecord(Part):
    """One operator as the device ran it.

    Attributes
    ----------
    index, op:
        Place and name in the model.
    latency:
        In the unit of the whole.
    shape:
        Of its output; empty if not known.
    mult_adds:
        What it has to do.
    """

    index: Count
    op: str
    latency: float
    shape: tuple[Count, ...] = ()
    mult_adds: Count = 0


class ProfileRecord(Part):
    """What all operators of a profile took, and its inference as a whole, in the unit of the latency."""

    sum: float
    whole: float


class Mismatch(Part):
    """The first value of an output that differs from the host's.

    Attributes
    ----------
    input:
        Number of the input, from 0.
    kind:
        ``byte`` of the raw output; ``result`` in thousandths, with the text protocol; ``unstable`` when the
        device gave different outputs for the same input.
    offset:
        Which byte or result, from 0.
    expected, got:
        Its values; ``None`` where an output ends early.
    differing:
        How many bytes or results differ in all.
    name:
        What the input is called; empty if it has no name.
    """

    input: Count
    kind: Literal["byte", "result", "unstable"]
    offset: Count = 0
    expected: int | None = None
    got: int | None = None
    differing: Count = 0
    name: str = ""


class BenchedModel(Part):
    """The model that was run."""

    sha256: str
    bytes: Count


class BenchRecord(Document):
    """What a benchmark found.

    Attributes
    ----------
    port:
        The pyserial URL.
    board, engine, kernels, plan:
        What the device said about itself; ``None`` with the text protocol, which does not tell.
    protocol:
        ``edgekit`` for the binary commands, ``mlperf`` for the text protocol alone.
    device:
        Build id, or with the text protocol the vendor's name.
    runs, warmup:
        Timed inferences in all, and warm-up inferences before the first.
    judge:
        What the outputs were compared with; ``None`` with the text protocol, which gives three decimals only.
    max_latency_ms:
        The limit that was given; the 95th percentile is held to it.
    predicted_latency:
        From the build folder.
    predicted_instructions:
        Estimate from the model, for an emulated board; ``None`` where there is none.
    selftest:
        How the device's own golden vector went when it started; ``None`` if it has not run one.
    top1:
        With labelled images.
    ops, profile:
        Of one inference that was profiled.
    mismatches:
        One entry for each output that differs.
    failures:
        What is wrong, a sentence each; empty when ``ok``.
    """

    schema_: Literal["edgekit.bench/1"] = Field(BENCH_SCHEMA, alias="schema")
    port: str
    board: str | None
    engine: str | None
    kernels: str | None
    plan: str | None
    protocol: Literal["edgekit", "mlperf"]
    device: str
    model: BenchedModel
    runs: Count
    warmup: Count
    outputs: OutputsRecord
    judge: JudgeRecord | None = None
    latency: LatencyStatistics
    predicted_latency: PredictedLatency | None
    predicted_instructions: Count | None = None
    max_latency_ms: float | None
    selftest: Literal["passed", "failed"] | None = None
    arena: ArenaComparison
    top1: Top1Record | None
    ops: tuple[OpRecord, ...] | None
    profile: ProfileRecord | None = None
    mismatches: tuple[Mismatch, ...]
    failures: tuple[str, ...]
    ok: bool
    edgekit_version: str
