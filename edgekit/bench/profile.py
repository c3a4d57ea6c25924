"""What a device says about the time of single operators, beside what the model's graph says about them."""

from __future__ import annotations

from edgekit.bench.client import ProfileResult
from edgekit.bench.record import OpRecord, ProfileRecord
from edgekit.bench.statistics import latencies
from edgekit.tflite.graph import Graph
from edgekit.tflite.macs import op_mult_adds
from edgekit.wire.declaration import Identity, OpTicks


def op_records(graph: Graph, identity: Identity, result: ProfileResult) -> tuple[OpRecord, ...]:
    """Return the operators of a profile, in the order in which the device ran them."""
    return tuple(_op_record(graph, identity, op) for op in result.ops)


def profile_record(identity: Identity, result: ProfileResult) -> ProfileRecord:
    """Return what the operators of a profile took together, and the inference as a whole."""
    together, whole = latencies(identity, [sum(op.ticks for op in result.ops), result.ticks])
    return ProfileRecord(sum=together, whole=whole)


def _op_record(graph: Graph, identity: Identity, measured: OpTicks) -> OpRecord:
    (latency,) = latencies(identity, [measured.ticks])
    if measured.index >= len(graph.ops):
        # An engine may run steps that are no operators of the file.
        return OpRecord(index=measured.index, op="other", latency=latency)
    op = graph.ops[measured.index]
    outputs = graph.op_outputs(op)
    return OpRecord(
        index=measured.index,
        op=op.label,
        latency=latency,
        shape=outputs[0].shape if outputs else (),
        mult_adds=op_mult_adds(graph, op),
    )
