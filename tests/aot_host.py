"""A generated model on this host: compiled with the aot engine, run on many inputs, in every variant that matters."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np
from aot_paths import ENGINE, PATHS, compile_c
from numpy.typing import NDArray

from edgekit.aot.plan import AotPlan
from edgekit.aot.program import Program, lower
from edgekit.codegen.aot import render_aot
from edgekit.tflite.graph import Graph

_SANITIZERS: Final = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    "-g1",
)
_NUMBERS: Final = count()

_DRIVER: Final = """
#include <string.h>
#include "model.c"

extern void ek_test_run(const int8_t *in, int8_t *out, size_t inputs);

void ek_test_run(const int8_t *in, int8_t *out, size_t inputs) {
  for (size_t i = 0; i < inputs; ++i, in += EK_MODEL_INPUT_BYTES, out += EK_MODEL_OUTPUT_BYTES) {
    memcpy(ek_model_input(), in, EK_MODEL_INPUT_BYTES);
    ek_model_invoke(NULL, NULL);
    memcpy(out, ek_model_output(), EK_MODEL_OUTPUT_BYTES);
  }
}
"""

_MAIN: Final = """
#include <stdio.h>
#include "model.h"

int main(void) {
  if (ek_model_check_plan() != 0) return 3;
  while (fread(ek_model_input(), 1, EK_MODEL_INPUT_BYTES, stdin) == EK_MODEL_INPUT_BYTES) {
    ek_model_invoke(NULL, NULL);
    fwrite(ek_model_output(), 1, EK_MODEL_OUTPUT_BYTES, stdout);
  }
  return 0;
}
"""


@dataclass(frozen=True)
class HostModel:
    """A generated model in this process."""

    library: ctypes.CDLL
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the outputs, int8 [n, ...output shape], for inputs, int8 [n, ...input shape]."""
        assert inputs.dtype == np.int8 and inputs.shape[1:] == self.input_shape
        inputs = np.ascontiguousarray(inputs)
        outputs = np.full((len(inputs), *self.output_shape), 99, np.int8)
        self.library.ek_test_run(
            ctypes.c_void_p(inputs.ctypes.data),
            ctypes.c_void_p(outputs.ctypes.data),
            ctypes.c_size_t(len(inputs)),
        )
        return outputs

    def violations(self) -> int:
        """Return how often the plan breaks what the C kernels ask for."""
        return int(self.library.ek_model_check_plan())


def render(graph: Graph, plan: AotPlan | None = None) -> tuple[Program, dict[str, str]]:
    """Return the program of ``graph`` and its C sources."""
    program = lower(graph)
    return program, render_aot(program, plan)


def build(
    program: Program, texts: Mapping[str, str], variant: str = "portable", optimize: str = "-O1"
) -> HostModel:
    """Compile ``model.c`` and link it with the engine into a library, and load it."""
    folder = _folder() / f"model_{next(_NUMBERS)}"
    _write(folder, {**texts, "driver.c": _DRIVER})
    library = folder / "model.so"
    sources = [folder / "driver.c"]
    compile_c(
        folder,
        *_flags(folder, variant),
        optimize,
        "-DEK_CHECK_PLAN",
        *sources,
        *engine_objects(variant),
        "-shared",
        "-o",
        library,
    )
    shapes = [program.graph.tensors[i].shape for i in (program.graph.inputs[0], program.graph.outputs[0])]
    return HostModel(ctypes.CDLL(str(library)), *shapes)


def run_sanitized(
    program: Program, texts: Mapping[str, str], inputs: NDArray[np.int8], variant: str
) -> NDArray[np.int8]:
    """Return the outputs of a program built with AddressSanitizer and UBSan, which ends on anything undefined."""
    folder = _folder() / f"model_{next(_NUMBERS)}"
    _write(folder, {**texts, "main.c": _MAIN})
    sources = [folder / "model.c", folder / "main.c"]
    objects = engine_objects(variant, sanitized=True)
    binary = folder / "model"
    compile_c(
        folder,
        *_flags(folder, variant),
        "-O1",
        *_SANITIZERS,
        "-DEK_CHECK_PLAN",
        *sources,
        *objects,
        "-o",
        binary,
    )
    done = subprocess.run([str(binary)], input=inputs.tobytes(), capture_output=True, check=False)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr.decode(errors='replace')}"
    shape = program.graph.tensors[program.graph.outputs[0]].shape
    return np.frombuffer(done.stdout, np.int8).reshape(len(inputs), *shape)


@cache
def engine_objects(variant: str, sanitized: bool = False) -> tuple[Path, ...]:
    """Return the engine's object files, compiled once a process."""
    folder = _folder() / f"engine_{variant}{'_sanitized' if sanitized else ''}"
    folder.mkdir()
    objects = []
    for source in sorted(ENGINE.glob("*.c")):
        objects.append(folder / f"{source.stem}.o")
        extra = _SANITIZERS if sanitized else ()
        compile_c(
            folder,
            *_flags(folder, variant),
            "-O1" if sanitized else "-O3",
            *extra,
            "-c",
            source,
            "-o",
            objects[-1],
        )
    return tuple(objects)


def _flags(folder: Path, variant: str) -> tuple[str, ...]:
    return (*PATHS[variant], f"-I{ENGINE}", f"-I{folder}")


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="edgekit-aot-")


def _folder() -> Path:
    return Path(_scratch().name)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)
