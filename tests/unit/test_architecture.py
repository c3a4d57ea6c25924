"""The family's counts are those of the paper (Howard et al. 2017, tables 4, 5, 6 and 7)."""

from __future__ import annotations

import pytest

from edgekit.errors import InputError
from edgekit.mobilenet.architecture import ARCHS, NetworkSpec
from edgekit.mobilenet.graph import network_graph
from edgekit.tflite.macs import graph_mult_adds


@pytest.mark.parametrize(
    ("arch", "alpha", "resolution", "mult_adds_m", "params_m"),
    [
        ("mobilenet_v1", 1.0, 224, 569, 4.2),
        ("mobilenet_v1", 0.75, 224, 325, 2.6),
        ("mobilenet_v1", 0.5, 224, 149, 1.3),
        ("mobilenet_v1", 0.25, 224, 41, 0.5),
        ("mobilenet_v1", 1.0, 192, 418, 4.2),
        ("mobilenet_v1", 1.0, 160, 290, 4.2),
        ("mobilenet_v1", 1.0, 128, 186, 4.2),
        ("shallow_mobilenet_v1", 1.0, 224, 307, 2.9),
        # The paper has 4866; its figures for the others count the classifier, this one leaves out its 1.02 M.
        ("conv_mobilenet_v1", 1.0, 224, 4866 + 1.02, 29.3),
    ],
)
def test_counts_are_the_papers(arch, alpha, resolution, mult_adds_m, params_m) -> None:
    spec = NetworkSpec(arch, alpha, resolution)
    assert spec.mult_adds / 1e6 == pytest.approx(mult_adds_m, abs=1)
    assert spec.params / 1e6 == pytest.approx(params_m, abs=0.05)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(
    ("alpha", "resolution", "channels", "classes"), [(1, 224, 3, 1000), (0.35, 80, 1, 7)]
)
def test_the_computed_graph_has_the_tables_counts(arch, alpha, resolution, channels, classes) -> None:
    spec = NetworkSpec(arch, alpha, resolution, channels, classes)
    graph = network_graph(spec)
    assert graph_mult_adds(graph) == spec.mult_adds
    weights = [t for t in graph.tensors if t.constant and (t.quantization or t.shape != (2,))]
    assert sum(t.elements for t in weights) == spec.params
    assert graph.input.shape == (1, resolution, resolution, channels)
    assert graph.output.shape == (1, classes)


def test_one_layer_costs_what_the_papers_formula_says() -> None:
    layers = {layer.name: layer for layer in NetworkSpec("mobilenet_v1", 1.0, 224).layers}
    depthwise, pointwise = layers["conv_dw_7"], layers["conv_pw_7"]
    full = 3 * 3 * 512 * 512 * 14 * 14
    assert (depthwise.mult_adds + pointwise.mult_adds) / full == pytest.approx(1 / 512 + 1 / 9)


@pytest.mark.parametrize(
    "values",
    [
        ("vgg", 1.0, 224, 3, 10),
        ("mobilenet_v1", 0.0, 224, 3, 10),
        ("mobilenet_v1", 1.1, 224, 3, 10),
        ("mobilenet_v1", 1.0, 16, 3, 10),
        ("mobilenet_v1", 1.0, 224, 2, 10),
        ("mobilenet_v1", 1.0, 224, 3, 1),
    ],
)
def test_impossible_networks_are_refused(values) -> None:
    with pytest.raises(InputError) as caught:
        NetworkSpec(*values)
    assert caught.value.hint
