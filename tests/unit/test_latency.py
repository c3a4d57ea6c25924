"""The plain latency model: monotone, sourced, and near the published timings."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.boards.catalog import load_catalog
from edgekit.boards.kernels import KERNEL_LIBRARIES, KernelLibrary
from edgekit.errors import InputError
from edgekit.latency.estimate import Latency, estimate_instructions, estimate_latency
from edgekit.latency.tables import _tables, cost_table
from edgekit.latency.work import OP_CLASSES, graph_work, op_work
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.reader import read_graph

CORES = sorted({board.core for board in load_catalog().values()})


class Builder:
    """Builds a chain of operators."""

    def __init__(self, *shape: int) -> None:
        self.tensors = [Tensor(0, shape, "int8")]
        self.ops: list[Op] = []
        self.last = 0

    def add(
        self, kind: str, output: tuple[int, ...], weights: tuple[int, ...] | None = None, **options: Any
    ) -> None:
        inputs = [self.last]
        if weights is not None:
            inputs.append(self._tensor(weights, constant=True))
        self.last = self._tensor(output)
        self.ops.append(Op(len(self.ops), kind, tuple(inputs), (self.last,), options))

    def graph(self) -> Graph:
        return Graph(tuple(self.tensors), tuple(self.ops), (0,), (self.last,))

    def _tensor(self, shape: tuple[int, ...], constant: bool = False) -> int:
        self.tensors.append(Tensor(len(self.tensors), shape, "int8", constant=constant))
        return len(self.tensors) - 1


def mobilenet(alpha: float, resolution: int, classes: int = 1000, channels: int = 3) -> Graph:
    spec = NetworkSpec("mobilenet_v1", alpha, resolution, channels, classes)
    build = Builder(1, resolution, resolution, channels)
    for layer in spec.layers:
        output = (1, layer.out_size, layer.out_size, layer.out_channels)
        if layer.kind == "depthwise":
            build.add("DEPTHWISE_CONV_2D", output, (1, 3, 3, layer.out_channels))
        elif layer.kind == "pool":
            build.add("MEAN", output)
        elif layer.kind == "softmax":
            build.add("SOFTMAX", (1, layer.out_channels))
        else:
            build.add("CONV_2D", output, (layer.out_channels, layer.kernel, layer.kernel, layer.in_channels))
    return build.graph()


def person_detect() -> Graph:
    """TFLite Micro's person_detect: MobileNet 0.25/96 in gray, whose first layer is depthwise, 1 to 8."""
    net = mobilenet(0.25, 96, classes=2, channels=1)
    first = net.ops[0]
    tensors = list(net.tensors)
    tensors[first.inputs[1]] = Tensor(first.inputs[1], (1, 3, 3, 8), "int8", constant=True)
    ops = (Op(0, "DEPTHWISE_CONV_2D", first.inputs, first.outputs), *net.ops[1:])
    return Graph(tuple(tensors), ops, net.inputs, net.outputs)


def ms(latency: Latency) -> tuple[float, float, float]:
    return latency.low_ms, latency.estimate_ms, latency.high_ms


@pytest.mark.parametrize("kernels", KERNEL_LIBRARIES)
@pytest.mark.parametrize("core", CORES)
def test_every_library_has_a_sound_estimate_on_every_core(kernels: KernelLibrary, core: str) -> None:
    latency = estimate_latency(mobilenet(0.25, 96), kernels, core, 100)
    low, estimate, high = ms(latency)
    assert 0 < low < estimate < high
    assert latency.basis == "estimated"
    assert latency.note
    assert sum(op.cycles for op in latency.ops) == pytest.approx(estimate * 100_000)
    assert len(latency.ops) == 30


@pytest.mark.parametrize("board", load_catalog().values(), ids=lambda board: board.name)
def test_every_library_of_a_board_is_known_for_its_core_itself(board: Any) -> None:
    for kernels in (*board.kernels, *board.kernels_of("aot")):
        assert cost_table(kernels, board.core).exact


