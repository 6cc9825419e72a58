"""The layers behind a network: from its features to the probabilities of the classes."""

from collections.abc import Sequence
from typing import Any

import keras

from landuse import sensors
from landuse.networks import catalogue, pixel_layers


def new_top(
    features: Any,
    name: str,
    class_names: Sequence[str],
    dropout: float = 0.5,
    activation: str = "softmax",
) -> Any:
    """Put a new top on the features of a network: pooling, dense layers, probabilities.

    Parameters
    ----------
    features : KerasTensor of shape (batch, rows, columns, features)
    name : str
        The network they come from; it decides on the dense layers (VGG16 has two of 2048 units).
    class_names : sequence of str
    dropout : float
        Share of the values dropped before each dense layer, while training.
    activation : {"softmax", "sigmoid"}
        One class of several, or each class by itself.

    Returns
    -------
    KerasTensor of shape (batch, classes)
        Probabilities in float32: the softmax of bfloat16 would round them to two digits.
    """
    values = keras.layers.GlobalAveragePooling2D(name="pooling")(features)
    if catalogue.network(name).pools_maximum:
        strongest = keras.layers.GlobalMaxPooling2D(name="maximum_pooling")(features)
        values = keras.layers.Concatenate(name="pooled")([values, strongest])
    for number, units in enumerate(catalogue.network(name).top, start=1):
        values = keras.layers.Dense(
            units, activation="relu", kernel_initializer="he_normal", name=f"dense_{number}"
        )(values)
        values = keras.layers.Dropout(dropout, name=f"dropout_{number}")(values)
    if not catalogue.network(name).top:
        values = keras.layers.Dropout(dropout, name="dropout")(values)
    return keras.layers.Dense(
        len(class_names), activation=activation, dtype="float32", name="probabilities"
    )(values)


def classifier(
    base: keras.Model,
    band_names: Sequence[str],
    units: str,
    class_names: Sequence[str],
    statistics: dict,
    dropout: float = 0.5,
) -> keras.Model:
    """Put the layers before and after a network from scratch: raw pixels to probabilities.

    Parameters
    ----------
    base : keras.Model
        A network without its top, of `base_network`.
    band_names : sequence of str
    units : str
        "DN" or "rgb8"; the statistics carry them, so they change nothing here.
    class_names : sequence of str
    statistics : dict
        With "mean" and "std" of the raw pixels of each band.
    dropout : float

    Returns
    -------
    keras.Model
        (batch, 64, 64, bands) float32 to (batch, classes) float32.
    """
    side = sensors.PATCH_SIZE
    pixels = keras.Input((side, side, len(band_names)), name="pixels", dtype="float32")
    features = base(pixel_layers.standardisation(statistics)(pixels))
    return keras.Model(pixels, new_top(features, base.name, class_names, dropout))
