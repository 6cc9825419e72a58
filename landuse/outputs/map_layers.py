"""Scene and map, thinned and painted for a screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from landuse import sensors
from landuse.outputs import class_colours
from landuse.rasters import geotransforms

NEUTRAL = (229, 231, 233)  # where there is no data: a grey that no class has
LARGEST_PICTURE = 1500  # pixels a side of a panel's data; larger arrays are thinned
LARGEST_PAGE = 2000  # pixels a side of what the page carries


def natural_colour(rgb: np.ndarray, units: str = "DN") -> np.ndarray:
    """Return a scene stretched for the eye.

    The range is that of most of the scene, so that a few clouds or roofs do not darken the rest;
    haze, which lifts the dark end of the blue band most, is taken off band by band.

    Parameters
    ----------
    rgb : ndarray of shape (rows, columns, 3)
        Red, green, blue (B04, B03, B02): uint16 DN or uint8 0..255. 0 in all bands is nodata.
    units : {"DN", "rgb8"}
        Of `rgb`. Both look the same after the stretch.

    Returns
    -------
    ndarray of shape (rows, columns, 3), uint8
        1..255, and 0 where there is no data.
    """
    if units not in ("DN", "rgb8") or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(
            'a scene in natural colour needs the units "DN" or "rgb8" and shape (rows, columns, 3);'
            f" got {units!r} and {rgb.shape}"
        )
    valid = np.asarray(rgb.any(axis=2))
    if not valid.any():
        return np.zeros(rgb.shape, dtype=np.uint8)
    step = max(1, int(np.sqrt(valid.size / 1e6)))  # about a million pixels tell the percentiles
    sample = rgb[::step, ::step][valid[::step, ::step]]
    sample = sample if len(sample) else rgb[valid]
    low = np.percentile(sample, 0.5, axis=0)
    # keeps the noise of an all-water scene calm
    least = 600 if units == "DN" else 600 / sensors.DN_AT_255 * 255
    spans = np.maximum(np.percentile(sample, 98.5, axis=0) - low, least)
    spans = np.sqrt(spans * spans.max())  # halfway to equal bands: white stays white, soil brown
    shares = ((rgb.astype(np.float32) - low) / spans).clip(0, 1) ** (1 / 1.5)
    stretched = 1 + np.rint(254 * shares)
    return np.where(valid[..., None], stretched, 0).astype(np.uint8)


def thin(array: np.ndarray, largest: int) -> tuple[np.ndarray, int]:
    """Return every n-th pixel of `array` (the middle one of each n x n) and n."""
    step = -(-max(array.shape[:2]) // largest)
    if step == 1:
        return array, 1
    rows, columns = (
        np.minimum(np.arange(0, size, step) + step // 2, size - 1) for size in array.shape[:2]
    )
    return array[rows[:, None], columns], step


@dataclass(frozen=True)
class Layer:
    """Pixels and what they cover, (left, bottom, right, top)."""

    pixels: np.ndarray
    bounds: geotransforms.Bounds


def layer_of(array: np.ndarray, geotransform: geotransforms.SixFloats, largest: int) -> Layer:
    """Return an array, thinned to at most `largest` pixels a side, and what it covers."""
    pixels, step = thin(array, largest)
    left, width, _, top, _, height = geotransform
    thinned = (left, width * step, 0.0, top, 0.0, height * step)
    return Layer(pixels, geotransforms.extent(thinned, pixels.shape))


class Picture(NamedTuple):
    """The scene of a map in natural colour."""

    rgb: np.ndarray  # (rows, columns, 3) uint8, as `natural_colour` returns it; 0: nodata
    geotransform: geotransforms.SixFloats


def scene_layer(picture: Picture, largest: int) -> Layer:
    """Return a scene, thinned to at most `largest` pixels a side, and what it covers.

    Raises
    ------
    ValueError
        Unless it is what `natural_colour` returns.
    """
    rgb = picture.rgb
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(
            "the scene must be uint8 of shape (rows, columns, 3), as natural_colour returns it; "
            f"got {rgb.dtype} {rgb.shape}"
        )
    return layer_of(rgb, picture.geotransform, largest)


def paint(labels: np.ndarray, colours: Sequence[class_colours.Colour]) -> np.ndarray:
    """Return labels as (rows, columns, 3) colours, nodata neutral."""
    table = np.full((256, 3), NEUTRAL, dtype=np.uint8)
    table[: len(colours)] = np.reshape(colours, (-1, 3))
    return table[labels]
