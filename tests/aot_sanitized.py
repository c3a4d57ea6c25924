"""Random calls of all kernels, for a process that runs under the address sanitizer.

``python aot_sanitized.py LIBRARY [FAULT]``: each buffer is an allocation of its own, exactly as long as the kernel may
use. FAULT makes one call that must not survive: ``short_output`` or ``negative_shift``.
"""

from __future__ import annotations

import ctypes
import sys

import numpy as np
from aot_cases import KERNELS
from aot_kernels import Call, random_call, random_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.aot.kernels.elementwise import Add


def run_exactly(library: ctypes.CDLL, call: Call, rng: np.random.Generator, short: int = 0) -> None:
    """Run ``call``; its output is ``short`` bytes shorter than it should be."""
    inputs = [data.copy() for data in random_inputs(call, rng)]
    output = np.empty(call.output_size - short, np.int8)
    scratch = np.empty(call.kernel.scratch, np.int8)
    addresses = [data.ctypes.data for data in inputs]
    call.run(library, addresses, output.ctypes.data, scratch.ctypes.data if scratch.size else 0)


def main(path: str, fault: str = "") -> None:
    """Run the calls, or the one with a fault."""
    library = ctypes.CDLL(path)
    rng = np.random.default_rng(0)
    add = random_call(Add(100), rng)
    if fault == "short_output":
        run_exactly(library, add, rng, short=1)
    elif fault == "negative_shift":
        add.op.a_shift = 1
        run_exactly(library, add, rng)
    for kernels in KERNELS.values():

        @settings(max_examples=60, deadline=None, derandomize=True, database=None)
        @given(kernels, st.booleans(), st.sampled_from(((-128, 127), (-5, 90))))
        def check(kernel: object, wide: bool, limits: tuple[int, int]) -> None:
            run_exactly(library, random_call(kernel, rng, wide=wide, limits=limits), rng)

        check()
    print("all ran")


if __name__ == "__main__":
    main(*sys.argv[1:])