@pytest.mark.parametrize("board", load_catalog().values(), ids=lambda board: board.name)
def test_the_best_library_of_a_board_is_faster_than_the_reference(board: Any) -> None:
    graph = mobilenet(0.25, 96)
    best, *_ = (estimate_latency(graph, k, board.core, board.clock_mhz).estimate_ms for k in board.kernels)
    assert best < estimate_latency(graph, "reference", board.core, board.clock_mhz).estimate_ms


@pytest.mark.parametrize("board", load_catalog().values(), ids=lambda board: board.name)
def test_the_aot_engine_is_faster_than_the_reference_and_no_faster_portable(board: Any) -> None:
    graph = mobilenet(0.25, 96)
    times = [
        estimate_latency(graph, k, board.core, board.clock_mhz).estimate_ms for k in board.kernels_of("aot")
    ]
    assert times == sorted(times)
    assert all(
        t < estimate_latency(graph, "reference", board.core, board.clock_mhz).estimate_ms for t in times
    )


def test_every_figure_has_basis_source_and_bounds() -> None:
    for table in _tables():
        assert table["cores"]
        costs = cost_table(table["kernels"], table["cores"][0])
        assert set(costs.ops) == set(OP_CLASSES)
        for cost in costs.ops.values():
            assert cost.basis in ("measured", "fitted", "derived")
            assert cost.source
            assert 0 < cost.low < 1 < cost.high
            assert min(cost.mac, cost.output, cost.call) >= 0 < cost.mac + cost.output + cost.call


def test_a_core_is_in_one_table_of_a_library_and_every_library_has_one_fallback() -> None:
    for kernels in KERNEL_LIBRARIES:
        tables = [table for table in _tables() if table["kernels"] == kernels]
        cores = [core for table in tables for core in table["cores"]]
        assert len(cores) == len(set(cores))
        assert sum(bool(table.get("fallback")) for table in tables) == 1


def test_bounds_are_wider_on_a_core_that_nothing_is_known_of() -> None:
    graph = mobilenet(0.25, 96)
    known = estimate_latency(graph, "cmsis_nn_dsp", "cortex-m4f", 100)
    unknown = estimate_latency(graph, "cmsis_nn_dsp", "cortex-m99", 100)
    assert unknown.estimate_ms == known.estimate_ms
    assert unknown.low_ms < known.low_ms and unknown.high_ms > known.high_ms
    assert "cortex-m99" in unknown.note and "cortex-m99" not in known.note


def test_bounds_are_wider_where_nothing_was_measured() -> None:
    graph = person_detect()
    measured = estimate_latency(graph, "cmsis_nn", "cortex-m0+", 125)
    derived = estimate_latency(graph, "reference", "cortex-m4f", 125)
    assert derived.high_ms / derived.low_ms > 2 * measured.high_ms / measured.low_ms


def test_an_unknown_library_and_an_impossible_clock_are_refused() -> None:
    with pytest.raises(InputError, match="nope"):
        estimate_latency(mobilenet(0.25, 96), cast(KernelLibrary, "nope"), "cortex-m4f", 100)
    with pytest.raises(ValueError, match="clock"):
        estimate_latency(mobilenet(0.25, 96), "reference", "cortex-m4f", 0)


def test_the_reference_is_another_one_on_another_core() -> None:
    graph = person_detect()
    per_core = {
        c: estimate_latency(graph, "reference", c, 100).estimate_ms for c in ("cortex-m4f", "xtensa-lx7")
    }
    assert per_core["xtensa-lx7"] > 2 * per_core["cortex-m4f"]


def test_time_is_cycles_over_clock() -> None:
    graph = mobilenet(0.5, 128)
    slow, fast = (estimate_latency(graph, "cmsis_nn_dsp", "cortex-m33", mhz) for mhz in (50, 200))
    assert slow.estimate_ms == pytest.approx(4 * fast.estimate_ms)


@pytest.mark.parametrize(("kernels", "core"), [(t["kernels"], t["cores"][0]) for t in _tables()])
def test_latency_grows_with_alpha_and_resolution(kernels: KernelLibrary, core: str) -> None:
    grid = {
        (a, r): ms(estimate_latency(mobilenet(a / 100, r), kernels, core, 100))
        for a in range(10, 101, 15)
        for r in (32, 48, 64, 96, 128, 160, 192, 224)
    }
    for (a, r), here in grid.items():
        for other, there in grid.items():
            if other[0] >= a and other[1] >= r:
                assert all(x <= y for x, y in zip(here, there, strict=True)), (a, r, other)


