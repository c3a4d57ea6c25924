"""TensorFlow and Keras, imported late and kept quiet.

TensorFlow takes seconds to import and writes its log straight to file descriptor 2, so both are dealt with
in one place. Python's own ``sys.stderr`` keeps working meanwhile: a progress bar stays on the screen.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import IO, Any

from edgekit.errors import TaskError

_LOG_TAIL = 8


@cache
def load_keras() -> tuple[Any, Any]:
    """Import TensorFlow and Keras 3 on top of it, and return both modules: ``(tensorflow, keras)``.

    Raises
    ------
    TaskError
        If TensorFlow is not installed or does not work, or if Keras already runs on another backend.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # With TensorFlow's native code in the process before its own, tflite-runtime crashes on signatures.
    with contextlib.suppress(ImportError):
        import tflite_runtime.interpreter  # noqa: F401
    try:
        with quiet():
            import keras
            import tensorflow as tf
    except ModuleNotFoundError as error:
        raise TaskError(
            f"Training and conversion need TensorFlow, but {error.name} is not installed.",
            "Install it with `pip install 'edgekit-mcu[convert]'`.",
        ) from error
    except ImportError as error:
        raise TaskError(
            f"TensorFlow is installed but does not load: {error}.",
            "Install it again with `pip install --force-reinstall 'edgekit-mcu[convert]'`.",
        ) from error
    if keras.backend.backend() != "tensorflow":
        raise TaskError(
            f"Keras already runs on {keras.backend.backend()}.",
            "Start edgekit with KERAS_BACKEND=tensorflow.",
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    tf.get_logger().setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    return tf, keras


@contextlib.contextmanager
def quiet() -> Iterator[Callable[[], list[str]]]:
    """Keep what native code and libraries print off the terminal.

    File descriptors 1 and 2 go to a temporary file; ``sys.stdout`` and ``sys.stderr`` keep their old targets.

    Yields
    ------
    tail
        A function that returns the last lines caught so far, for the details of an error.
    """
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            _redirect(stack, descriptor, name, log)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield lambda: _tail(log)


def _redirect(stack: contextlib.ExitStack, descriptor: int, name: str, log: IO[bytes]) -> None:
    """Point ``descriptor`` at ``log`` until ``stack`` closes; keep ``sys.<name>`` on the old target."""
    stream = getattr(sys, name)
    stream.flush()
    try:
        saved = os.dup(descriptor)
    except OSError:  # closed by whoever started this process: nothing can be printed to it
        return
    stack.callback(os.close, saved)
    os.dup2(log.fileno(), descriptor)
    stack.callback(os.dup2, saved, descriptor)
    with contextlib.suppress(OSError, AttributeError, ValueError):
        if stream.fileno() == descriptor:
            copy = os.fdopen(os.dup(saved), "w", encoding=stream.encoding, errors=stream.errors, buffering=1)
            stack.callback(copy.close)
            setattr(sys, name, copy)
            stack.callback(setattr, sys, name, stream)


def _tail(log: IO[bytes]) -> list[str]:
    position = log.tell()
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()
    log.seek(position)
    return [line.strip() for line in lines if line.strip()][-_LOG_TAIL:]
