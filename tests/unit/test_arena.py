"""The arena's prediction against measured figures: the planner, trained models, and real TFLite Micro."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.boards.kernels import KernelLibrary
from edgekit.memory.arena import predict_arena, predict_wheel_arena
from edgekit.memory.greedy import plan_greedy
from edgekit.memory.lifetimes import Buffer, head_buffers, lower_bound
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.graph import Graph
from edgekit.tflite.reader import read_graph
from edgekit.tflite.slim import slim_graph
from edgekit.tflite.tflm import measure_tflm, tflm_available
from edgekit.tflite.writer import write_model

BUFFERS = st.lists(
    st.builds(
        lambda size, first, length: Buffer(16 * size, first, first + length),
        st.integers(1, 20),
        st.integers(0, 12),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=25,
)


@pytest.fixture(scope="module")
def vww(shared_models: Path) -> Graph:
    """The trained person detector: MobileNet V1 0.25/96, two classes."""
    return read_graph((shared_models / "vww_96_int8.tflite").read_bytes())


@given(BUFFERS)
@settings(deadline=None)
def test_no_two_buffers_that_live_together_overlap(buffers: list[Buffer]) -> None:
    plan = plan_greedy(buffers)
    placed = list(zip(plan.buffers, plan.offsets, strict=True))
    for i, (one, start) in enumerate(placed):
        for other, other_start in placed[:i]:
            apart = start + one.size <= other_start or other_start + other.size <= start
            assert apart or not one.alive_with(other)
    assert lower_bound(buffers) <= plan.peak <= sum(buffer.size for buffer in buffers)


def test_buffers_of_equal_size_are_placed_last_first() -> None:
    first, second = Buffer(16, 0, 1, tensor=0), Buffer(16, 1, 2, tensor=1)
    assert plan_greedy([first, second]).offsets == (16, 0)


def test_the_order_of_ties_decides_on_the_head(vww: Graph) -> None:
    buffers = head_buffers(vww)
    assert plan_greedy(buffers).peak == 73_728
    # Reversed, equal sizes are placed first come first served: smaller, and wrong.
    assert plan_greedy(buffers[::-1]).peak == 64_512


@pytest.mark.parametrize(
    ("kernels", "core", "total"),
    [
        ("reference", "cortex-m4f", 100_660),
        ("cmsis_nn_dsp", "cortex-m4f", 100_708),
        ("cmsis_nn_mve", "cortex-m55", 100_772),
        ("reference", "rv32imc", 100_668),
    ],
)
def test_the_trained_model_takes_what_targets_measured(
    vww: Graph, kernels: KernelLibrary, core: str, total: int
) -> None:
    arena = predict_arena(vww, kernels, core)
    assert (arena.total, arena.basis) == (total, "exact")
    assert arena.total == arena.head + arena.scratch + arena.tail
    assert arena.required >= arena.total


def test_the_scratch_of_a_kernel_library_counts(vww: Graph) -> None:
    assert predict_arena(vww, "reference", "cortex-m4f").scratch == 0
    assert (
        predict_arena(vww, "esp_nn_s3", "xtensa-lx7").total > predict_arena(vww, "esp_nn", "xtensa-lx7").total
    )


def dense_head(graph: Graph, classes: int) -> Graph:
    """Return ``graph`` with a fully connected classifier in place of the 1x1 convolution, per-channel weights."""
    tensors = list(graph.tensors)
    *rest, mean, convolution, _, softmax = graph.ops
    channels = tensors[mean.outputs[0]].shape[-1]
    for index, shape in (
        (mean.outputs[0], (1, channels)),
        (convolution.inputs[1], (classes, channels)),
        (convolution.outputs[0], (1, classes)),
    ):
        tensors[index] = replace(tensors[index], shape=shape)
    ops = (
        *rest,
        replace(mean, options={"keep_dims": False}),
        replace(convolution, kind="FULLY_CONNECTED", options={"activation": "NONE"}),
        replace(softmax, index=softmax.index - 1, inputs=convolution.outputs),
    )
    return slim_graph(replace(graph, ops=ops, tensors=tuple(tensors)))


@pytest.mark.parametrize(
    ("alpha", "resolution", "classes", "head", "tail"),
    [
        (0.25, 128, 2, 131_072, 26_852),
        (0.5, 96, 2, 110_592, 48_740),
        (0.5, 128, 1000, 196_608, 56_708),
        (1.0, 224, 1000, 1_204_224, 100_484),
    ],
)
def test_networks_with_a_dense_head_take_what_a_cortex_m4_measured(
    alpha: float, resolution: int, classes: int, head: int, tail: int
) -> None:
    graph = dense_head(network_graph(NetworkSpec("mobilenet_v1", alpha, resolution, 3, classes)), classes)
    arena = predict_arena(graph, "reference", "cortex-m4f")
    assert (arena.head, arena.scratch, arena.tail) == (head, 0, tail)


class TestAgainstTfliteMicro:
    """Real TFLite Micro on this 64-bit host, as the wheel brings it."""

    @pytest.fixture(autouse=True)
    def _wheel(self) -> None:
        if not tflm_available():
            pytest.skip("the tflite-micro wheel is not installed")

    @pytest.mark.parametrize("resolution", [96, 224])
    @pytest.mark.parametrize("alpha", [0.25, 1.0])
    def test_the_corners_of_the_paper_grid_are_exact(self, alpha: float, resolution: int) -> None:
        graph = network_graph(NetworkSpec("mobilenet_v1", alpha, resolution))
        measured = measure_tflm(write_model(graph))
        predicted = predict_wheel_arena(graph)
        assert (predicted.head + predicted.scratch, predicted.tail) == (measured.head, measured.tail)
        assert predicted.total == measured.total

    @pytest.mark.parametrize("name", ["vww_96_int8", "vww_96_float", "kws_ref_model", "ad01_int8"])
    def test_trained_models_are_exact(self, shared_models: Path, name: str) -> None:
        model = (shared_models / f"{name}.tflite").read_bytes()
        assert predict_wheel_arena(read_graph(model)).total == measure_tflm(model).total

    def test_a_tensor_less_is_seen(self) -> None:
        graph = network_graph(NetworkSpec("mobilenet_v1", 0.25, 96))
        unused = replace(graph.output, index=len(graph.tensors))
        larger = measure_tflm(write_model(replace(graph, tensors=(*graph.tensors, unused))))
        assert larger.total > predict_wheel_arena(graph).total
