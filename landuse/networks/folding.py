"""Networks made ready for prediction: batch normalisation becomes part of convolutions.

A trained BatchNormalization multiplies each channel by one number and adds another. Behind a
convolution both go into its weights, and the layer is gone. Where something else comes before (in
DenseNet, a concatenation), it costs more time on a processor than the convolutions around it:
Keras computes it in float32, in several passes over the maps. There it becomes a depthwise
convolution of 1x1, which TensorFlow's oneDNN computes in one pass, with the ReLU that follows.
"""

from typing import Any

import keras
import numpy as np
from keras import layers


def fold_batch_normalization(model: keras.Model, by_depthwise: bool) -> keras.Model:
    """Give a model that predicts the same, to rounding, without batch normalisation.

    Parameters
    ----------
    model : keras.Model
        Functional, with functional models nested in it; it is not changed. Sequential ones in it
        (ConvNeXt has some) stay as they are.
    by_depthwise : bool
        Let a depthwise convolution stand in for a BatchNormalization that follows no convolution.
        If not, it stays.

    Returns
    -------
    keras.Model
        Of other weights, in the same precision.
    """
    convolutions: dict[int, tuple[Any, Any]] = {}  # output's id -> the convolution, its input

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Model) and not isinstance(layer, keras.Sequential):
            return fold_batch_normalization(layer, by_depthwise)(*args, **kwargs)
        if _is_affine(layer):
            before = convolutions.get(id(args[0]))
            if before:
                return _scaled(*before, layer)
            if by_depthwise and len(args[0].shape) == 4:
                return _depthwise(layer, args[0])
        if not isinstance(layer, layers.Layer):
            return layer(*args, **kwargs)
        copy = type(layer).from_config(layer.get_config())
        maps = copy(*args, **kwargs)
        copy.set_weights(layer.get_weights())
        if type(layer) is layers.Conv2D and layer.activation is keras.activations.linear:
            convolutions[id(maps)] = layer, args[0]
        return maps

    inputs = keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype)
    return keras.models.clone_model(
        model, input_tensors=inputs, clone_function=lambda layer: layer, call_function=call
    )


def _is_affine(layer: Any) -> bool:
    return isinstance(layer, layers.BatchNormalization) and layer.axis in (-1, 3)


def _scale_and_shift(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = (np.asarray(w) for w in (layer.moving_mean, layer.moving_variance))
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * np.asarray(layer.gamma)
    shift = -mean * scale
    return scale, shift + np.asarray(layer.beta) if layer.center else shift


def _scaled(convolution: Any, maps: Any, normalization: Any) -> Any:
    """Call a convolution whose weights do what the normalisation behind it did."""
    scale, shift = _scale_and_shift(normalization)
    kernel, *bias = convolution.get_weights()
    config = {**convolution.get_config(), "use_bias": True, "name": normalization.name}
    scaled = layers.Conv2D.from_config(config)
    result = scaled(maps)
    scaled.set_weights([kernel * scale, (bias[0] if bias else 0) * scale + shift])
    return result


def _depthwise(normalization: Any, maps: Any) -> Any:
    scale, shift = _scale_and_shift(normalization)
    name, policy = normalization.name, normalization.dtype_policy
    depthwise = layers.DepthwiseConv2D(1, name=name, dtype=policy)
    result = depthwise(maps)
    depthwise.set_weights([scale.reshape(1, 1, -1, 1), shift])
    return result
