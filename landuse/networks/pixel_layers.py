"""The layers before a network: they bring raw pixels, in float32, to what it expects."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from landuse import sensors


@keras.saving.register_keras_serializable("landuse")
class ScaleToRGB8(keras.layers.Layer):
    """The published scaling of EuroSAT: DN 0..2750 linearly to 1..255, clipped and rounded.

    DN 0 is nodata and stays 0.
    """

    def call(self, pixels: Any) -> Any:  # noqa: D102
        scaled = keras.ops.floor(1.5 + pixels * (254.0 / sensors.DN_AT_255))
        return keras.ops.where(pixels > 0, keras.ops.clip(scaled, 1.0, 255.0), 0.0)


@keras.saving.register_keras_serializable("landuse")
class SelectBands(keras.layers.Layer):
    """Pick bands by their positions, in the order given.

    Parameters
    ----------
    positions : sequence of int
        Positions of the wanted bands on the last axis.
    """

    def __init__(self, positions: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positions = [int(position) for position in positions]

    def call(self, pixels: Any) -> Any:  # noqa: D102
        return keras.ops.take(pixels, np.array(self.positions, "int32"), axis=-1)

    def get_config(self) -> dict:  # noqa: D102
        return {**super().get_config(), "positions": self.positions}


def standardisation(statistics: dict) -> keras.layers.Normalization:
    """Make the layer that subtracts the mean of each band and divides by its standard deviation.

    Parameters
    ----------
    statistics : dict
        With "mean" and "std", one number per band, in the units of the pixels.

    Returns
    -------
    keras.layers.Normalization
        In float32 whatever the precision of the rest: bfloat16 knows no difference between
        DN 1354 and 1355.
    """
    return normalization(statistics["mean"], statistics["std"])


def normalization(mean: Sequence[float], std: Sequence[float]) -> keras.layers.Normalization:
    """Make the layer that subtracts these means and divides by these spreads, in float32."""
    # A band without any spread (an empty one) must not be blown up to noise.
    return keras.layers.Normalization(
        mean=[float(value) for value in mean],
        variance=[float(value) ** 2 if value > 0 else 1.0 for value in std],
        dtype="float32",
        name="standardisation",
    )


def to_units(pixels: Any, units: str, wanted: str) -> Any:
    """Bring raw pixels to the units that a network learned with.

    Parameters
    ----------
    pixels : KerasTensor
    units, wanted : str
        "DN" or "rgb8".

    Raises
    ------
    ValueError
        If DN are wanted of pictures of 8 bits.
    """
    if units == wanted:
        return pixels
    if wanted == "DN":
        raise ValueError(
            "WEIGHTS is a model that was trained on DN, but these images have 8 bits: give "
            "multispectral images, or the weights of an RGB model"
        )
    return ScaleToRGB8(name="scale_to_rgb8", dtype="float32")(pixels)


def enlarge(pixels: Any, size: int) -> Any:
    """Enlarge patches inside the model, to the pictures that a network likes.

    Networks that learned on ImageNet know pictures of 224 px, and tell patches of 64 px apart
    better when they are enlarged (Corley et al. 2023, https://arxiv.org/abs/2305.13456).

    Parameters
    ----------
    pixels : KerasTensor of shape (batch, 64, 64, bands)
    size : int
        Pixels along a side; 64 changes nothing.
    """
    if size == sensors.PATCH_SIZE:
        return pixels
    name = f"enlarged_to_{size}"
    return keras.layers.Resizing(size, size, "bilinear", dtype="float32", name=name)(pixels)


def mix_bands(pixels: Any, band_names: Sequence[str], wanted: Sequence[str]) -> Any:
    """Mix bands to those a network knows, by a 1x1 convolution that starts as their selection.

    Parameters
    ----------
    pixels : KerasTensor of shape (batch, rows, columns, bands)
    band_names, wanted : sequence of str
        The bands of the pixels, and those that the network knows.

    Returns
    -------
    KerasTensor of shape (batch, rows, columns, wanted bands)
        The pixels themselves when they have the wanted bands.
    """
    if list(band_names) == list(wanted):
        return pixels
    check_bands(band_names, wanted)
    selection = np.zeros((1, 1, len(band_names), len(wanted)), np.float32)
    for place, name in enumerate(wanted):
        selection[0, 0, list(band_names).index(name), place] = 1
    mix = keras.layers.Conv2D(
        len(wanted), 1, dtype="float32", name=f"mix_{len(band_names)}_to_{len(wanted)}_bands"
    )
    mixed = mix(pixels)
    mix.kernel.assign(selection)
    return mixed


def check_bands(band_names: Sequence[str], wanted: Sequence[str], same: bool = False) -> None:
    """Raise a ValueError when images lack bands that a network knows.

    Parameters
    ----------
    band_names, wanted : sequence of str
        Of the images, and those that the network knows.
    same : bool
        Whether the images must have just these.
    """
    lacking = [name for name in wanted if name not in band_names]
    if lacking or (same and list(band_names) != list(wanted)):
        raise ValueError(
            f"WEIGHTS is of a network that takes the bands {', '.join(wanted)}, but these images "
            f"have {', '.join(band_names)}: give weights that fit, or other BANDS"
        )
