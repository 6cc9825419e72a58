"""A patch as people see it: natural colours where it has red, green and blue."""

from collections.abc import Sequence

import numpy as np

from landuse import sensors


def patch_in_colours(patch: np.ndarray, band_names: Sequence[str] | None = None) -> np.ndarray:
    """Make a picture of a patch: natural colours where it has red, green and blue.

    Parameters
    ----------
    patch : ndarray of shape (rows, columns, bands)
        uint8 (scaled already), or DN.
    band_names : sequence of str, optional
        Names of the bands; None for EuroSAT's order of 13, or red, green, blue.

    Returns
    -------
    ndarray of shape (rows, columns, 3), uint8
        Without red, green and blue, the first three bands (or the first as grey), stretched from
        the 2nd to the 98th percentile.
    """
    patch = np.asarray(patch)
    names = list(band_names or _usual_band_names(patch.shape[-1]))
    natural = list(sensors.sensor_of(names).true_colour)
    if set(natural) <= set(names):
        picture = patch[..., [names.index(name) for name in natural]]
        return picture if picture.dtype == np.uint8 else sensors.scale_to_rgb8(picture)
    picture = patch[..., [0, 1, 2] if patch.shape[-1] >= 3 else [0, 0, 0]].astype(np.float64)
    low, high = np.percentile(picture, (2, 98), axis=(0, 1))
    stretched = (picture - low) / np.maximum(high - low, 1e-9)
    return np.round(255 * np.clip(stretched, 0, 1)).astype(np.uint8)


def _usual_band_names(bands: int) -> Sequence[str]:
    return sensors.band_names_of(bands)
