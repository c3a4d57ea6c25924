"""Pictures of memory plans: the text for a terminal, and the SVG."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from rich.console import Console

from edgekit.boards.kernels import KernelLibrary
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.report.plan import print_plan, view_plan
from edgekit.report.plan_svg import plan_svg
from edgekit.search.inspection import InspectRecord, PlanEntry, inspect_model
from edgekit.tflite.graph import Graph

SVG = "{http://www.w3.org/2000/svg}"


def record_of(kernels: KernelLibrary, alpha: float = 0.25, resolution: int = 96) -> InspectRecord:
    graph: Graph = network_graph(NetworkSpec("mobilenet_v1", alpha, resolution, 3, 2))
    return inspect_model(b"", graph, None, kernels, None)


def printed(record: InspectRecord, encoding: str = "utf-8") -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_plan(Console(file=file, width=100, highlight=False), record)
    file.seek(0)
    return file.read().splitlines()


def shapes(svg: str, kind: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(svg)
    return [e for e in root.iter(f"{SVG}rect") if e.get("class", "").split()[0] == kind]


def drawn(record: InspectRecord, name: str = "model.tflite") -> str:
    svg = plan_svg(record, name)
    assert svg is not None
    return svg


def longer(record: InspectRecord, times: int) -> InspectRecord:
    """Return ``record`` with its operators and plan repeated, as a longer network has them."""
    count = len(record.ops)
    plan = [
        entry.model_copy(update={"first": entry.first + count * k, "last": entry.last + count * k})
        for k in range(times)
        for entry in record.plan
    ]
    ops = [op.model_copy(update={"index": op.index + count * k}) for k in range(times) for op in record.ops]
    return record.model_copy(update={"ops": tuple(ops), "plan": tuple(plan)})


def test_the_text_names_the_parts_of_the_arena_and_its_peak() -> None:
    record = record_of("esp_nn_s3")
    arena, lines = record.arena, printed(record)
    assert arena is not None and arena.scratch
    assert lines[1].split()[0] == f"{arena.total:,}" and f"tail {arena.tail:,} B" in lines[1]
    assert f"head {arena.head:,} B + scratch {arena.scratch:,} B" in lines[2]
    assert "peak: operator 1, DEPTHWISE_CONV_2D" in lines[-1]
    assert "╱ scratch" in lines[0] and "shared" not in lines[0]
    assert any("╱" in line for line in lines[3:])


def test_memory_that_input_and_output_share_is_shown() -> None:
    lines = printed(record_of("portable"))
    assert "╳ shared" in lines[0] and any("╳" in line for line in lines[2:])
    assert "head 36,864 B" in lines[1] and not any("tail" in line for line in lines)


@pytest.mark.parametrize("repeated", [1, 2, 3, 7])
def test_the_text_fits_a_terminal_of_100_columns(repeated: int) -> None:
    lines = printed(longer(record_of("reference"), repeated))
    assert max(map(len, lines)) <= 100
    assert len(lines) == len(printed(record_of("reference")))


def test_a_terminal_without_unicode_gets_ascii() -> None:
    lines = printed(record_of("portable"), "ascii")
    assert all(line.isascii() for line in lines) and any("#" in line for line in lines[2:])


def test_the_svg_draws_every_buffer_where_the_plan_has_it() -> None:
    record = record_of("reference")
    svg = drawn(record)
    blocks = shapes(svg, "block")
    scratch = [entry for entry in record.plan if entry.tensor is None]
    # One more of each is the legend's.
    assert len(blocks) == len(record.plan) - len(scratch) + 1
    assert len(shapes(svg, "scratch")) == len(scratch) + 1
    by_title = {block.findtext(f"{SVG}title"): block for block in blocks}
    largest = max(record.plan, key=lambda entry: entry.bytes)
    block = by_title[f"tensor {largest.tensor}, int8 1x48x48x16: 36,864 B at {largest.offset:,}"]
    smaller = next(e for e in record.plan if 2 * e.bytes == largest.bytes)
    other = by_title[f"tensor {smaller.tensor}, int8 1x48x48x8: 18,432 B at {smaller.offset:,}"]
    assert float(block.get("height", 0)) == pytest.approx(2 * float(other.get("height", 0)), abs=0.1)
    assert float(block.get("x", 0)) > float(other.get("x", 0))
    assert len(shapes(svg, "above")) == 2 and "tail: 26,980 B" in svg
    assert "73,728 B: peak at operator 0, CONV_2D" in svg
    assert shapes(svg, "shared") == []


def test_the_svg_shows_scratch_and_what_is_shared() -> None:
    svg = drawn(record_of("portable", 0.75))
    assert len(shapes(svg, "scratch")) > 1 and len(shapes(svg, "shared")) > 1
    assert "shared by tensors" in svg and shapes(svg, "above") == []


def test_the_svg_is_the_same_each_time_and_has_colours_for_the_dark() -> None:
    first, second = drawn(record_of("portable")), drawn(record_of("portable"))
    assert first == second
    assert "prefers-color-scheme: dark" in first


def test_a_tail_that_would_crush_the_plan_is_not_to_scale() -> None:
    small = drawn(record_of("reference", 0.25, 32))
    (band, _) = sorted(shapes(small, "above"), key=lambda e: -float(e.get("height", 0)))
    assert float(band.get("height", 0)) == pytest.approx(132)
    assert "not to scale" in small and "not to scale" not in drawn(record_of("reference"))


def test_a_name_cannot_break_the_svg() -> None:
    root = ElementTree.fromstring(drawn(record_of("reference"), '<a&b>\x01\udcff".tflite'))
    title = root.findtext(f"{SVG}title")
    assert title is not None and title.startswith('<a&b>??".tflite: 100,708 B')
    title.encode()


def test_tensors_that_no_operator_uses_are_left_out() -> None:
    record = record_of("reference")
    unused = PlanEntry(tensor=9, op=None, offset=0, bytes=16, first=-1, last=-1)
    assert drawn(record.model_copy(update={"plan": (*record.plan, unused)})) == drawn(record)


def test_without_a_plan_nothing_is_drawn() -> None:
    record = record_of("reference").model_copy(update={"plan": ()})
    assert view_plan(record) is None and plan_svg(record, "x") is None
    assert printed(record) == ["plan   none is drawn: there is nothing to place"]
    refused = record.model_copy(update={"arena": None})
    assert printed(refused) == ["plan   none is drawn: the tflm engine cannot run the model"]


def test_packed_weights_of_linux_boards_lie_above_the_plan() -> None:
    record = record_of("xnnpack")
    assert "packed weights" in drawn(record) and any("packed weights" in line for line in printed(record))
