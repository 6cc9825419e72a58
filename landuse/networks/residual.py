"""A small residual network that two processor cores can train in minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_WIDTHS = (32, 64, 128, 256)  # channels of the stem and of the three stages


def resnet9(bands: int) -> keras.Model:
    """Make a small residual network without its top.

    A family that became known as ResNet9 (D. Page, "How to train your ResNet", 2018): plain 3x3
    convolutions with batch normalisation, maximum poolings, and pairs of convolutions that are
    added to what they are given. This one has a stem of stride 2, half the channels and such a
    pair in each of its three stages: 1.94 million weights, and 114 million multiplications for a
    patch of 64x64 pixels and 3 bands.

    Parameters
    ----------
    bands : int

    Returns
    -------
    keras.Model
        (batch, rows, columns, bands) to (batch, rows / 16, columns / 16, 256).
    """
    import keras

    stem, *stages = _WIDTHS
    pixels = keras.Input((None, None, bands), name="bands")
    maps = _convolve(pixels, stem, "stem", strides=2)
    for number, width in enumerate(stages, 1):
        maps = _convolve(maps, width, f"stage{number}_conv")
        maps = keras.layers.MaxPooling2D(name=f"stage{number}_pool")(maps)
        added = _convolve(maps, width, f"stage{number}_pair1")
        added = _convolve(added, width, f"stage{number}_pair2")
        maps = keras.layers.Add(name=f"stage{number}_add")([maps, added])
    return keras.Model(pixels, maps, name="ResNet9")


def _convolve(maps: Any, width: int, name: str, strides: int = 1) -> Any:
    from keras import layers

    maps = layers.Conv2D(
        width,
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(maps)
    maps = layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(maps)
    return layers.ReLU(name=f"{name}_relu")(maps)
