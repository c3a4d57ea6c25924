"""Scratch sizes against what the kernel libraries' own size functions return."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import astuple, fields, replace
from pathlib import Path

import pytest
from graphs import convolution, one_op, tensor

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory import scratch_esp_nn
from edgekit.memory.scratch import scratch_requests
from edgekit.memory.window import Window, window_of
from edgekit.tflite.graph import Graph

TABLE = Path(__file__).parent / "scratch_sizes.csv"
CMSIS: tuple[KernelLibrary, ...] = ("cmsis_nn", "cmsis_nn_dsp", "cmsis_nn_mve")
ESP: tuple[KernelLibrary, ...] = ("esp_nn", "esp_nn_s3", "esp_nn_p4")


def rows(*kernels: str) -> Iterator[dict[str, str]]:
    with TABLE.open() as file:
        table = csv.DictReader(line for line in file if not line.startswith("#"))
        yield from (row for row in table if row["kernel"] in kernels)


def window(row: dict[str, str]) -> Window:
    return Window(*(int(row[field.name]) for field in fields(Window)))


def graph_of(row: dict[str, str]) -> Graph:
    w = window(row)
    x, y = tensor(w.batch, w.in_h, w.in_w, w.in_c), tensor(w.batch, w.out_h, w.out_w, w.out_c)
    options = {"stride_h": w.stride_h, "stride_w": w.stride_w, "padding": row["padding"]}
    if row["kernel"] == "tconv":
        filters = tensor(w.out_c, w.kernel_h, w.kernel_w, w.in_c, constant=True, scales=w.out_c)
        return one_op("TRANSPOSE_CONV", (tensor(values=y.shape), filters, x), y, options=options)
    options |= {"dilation_h": w.dilation_h, "dilation_w": w.dilation_w}
    kind = "CONV_2D" if row["kernel"] == "conv" else "DEPTHWISE_CONV_2D"
    kernel = (w.kernel_h, w.kernel_w)
    return convolution(x, kernel, y, filter_channels=w.filter_c, kind=kind, **options)


@pytest.mark.parametrize("kernels", [*CMSIS, *ESP])
def test_convolutions_request_what_the_library_itself_asks_for(kernels: KernelLibrary) -> None:
    wrong = []
    for row in rows("conv", "dw"):
        expected = [int(row[kernels])] if int(row[kernels]) else []
        got = [request.nbytes for request in scratch_requests(graph_of(row), kernels)]
        if got != expected:
            wrong.append((row, got))
    assert not wrong


@pytest.mark.parametrize("kernels", CMSIS)
def test_a_transposed_convolution_makes_two_requests_even_of_zero_bytes(kernels: KernelLibrary) -> None:
    table = list(rows("tconv"))
    assert any(row[kernels].endswith("+0") for row in table)
    for row in table:
        got = [request.nbytes for request in scratch_requests(graph_of(row), kernels)]
        assert got == [int(part) for part in row[kernels].split("+")], row


def test_padding_follows_from_the_input_size() -> None:
    for row in rows("conv", "dw"):
        graph = graph_of(row)
        assert astuple(window_of(graph, graph.ops[0]))[-2:] == (int(row["pad_h"]), int(row["pad_w"])), row


def test_the_table_notices_a_wrong_margin() -> None:
    wrong = sum(
        scratch_esp_nn.conv_s3(replace(window(row), in_c=window(row).in_c + 1)) != int(row["esp_nn_s3"])
        for row in rows("conv")
    )
    assert wrong > 100
