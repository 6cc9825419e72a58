"""A small network for the tests of exports, which knows dark from light."""

from pathlib import Path

import numpy as np

from landuse.networks import model_files

REPOSITORY = Path(__file__).resolve().parent.parent
CLASSES = ["Dark", "Light"]
BANDS = ["B02", "B03", "B08"]


def save_model(path, dense=False, odd_layer=None, units="DN", bands=BANDS):
    """Save a network with a stride, a residual sum and batch normalisation that has learned.

    Patches of DN below 1000, or of 8 bits below 100, are dark. A layer that cannot be exported can
    stand in front.
    """
    import keras
    from keras import layers

    middle = 1000.0 if units == "DN" else 100.0

    keras.utils.set_random_seed(3)
    inner = keras.Input((None, None, 3))
    maps = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inner)
    maps = layers.BatchNormalization(name="norm")(maps)
    maps = layers.Activation("relu")(maps)
    more = layers.Conv2D(8, 3, padding="same", activation="relu")(maps)
    maps = layers.MaxPooling2D(2)(layers.Add()([maps, more]))
    maps = layers.MaxPooling2D(2)(layers.Conv2D(4, 3, padding="same")(maps))
    maps = layers.MaxPooling2D(2)(maps)
    base = keras.Model(inner, maps, name="Tiny")
    rng = np.random.default_rng(1)
    base.get_layer("norm").set_weights(
        [rng.uniform(0.5, 1.5, 8), rng.normal(0, 0.1, 8), rng.normal(0, 0.1, 8), np.ones(8)]
    )
    pixels = keras.Input((64, 64, 3), name="pixels")
    values = odd_layer(pixels) if odd_layer else pixels
    values = layers.Normalization(
        mean=[middle] * 3, variance=[(middle / 4) ** 2] * 3, name="standardisation", dtype="float32"
    )(values)
    features = layers.GlobalAveragePooling2D(name="pooling")(base(values))
    top = layers.Dense(2, activation="softmax", name="probabilities", dtype="float32")
    model = keras.Model(pixels, top(layers.Dropout(0.5)(features)))
    # The top answers to the mean of the features, which rises with brightness.
    dark, light = (
        np.asarray(keras.Model(pixels, features)(np.full((1, 64, 64, 3), value, np.float32)))[0]
        for value in (0.6 * middle, 1.4 * middle)
    )
    axis = (light - dark) / np.square(light - dark).sum()
    zero = axis @ (dark + light) / 2
    top.set_weights([np.stack([-6 * axis, 6 * axis], 1), np.array([6 * zero, -6 * zero])])
    record = {
        "class_names": CLASSES,
        "band_names": list(bands),
        "units": units,
        "patch_size": 64,
        "statistics": {},
        "network": "Tiny",
        "dense": dense,
        "results": {"accuracy": {"value": 0.75, "low": 0.7, "high": 0.8}},
    }
    model_files.save(model, record, path)
    return path
