"""What an agent on a Linux board adds to an inference, and how long it takes to say how a board would be flashed."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from binascii import crc32
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from bench_process import measure_processes
from bench_rows import Row, print_rows
from bench_vww import ROOT, vww
from rich.console import Console

from edgekit.bench.client import Client
from edgekit.bench.line import open_line
from edgekit.device.host import split
from edgekit.tflite.interpreter import HostInterpreter

sys.path.insert(0, str(ROOT / "tests"))

from agents import agent_process
from firmware_folder import export_folder

ADDED_MS = 1.0
DRY_RUN_S = 0.5
RUNS = 16
TRIES = 20


def agent_rows(models: Path) -> Iterator[Row]:
    """Measure an agent on this computer over TCP on loopback, beside the interpreter alone."""
    _, model = vww(models)
    data = random.Random(1).randbytes(HostInterpreter(model).inputs[0].nbytes)
    alone = _alone(model, data)
    told, wall = _through_agent(model, data)
    added = told - alone
    yield Row(
        "latency that an agent tells, beside the interpreter alone",
        f"< {ADDED_MS:g} ms more",
        f"{added:+.3f} ms",
        added < ADDED_MS,
        f"{told:.2f} and {alone:.2f} ms, reference kernels; fastest of {TRIES * RUNS}",
    )
    yield Row(
        "  time between two inferences of a run",
        f"< {ADDED_MS:g} ms",
        f"{wall:.3f} ms",
        wall < ADDED_MS,
        f"of {RUNS} in a row, over TCP; best of {TRIES}",
    )
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as name:
        with redirect_stderr(StringIO()):
            folder = export_folder(model, Path(name, "build"), "rpi4", "--engine", "tflm")
        edgekit = str(Path(sys.executable).with_name("edgekit"))
        what = "edgekit flash --target pi@rpi --dry-run"
        command = [edgekit, "flash", "--build", str(folder), "--target", "pi@rpi", "--dry-run"]
        cost = measure_processes({what: command})[what]
    met = cost.median < DRY_RUN_S
    yield Row(what, f"< {DRY_RUN_S:g} s", f"{cost.median:.3f} s", met, f"min {min(cost.seconds):.3f} s")


def _alone(model: bytes, data: bytes) -> float:
    """Return the ms of the fastest inference without an agent, its input set as an agent does."""
    interpreter = HostInterpreter(model)
    seconds = []
    for _ in range(TRIES * RUNS):
        start = time.perf_counter()
        interpreter.set_inputs(split(data, interpreter.inputs))
        interpreter.invoke()
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds)


def _through_agent(model: bytes, data: bytes) -> tuple[float, float]:
    """Return the ms of the fastest inference that an agent tells, and of what lies between two of them."""
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as name:
        path = Path(name, "model.tflite")
        path.write_bytes(model)
        with agent_process("--model", path, "--listen", "127.0.0.1:0") as url:
            line = open_line(url)
            client = Client(line)
            client.connect()
            client.load(data)
            told, between = [], []
            for _ in range(TRIES):
                start = time.perf_counter()
                result, _ = client._run_once(crc32(data), RUNS, 0, lambda done, total: None)
                seconds = time.perf_counter() - start
                ticks = [tick / 1e9 for tick in result.ticks]
                told += ticks
                between.append((seconds - sum(ticks)) / RUNS)
            line.close()
    return 1000 * min(told), 1000 * min(between)


def agent_section(console: Console, models: Path) -> list[Row]:
    """Print the table and return its rows."""
    return print_rows(console, "Linux boards: the agent", agent_rows(models))
