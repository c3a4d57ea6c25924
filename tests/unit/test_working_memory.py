"""The least arena that allocation itself needs, against what an emulated Cortex-M4 took."""

from __future__ import annotations

from dataclasses import replace

import pytest
from graphs import fully_connected, tensor

from edgekit.memory.lifetimes import ScratchRequest, align
from edgekit.memory.releases import ABIS, Abi
from edgekit.memory.scratch import scratch_requests
from edgekit.memory.working import least_arena
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph

SMALL = network_graph(NetworkSpec("mobilenet_v1", 0.1, 32, 1, 10))
TAIL_BEFORE_INPUTS = 13888
IN_USE = 17092
LEAST_MEASURED = 17396


def test_a_small_network_needs_more_than_stays_in_use() -> None:
    least = least_arena(SMALL, scratch_requests(SMALL, "reference"), TAIL_BEFORE_INPUTS, "arm32")
    assert least > IN_USE
    assert align(least) == align(LEAST_MEASURED)


def test_a_large_head_leaves_room_for_planning() -> None:
    graph = network_graph(NetworkSpec("mobilenet_v1", 0.25, 96, 3, 2))
    assert least_arena(graph, scratch_requests(graph, "reference"), 26864, "arm32") < 73728


@pytest.mark.parametrize("abi", ABIS)
def test_every_request_for_scratch_adds_to_it(abi: Abi) -> None:
    few, many = [ScratchRequest(0, 16)], [ScratchRequest(0, 16)] * 9
    assert least_arena(SMALL, many, 4096, abi) >= least_arena(SMALL, few, 4096, abi) + 8 * (12 + 24 + 40)


def test_wide_weights_count_while_their_layer_is_prepared() -> None:
    graph = fully_connected(tensor(1, 16), tensor(1, 1000), scales=1000)
    assert least_arena(graph, (), 0, "arm32") > 2 * 4 * 1000
    plain = replace(graph, tensors=tuple(replace(t, quantization=None) for t in graph.tensors))
    assert least_arena(plain, (), 0, "arm32") < 1000