@given(
    st.sampled_from([(t["kernels"], t["cores"][0]) for t in _tables()]),
    st.integers(1, 64),
    st.integers(1, 64),
    st.integers(1, 5),
    st.integers(2, 40),
)
def test_latency_grows_with_channels_and_size(
    table: tuple[KernelLibrary, str], channels: int, outputs: int, kernel: int, size: int
) -> None:
    def conv(size: int, kernel: int, channels: int, outputs: int) -> float:
        build = Builder(1, size, size, channels)
        build.add("CONV_2D", (1, size, size, outputs), (outputs, kernel, kernel, channels))
        return estimate_latency(build.graph(), *table, 100).estimate_ms

    here = conv(size, kernel, channels, outputs)
    assert conv(size, kernel, channels, outputs + 1) > here
    assert conv(size + 1, kernel, channels, outputs) > here
    # From 4 to 5 channels the class changes, and with it, on purpose, the cost of a Mult-Add.
    if channels != 4 or kernel == 1:
        assert conv(size, kernel, channels + 1, outputs) > here
    if kernel > 1:
        assert conv(size, kernel + 1, channels, outputs) > here


@pytest.mark.parametrize(
    ("kind", "output", "weights", "options", "expected"),
    [
        ("CONV_2D", (1, 8, 8, 16), (16, 3, 3, 4), {}, "conv_first"),
        ("CONV_2D", (1, 8, 8, 16), (16, 3, 3, 5), {}, "conv_kxk"),
        ("CONV_2D", (1, 8, 8, 16), (16, 1, 1, 3), {}, "pointwise"),
        ("CONV_2D", (1, 1, 1, 16), (16, 1, 1, 64), {}, "fully_connected"),
        ("CONV_2D", (1, 8, 8, 16), (16,), {}, "conv_kxk"),
        ("DEPTHWISE_CONV_2D", (1, 8, 8, 4), (1, 3, 3, 4), {}, "depthwise"),
        ("FULLY_CONNECTED", (1, 10), (10, 64), {}, "fully_connected"),
        ("MEAN", (1, 4), None, {}, "pool"),
        ("AVERAGE_POOL_2D", (1, 1, 1, 4), None, {"filter_width": 8, "filter_height": 8}, "pool"),
        ("SOFTMAX", (1, 10), None, {}, "softmax"),
        ("ADD", (1, 8, 8, 4), None, {}, "add"),
        ("RESHAPE", (1, 256), None, {}, "copy"),
        ("CUSTOM", (1, 256), None, {}, "copy"),
    ],
)
def test_classes_of_operators(
    kind: str,
    output: tuple[int, ...],
    weights: tuple[int, ...] | None,
    options: dict[str, int],
    expected: str,
) -> None:
    build = Builder(1, 8, 8, 4)
    build.add(kind, output, weights, **options)
    work = op_work(build.graph(), build.ops[0])
    assert work.op_class == expected
    assert work.outputs == prod(output)
    if expected == "pool":
        assert work.steps == 8 * 8 * 4, "what pooling reads"


@pytest.mark.parametrize(
    ("kernels", "core", "mhz", "published"),
    [
        ("cmsis_nn", "cortex-m0+", 125, 823.658),  # raspberrypi/pico-tflmicro: benchmark_results.txt@1bdb61c
        ("esp_nn_s3", "xtensa-lx7", 240, 54),  # espressif/esp-nn@d45b843: README.md, as all below
        ("reference", "xtensa-lx7", 240, 2300),
        ("esp_nn", "xtensa-lx6", 240, 380),
        ("reference", "xtensa-lx6", 240, 4084),
        ("esp_nn_p4", "rv32imafc", 360, 73),
        ("reference", "rv32imafc", 360, 1395),
    ],
)
def test_person_detect_is_near_its_published_timings(
    kernels: KernelLibrary, core: str, mhz: float, published: float
) -> None:
    low, estimate, high = ms(estimate_latency(person_detect(), kernels, core, mhz))
    assert low <= published <= high
    assert 0.8 < estimate / published < 1.25


