"""Weights to start from: Keras' ImageNet weights, or a file that Keras wrote.

Every format comes down to the kernels of convolutions, depthwise convolutions and batch normalizations in
their order, so names and the file's age do not matter; shapes decide whether they fit.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import InputError, TaskError
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.backend import load_keras
from edgekit.mobilenet.keras_files import all_layers, first_line, load_model

if TYPE_CHECKING:
    import keras

_Array = NDArray[Any]
_IMAGENET_ALPHAS: Final = (0.25, 0.5, 0.75, 1.0)
_IMAGENET_RESOLUTIONS: Final = (128, 160, 192, 224)
_TIMEOUT_S: Final = 20.0


@dataclass
class _Donor:
    """Weights found in a file, each list in network order."""

    conv: list[list[_Array]] = field(default_factory=list)
    depthwise: list[list[_Array]] = field(default_factory=list)
    batch_norm: list[list[_Array]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """What was loaded.

    Attributes
    ----------
    source:
        ``imagenet`` or the file.
    new_head:
        Whether the classifier was left as it was, since the source has none for these classes.
    """

    source: str
    new_head: bool


def load_weights(model: keras.Model, spec: NetworkSpec, source: str) -> LoadedWeights:
    """Load ``source`` into a network of :func:`~edgekit.mobilenet.keras_models.build_keras`.

    The classifier is loaded when it has the same number of classes. A one-channel network takes the sum of
    the first layer's kernels over the colours.

    Parameters
    ----------
    model:
        Changed in place, and only when everything fits.
    spec:
        What ``model`` was built from.
    source:
        ``imagenet``, or the path of a ``.h5`` (model or weights), ``.weights.h5`` or ``.keras`` file.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or of another shape.
    TaskError
        If the ImageNet weights cannot be downloaded.
    """
    if source == "imagenet":
        donor, name = _imagenet(spec), "the ImageNet weights"
    else:
        donor, name = _from_file(Path(source)), source
    return LoadedWeights(source, _transfer(donor, model, spec, name))


def check_weights(spec: NetworkSpec, source: str) -> None:
    """Check what can be told about ``source`` without TensorFlow, so that a typing error is found at once.

    Raises
    ------
    InputError
        If the file is missing or has another suffix, or there are no ImageNet weights for ``spec``.
    """
    if source == "imagenet":
        _check_imagenet(spec)
    elif not Path(source).is_file():
        raise InputError(
            f"There is no weights file {source}.", "Give `imagenet`, or the path of a .h5 or .keras file."
        )
    elif Path(source).suffix not in (".h5", ".keras", ".hdf5"):
        raise InputError(
            f"{source} is not a weights file that Keras writes.", "Give a .h5, .weights.h5 or .keras file."
        )


def _check_imagenet(spec: NetworkSpec) -> None:
    if spec.arch != "mobilenet_v1":
        raise InputError(
            f"There are no ImageNet weights for {spec.arch}.", "Use mobilenet_v1, or give a weights file."
        )
    if spec.alpha not in _IMAGENET_ALPHAS:
        raise InputError(
            f"There are no ImageNet weights for alpha {spec.alpha:g}.",
            f"Choose alpha {', '.join(f'{a:g}' for a in _IMAGENET_ALPHAS)}, or give a weights file.",
        )


def _imagenet(spec: NetworkSpec) -> _Donor:
    _check_imagenet(spec)
    _, keras = load_keras()
    resolution = min(_IMAGENET_RESOLUTIONS, key=lambda r: abs(r - spec.resolution))
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)  # a firewall that drops packets would otherwise hold it for minutes
    try:
        with contextlib.redirect_stdout(sys.stderr):
            model = keras.applications.MobileNet(
                (resolution, resolution, 3), spec.alpha, include_top=spec.classes == 1000, weights="imagenet"
            )
    except Exception as error:  # Keras raises a bare Exception when a download fails
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TaskError(
            f"The ImageNet weights could not be downloaded: {text.rstrip('.')}.",
            "Connect this machine to the network, or put the file into ~/.keras/models, or give "
            "--weights FILE.h5.",
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return _from_model(model)


def _from_file(path: Path) -> _Donor:
    if not path.is_file():
        raise InputError(
            f"There is no weights file {path}.", "Give `imagenet`, or the path of a .h5 or .keras file."
        )
    import h5py

    if not h5py.is_hdf5(path):
        return _from_model(load_model(path))
    try:
        with h5py.File(path, "r") as file:
            if "layer_names" in file.attrs:
                return _from_legacy_group(file)
            if "model_weights" in file:
                return _from_legacy_group(file["model_weights"])
            if "layers" in file:
                return _from_weights_file(file["layers"])
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise InputError(f"{path} is damaged: {first_line(error)}", "Save the weights again.") from error
    raise InputError(
        f"{path} is an HDF5 file, but has no Keras weights.",
        "Save them with model.save() or model.save_weights().",
    )


def _from_model(model: Any) -> _Donor:
    _, keras = load_keras()
    donor = _Donor()
    for layer in all_layers(model):
        arrays = layer.get_weights()
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            donor.depthwise.append(arrays)
        elif isinstance(layer, keras.layers.Conv2D):
            donor.conv.append(arrays)
        elif isinstance(layer, keras.layers.BatchNormalization):
            donor.batch_norm.append(arrays)
    return donor


def _from_legacy_group(group: Any) -> _Donor:
    """Read what ``model.save("x.h5")`` and Keras' downloads have: a group a layer, with names."""
    donor = _Donor()
    for layer in map(_text, group.attrs["layer_names"]):
        names = [_text(name) for name in group[layer].attrs["weight_names"]]
        arrays = [np.asarray(group[layer][name]) for name in names]
        if len(arrays) == 4:
            donor.batch_norm.append(arrays)
        elif arrays and arrays[0].ndim == 4:
            depthwise = "depthwise" in names[0] or "_dw" in layer
            (donor.depthwise if depthwise else donor.conv).append(arrays)
    return donor


