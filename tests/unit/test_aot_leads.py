"""How close input and output of each kernel may come, derived from what the compiled kernels really read and write.

The kernels are instrumented so that every access is recorded in order (``tests/aot_trace``), and run with input and
output apart. The smallest safe lead then follows by brute force. It holds for every compiler: no pointer is `restrict`,
and tensors are int8, so a compiler must keep the order of a write and a later read that might meet.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from aot_cases import KERNELS
from aot_kernels import (
    ENGINE,
    Memory,
    compile_library,
    compile_traced,
    end_trace,
    random_call,
    random_inputs,
)
from aot_paths import PATHS
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.aot.kernels.copy import Concat, Pad
from edgekit.aot.kernels.elementwise import Add, Lookup
from edgekit.aot.kernels.geometry import Kernel
from edgekit.aot.kernels.pool import AveragePool, MaxPool, Mean
from edgekit.aot.kernels.softmax import Softmax
from edgekit.aot.program import lower
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph

_ATTEMPTS = 40
"""Random inputs until a byte that is read too late changes an output."""

_LIMITS = st.sampled_from(((-128, 127), (-5, 90), (-128, 20)))
_QUICK = settings(max_examples=300, deadline=None, derandomize=True, database=None)


@dataclass(frozen=True)
class Libraries:
    """The kernels, one library a code path: instrumented, and as a user compiles them."""

    traced: Mapping[str, ctypes.CDLL]
    plain: Mapping[str, ctypes.CDLL]


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Libraries:
    make = tmp_path_factory.mktemp
    return Libraries(
        {path: ctypes.CDLL(str(compile_traced(make(f"traced_{path}"), path))) for path in PATHS},
        {path: ctypes.CDLL(str(compile_library(make(f"plain_{path}"), path, "-O2"))) for path in PATHS},
    )


@pytest.mark.parametrize("kind", KERNELS)
@_QUICK
@given(st.data())
def test_the_stated_lead_is_the_smallest_that_the_accesses_allow(
    libraries: Libraries, kind: str, data: st.DataObject
) -> None:
    kernel = data.draw(KERNELS[kind])
    rng = np.random.default_rng(0)
    call = random_call(kernel, rng, wide=data.draw(st.booleans()), limits=data.draw(_LIMITS))
    inputs = random_inputs(call, rng)
    assert kernel.leads == call.stated_leads(libraries.plain["portable"])
    for which, stated in enumerate(kernel.leads):
        traces = [call.trace(library, inputs, which) for library in libraries.traced.values()]
        assert not any(trace.faults for trace in traces)
        assert all(trace.reads and trace.writes for trace in traces)
        needed = max(trace.lead for trace in traces)
        assert stated is not None
        assert stated >= needed
        if _is_tight(kernel, which):
            assert stated == needed


@pytest.mark.parametrize("kind", KERNELS)
@_QUICK
@given(st.data())
def test_outputs_survive_the_stated_lead_and_not_one_less(
    libraries: Libraries, kind: str, data: st.DataObject
) -> None:
    kernel = data.draw(KERNELS[kind])
    rng = np.random.default_rng(1)
    call = random_call(kernel, rng)
    more = data.draw(st.integers(0, 40))
    for which, lead in enumerate(kernel.leads):
        assert lead is not None
        corrupted = dict.fromkeys(PATHS, False)
        for _ in range(_ATTEMPTS):
            inputs = random_inputs(call, rng)
            apart = call.run_apart(libraries.plain["portable"], inputs)
            for path, library in libraries.plain.items():
                for safe in (lead, lead + more):
                    assert np.array_equal(call.run_overlapped(library, inputs, which, safe), apart), path
                less = call.run_overlapped(library, inputs, which, lead - 1)
                corrupted[path] |= not np.array_equal(less, apart)
            if any(corrupted.values()):
                break
        if _is_tight(kernel, which) and lead > -call.input_sizes[which]:
            assert any(corrupted.values())


def test_leads_are_exact_for_every_layer_of_a_real_network(libraries: Libraries) -> None:
    rng = np.random.default_rng(3)
    for step in lower(network_graph(NetworkSpec("mobilenet_v1", 0.25, 96))).calls:
        call = random_call(step.kernel, rng)
        inputs = random_inputs(call, rng)
        traces = [call.trace(library, inputs, 0) for library in libraries.traced.values()]
        assert (max(trace.lead for trace in traces),) == step.kernel.leads
        assert not any(trace.faults for trace in traces)


@pytest.mark.parametrize("kind", ["conv2d", "pointwise"])
@_QUICK
@given(st.data())
def test_scratch_is_what_both_sides_say_and_a_byte_less_is_too_little(
    libraries: Libraries, kind: str, data: st.DataObject
) -> None:
    kernel = data.draw(KERNELS[kind])
    rng = np.random.default_rng(2)
    call = random_call(kernel, rng)
    inputs = random_inputs(call, rng)
    assert kernel.scratch == call.stated_scratch(libraries.plain["portable"])
    assert kernel.scratch == call.stated_scratch(libraries.plain["dsp"])
    if kernel.scratch:
        outside = call.trace(libraries.traced["dsp"], inputs, 0, scratch=kernel.scratch - 1).faults
        assert outside == _FAULTS["writes_beyond_scratch"]


_FAULTS = {
    "none": 0,
    "writes_beyond_scratch": 1,
    "reads_before_input": 1,
    "writes_input": 2,
    "reads_old_output": 4,
    "reads_old_scratch": 8,
    "leaves_a_byte_out": 16,
    "copies_what_may_overlap": 32,
}


@pytest.mark.parametrize("fault", _FAULTS)
def test_the_tracer_sees_what_is_wrong_with_a_kernel(libraries: Libraries, fault: str) -> None:
    library = libraries.traced["portable"]
    sizes = (8, 8, 4)
    memory = Memory(*sizes)
    addresses = [ctypes.c_void_p(address) for address in memory.addresses()]
    regions = zip(addresses, map(ctypes.c_size_t, sizes), strict=True)
    library.trace_begin(*(argument for region in regions for argument in region))
    getattr(library, f"faulty_{fault}")(*addresses)
    assert end_trace(library).faults == _FAULTS[fault]


def test_no_kernel_promises_the_compiler_that_pointers_do_not_meet() -> None:
    for source in ENGINE.glob("*.[ch]"):
        text = source.read_text()
        assert "restrict" not in text and "ivdep" not in text, source.name


def _is_tight(kernel: Kernel, which: int) -> bool:
    """Return whether the lead is stated exactly; for tensors of next to nothing, it may be larger than needed."""
    match kernel:
        case AveragePool() | MaxPool():
            return kernel.input.c > 1
        case Mean():
            return kernel.channels > 1
        case Pad():
            return kernel.leads[0] > 0
        case Concat():
            return kernel.outer > 1 or which > 0
        case Add() | Lookup():
            return kernel.size > 1
        case Softmax():
            return kernel.rows * kernel.depth > 1
        case _:
            return True
