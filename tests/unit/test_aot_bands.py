"""A tensor computed in bands of rows is the tensor computed at once, and a band reads its own input rows only."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
import pytest
from aot_cases import KERNELS
from aot_kernels import Memory, compile_traced, end_trace, random_call, random_inputs
from aot_paths import PATHS
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.aot.kernels.geometry import Shape, Window


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, ctypes.CDLL]:
    return {path: ctypes.CDLL(str(compile_traced(tmp_path_factory.mktemp(path), path))) for path in PATHS}


def _input_rows(source: Shape, window: Window, first: int, last: int) -> tuple[int, int]:
    """Return the first input row that output rows ``first`` to ``last`` need, and the one behind the last."""
    top = max(0, first * window.stride_h - window.pad_top)
    return top, min(source.h, last * window.stride_h - window.pad_top + window.kernel_h)


@pytest.mark.parametrize("kind", ["conv2d", "depthwise", "average_pool", "max_pool"])
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_bands_make_the_whole_tensor(
    libraries: Mapping[str, ctypes.CDLL], kind: str, data: st.DataObject
) -> None:
    kernel = data.draw(KERNELS[kind])
    rng = np.random.default_rng(0)
    call = random_call(kernel, rng)
    inputs = random_inputs(call, rng)
    rows = inputs[0].reshape(kernel.input.h, -1)
    whole = call.run_apart(libraries["portable"], inputs).reshape(kernel.output.h, -1)
    first = 0
    while first < kernel.output.h:
        count = data.draw(st.integers(1, kernel.output.h - first))
        top, end = _input_rows(kernel.input, kernel.window, first, first + count - 1)
        needed = rows[top:end].reshape(-1)
        sizes = (needed.size, count * whole.shape[1], kernel.scratch)
        for path, library in libraries.items():
            memory = Memory(*sizes)
            memory.view(0)[:] = needed
            addresses = memory.addresses()
            regions = zip(map(ctypes.c_void_p, addresses), map(ctypes.c_size_t, sizes), strict=True)
            library.trace_begin(*(argument for region in regions for argument in region))
            call.run(library, addresses[:1], *addresses[1:], band=(top, first, count))
            assert end_trace(library).faults == 0, path
            assert memory.guards_are_whole()
            assert np.array_equal(memory.view(1), whole[first : first + count].reshape(-1)), path
        first += count