def _from_weights_file(layers: Any) -> _Donor:
    """Read what ``save_weights("x.weights.h5")`` of Keras 3 writes: groups named by class and number."""
    donor = _Donor()
    kinds = (
        ("conv2d", donor.conv),
        ("depthwise_conv2d", donor.depthwise),
        ("batch_normalization", donor.batch_norm),
    )
    for prefix, target in kinds:
        number = 0
        while (name := f"{prefix}_{number}" if number else prefix) in layers:
            values = layers[name]["vars"]
            target.append([np.asarray(values[str(index)]) for index in range(len(values))])
            number += 1
    return donor


def _transfer(donor: _Donor, model: Any, spec: NetworkSpec, name: str) -> bool:
    """Set the weights of ``model``; return whether its classifier was left alone."""
    _, keras = load_keras()
    wanted: dict[str, list[Any]] = {"conv": [], "depthwise": [], "batch_norm": []}
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            wanted["depthwise"].append(layer)
        elif isinstance(layer, keras.layers.Conv2D):
            wanted["conv"].append(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            wanted["batch_norm"].append(layer)
    head = wanted["conv"].pop()
    given = {"conv": list(donor.conv), "depthwise": donor.depthwise, "batch_norm": donor.batch_norm}
    top = given["conv"].pop() if len(given["conv"]) == len(wanted["conv"]) + 1 else None
    planned: list[tuple[Any, list[_Array]]] = []
    for kind, layers in wanted.items():
        if len(given[kind]) != len(layers):
            what = kind.replace("_", " ")
            raise InputError(
                f"{name} does not fit {spec.arch}: it has {len(given[kind])} {what} layers, the network has "
                f"{len(layers)}.",
                "Give weights of the same architecture.",
            )
        planned += [
            (layer, _fitted(layer, arrays, name)) for layer, arrays in zip(layers, given[kind], strict=True)
        ]
    shapes = [tuple(weight.shape) for weight in head.weights]
    keep_head = top is None or [array.shape for array in top] != shapes
    if top is not None and not keep_head:
        planned.append((head, top))
    for layer, arrays in planned:
        layer.set_weights(arrays)
    return keep_head


def _fitted(layer: Any, arrays: list[_Array], name: str) -> list[_Array]:
    """Return ``arrays`` as they go into ``layer``."""
    shapes = [tuple(weight.shape) for weight in layer.weights]
    if layer.name == "conv1" and len(arrays) == 1 and arrays[0].shape[2:3] == (3,) and shapes[0][2] == 1:
        arrays = [arrays[0].sum(axis=2, keepdims=True)]
    found = [array.shape for array in arrays]
    if found != shapes:
        raise InputError(
            f"{name} does not fit: layer {layer.name} is {_shapes(found)} there, {_shapes(shapes)} here.",
            "Choose the alpha and the number of channels that the weights were trained with.",
        )
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError(f"{name} has values that are not numbers in layer {layer.name}.", "Save it again.")
    return arrays


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join("x".join(map(str, shape)) for shape in shapes)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
