"""From a Keras model or a float .tflite to an int8 .tflite that the host interpreter runs."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgekit.cli.main import run
from edgekit.errors import InputError, TaskError
from edgekit.mobilenet.architecture import ARCHS, Arch, NetworkSpec
from edgekit.mobilenet.backend import load_keras, quiet
from edgekit.mobilenet.keras_files import load_model
from edgekit.mobilenet.keras_models import build_keras, randomize_weights, synthetic_images
from edgekit.quantize.accuracy import quantize_pixels
from edgekit.quantize.convert import QuantizedModel, quantize_keras, quantize_tflite
from edgekit.quantize.representative import representative_images, synthetic_calibration
from edgekit.tflite.interpreter import HostInterpreter
from edgekit.tflite.reader import read_graph
from edgekit.training.dataset import Dataset
from edgekit.training.preprocess import PREPROCESSES, Preprocess, preprocess

EXPECTED_OPS = {
    "mobilenet_v1": {"CONV_2D": 15, "DEPTHWISE_CONV_2D": 13, "MEAN": 1, "RESHAPE": 1, "SOFTMAX": 1},
    "conv_mobilenet_v1": {"CONV_2D": 15, "MEAN": 1, "RESHAPE": 1, "SOFTMAX": 1},
    "shallow_mobilenet_v1": {"CONV_2D": 10, "DEPTHWISE_CONV_2D": 8, "MEAN": 1, "RESHAPE": 1, "SOFTMAX": 1},
}


@dataclass(frozen=True)
class Converted:
    spec: NetworkSpec
    keras: Any
    quantized: QuantizedModel


def converted(arch: Arch, resolution: int, channels: int) -> Converted:
    spec = NetworkSpec(arch, 0.25, resolution, channels, 5)
    model = build_keras(spec)
    randomize_weights(model, seed=3)
    calibration = synthetic_calibration((resolution, resolution, channels), 40)
    return Converted(spec, model, quantize_keras(model, calibration))


@pytest.fixture(scope="module", params=ARCHS)
def network(request: pytest.FixtureRequest) -> Converted:
    # An odd multiple of 16 makes some layers' inputs odd, where SAME padding is not symmetric.
    return converted(request.param, 48, 1 if request.param == "shallow_mobilenet_v1" else 3)


@pytest.fixture(scope="module")
def mobilenet() -> Converted:
    return converted("mobilenet_v1", 32, 3)


def public_converter(model: Any, *, optimize: bool = False, float16: bool = False) -> bytes:
    """A .tflite as users make it."""
    tf, _ = load_keras()
    with quiet(), contextlib.redirect_stdout(io.StringIO()):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if optimize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if float16:
            converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())


@pytest.fixture(scope="module")
def float_tflite(mobilenet: Converted) -> bytes:
    return public_converter(mobilenet.keras)


def test_every_architecture_has_exactly_the_expected_operators(network: Converted) -> None:
    graph = read_graph(network.quantized.model)
    assert Counter(op.kind for op in graph.ops) == EXPECTED_OPS[network.spec.arch]


def test_every_tensor_is_an_integer_and_static(network: Converted) -> None:
    graph = read_graph(network.quantized.model)
    assert {tensor.dtype for tensor in graph.tensors} == {"int8", "int32"}
    assert not any(tensor.dynamic for tensor in graph.tensors)
    assert graph.input.shape == (1, 48, 48, network.spec.channels)
    assert graph.output.shape == (1, 5)


def test_convolutions_have_a_scale_per_channel(network: Converted) -> None:
    graph = read_graph(network.quantized.model)
    for op in graph.ops:
        if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            weights = graph.tensors[op.inputs[1]]
            assert weights.quantization is not None
            assert len(weights.quantization.scale) == graph.tensors[op.outputs[0]].shape[3]


def test_the_input_is_exactly_pixel_minus_128(network: Converted) -> None:
    result = network.quantized
    assert (result.input_scale, result.input_zero_point) == (1 / 128, 0)
    assert result.input_is_pixel_minus_128
    port = HostInterpreter(result.model).inputs[0]
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(quantize_pixels(every, port), every.astype(np.int16) - 128)


def test_int8_outputs_follow_the_float_network(network: Converted) -> None:
    interpreter = HostInterpreter(network.quantized.model)
    images = synthetic_images(np.random.default_rng(9), 24, interpreter.inputs[0].shape[1:])
    outputs = [interpreter.run([quantize_pixels(one[None], interpreter.inputs[0])])[0][0] for one in images]
    probabilities = (np.array(outputs, np.float32) + 128) / 256
    expected = np.asarray(network.keras(preprocess(images)))
    assert np.abs(probabilities - expected).mean() < 0.06
    assert len(set(expected.argmax(axis=1))) > 1, "an untrained network must still tell inputs apart"
    assert len({output.tobytes() for output in outputs}) == len(images)


def test_same_seed_same_file(mobilenet: Converted) -> None:
    assert converted("mobilenet_v1", 32, 3).quantized.model == mobilenet.quantized.model


def test_keras_initial_weights_are_refused_instead_of_crashing() -> None:
    model = build_keras(NetworkSpec("mobilenet_v1", 0.25, 96, 3, 2))
    with pytest.raises(TaskError, match="seems to be untrained"):
        quantize_keras(model, synthetic_calibration((96, 96, 3), 2))


def test_a_float_tflite_gives_the_same_file_as_its_keras_source(
    mobilenet: Converted, float_tflite: bytes
) -> None:
    assert "SHAPE" in read_graph(float_tflite).op_kinds, "the public converter leaves the batch open"
    result = quantize_tflite(float_tflite, mobilenet.quantized.calibration)
    assert result.model == mobilenet.quantized.model


@pytest.mark.parametrize("float16", [False, True])
def test_a_compressed_tflite_is_refused(mobilenet: Converted, float16: bool) -> None:
    model = public_converter(mobilenet.keras, optimize=True, float16=float16)
    with pytest.raises(InputError, match="compressed"):
        quantize_tflite(model, mobilenet.quantized.calibration)


def test_an_int8_model_is_refused_with_a_hint(mobilenet: Converted) -> None:
    with pytest.raises(InputError, match="quantized already") as caught:
        quantize_tflite(mobilenet.quantized.model, mobilenet.quantized.calibration)
    assert "edgekit inspect" in caught.value.hint


@pytest.mark.parametrize("size", [0, 3, 100, 1000, 20_000])
def test_a_truncated_tflite_is_refused(mobilenet: Converted, float_tflite: bytes, size: int) -> None:
    with pytest.raises(InputError):
        quantize_tflite(float_tflite[:size], mobilenet.quantized.calibration)


def test_images_of_another_size_are_refused(mobilenet: Converted) -> None:
    with pytest.raises(InputError, match="calibration images are"):
        quantize_keras(mobilenet.keras, synthetic_calibration((40, 40, 3), 2))


def test_fully_connected_weights_have_one_scale() -> None:
    _, keras = load_keras()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(6, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    result = quantize_keras(model, synthetic_calibration((8, 8, 1), 20, how="zero-one"))
    graph = read_graph(result.model)
    dense = [op for op in graph.ops if op.kind == "FULLY_CONNECTED"]
    assert len(dense) == 2
    for op in dense:
        quantization = graph.tensors[op.inputs[1]].quantization
        assert quantization is not None
        assert not quantization.per_channel


@pytest.mark.parametrize("how", PREPROCESSES)
def test_the_input_range_is_that_of_the_preprocessing(how: Preprocess) -> None:
    _, keras = load_keras()
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 8), keras.layers.Reshape((2,))])
    # Images that use a narrow range: the ends must come from what calibration adds.
    data = Dataset(np.full((4, 8, 8, 3), 90, np.uint8), np.array([0, 0, 1, 1]), ("a", "b"))
    result = quantize_keras(model, representative_images(data, how=how))
    ends = preprocess(np.array([0, 255], np.uint8), how)
    assert result.input_scale == pytest.approx(float(ends[1] - ends[0]) / 255, rel=1e-6)
    port = HostInterpreter(result.model).inputs[0]
    steps = np.diff(quantize_pixels(np.arange(256, dtype=np.uint8), port, how).astype(int))
    assert steps.min() >= 0
    assert np.count_nonzero(steps == 1) >= 254


def test_models_that_are_not_image_classifiers_are_refused() -> None:
    _, keras = load_keras()
    one, two = keras.Input((4,)), keras.Input((4,))
    both = keras.Model([one, two], keras.layers.Add()([one, two]))
    with pytest.raises(InputError, match="2 inputs"):
        quantize_keras(both, synthetic_calibration((4,), 2))
    anywhere = keras.Input((None, None, 3))
    open_size = keras.Model(anywhere, keras.layers.GlobalAveragePooling2D()(anywhere))
    with pytest.raises(InputError, match="input size is open"):
        quantize_keras(open_size, synthetic_calibration((4,), 2))


# --- calibration ---


def test_calibration_images_are_balanced_over_uneven_classes() -> None:
    labels = np.repeat([0, 1, 2], [50, 3, 50])
    images = np.arange(103, dtype=np.uint8).reshape(-1, 1, 1, 1)
    calibration = representative_images(Dataset(images, labels, ("a", "b", "c")), samples=21, seed=4)
    assert dict(calibration.per_class) == {"a": 9, "b": 3, "c": 9}
    assert (calibration.basis, calibration.count, calibration.seed) == ("images", 21, 4)
    assert len(set(calibration.pixels.ravel().tolist())) == 21


def test_calibration_stays_within_the_given_images() -> None:
    images = np.arange(100, dtype=np.uint8).reshape(-1, 1, 1, 1)
    data = Dataset(images, np.arange(100) % 2, ("a", "b"))
    calibration = representative_images(data, np.arange(10, 40), samples=1000)
    assert sorted(calibration.pixels.ravel().tolist()) == list(range(10, 40))


# --- real models ---


def test_vww_from_keras_and_from_tflite_agree(shared_models: Path) -> None:
    calibration = synthetic_calibration((96, 96, 3), 30, how="zero-one")
    keras_model = load_model(shared_models / "vww_96.h5")
    from_keras = quantize_keras(keras_model, calibration)
    from_tflite = quantize_tflite((shared_models / "vww_96_float.tflite").read_bytes(), calibration)
    one, two = HostInterpreter(from_keras.model), HostInterpreter(from_tflite.model)
    images = synthetic_images(np.random.default_rng(3), 30, (96, 96, 3))
    for image in images:
        inputs = [quantize_pixels(image[None], one.inputs[0], "zero-one")]
        difference = one.run(inputs)[0].astype(int) - two.run(inputs)[0]
        assert np.abs(difference).max() <= 3, "the two fold batch normalization in different orders"


# --- the command ---


@pytest.fixture(scope="module")
def keras_file(mobilenet: Converted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "network.keras"
    mobilenet.keras.save(path)
    return path


@pytest.fixture(scope="module")
def image_folder(mobilenet: Converted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images labelled by the network itself: its float accuracy on them is 100 %."""
    root = tmp_path_factory.mktemp("images")
    images = synthetic_images(np.random.default_rng(11), 40, (32, 32, 3))
    winners = np.asarray(mobilenet.keras(preprocess(images))).argmax(axis=1)
    for label in range(5):
        (root / f"class{label}").mkdir()
        Image.fromarray(images[0]).save(root / f"class{label}" / "any.png")
    for number, (image, label) in enumerate(zip(images, winners, strict=True)):
        Image.fromarray(image).save(root / f"class{label}" / f"{number}.png")
    return root


