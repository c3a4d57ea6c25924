"""Weights from files that Keras writes, and from its ImageNet downloads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.backend import load_keras
from edgekit.mobilenet.keras_models import build_keras
from edgekit.training.weights import check_weights, load_weights

SPEC = NetworkSpec("mobilenet_v1", 0.25, 64, 3, 7)


def keras_application(*, top: bool, alpha: float = 0.25, classes: int = 7) -> Any:
    """Keras' own MobileNet with weights that are not the initial ones, batch normalization included."""
    _, keras = load_keras()
    keras.utils.set_random_seed(5)
    shape = (64, 64, 3)
    model = keras.applications.MobileNet(shape, alpha, include_top=top, weights=None, classes=classes)
    rng = np.random.default_rng(6)
    model.set_weights([w + rng.uniform(0.05, 0.15, w.shape).astype(np.float32) for w in model.get_weights()])
    return model


def save_as_keras_2_did(model: Any, path: Path) -> None:
    """Write the weights in the layout of the files that Keras downloads for ImageNet."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


@pytest.fixture(scope="module")
def donors() -> dict[bool, Any]:
    return {top: keras_application(top=top) for top in (True, False)}


@pytest.mark.parametrize("top", [True, False])
@pytest.mark.parametrize("name", ["model.keras", "model.h5", "only.weights.h5", "imagenet_style.h5"])
def test_every_format_of_keras_round_trips(
    donors: dict[bool, Any], tmp_path: Path, name: str, top: bool
) -> None:
    donor, path = donors[top], tmp_path / name
    if name == "imagenet_style.h5":
        save_as_keras_2_did(donor, path)
    elif name.endswith(".weights.h5"):
        donor.save_weights(path)
    else:
        donor.save(path)
    model = build_keras(SPEC)
    before = [w.copy() for w in model.get_weights()]
    loaded = load_weights(model, SPEC, str(path))
    assert loaded.new_head is not top
    body = len(donor.get_weights()) - (2 if top else 0)
    for ours, theirs in zip(model.get_weights()[:body], donor.get_weights()[:body], strict=True):
        assert np.array_equal(ours, theirs)
    if top:
        images = np.random.default_rng(1).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
        assert np.allclose(model(images), donor(images), atol=1e-6)
    else:
        assert np.array_equal(model.get_weights()[-2], before[-2]), "the classifier must be left alone"


def test_other_classes_get_a_new_head(donors: dict[bool, Any], tmp_path: Path) -> None:
    donors[True].save(tmp_path / "seven.keras")
    spec = NetworkSpec("mobilenet_v1", 0.25, 64, 3, 3)
    model = build_keras(spec)
    assert load_weights(model, spec, str(tmp_path / "seven.keras")).new_head
    assert np.array_equal(model.get_weights()[0], donors[True].get_weights()[0])


def test_a_model_inside_a_model_is_found(donors: dict[bool, Any], tmp_path: Path) -> None:
    _, keras = load_keras()
    wrapped = keras.Sequential(
        [keras.Input((64, 64, 3)), donors[False], keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    wrapped.save(tmp_path / "wrapped.keras")
    model = build_keras(SPEC)
    assert load_weights(model, SPEC, str(tmp_path / "wrapped.keras")).new_head
    assert np.array_equal(model.get_weights()[0], donors[False].get_weights()[0])


def test_a_grayscale_network_sees_gray_as_the_colour_network_does(
    donors: dict[bool, Any], tmp_path: Path
) -> None:
    donors[True].save(tmp_path / "rgb.keras")
    spec = NetworkSpec("mobilenet_v1", 0.25, 64, 1, 7)
    model = build_keras(spec)
    load_weights(model, spec, str(tmp_path / "rgb.keras"))
    gray = np.random.default_rng(2).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
    assert np.allclose(model(gray), donors[True](np.repeat(gray, 3, axis=3)), atol=1e-5)


def test_another_alpha_is_refused_and_nothing_is_changed(donors: dict[bool, Any], tmp_path: Path) -> None:
    donors[True].save_weights(tmp_path / "quarter.weights.h5")
    spec = NetworkSpec("mobilenet_v1", 0.5, 64, 3, 7)
    model = build_keras(spec)
    before = [w.copy() for w in model.get_weights()]
    with pytest.raises(InputError, match="layer conv1 is 3x3x3x8 there, 3x3x3x16 here") as caught:
        load_weights(model, spec, str(tmp_path / "quarter.weights.h5"))
    assert "alpha" in caught.value.hint
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_another_architecture_is_refused(donors: dict[bool, Any], tmp_path: Path) -> None:
    donors[True].save(tmp_path / "m.keras")
    spec = NetworkSpec("shallow_mobilenet_v1", 0.25, 64, 3, 7)
    with pytest.raises(InputError, match="does not fit shallow_mobilenet_v1"):
        load_weights(build_keras(spec), spec, str(tmp_path / "m.keras"))


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    donor = build_keras(SPEC)
    weights = donor.get_weights()
    weights[5] = np.full_like(weights[5], np.nan)
    donor.set_weights(weights)
    donor.save_weights(tmp_path / "nan.weights.h5")
    with pytest.raises(InputError, match="not numbers"):
        load_weights(build_keras(SPEC), SPEC, str(tmp_path / "nan.weights.h5"))


@pytest.mark.parametrize(
    ("name", "content"),
    [("gone.h5", None), ("fake.keras", b"PK nothing"), ("fake.h5", b"nothing"), ("x.weights.h5", b"")],
)
def test_files_that_are_no_weights_are_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError):
        load_weights(build_keras(SPEC), SPEC, str(tmp_path / name))


def test_a_foreign_hdf5_file_is_refused(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["measurements"] = np.arange(10)
    with pytest.raises(InputError, match="has no Keras weights"):
        load_weights(build_keras(SPEC), SPEC, str(tmp_path / "data.h5"))


@pytest.mark.parametrize(
    ("spec", "source", "message"),
    [
        (NetworkSpec("conv_mobilenet_v1", 0.25, 96), "imagenet", "no ImageNet weights for conv_mobilenet_v1"),
        (NetworkSpec("mobilenet_v1", 0.35, 96), "imagenet", "no ImageNet weights for alpha 0.35"),
        (SPEC, "nowhere.h5", "no weights file"),
        (SPEC, __file__, "not a weights file"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_loaded(
    spec: NetworkSpec, source: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_weights(spec, source)


def test_imagenet_without_network_is_a_clear_error(tmp_path: Path) -> None:
    script = (
        "from edgekit.errors import TaskError\n"
        "from edgekit.mobilenet.architecture import NetworkSpec\n"
        "from edgekit.mobilenet.keras_models import build_keras\n"
        "from edgekit.training.weights import load_weights\n"
        "spec = NetworkSpec('mobilenet_v1', 0.25, 96, 3, 2)\n"
        "try:\n"
        "    load_weights(build_keras(spec), spec, 'imagenet')\n"
        "except TaskError as error:\n"
        "    print(error.message, '|', error.hint)\n"
    )
    nowhere = "http://127.0.0.1:9"
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "https_proxy": nowhere, "HTTPS_PROXY": nowhere}
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    message, _, hint = result.stdout.partition("|")
    assert message.startswith("The ImageNet weights could not be downloaded: ")
    assert "--weights FILE.h5" in hint
    assert "Traceback" not in result.stderr
