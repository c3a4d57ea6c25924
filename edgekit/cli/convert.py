"""``edgekit convert``: any Keras model or float .tflite to int8."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from edgekit.errors import InputError
from edgekit.files import write_atomic
from edgekit.training.preprocess import PREPROCESS_FORMULAS, PREPROCESSES, Preprocess
from edgekit.units import format_size

if TYPE_CHECKING:
    from edgekit.quantize.convert import QuantizedModel
    from edgekit.training.dataset import Dataset
    from edgekit.training.metrics import Accuracy

_SUFFIXES = (".keras", ".h5", ".hdf5", ".tflite")
_MAX_TEST_IMAGES = 1000
"""Accuracy is measured on so many images at most: the reference kernels are slow."""


@dataclass(frozen=True)
class _Source:
    """A float network: a Keras model or the bytes of a .tflite."""

    model: Any
    input_shape: tuple[int, ...]
    outputs: int

    @property
    def is_keras(self) -> bool:
        return not isinstance(self.model, bytes)


@click.command("convert")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Folder of images, one subfolder per class.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The int8 .tflite to write."
)
@click.option(
    "--preprocess",
    "how",
    type=click.Choice(PREPROCESSES),
    default="edgekit",
    show_default=True,
    help="What the network was trained with: "
    + "; ".join(f"{name}: {formula}" for name, formula in PREPROCESS_FORMULAS.items())
    + ".",
)
@click.option(
    "--samples", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Calibration images."
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    model: Path, data: Path | None, output: Path, how: Preprocess, samples: int, seed: int, as_json: bool
) -> None:
    """Quantize MODEL (.keras, .h5 or a float .tflite) to int8, input and output included.

    The ranges of its tensors are found with images from --data. Without data they are found with made-up
    images, and the accuracy of the result is unknown.
    """
    console = Console(stderr=True)
    _check_paths(model, output)
    folder = None
    if data is not None:
        from edgekit.training.folder import scan_folder

        folder = scan_folder(data)
    source = _load(model, console)
    dataset = None
    if folder is not None:
        from edgekit.training.dataset import describe_skipped, load_dataset

        if len(source.input_shape) != 3 or source.input_shape[2] not in (1, 3):
            raise InputError(
                f"The model's input is {source.input_shape}, which is not an image.",
                "Leave out --data; the calibration is synthetic then.",
            )
        with console.status("Reading images"):
            dataset = load_dataset(folder, *source.input_shape)
        if dataset.skipped:
            console.print(f"[yellow]Left out {len(dataset.skipped)} files that are not usable images:[/]")
            for line in describe_skipped(dataset.skipped):
                console.print(f"  {line}", markup=False, highlight=False)
    result = _quantize(source, dataset, how, samples, seed, console)
    before = after = None
    if dataset is not None:
        if dataset.classes == source.outputs:
            before, after = _accuracies(source, result, dataset, seed, console)
        else:
            console.print(
                f"Accuracy was not measured: the model has {source.outputs} outputs, "
                f"{data} has {dataset.classes} classes."
            )
    write_atomic(output, result.model)
    document = _document(model, output, result, before, after)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    _report(console, document)


def _check_paths(model: Path, output: Path) -> None:
    if model.suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"{model} is none of the formats that can be converted.", f"Give a {', '.join(_SUFFIXES)} file."
        )
    if output.is_dir():
        raise InputError(f"{output} is a folder, not a file.", "Give the name of the .tflite to write.")
    if output.resolve() == model.resolve():
        raise InputError("The output would overwrite the model.", "Give another name with -o.")


def _load(path: Path, console: Console) -> _Source:
    if path.suffix.lower() == ".tflite":
        from edgekit.quantize.float_graph import read_float_tflite
        from edgekit.tflite.reader import read_model_file

        content = read_model_file(path)
        with console.status("Checking the model"):
            graph = read_float_tflite(content)
        return _Source(content, graph.input.shape[1:], graph.output.elements)
    from edgekit.mobilenet.keras_files import load_model
    from edgekit.quantize.float_graph import keras_input_shape

    with console.status("Loading the model"):
        model = load_model(path)
    shape = keras_input_shape(model)
    outputs = 1
    for size in model.outputs[0].shape[1:]:
        outputs *= size or 0
    return _Source(model, shape, outputs)


def _quantize(
    source: _Source, dataset: Dataset | None, how: Preprocess, samples: int, seed: int, console: Console
) -> QuantizedModel:
    from edgekit.quantize.convert import quantize_keras, quantize_tflite
    from edgekit.quantize.representative import representative_images, synthetic_calibration

    if dataset is None:
        calibration = synthetic_calibration(source.input_shape, samples, seed, how)
    else:
        calibration = representative_images(dataset, None, samples, seed, how)
    with console.status("Quantizing"):
        if source.is_keras:
            return quantize_keras(source.model, calibration)
        return quantize_tflite(source.model, calibration)


def _accuracies(
    source: _Source, result: QuantizedModel, dataset: Dataset, seed: int, console: Console
) -> tuple[Accuracy, Accuracy]:
    """Return float and int8 accuracy, and warn if the preprocessing looks wrong."""
    from edgekit.quantize.accuracy import better_preprocess, float_accuracy, int8_accuracy
    from edgekit.quantize.representative import balanced_choice

    how = result.calibration.how
    chosen = balanced_choice(dataset, None, _MAX_TEST_IMAGES, seed)
    with console.status(f"Measuring accuracy on {len(chosen)} images"):
        before = float_accuracy(source.model, dataset, chosen, how)
        after = int8_accuracy(result.model, dataset, chosen, how)
        better = better_preprocess(source.model, dataset, before, how)
    if better is not None:
        other, top1 = better
        console.print(
            f"[yellow]The float model is right on {before.top1:.1%} with --preprocess {how}, "
            f"but on {top1:.1%} with --preprocess {other}: try that.[/]"
        )
    return before, after


def _document(
    model: Path, output: Path, result: QuantizedModel, before: Accuracy | None, after: Accuracy | None
) -> dict[str, Any]:
    from edgekit.tflite.reader import read_graph

    graph = read_graph(result.model)
    calibration = result.calibration
    return {
        "schema": "edgekit.convert/1",
        "source": str(model),
        "model": {"file": str(output), "bytes": len(result.model)},
        "preprocess": calibration.how,
        "calibration": {
            "basis": calibration.basis,
            "samples": calibration.count,
            "seed": calibration.seed,
            "per_class": dict(calibration.per_class),
        },
        "input": {
            "shape": list(graph.input.shape),
            "scale": result.input_scale,
            "zero_point": result.input_zero_point,
        },
        "output": {
            "shape": list(graph.output.shape),
            "scale": result.output_scale,
            "zero_point": result.output_zero_point,
        },
        "ops": {kind: sum(op.kind == kind for op in graph.ops) for kind in graph.op_kinds},
        "accuracy": None
        if before is None or after is None
        else {
            "images": after.images,
            "float_top1": 100 * before.top1,
            "int8_top1": 100 * after.top1,
            "drop": 100 * (before.top1 - after.top1),
            "confusion": [list(row) for row in after.confusion],
            "basis": "measured",
        },
    }


def _report(console: Console, document: dict[str, Any]) -> None:
    calibration, accuracy = document["calibration"], document["accuracy"]
    file = document["model"]
    console.print(f"Wrote {file['file']}: int8, {format_size(file['bytes'])}.", highlight=False)
    if calibration["basis"] == "images":
        console.print(f"Calibrated with {calibration['samples']} images.", highlight=False)
    else:
        console.print(
            "[yellow]Calibrated with synthetic images: no data was given, so the accuracy is unknown.[/] "
            "Give images of the real thing with --data.",
            highlight=False,
        )
    if accuracy:
        console.print(
            f"Top-1 on {accuracy['images']} images: float {accuracy['float_top1']:.1f} %, "
            f"int8 {accuracy['int8_top1']:.1f} % (drop {accuracy['drop']:.1f} points). "
            "Images that the model was trained with count too.",
            highlight=False,
        )
