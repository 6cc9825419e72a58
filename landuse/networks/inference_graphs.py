"""The network as plain operations on arrays of one size, as other runtimes take it.

Batch normalisation becomes part of the convolutions, and standardisation a subtraction and a
division by constants: Keras keeps the means as tensors outside of the graph, which the converters
to ONNX turn into further inputs.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from landuse.networks import dense, dense_layers, folding, precisions


class Standardise(layers.Layer):
    """Subtract the mean of each band and divide by its spread, both constants of the graph.

    Parameters
    ----------
    mean, std : ndarray of shape (bands,), float32
    """

    def __init__(self, mean: np.ndarray, std: np.ndarray, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean, self.std = mean, std

    def call(self, pixels: Any) -> Any:  # noqa: D102
        return ops.divide(ops.subtract(pixels, self.mean), self.std)


def inference_graph(
    model: keras.Model,
    shape: tuple[int | None, int | None, int | None, int],
    dense_stride: int | None = None,
) -> keras.Model:
    """Give a model that predicts the same, to rounding, by fewer and plainer operations.

    Parameters
    ----------
    model : keras.Model
        Patches of raw pixels to probabilities; it is not changed.
    shape : tuple
        Of the input, (batch, rows, columns, bands); None is free. Rows and columns of a dense
        form must be multiples of `dense_stride`.
    dense_stride : int, optional
        Of the dense form: one answer for each window of 64x64 px at this stride.

    Returns
    -------
    keras.Model
        In float32, without dropout and batch normalisation.

    Raises
    ------
    ValueError
        When a layer of the network has no counterpart on larger images.
    """
    network = precisions.with_precision(model, "float32")
    if dense_stride is not None:
        network = dense.dense_network(network, dense_stride)
    network = folding.fold_batch_normalization(network, by_depthwise=False)
    return _plain(network, keras.Input(batch_shape=shape, name="pixels"))


def _plain(model: keras.Model, pixels: Any) -> keras.Model:
    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Model) and not isinstance(layer, keras.Sequential):
            return _plain(layer, keras.Input(batch_shape=args[0].shape))(*args)
        if isinstance(layer, layers.Dropout | dense_layers.CropToMultiple):
            return args[0]
        if isinstance(layer, layers.Normalization):
            return _standardise(layer)(*args)
        if not isinstance(layer, layers.Layer):
            return layer(*args, **kwargs)
        copy = type(layer).from_config(layer.get_config())
        maps = copy(*args, **kwargs)
        copy.set_weights(layer.get_weights())
        return maps

    return keras.models.clone_model(
        model, input_tensors=pixels, clone_function=lambda layer: layer, call_function=call
    )


def _standardise(layer: Any) -> Standardise:
    mean, variance = (np.ravel(np.asarray(value)) for value in (layer.mean, layer.variance))
    std = np.maximum(np.sqrt(variance), keras.config.epsilon())
    return Standardise(
        mean.astype(np.float32), std.astype(np.float32), name=layer.name, dtype="float32"
    )


def front_layers(model: keras.Model) -> list[str]:
    """Give the names of the layers before the base network, which see raw pixels.

    Eight bits are too few for raw DN, so these layers compute in float32 always.
    """
    names = []
    for layer in model.layers[1:]:
        if isinstance(layer, keras.Model):
            break
        names.append(layer.name)
    return names
