"""Which interpreter a device is held to, and how far an output is from another in quantized steps."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from fake_lines import ToyEngine

from edgekit.bench.cases import Case
from edgekit.bench.judge import choose_judge, steps_apart
from edgekit.errors import InputError
from edgekit.tflite import interpreter as host
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.wire.declaration import Dtype, Tensor

MODEL = (Path(__file__).parents[1] / "golden" / "tiny.tflite").read_bytes()
CASES = [Case(bytes(108), b"\x01\x02\x03")]
FIRMWARE = ToyEngine().identity
AGENT = replace(FIRMWARE, engine="ai-edge-litert 0.0.1", kernels="xnnpack", plan="riscv64 x4")


def tensor(dtype: Dtype, size: int) -> Tensor:
    return Tensor((1, size, 0, 0, 0, 0), size, 1.0, 0, 0, dtype, 2)


@pytest.mark.parametrize(
    ("tensors", "expected", "got", "steps"),
    [
        ([tensor(Dtype.INT8, 3)], b"\x01\x02\x03", b"\x01\x02\x03", 0),
        ([tensor(Dtype.INT8, 3)], b"\x7f\x00\xff", b"\x80\x00\x00", 255),
        ([tensor(Dtype.UINT8, 2)], b"\x00\xff", b"\x01\xfc", 3),
        ([tensor(Dtype.INT16, 2)], struct.pack("<h", -32768), struct.pack("<h", 32767), 65535),
        ([tensor(Dtype.INT64, 8)], struct.pack("<q", -(2**63)), struct.pack("<q", 2**63 - 1), 2**64 - 1),
        ([tensor(Dtype.INT8, 1), tensor(Dtype.INT16, 2)], b"\x00\x00\x01", b"\x02\x00\x00", 256),
        ([tensor(Dtype.FLOAT32, 4)], struct.pack("<f", 1.0), struct.pack("<f", 2.0), None),
        ([tensor(Dtype.INT8, 3)], b"\x01\x02\x03", b"\x01\x02", None),
        ([tensor(Dtype.INT8, 2)], b"\x01\x02\x03", b"\x01\x02\x04", None),
    ],
)
def test_steps(tensors: list[Tensor], expected: bytes, got: bytes, steps: int | None) -> None:
    assert steps_apart(tensors, expected, got) == steps
    assert steps_apart(tensors, got, expected) == steps


def test_firmware_is_held_to_the_reference_and_nothing_is_tolerated() -> None:
    judge = choose_judge(FIRMWARE, MODEL, CASES, "tflite-runtime 2.14.0")
    assert judge.exact and judge.kernels == "reference" and judge.cases is CASES and judge.reference is None
    with pytest.raises(InputError, match="nothing to tolerate"):
        choose_judge(FIRMWARE, MODEL, CASES, "tflite-runtime 2.14.0", tolerance=1)


def test_the_same_package_with_reference_kernels_keeps_the_golden_outputs() -> None:
    agent = replace(AGENT, engine="tflite-runtime 2.13.0", kernels="reference")
    judge = choose_judge(agent, MODEL, CASES, "tflite-runtime 2.14.0")
    assert judge.exact and judge.cases is CASES


def test_a_package_that_is_not_here_leaves_the_reference_and_no_certainty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(host._MODULES, "ai-edge-litert", "no_such_package")
    host._load_runtime.cache_clear()
    judge = choose_judge(AGENT, MODEL, CASES, "tflite-runtime 2.14.0", tolerance=2)
    host._load_runtime.cache_clear()
    assert not judge.exact and judge.kernels == "reference" and judge.cases is CASES and judge.tolerance == 2
    record = judge.record([tensor(Dtype.INT8, 3)], [b"\x01\x02\x05"])
    assert (record.differing, record.largest, record.reference) == (1, 2, None)


def test_kernels_that_no_host_has_are_held_to_the_reference() -> None:
    assert choose_judge(replace(AGENT, kernels="cmsis_nn"), MODEL, CASES, "x").exact


def test_xnnpack_is_computed_here_where_it_is_installed() -> None:
    pytest.importorskip("ai_edge_litert")
    interpreter = HostInterpreter(MODEL, "xnnpack")
    judge = choose_judge(AGENT, MODEL, CASES, "tflite-runtime 2.14.0")
    assert judge.kernels == "xnnpack" and judge.interpreter == interpreter.runtime and not judge.exact
    assert judge.reference == [b"\x01\x02\x03"] and judge.cases[0].expected != b"\x01\x02\x03"
    same = replace(AGENT, engine=interpreter.runtime)
    assert not choose_judge(same, MODEL, CASES, "").exact, "another machine"
