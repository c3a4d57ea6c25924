"""The latency model: monotone, sourced, near the published timings, and honest about its error."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.boards.catalog import get_board, load_catalog
from edgekit.boards.kernels import KERNEL_LIBRARIES, KernelLibrary
from edgekit.boards.profile import BoardProfile
from edgekit.errors import InputError
from edgekit.latency.estimate import Latency, Place, estimate_instructions, estimate_latency, model_at
from edgekit.latency.tables import board_factor, cost_table, table_keys
from edgekit.latency.work import OP_CLASSES, OpClass, graph_work, op_work
from edgekit.mobilenet.architecture import ARCHS, Arch, NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.graph import Graph, Op, Tensor
from edgekit.tflite.reader import read_graph

Pair = tuple[int, int]
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
            build.add("DEPTHWISE_CONV_2D", output, (1, 3, 3, layer.out_channels), stride_w=layer.stride)
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
    ops = (Op(0, "DEPTHWISE_CONV_2D", first.inputs, first.outputs, {"stride_w": 2}), *net.ops[1:])
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
    for key in table_keys():
        costs = cost_table(*key)
        assert costs.exact and costs.core == key[1]
        assert costs.basis in ("measured", "fitted", "derived", "counted", "prior")
        assert costs.source
        assert costs.below > 0 and costs.above > 0
        assert set(costs.ops) == set(OP_CLASSES)
        for cost in costs.ops.values():
            assert min(cost.mac, cost.output, cost.call) >= 0 < cost.mac + cost.output + cost.call
            assert 0 <= cost.spread <= 1, "more would make the lower bound fall with more work"


def test_a_core_is_in_one_table_of_a_library_and_every_library_serves_any_core() -> None:
    assert len(set(table_keys())) == len(table_keys())
    assert {kernels for kernels, _ in table_keys()} == set(KERNEL_LIBRARIES)
    for kernels in KERNEL_LIBRARIES:
        assert not cost_table(kernels, "cortex-m99").exact


def test_bounds_are_wider_on_a_core_that_nothing_is_known_of() -> None:
    graph = mobilenet(0.25, 96)
    known = estimate_latency(graph, "cmsis_nn_dsp", "cortex-m4f", 100)
    unknown = estimate_latency(graph, "cmsis_nn_dsp", "cortex-m99", 100)
    assert unknown.estimate_ms == known.estimate_ms
    assert unknown.low_ms < known.low_ms and unknown.high_ms > known.high_ms
    assert "cortex-m99" in unknown.note and "cortex-m99" not in known.note


def test_bounds_are_wider_where_nothing_was_measured() -> None:
    graph = person_detect()
    measured = estimate_latency(graph, "cmsis_nn", "cortex-m0+", 125, Place("rp2040"))
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


@pytest.mark.parametrize(("kernels", "core"), table_keys())
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
    st.sampled_from(table_keys()),
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
        ("DEPTHWISE_CONV_2D", (1, 4, 4, 4), (1, 3, 3, 4), {"stride_w": 2}, "depthwise_s2"),
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
    ("kernels", "core", "counted"),
    [  # instructions of one inference of VWW's network, counted under emulation with GCC 12.2
        ("dsp", "cortex-m4f", 14_721_000),
        ("dsp", "cortex-m33", 14_715_000),
        ("dsp", "cortex-m7", 14_691_000),
        ("portable", "cortex-m3", 22_281_000),
        ("portable", "cortex-m4f", 22_643_000),
        ("portable", "cortex-m0+", 66_043_000),
        ("portable", "rv32imc", 29_731_000),
    ],
)
def test_the_aot_engines_estimates_are_counted_instructions_at_the_stated_cycles(
    kernels: KernelLibrary, core: str, counted: int
) -> None:
    latency = estimate_latency(mobilenet(0.25, 96, classes=2), kernels, core, 1)
    each = cost_table(kernels, core).cycles_per_instruction
    assert each is not None and f"{each:.3g} cycles each" in latency.note
    assert latency.estimate_ms * 1000 == pytest.approx(counted * each, rel=0.06)
    assert estimate_instructions(mobilenet(0.25, 96, classes=2), kernels, core) == pytest.approx(
        counted, rel=0.06
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


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(load_catalog().values())),
    st.sampled_from(ARCHS),
    st.tuples(st.integers(10, 100), st.integers(10, 100)),
    st.tuples(st.integers(32, 256), st.integers(32, 256)),
    st.tuples(st.integers(10, 1000), st.integers(10, 1000)),
)
def test_more_alpha_more_resolution_or_a_slower_clock_is_never_faster(
    board: BoardProfile, arch: Arch, alphas: Pair, resolutions: Pair, clocks: Pair
) -> None:
    small = network_graph(NetworkSpec(arch, min(alphas) / 100, min(resolutions)))
    large = network_graph(NetworkSpec(arch, max(alphas) / 100, max(resolutions)))
    for engine in board.engines:
        for kernels in board.kernels_of(engine):
            fast = ms(estimate_latency(small, kernels, board.core, max(clocks), Place.on(board)))
            slow = ms(estimate_latency(large, kernels, board.core, min(clocks), Place.on(board)))
            assert all(a <= b for a, b in zip(fast, slow, strict=True)), kernels


@given(st.lists(st.tuples(st.sampled_from(OP_CLASSES), st.floats(1, 1e9)), min_size=1), st.data())
def test_bounds_grow_with_every_operator(cycles: list[tuple[OpClass, float]], data: st.DataObject) -> None:
    model = model_at("esp_nn_s3", "xtensa-lx7")
    more = list(cycles)
    place = data.draw(st.integers(0, len(cycles) - 1))
    more[place] = (more[place][0], more[place][1] * data.draw(st.floats(1, 1e3)))
    here, there = model.bounds(cycles), model.bounds(more)
    assert all(a <= b * (1 + 1e-12) for a, b in zip(here, there, strict=True))
    total, low, high = here
    assert low * high == pytest.approx(total**2) and low < total < high


def test_bounds_of_independent_classes_are_narrower_than_their_sum() -> None:
    model = model_at("esp_nn_s3", "xtensa-lx7")
    parts = [("pointwise", 1e6), ("depthwise", 1e6)]
    _, _, together = model.bounds(parts)  # type: ignore[arg-type]
    apart = sum(model.bounds([part])[2] for part in parts)  # type: ignore[list-item]
    assert together < apart


def test_a_board_that_was_measured_itself_has_narrower_bounds_than_its_core() -> None:
    graph = mobilenet(0.25, 96)
    any_board = estimate_latency(graph, "cmsis_nn_dsp", "cortex-m33", 200)
    measured = estimate_latency(graph, "cmsis_nn_dsp", "cortex-m33", 200, Place("ek-ra6m4"))
    assert measured.high_ms / measured.low_ms < any_board.high_ms / any_board.low_ms
    assert board_factor("cmsis_nn_dsp", "nano33ble") is None
    assert "tiny_results" in measured.note


def test_weights_beyond_the_cache_cost_more() -> None:
    graph = mobilenet(1.0, 96)
    direct, cached, all_in = (
        estimate_latency(graph, "cmsis_nn", "cortex-m0+", 125, Place(cache=size)).estimate_ms
        for size in (0, 16 * 1024, 16 * 1024**2)
    )
    assert direct == all_in < cached < 1.5 * direct


def test_activations_outside_the_chip_cost_more_and_are_less_certain() -> None:
    graph = mobilenet(0.5, 128)
    inside = estimate_latency(graph, "esp_nn_s3", "xtensa-lx7", 240)
    outside = estimate_latency(graph, "esp_nn_s3", "xtensa-lx7", 240, Place(activations="psram"))
    assert outside.estimate_ms > 1.5 * inside.estimate_ms
    assert outside.high_ms / outside.low_ms > inside.high_ms / inside.low_ms


def test_depthwise_of_stride_2_has_a_cost_of_its_own() -> None:
    ops = cost_table("cmsis_nn_dsp", "cortex-m33").ops
    assert ops["depthwise"] != ops["depthwise_s2"]


@pytest.mark.parametrize(
    ("board", "kernels", "grounds"),
    [
        ("ek-ra6m4", "cmsis_nn_dsp", "board"),
        ("nrf5340dk", "cmsis_nn_dsp", "core"),
        ("rpi5", "xnnpack", "library"),
        ("esp32c3", "esp_nn", "library"),
        ("nrf5340dk", "dsp", "counted"),
    ],
)
def test_an_estimate_says_what_it_rests_on(board: str, kernels: KernelLibrary, grounds: str) -> None:
    profile = get_board(board)
    latency = estimate_latency(
        mobilenet(0.25, 96), kernels, profile.core, profile.clock_mhz, Place.on(profile)
    )
    assert latency.grounds == grounds
    unknown = estimate_latency(mobilenet(0.25, 96), kernels, "cortex-m99", profile.clock_mhz)
    assert unknown.grounds == "prior" and "nothing is known of cortex-m99" in unknown.note
