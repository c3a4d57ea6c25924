"""A benchmark as JUnit XML, for CI systems."""

from __future__ import annotations

from xml.etree import ElementTree

from edgekit.bench.job import describe
from edgekit.bench.record import BenchRecord


def bench_junit(record: BenchRecord) -> str:
    """Return ``record`` as JUnit XML: a test case for each input, for the latency, and for a self-test that was run.

    The measured latency is the time of the latency test case, in seconds; under emulation there is none.
    """
    suite = ElementTree.Element("testsuite", name="edgekit.bench", errors="0", skipped="0")
    properties = ElementTree.SubElement(suite, "properties")
    values = {
        "port": record.port,
        "board": record.board,
        "engine": record.engine,
        "kernels": record.kernels,
        "plan": record.plan,
        "model_sha256": record.model.sha256,
        "latency_unit": record.latency.unit,
        "latency_median": record.latency.median,
        "arena_predicted": record.arena.predicted,
        "arena_measured": record.arena.measured,
    }
    for name, value in values.items():
        if value is not None:
            ElementTree.SubElement(properties, "property", name=name, value=_plain(str(value)))
    wrong = {mismatch.input: mismatch for mismatch in record.mismatches}
    for index in range(record.outputs.compared):
        case = ElementTree.SubElement(
            suite, "testcase", classname="edgekit.bench.outputs", name=f"input {index} equals the host"
        )
        if index in wrong:
            _fail(case, describe(wrong[index]))
    seconds = f"{record.latency.median / 1000:.6f}" if record.latency.unit == "ms" else "0"
    latency = ElementTree.SubElement(
        suite, "testcase", classname="edgekit.bench.latency", name="latency is within the limit", time=seconds
    )
    others = list(record.failures[len(record.mismatches) :])
    if record.selftest is not None:
        tested = ElementTree.SubElement(
            suite, "testcase", classname="edgekit.bench.selftest", name="the self-test at boot has passed"
        )
        if record.selftest == "failed":
            _fail(tested, others.pop(0))
    if others:
        _fail(latency, others[0])
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("time", seconds)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _fail(case: ElementTree.Element, message: str) -> None:
    ElementTree.SubElement(case, "failure", type="mismatch", message=_plain(message)).text = _plain(message)


def _plain(text: str) -> str:
    """Return ``text`` without characters that XML cannot hold."""
    return "".join(c if c.isprintable() else "?" for c in text)
