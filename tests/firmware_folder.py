"""Build folders with firmware in them, programs to put there in its place, and what runs of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np

from edgekit.cli.main import run
from edgekit.codegen.record import load_project
from edgekit.tflite.interpreter import HostInterpreter

BOARDS = ("mps2-an385", "mps2-an386", "mps2-an500", "mps3-an547")

SAY = """
#include <stddef.h>

#include "ek_port.h"
#include "model.h"
static void say(const char *text) {
  size_t size = 0;
  while (text[size]) size++;
  ek_port_write(text, size);
}
"""
LISTENER = (
    SAY
    + """
int main(void) {
  say("m-timestamp-mode-performance\\r\\nm-lap-us-0\\r\\nm-init-done\\r\\nm-ready\\r\\n");
  for (;;) {
    uint8_t byte;
    if (ek_port_read(&byte, 1) && byte == '%') {
      ek_model_invoke(NULL, NULL);
      say("heard\\x1b\\r\\nm-ready\\r\\n");
    }
  }
}
"""
)
"""Boots as the firmware does, runs the model at every command, and knows none."""


def export_folder(model: bytes, folder: Path, board: str = "mps2-an386", *extra: str) -> Path:
    """Write the build folder of ``model`` for ``board`` with ``edgekit export`` and its options ``extra``."""
    path = folder.parent / f"{folder.name}.tflite"
    path.write_bytes(model)
    run(["export", str(path), "--board", board, "--engine", "aot", "-o", str(folder), *extra])
    return folder


def expected_output(folder: Path, data: bytes) -> bytes:
    """Return what the model of a build folder makes of an input, by the host's interpreter."""
    interpreter = HostInterpreter((folder / "model.tflite").read_bytes())
    shape = interpreter.inputs[0].shape
    interpreter.set_inputs([np.frombuffer(data, np.int8).reshape(shape)])
    interpreter.invoke()
    return interpreter.output_bytes()


def random_input(folder: Path, seed: int) -> bytes:
    """Return an input for the model of a build folder."""
    return random.Random(seed).randbytes(prod(load_project(folder).input.shape))


def spoil_golden_output(folder: Path, vector: int, offset: int) -> None:
    """Change the last bit of a byte of a golden output in the firmware's sources."""
    settings = folder / "src" / "model" / "settings.c"
    head, start, tail = settings.read_text().partition("golden_outputs[")
    rows = tail.split("  {\n")
    values, end = rows[1 + vector].split("\n  }", 1)
    numbers = values.replace("\n", " ").split(",")
    numbers[offset] = str(int(numbers[offset]) ^ 1)
    rows[1 + vector] = f"{', '.join(numbers)}\n  }}{end}"
    settings.write_text(head + start + "  {\n".join(rows))


def set_main(folder: Path, text: str) -> None:
    """Replace the firmware's main program."""
    (folder / "src" / "main.c").write_text(text)


def processes_with(text: str | Path) -> list[int]:
    """Return the processes, of those that still run, that have ``text`` in their command."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if str(text).encode() in command:
                found.append(int(folder.name))
    return found


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for what happens soon."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