@pytest.mark.parametrize(
    ("model", "kernels", "core", "mhz", "published"),
    [
        ("vww_96_int8", "cmsis_nn_dsp", "cortex-m33", 200, 162.36),  # MLPerf Tiny v0.7, EK-RA6M4
        ("kws_ref_model", "cmsis_nn_dsp", "cortex-m33", 200, 50.57),
        ("ad01_int8", "cmsis_nn_dsp", "cortex-m33", 200, 4.6132),
        (
            "vww_96_int8",
            "cmsis_nn_dsp",
            "cortex-m4f",
            120,
            301.22,
        ),  # MLPerf Tiny v1.0, NUCLEO-L4R5ZI, microTVM
        ("vww_96_int8", "cmsis_nn_mve", "cortex-m85", 480, 13.393),  # MLPerf Tiny v1.2, EK-RA8D1
        ("kws_ref_model", "cmsis_nn_mve", "cortex-m85", 480, 3.465),
        ("ad01_int8", "cmsis_nn_mve", "cortex-m85", 480, 0.5308),
    ],
)
def test_mlperf_tiny_is_near_its_published_timings(
    shared_models: Path, model: str, kernels: KernelLibrary, core: str, mhz: float, published: float
) -> None:
    graph = read_graph((shared_models / f"{model}.tflite").read_bytes())
    low, estimate, high = ms(estimate_latency(graph, kernels, core, mhz))
    assert low <= published <= high
    assert 0.7 < estimate / published < 1.4


@pytest.mark.parametrize(
    ("kernels", "core", "cycles_each", "counted"),
    [  # instructions of one inference of VWW's network, counted under emulation with GCC 12.2
        ("dsp", "cortex-m4f", 1.5, 14_721_000),
        ("dsp", "cortex-m33", 1.35, 14_715_000),
        ("dsp", "cortex-m7", 1.1, 14_691_000),
        ("portable", "cortex-m3", 1.5, 22_281_000),
        ("portable", "cortex-m4f", 1.5, 22_643_000),
        ("portable", "cortex-m0+", 1.5, 66_043_000),
        ("portable", "rv32imc", 1.4, 29_731_000),
    ],
)
def test_the_aot_engines_estimates_are_counted_instructions_at_the_stated_cycles(
    kernels: KernelLibrary, core: str, cycles_each: float, counted: int
) -> None:
    latency = estimate_latency(mobilenet(0.25, 96, classes=2), kernels, core, 1)
    assert (
        f"at {cycles_each} cycles" in latency.note or f"{cycles_each} cycles an instruction" in latency.note
    )
    assert latency.estimate_ms * 1000 == pytest.approx(counted * cycles_each, rel=0.08)
    assert estimate_instructions(mobilenet(0.25, 96, classes=2), kernels, core) == pytest.approx(
        counted, rel=0.08
    )


@pytest.mark.parametrize(("kernels", "core"), [("portable", "xtensa-lx7"), ("cmsis_nn_dsp", "cortex-m4f")])
def test_instructions_are_estimated_only_where_they_were_counted(kernels: KernelLibrary, core: str) -> None:
    assert estimate_instructions(mobilenet(0.25, 96, classes=2), kernels, core) is None


@pytest.mark.parametrize(("core", "mhz", "published"), [("cortex-a72", 1500, 24), ("cortex-a53", 1400, 46)])
def test_linux_boards_are_near_the_published_timings(core: str, mhz: float, published: float) -> None:
    latency = estimate_latency(mobilenet(1.0, 224), "xnnpack", core, mhz)
    assert latency.estimate_ms == pytest.approx(published, rel=0.1)


def test_the_count_of_work_agrees_with_the_network_table() -> None:
    spec = NetworkSpec("mobilenet_v1", 0.75, 160)
    works = graph_work(mobilenet(0.75, 160))
    assert sum(w.steps for w in works if w.op_class != "pool") == spec.mult_adds
