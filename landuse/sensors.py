"""What a sensor sees: one record with its bands, their names and wavelengths, and its pixels.

Another sensor is another record in SENSORS: its bands have names that no other sensor's have, so
that these tell everywhere which sensor is meant. Of each of them pixels are uint16 digital numbers
("DN", reflectance times 10,000) or uint8 colours ("rgb8", DN 0..2750 as 1..255).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

PATCH_SIZE = 64  # rows and columns of a EuroSAT patch, 640 m on the ground

_VISIBLE_UP_TO = 700  # nm


@dataclass(frozen=True)
class Band:
    """One band of a sensor.

    Attributes
    ----------
    name : str
        No other sensor has a band of this name.
    wavelength : int
        Its centre, in nm.
    resolution : int
        Of the sensor's own pixels, in metres.
    aliases : tuple of str
        Further names that people give it, in lower case and without separators: "rededge1" is
        understood as "Red edge 1" and "red_edge_1", too.
    """

    name: str
    wavelength: int
    resolution: int
    aliases: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """What names it in "band 2" and "B2": "2" of B02, "8A" of B8A, "" of a name without."""
        match = re.search(r"0*(?P<number>\d+[A-Z]?)$", self.name)
        return match["number"] if match else ""


@dataclass(frozen=True, eq=False)
class Sensor:
    """All that is known of a sensor.

    Attributes
    ----------
    name : str
    bands : tuple of Band
        In the order of files that name none.
    true_colour : tuple of str
        Its red, green and blue.
    near_infrared : str
        "" where it has none. In place of red it shows plants.
    pixel : float
        Metres of a pixel on the grid that patches and scenes have.
    offset : int
        DN that some of its products hold too much, 0 for none.
    combinations : dict of str to tuple of str
        What BANDS may name. "ALL" is always there.
    unclear : tuple of str
        Aliases of several bands, which do not say of which.
    """

    name: str
    bands: tuple[Band, ...]
    true_colour: tuple[str, ...]
    near_infrared: str = ""
    pixel: float = 10.0
    offset: int = 0
    combinations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()

    @property
    def band_names(self) -> tuple[str, ...]:
        """The names of its bands, in order."""
        return tuple(band.name for band in self.bands)

    @property
    def visible(self) -> tuple[str, ...]:
        """Bands that the eye sees."""
        return tuple(band.name for band in self.bands if band.wavelength < _VISIBLE_UP_TO)

    @property
    def infrared(self) -> tuple[str, ...]:
        """Near infrared, red and green, in which plants are red; empty without the first."""
        return (self.near_infrared, *self.true_colour[:2]) if self.near_infrared else ()


# The order of the bands in a EuroSAT file: B8A is last, unlike in a Sentinel-2 product.
BANDS_MS = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A",
)  # fmt: skip
BANDS_RGB = ("B04", "B03", "B02")

# Wavelengths: Sentinel-2A, ESA Sentinel-2 user guide. Aliases: the common names of STAC, and
# those that exports and toolboxes write.
SENTINEL_2 = Sensor(
    name="Sentinel-2",
    bands=(
        Band("B01", 443, 60, ("coastal", "coastalaerosol")),
        Band("B02", 490, 10, ("blue",)),
        Band("B03", 560, 10, ("green",)),
        Band("B04", 665, 10, ("red",)),
        Band("B05", 705, 20, ("rededge1", "re1", "vre1", "rededge071")),
        Band("B06", 740, 20, ("rededge2", "re2", "vre2", "rededge075")),
        Band("B07", 783, 20, ("rededge3", "re3", "vre3", "rededge078")),
        Band("B08", 842, 10, ("nir", "nearinfrared")),
        Band("B09", 945, 60, ("nir09", "watervapour", "watervapor")),
        Band("B10", 1375, 60, ("cirrus",)),
        Band("B11", 1610, 20, ("swir16", "swir1")),
        Band("B12", 2190, 20, ("swir22", "swir2")),
        Band("B8A", 865, 20, ("nir08", "nirn", "narrownir", "nirnarrow", "rededge4", "re4")),
    ),
    true_colour=BANDS_RGB,
    near_infrared="B08",
    offset=1000,
    # The combinations of Helber et al. 2019, and all but the cirrus band, which Level-2A
    # products do not have.
    combinations={
        "RGB": BANDS_RGB,
        "SWIR": ("B12", "B8A", "B04"),
        "CI": ("B08", "B04", "B03"),
        "ALL": BANDS_MS,
        "L2A": tuple(band for band in BANDS_MS if band != "B10"),
    },
    unclear=("rededge",),
)
SENSORS = (SENTINEL_2,)  # the first is meant where nothing says which

WAVELENGTHS = {band.name: band.wavelength for band in SENTINEL_2.bands}  # nm
BAND_COMBINATIONS = SENTINEL_2.combinations
REFLECTANCE_ONE = 10_000  # the DN of reflectance 1
DN_AT_255 = 2750  # the DN that becomes 255


def sensor_of(bands: Iterable[str]) -> Sensor:
    """Return the sensor that bands are of; the first for names that no sensor has.

    Raises
    ------
    ValueError
        If they are of several sensors.
    """
    wanted = set(bands)
    found = [sensor for sensor in SENSORS if wanted.intersection(sensor.band_names)]
    if len(found) > 1:
        raise ValueError(
            f"the bands {', '.join(sorted(wanted))} are of several sensors: "
            f"{', '.join(sensor.name for sensor in found)}"
        )
    return found[0] if found else SENSORS[0]


def sensor_that_names(texts: Iterable[str]) -> Sensor:
    """Return the sensor whose own names of bands stand in texts, in any case; else the first."""
    words = [re.split(r"[^0-9A-Za-z_]+", text.lower()) for text in texts]
    among = {f"_{word}_" for found in words for word in found}
    for sensor in SENSORS:
        if any(f"_{name.lower()}_" in word for name in sensor.band_names for word in among):
            return sensor
    return SENSORS[0]


def full_scale(dtype: Any) -> float:
    """Return the pixel value that is white in a picture: 255 of uint8, DN 2750 of others."""
    return 255.0 if dtype == np.uint8 else float(DN_AT_255)


def band_names_of(band_count: int) -> tuple[str, ...]:
    """Return the names of the bands of a file with so many of them, that names none.

    Parameters
    ----------
    band_count : int

    Returns
    -------
    tuple of str
        The EuroSAT order for 13 bands, red, green and blue for 3, those of another sensor with so
        many bands, else "band_1", ...
    """
    orders = [BANDS_RGB, *(sensor.band_names for sensor in SENSORS)]
    counted = tuple(f"band_{number + 1}" for number in range(band_count))
    return next((order for order in orders if len(order) == band_count), counted)


def _check_band_names(bands: Sequence[str], sensor: Sensor) -> None:
    unknown = [name for name in bands if name not in sensor.band_names]
    if unknown or not bands:
        raise ValueError(
            f"BANDS = {list(bands)}: {', '.join(unknown) or 'nothing'} is no band of "
            f"{sensor.name}, which has {', '.join(sensor.band_names)}"
        )
    twice = [name for name in sensor.band_names if list(bands).count(name) > 1]
    if twice:
        raise ValueError(f"BANDS names {', '.join(twice)} twice")


def chosen_bands(bands: str | Sequence[str], sensor: Sensor | None = None) -> list[str]:
    """Return the names of the bands that BANDS asks for: a combination, a band, or several.

    Parameters
    ----------
    bands : str or sequence of str
    sensor : Sensor, optional
        Of the images; where it is not known, that of the names.
    """
    named = {bands} if isinstance(bands, str) else set(bands)
    sensor = sensor or sensor_of(named)
    combinations = {**sensor.combinations, "ALL": sensor.band_names}
    if not isinstance(bands, str):
        _check_band_names(bands, sensor)
        return list(bands)
    if bands in combinations:
        return list(combinations[bands])
    if bands in sensor.band_names:
        return [bands]
    raise ValueError(
        f"BANDS = {bands!r}: expected one of {', '.join(combinations)} or a "
        f"list of band names ({', '.join(sensor.band_names)})"
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
