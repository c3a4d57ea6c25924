"""The family in Keras, built from the same architecture tables that everything else is computed from.

Layers have the names and the order of ``keras.applications.MobileNet``, so that its weights fit. Padding is
SAME throughout: with stride 2 and even inputs that is what Keras' ZeroPadding2D computes, without a PAD
operator.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.mobilenet.architecture import NetworkSpec
from edgekit.mobilenet.backend import load_keras

if TYPE_CHECKING:
    import keras

_BN_MOMENTUM = 0.9
"""Keras' default of 0.99 needs hundreds of steps before validation means anything; short runs have fewer."""
_LOGIT_SPREAD = 2.0


def build_keras(
    spec: NetworkSpec, *, dropout: float = 0.0, batch_norm: Callable[..., Any] | None = None
) -> keras.Model:
    """Return the untrained network: float32 [n, r, r, c] in, class probabilities float32 [n, classes] out.

    Parameters
    ----------
    spec:
        Member of the family.
    dropout:
        Rate before the classifier while training; 0 leaves the layer out.
    batch_norm:
        Class of the normalization layers; Keras' own by default.

    Raises
    ------
    TaskError
        If TensorFlow is not installed.
    """
    _, keras = load_keras()
    layers = keras.layers
    normalize = batch_norm or layers.BatchNormalization

    def activated(x: Any, name: str) -> Any:
        x = normalize(momentum=_BN_MOMENTUM, name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x)

    inputs = x = keras.Input((spec.resolution, spec.resolution, spec.channels), name="image")
    for layer in spec.layers:
        if layer.kind in ("conv", "pointwise"):
            x = layers.Conv2D(
                layer.out_channels, layer.kernel, layer.stride, "same", use_bias=False, name=layer.name
            )(x)
            x = activated(x, layer.name)
        elif layer.kind == "depthwise":
            x = layers.DepthwiseConv2D(layer.kernel, layer.stride, "same", use_bias=False, name=layer.name)(x)
            x = activated(x, layer.name)
        elif layer.kind == "pool":
            x = layers.GlobalAveragePooling2D(keepdims=True, name="global_average_pooling2d")(x)
            if dropout:
                x = layers.Dropout(dropout, name="dropout")(x)
        elif layer.kind == "classifier":
            x = layers.Conv2D(layer.out_channels, 1, padding="same", name=layer.name)(x)
            x = layers.Reshape((layer.out_channels,), name="reshape_2")(x)
        else:
            x = layers.Softmax(name="predictions")(x)
    return keras.Model(inputs, x, name=f"{spec.arch}_{spec.alpha:g}_{spec.resolution}".replace(".", "_"))


def randomize_weights(model: keras.Model, seed: int) -> None:
    """Give an untrained network of :func:`build_keras` weights with which activations keep their scale.

    Kernels are He-normal; the batch normalization statistics and the classifier are then calibrated on
    synthetic images, so that classes vary with the input. With Keras' initial weights activations vanish
    layer by layer and TFLite's softmax aborts on the scale that quantization finds.

    Parameters
    ----------
    model:
        Changed in place.
    seed:
        Same seed, same weights.
    """
    _, keras = load_keras()
    rng = np.random.default_rng(seed)
    normalizations = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            normalizations.append(layer)
            layer.beta.assign(rng.normal(0.3, 0.3, layer.beta.shape))
        elif layer.weights:
            kernel = layer.weights[0]
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            fan_in = int(np.prod(kernel.shape[:2] if depthwise else kernel.shape[:3]))
            kernel.assign(rng.normal(0, np.sqrt(2 / fan_in), kernel.shape))
    images = synthetic_images(rng, _calibration_batch(model.input_shape[1]), model.input_shape[1:])
    batch = (images.astype(np.float32) - 128) / 128
    momenta = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0  # the moving statistics become those of this batch
    model(batch, training=True)
    for layer, momentum in zip(normalizations, momenta, strict=True):
        layer.momentum = momentum
    classifier = model.get_layer("conv_preds")
    pooled = np.asarray(keras.Model(model.input, classifier.input)(batch, training=False))
    features = pooled.reshape(len(batch), -1)
    kernel = rng.normal(size=classifier.kernel.shape)
    logits = features @ kernel[0, 0]
    gain = _LOGIT_SPREAD / max(float(logits.std(axis=0).mean()), 1e-6)
    classifier.kernel.assign(kernel * gain)
    classifier.bias.assign(-logits.mean(axis=0) * gain)


def synthetic_images(rng: np.random.Generator, count: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return made-up pictures, uint8 [count, *shape], that use the whole range of values.

    For shape [h, w, c] they are coarse random patches with noise on top, nearer to photographs in their
    spectrum than plain noise; for any other shape, plain noise.
    """
    noise = rng.integers(0, 256, (count, *shape))
    if len(shape) != 3:
        return noise.astype(np.uint8)
    height, width, channels = shape
    patch = max(1, min(height, width) // 6)
    coarse = rng.integers(0, 256, (count, -(-height // patch), -(-width // patch), channels))
    enlarged = coarse.repeat(patch, axis=1).repeat(patch, axis=2)[:, :height, :width]
    return ((3 * enlarged + noise) // 4).astype(np.uint8)


def _calibration_batch(resolution: int) -> int:
    """Images that give the last layers, resolution / 32 pixels wide, some hundred values a channel."""
    return int(np.clip(256 // max(1, resolution // 32) ** 2, 8, 128))


@cache
def fused_batch_norm() -> Callable[..., Any]:
    """Return a BatchNormalization class for training that uses TensorFlow's fused kernel.

    Keras 3 composes batch normalization from elementary operators; the fused kernel makes a training step of
    this family about a third faster on a CPU. Weights and results are those of the plain layer.
    """
    tf, keras = load_keras()

    class FusedBatchNorm(keras.layers.BatchNormalization):  # type: ignore[misc, name-defined]
        """Batch normalization over the last axis of 4-D float32 tensors."""

        def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
            if not training or not self.trainable:
                return super().call(inputs, training=False)
            outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=self.gamma,
                offset=self.beta,
                mean=self.moving_mean,
                variance=self.moving_variance,
                epsilon=self.epsilon,
                is_training=True,
            )
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + batch * (1 - self.momentum))
            return outputs

    return FusedBatchNorm
