"""How much of a serial line's rate is the input's, over a wire that is as fast as a real one and no faster."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from math import prod
from pathlib import Path

from bench_rows import Row, print_rows
from bench_vww import ROOT, vww
from rich.console import Console

from edgekit.bench.client import Client
from edgekit.bench.line import open_line
from edgekit.codegen.record import load_project
from edgekit.flash.board import emulated_board

sys.path.insert(0, str(ROOT / "tests"))

from firmware_folder import export_folder
from firmware_posix import build_posix, running
from paced_wire import BITS, paced_wire

BOARD = "mps2-an386"
SHARE = 0.9
LOADS = 5
RATES = (115_200, 921_600)


def load_rows(models: Path) -> Iterator[Row]:
    """Measure the binary load of VWW's input, or of one as large, into the firmware as a process and in QEMU."""
    _, model = vww(models)
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as name:
        with redirect_stderr(StringIO()):  # what it says of the model is said elsewhere
            folder = export_folder(model, Path(name, "build"), BOARD)
        size = prod(load_project(folder).input.shape)
        with running(build_posix(folder)) as device:
            for baud in RATES:
                yield _load_row("as a process", device.port, baud, size)
        with emulated_board(folder) as port:
            yield _load_row("in QEMU", port, RATES[0], size)
            yield Row(
                "  in QEMU, no wire between", "-", _throughput(port, size), None, "a pseudo-terminal alone"
            )


def _load_row(where: str, device: str, baud: int, size: int) -> Row:
    with paced_wire(device, baud) as wire:
        shares = [BITS * size / baud / seconds for seconds in _loads(wire.port, baud, size)]
    best = max(shares)
    return Row(
        f"load of {size:,} B at {baud:,} baud, {where}",
        f">= {SHARE:.0%} of the line",
        f"{best:.1%}",
        best >= SHARE,
        f"{best * baud / BITS:,.0f} of {baud // BITS:,} B/s; best of {LOADS}, worst {min(shares):.1%}",
    )


def _throughput(port: str, size: int) -> str:
    return f"{size / min(_loads(port, RATES[-1], size)):,.0f} B/s"


def _loads(port: str, baud: int, size: int) -> list[float]:
    """Return the seconds that each of several loads took."""
    data = random.Random(1).randbytes(size)
    line = open_line(port, baud)
    client = Client(line)
    client.connect()
    seconds = []
    for _ in range(LOADS):
        start = time.perf_counter()
        client.load(data)
        seconds.append(time.perf_counter() - start)
    line.close()
    return seconds


def line_section(console: Console, models: Path) -> list[Row]:
    """Print the table and return its rows."""
    return print_rows(console, "The serial line: bytes of input against bytes of the line", load_rows(models))
