"""Reading model files that Keras wrote."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError, InputError
from edgekit.mobilenet.backend import load_keras, quiet


def load_model(path: Path) -> Any:
    """Return the Keras model in ``path`` (``.keras`` or ``.h5``), without its training configuration.

    Raises
    ------
    InputError
        If the file is missing, damaged, not a whole model, or needs code that edgekit does not have.
    TaskError
        If TensorFlow is not installed.
    """
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; edgekit reads single-file models.",
            "Save the model with model.save('NAME.keras').",
        )
    if not path.is_file():
        raise InputError(f"There is no model file {path}.", "Check the path.")
    import h5py

    if h5py.is_hdf5(path):
        if path.suffix == ".keras":
            raise InputError(f"{path} is an HDF5 file.", f"Rename it to {path.with_suffix('.h5').name}.")
        with contextlib.suppress(OSError), h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise InputError(
                    f"{path} has weights but no model.",
                    "Save the whole model with model.save('NAME.keras'), not save_weights().",
                )
    elif path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is not a Keras model file.", "Give a .keras or .h5 file that model.save() has written."
        )
    _, keras = load_keras()
    try:
        with quiet():
            return keras.models.load_model(path, compile=False, custom_objects=_old_layers())
    except EdgekitError:
        raise
    except Exception as error:  # whatever a damaged or foreign file makes Keras raise
        raise InputError(
            f"Keras cannot load {path}: {first_line(error)}",
            "Check the file; rebuild models that have custom or Lambda layers from standard layers.",
        ) from error


def _old_layers() -> dict[str, Any]:
    """Return stand-ins for layers whose saved settings Keras 3 no longer accepts."""
    _, keras = load_keras()

    class DepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc, name-defined]
        """Keras 2 wrote ``groups=1`` into every depthwise convolution."""

        def __init__(self, *args: Any, groups: int = 1, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    return {"DepthwiseConv2D": DepthwiseConv2D}


def all_layers(model: Any) -> Iterator[Any]:
    """Yield the layers of a Keras model in order, those of models inside it included."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from all_layers(layer)
        else:
            yield layer


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, as a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".:") + "."
