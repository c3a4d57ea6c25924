"""The architecture tables of MobileNet V1 and its two relatives (Howard et al. 2017, table 1 and section 4.1).

A network is a stem convolution, a body of blocks, a global average pool and a classifier that is a 1x1 convolution.
The width multiplier alpha scales every channel count, the resolution multiplier rho scales the input: 224 * rho.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

from edgekit.errors import InputError

Arch = Literal["mobilenet_v1", "conv_mobilenet_v1", "shallow_mobilenet_v1"]
ARCHS: Final[tuple[Arch, ...]] = get_args(Arch)
BASE_RESOLUTION: Final = 224
"""The input resolution at rho = 1, in pixels."""

_STEM: Final = 32
_BODY: Final = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)
"""(output channels at alpha = 1, stride) of the 13 blocks."""

LayerKind = Literal["conv", "depthwise", "pointwise", "pool", "classifier", "softmax"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer with its geometry; height and width are equal throughout the family.

    Attributes
    ----------
    name:
        Name as in Keras (``conv1``, ``conv_dw_3``, ``conv_pw_3``, ``conv_preds``).
    kernel, stride:
        In pixels; padding is always SAME.
    in_size, out_size:
        Height = width of input and output, pixels.
    in_channels, out_channels:
        Channels.
    """

    name: str
    kind: LayerKind
    kernel: int
    stride: int
    in_size: int
    out_size: int
    in_channels: int
    out_channels: int

    @property
    def mult_adds(self) -> int:
        """Mult-Adds of the layer; the paper's convention: no bias, no pooling, no softmax."""
        pixels = self.out_size**2
        if self.kind == "depthwise":
            return self.kernel**2 * self.in_channels * pixels
        if self.kind in ("pool", "softmax"):
            return 0
        return self.kernel**2 * self.in_channels * self.out_channels * pixels

    @property
    def params(self) -> int:
        """Weights and biases as deployed, i.e. with batch normalization folded in."""
        if self.kind in ("pool", "softmax"):
            return 0
        if self.kind == "depthwise":
            return (self.kernel**2 + 1) * self.in_channels
        return (self.kernel**2 * self.in_channels + 1) * self.out_channels


@dataclass(frozen=True)
class NetworkSpec:
    """One member of the family.

    Attributes
    ----------
    arch:
        ``mobilenet_v1`` (depthwise separable blocks), ``conv_mobilenet_v1`` (every block a full 3x3 convolution) or
        ``shallow_mobilenet_v1`` (without the five 14x14x512 blocks).
    alpha:
        Width multiplier, 0 < alpha <= 1. Channels are ``int(alpha * base)``, as in Keras, so that its weights load.
    resolution:
        Input height = width in pixels, 32 at least: the body divides it by 32.
    channels:
        Input channels: 1 (grayscale) or 3 (RGB).
    classes:
        Number of classes, 2 at least.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    arch: Arch
    alpha: float
    resolution: int
    channels: int = 3
    classes: int = 1000

    def __post_init__(self) -> None:
        if self.arch not in ARCHS:
            raise InputError(f"There is no architecture {self.arch!r}.", f"Choose one of {', '.join(ARCHS)}.")
        if not 0.05 <= self.alpha <= 1:
            raise InputError(
                f"alpha = {self.alpha} is out of range.", "Give a width multiplier from 0.05 to 1."
            )
        if not 32 <= self.resolution <= 1024:
            raise InputError(f"A resolution of {self.resolution} is out of range.", "Give 32 to 1024 pixels.")
        if self.channels not in (1, 3):
            raise InputError(
                f"{self.channels} input channels are not possible.", "Give 1 (grayscale) or 3 (RGB)."
            )
        if not 2 <= self.classes <= 100_000:
            raise InputError(f"{self.classes} classes are not possible.", "Give 2 to 100,000 classes.")

    @property
    def rho(self) -> float:
        """Resolution multiplier: resolution / 224."""
        return self.resolution / BASE_RESOLUTION

    @property
    def label(self) -> str:
        """Short name for people: ``0.25/96``."""
        return f"{self.alpha:g}/{self.resolution}"

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All layers, input first."""
        return _layers(self)

    @property
    def mult_adds(self) -> int:
        """Mult-Adds of one inference."""
        return sum(layer.mult_adds for layer in self.layers)

    @property
    def params(self) -> int:
        """Weights and biases as deployed, batch normalization folded in."""
        return sum(layer.params for layer in self.layers)


def body(arch: Arch) -> tuple[tuple[int, int], ...]:
    """Return (output channels at alpha = 1, stride) of the architecture's blocks."""
    if arch == "shallow_mobilenet_v1":
        return (*_BODY[:6], *_BODY[11:])
    return _BODY


def _layers(spec: NetworkSpec) -> tuple[Layer, ...]:
    def width(base: int) -> int:
        return max(1, int(base * spec.alpha))

    size, channels = -(-spec.resolution // 2), width(_STEM)
    layers = [Layer("conv1", "conv", 3, 2, spec.resolution, size, spec.channels, channels)]
    for number, (base, stride) in enumerate(body(spec.arch), 1):
        out_size, out_channels = -(-size // stride), width(base)
        if spec.arch == "conv_mobilenet_v1":
            layers.append(Layer(f"conv_{number}", "conv", 3, stride, size, out_size, channels, out_channels))
        else:
            layers.append(
                Layer(f"conv_dw_{number}", "depthwise", 3, stride, size, out_size, channels, channels)
            )
            layers.append(
                Layer(f"conv_pw_{number}", "pointwise", 1, 1, out_size, out_size, channels, out_channels)
            )
        size, channels = out_size, out_channels
    layers.append(Layer("pool", "pool", size, 1, size, 1, channels, channels))
    layers.append(Layer("conv_preds", "classifier", 1, 1, 1, 1, channels, spec.classes))
    layers.append(Layer("softmax", "softmax", 1, 1, 1, 1, spec.classes, spec.classes))
    return tuple(layers)