def test_convert_with_data_reports_accuracy(
    keras_file: Path, image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (image_folder / "class0" / "broken.jpg").write_bytes(b"broken")
    output = tmp_path / "model.tflite"
    status = run(["convert", str(keras_file), "--data", str(image_folder), "-o", str(output), "--json"])
    streams = capsys.readouterr()
    assert status == 0
    document = json.loads(streams.out)
    assert document["schema"] == "edgekit.convert/1"
    assert document["calibration"]["basis"] == "images"
    assert document["calibration"]["samples"] == 45
    assert document["accuracy"]["images"] == 45
    assert document["accuracy"]["float_top1"] == pytest.approx(100 * 41 / 45)
    assert document["accuracy"]["int8_top1"] > 60
    assert sum(map(sum, document["accuracy"]["confusion"])) == 45
    assert document["model"]["bytes"] == output.stat().st_size
    assert "broken.jpg" in streams.err
    assert HostInterpreter(output.read_bytes()).inputs[0].scale == 1 / 128


def test_convert_says_when_another_preprocessing_fits_better(
    keras_file: Path, image_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["convert", str(keras_file), "--data", str(image_folder), "-o", str(tmp_path / "m.tflite")]
    assert run([*arguments, "--preprocess", "none"]) == 0
    assert "try that" in capsys.readouterr().err


def test_convert_without_data_says_so(
    keras_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(["convert", str(keras_file), "-o", str(tmp_path / "m.tflite"), "--samples", "5", "--json"]) == 0
    )
    streams = capsys.readouterr()
    document = json.loads(streams.out)
    assert document["calibration"]["basis"] == "synthetic"
    assert document["accuracy"] is None
    assert "accuracy is unknown" in " ".join(streams.err.split())


def test_convert_takes_a_float_tflite(
    float_tflite: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "float.tflite").write_bytes(float_tflite)
    output = tmp_path / "int8.tflite"
    assert run(["convert", str(tmp_path / "float.tflite"), "-o", str(output), "--samples", "5"]) == 0
    assert capsys.readouterr().out == ""
    assert HostInterpreter(output.read_bytes()).outputs[0].dtype == "int8"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("fake.keras", b"not a zip", "not a Keras model file"),
        ("fake.h5", b"not hdf5", "not a Keras model file"),
        ("fake.tflite", b"nothing here", "not a .tflite file"),
        ("empty.tflite", b"", "empty"),
        ("model.onnx", b"x", "none of the formats"),
    ],
)
def test_convert_refuses_what_it_cannot_read_and_keeps_the_old_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    output = tmp_path / "earlier.tflite"
    output.write_bytes(b"earlier")
    assert run(["convert", str(tmp_path / name), "-o", str(output)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert output.read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "earlier.tflite"])


def test_convert_refuses_a_weights_file_and_a_truncated_model(
    keras_file: Path, mobilenet: Converted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mobilenet.keras.save_weights(tmp_path / "only.weights.h5")
    assert run(["convert", str(tmp_path / "only.weights.h5"), "-o", str(tmp_path / "x")]) == 2
    assert "weights but no model" in capsys.readouterr().err
    (tmp_path / "cut.keras").write_bytes(keras_file.read_bytes()[:9000])
    assert run(["convert", str(tmp_path / "cut.keras"), "-o", str(tmp_path / "x")]) == 2
    assert not (tmp_path / "x").exists()


def test_convert_never_overwrites_its_source(keras_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = keras_file.read_bytes()
    assert run(["convert", str(keras_file), "-o", str(keras_file)]) == 2
    assert "overwrite" in capsys.readouterr().err
    assert keras_file.read_bytes() == before
