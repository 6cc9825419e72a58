"""The encoder of a network of pixels: new, or with what it learned from patches or pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from landuse.networks import bases, pixel_layers, transfer


@dataclass(frozen=True)
class Start:
    """An encoder, and the layers before it.

    Attributes
    ----------
    base : keras.Model
    front : tuple of keras.layers.Layer
        In turn, for pixels of the units that the encoder learned with.
    units, wanted : str
        Of the pixels, and of what it learned with.
    """

    base: keras.Model
    front: tuple[keras.layers.Layer, ...]
    units: str
    wanted: str

    def before(self, pixels: Any) -> Any:
        """Bring raw pixels to what the encoder expects."""
        pixels = pixel_layers.to_units(pixels, self.units, self.wanted)
        for layer in self.front:
            pixels = layer(pixels)
        return pixels


def start(
    name: str,
    weights: str | None,
    band_names: Sequence[str],
    units: str,
    statistics: Mapping[str, Any],
) -> Start:
    """Make an encoder for these bands.

    Parameters
    ----------
    name : str
        The network.
    weights : str or None
        "imagenet", the path of an official file (.h5) or of a model.keras, or the name of a
        shipped model. None: at random.
    band_names : sequence of str
        Of the scenes. One that knows only some of them is widened, as in script 04's alternative.
    units : {"DN", "rgb8"}
    statistics : mapping
        Of the pixels to train with.

    Raises
    ------
    ValueError, OSError
        If the weights do not fit or are not there.
    """
    if weights is None:
        base = bases.base_network(name, len(band_names), None)
        return Start(base, (pixel_layers.standardisation(dict(statistics)),), units, units)
    learned = transfer.learned_network(name, weights)
    if list(band_names) == list(learned.band_names):
        return Start(learned.base, learned.front, units, learned.units)
    # a widened network has a standardisation of its own, in the units of the scenes
    wide = transfer.widen_first_convolution(learned, band_names, statistics)
    return Start(wide.base, wide.front, units, learned.units)
