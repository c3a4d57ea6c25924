"""The leads of CMSIS-NN's kernels against what its functions were found to need.

``leads_cmsis_nn.csv`` was measured with CMSIS-NN 99f736a6: each function was run with input and output apart, then with
the input beginning so many bytes after the output, from far apart on downwards, six random inputs each; ``needed`` is
one more than the largest distance at which an output changed. ``cmsis_nn`` was compiled for x86-64, which gets the
plain C code, ``cmsis_nn_dsp`` for an emulated Cortex-M4, ``cmsis_nn_mve`` for an emulated Cortex-M55 (GCC 12.2, -O2).
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from graphs import convolution, one_op, tensor

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory.tflm_leads import op_leads
from edgekit.tflite.graph import Graph

_ROWS = list(csv.DictReader(Path(__file__).with_name("leads_cmsis_nn.csv").open()))
_LIBRARIES: tuple[KernelLibrary, ...] = ("cmsis_nn", "cmsis_nn_dsp", "cmsis_nn_mve")


def graph_of(row: dict[str, str]) -> Graph:
    number = {name: int(value) for name, value in row.items() if value.lstrip("-").isdigit()}
    x = tensor(1, number["in_h"], number["in_w"], number["in_c"])
    y = tensor(1, number["out_h"], number["out_w"], number["out_c"])
    kernel = number["kernel_h"], number["kernel_w"]
    options = {"padding": row["padding"], "stride_h": number["stride"], "stride_w": number["stride"]}
    if row["operator"] in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return convolution(x, kernel, y, kind=row["operator"], **options)
    if row["operator"] == "ADD":
        return one_op("ADD", [x, x], y)
    if row["operator"] == "SOFTMAX":
        return one_op("SOFTMAX", [tensor(*x.shape[1:3])], tensor(*y.shape[1:3]))
    options |= {"filter_height": kernel[0], "filter_width": kernel[1], "activation": "NONE"}
    return one_op(row["operator"], [x], y, options=options)


def leads(kernels: KernelLibrary) -> list[tuple[dict[str, str], int | None, int | None, int]]:
    """Return, for each row of a library, its lead, that of the reference kernels, and the lead that it needs."""
    found = []
    for row in _ROWS:
        if row["kernels"] == kernels:
            graph = graph_of(row)
            own, reference = (op_leads(graph, graph.ops[0], name)[0] for name in (kernels, "reference"))
            found.append((row, own, reference, int(row["needed"])))
    return found


@pytest.mark.parametrize("kernels", _LIBRARIES)
def test_no_kernel_needs_more_than_its_lead(kernels: KernelLibrary) -> None:
    rows = leads(kernels)
    known = [(row, lead, needed) for row, lead, _, needed in rows if lead is not None]
    assert len(known) > 90
    assert [row for row, lead, needed in known if needed > lead] == []
    kinds = {row["operator"] for row, _, _ in known}
    assert kinds == {"ADD", "AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "SOFTMAX"}
    # A bound that is nowhere reached might be no bound but far too much.
    assert sum(needed == lead for _, lead, needed in known) > len(known) / 4


@pytest.mark.parametrize("kernels", _LIBRARIES)
def test_the_reference_kernels_leads_would_not_do(kernels: KernelLibrary) -> None:
    worse = [
        row for row, _, reference, needed in leads(kernels) if reference is not None and needed > reference
    ]
    pointwise = [row for row in worse if (row["kernel_h"], row["kernel_w"]) == ("1", "1")]
    assert len(pointwise) > 20
    others = [row for row in worse if row not in pointwise]
    assert all(kernels == "cmsis_nn_mve" and int(row["in_c"]) > 124 for row in others)
    assert bool(others) == (kernels == "cmsis_nn_mve")


def test_with_mve_a_pointwise_convolution_needs_all_channels_of_four_pixels() -> None:
    exact = [
        (lead, needed)
        for row, lead, _, needed in leads("cmsis_nn_mve")
        if lead is not None and row["operator"] == "CONV_2D" and row["kernel_h"] == row["kernel_w"] == "1"
    ]
    assert len(exact) > 20 and sum(lead == needed for lead, needed in exact) > 0.6 * len(exact)
