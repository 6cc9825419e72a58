"""One band of a small file, read as fast as GDAL can: for patches whose bands are files."""

from pathlib import Path

import numpy as np

from landuse.rasters import image_opening

DRIVERS = ("GTiff",)


def read_band(path: str | Path) -> np.ndarray:
    """Read the only band of a GeoTIFF.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray of shape (rows, columns)
        In the type that the file has.

    Raises
    ------
    OSError, ValueError
        When it is not there, is damaged, is no GeoTIFF, or has several bands.
    """
    dataset = image_opening.open_with_drivers(path, DRIVERS)
    if dataset.RasterCount != 1:
        raise ValueError(f"{path}: has {dataset.RasterCount} bands, expected a file with one")
    with image_opening.plain_errors(path, "cannot be read (damaged or truncated)"):
        return dataset.ReadAsArray()
