"""What the sensor sees: its bands, their order and wavelengths, and what its numbers mean.

Pixels are uint16 digital numbers ("DN", reflectance times 10,000) or uint8 colours ("rgb8",
DN 0..2750 as 1..255).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

PATCH_SIZE = 64  # rows and columns of a EuroSAT patch, 640 m on the ground

# The order of the bands in a EuroSAT file: B8A is last, unlike in a Sentinel-2 product.
BANDS_MS = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A",
)  # fmt: skip
BANDS_RGB = ("B04", "B03", "B02")

# Central wavelengths in nm (Sentinel-2A, ESA Sentinel-2 user guide).
WAVELENGTHS = {
    "B01": 443, "B02": 490, "B03": 560, "B04": 665, "B05": 705, "B06": 740, "B07": 783,
    "B08": 842, "B8A": 865, "B09": 945, "B10": 1375, "B11": 1610, "B12": 2190,
}  # fmt: skip

# The combinations of Helber et al. 2019, all bands, and all but the cirrus band, which
# Level-2A products do not have.
BAND_COMBINATIONS = {
    "RGB": BANDS_RGB,
    "SWIR": ("B12", "B8A", "B04"),
    "CI": ("B08", "B04", "B03"),
    "ALL": BANDS_MS,
    "L2A": tuple(band for band in BANDS_MS if band != "B10"),
}

DN_AT_255 = 2750  # the DN that becomes 255


def full_scale(dtype: Any) -> float:
    """Return the pixel value that is white in a picture: 255 of uint8, DN 2750 of others."""
    return 255.0 if dtype == np.uint8 else float(DN_AT_255)


def band_names_of(band_count: int) -> tuple[str, ...]:
    """Return the names of the bands of a file with so many of them.

    Parameters
    ----------
    band_count : int

    Returns
    -------
    tuple of str
        The EuroSAT order for 13 bands, red, green and blue for 3, else "band_1", ...
    """
    known = {len(order): order for order in (BANDS_MS, BANDS_RGB)}
    return known.get(band_count, tuple(f"band_{number + 1}" for number in range(band_count)))


def _check_band_names(bands: Sequence[str]) -> None:
    unknown = [name for name in bands if name not in BANDS_MS]
    if unknown or not bands:
        raise ValueError(
            f"BANDS = {list(bands)}: {', '.join(unknown) or 'nothing'} is no band of Sentinel-2, "
            f"which has {', '.join(BANDS_MS)}"
        )
    twice = [name for name in BANDS_MS if list(bands).count(name) > 1]
    if twice:
        raise ValueError(f"BANDS names {', '.join(twice)} twice")


def chosen_bands(bands: str | Sequence[str]) -> list[str]:
    """Return the names of the bands that BANDS asks for: a combination, a band, or several."""
    if not isinstance(bands, str):
        _check_band_names(bands)
        return list(bands)
    if bands in BAND_COMBINATIONS:
        return list(BAND_COMBINATIONS[bands])
    if bands in BANDS_MS:
        return [bands]
    raise ValueError(
        f"BANDS = {bands!r}: expected one of {', '.join(BAND_COMBINATIONS)} or a "
        f"list of band names ({', '.join(BANDS_MS)})"
    )


@functools.cache
def _rgb8_table() -> NDArray[np.uint8]:
    dn = np.arange(2**16)
    table = np.floor(np.minimum(dn * (254 / DN_AT_255) + 1, 255) + 0.5).astype(np.uint8)
    table[0] = 0
    return table


def scale_to_rgb8(dn: ArrayLike) -> NDArray[np.uint8]:
    """Scale digital numbers as the published EuroSAT RGB images were scaled.

    The same as `gdal_translate -ot Byte -scale 0 2750 1 255`, but 0 (nodata) stays 0.

    Parameters
    ----------
    dn : array_like of whole numbers, DN
        Values outside 0..65535 are clipped.

    Returns
    -------
    ndarray of the same shape, uint8
        DN 0..2750 as 1..255, rounded; 255 above, and 0 where DN is 0.
    """
    values: NDArray[Any] = np.asarray(dn)
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"scale_to_rgb8 takes whole DN, got {values.dtype}")
    if values.dtype not in (np.uint8, np.uint16):
        values = np.clip(values, 0, 2**16 - 1)
    return _rgb8_table()[values]
