"""An open scene: windows of its bands in the model's units, and where they are valid.

A pixel is nodata where any of the bands that the model wants is 0: a network cannot judge a
pixel with a band missing, and at the edge of the swath the bands end at different columns. In
between, real Level-1C pixels are never 0 (the darkest are 1).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from landuse import sensors
from landuse.rasters import descriptions, geotransforms, ground, reading, reference_systems
from landuse.scenes import cloud_masks, products

Read = Callable[[int, int, int, int], tuple[np.ndarray, np.ndarray]]

LARGEST_DN = 65535
NEARLY = 0.2  # share by which pixels may be larger or smaller without a word
OBLONG = 0.1  # share by which one side may be longer
NOT_GEOREFERENCED: geotransforms.Geotransform = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def to_training_dn(dn: np.ndarray, offset: float, quantification: float) -> np.ndarray:
    """Return DN as EuroSAT has them: reflectance 1 is 10,000, no offset, 0 is nodata.

    DN' = max(round((DN + offset) * 10000 / quantification), 1) where DN > 0.

    Parameters
    ----------
    dn : ndarray
    offset : float
        What the product's metadata says to add.
    quantification : float
        DN of reflectance 1.

    Returns
    -------
    ndarray of the same shape, uint16
    """
    value = (dn.astype(np.float64) + offset) * (sensors.REFLECTANCE_ONE / quantification)
    value = np.clip(np.floor(value + 0.5), 1, LARGEST_DN)
    return np.where(dn > 0, value, 0).astype(np.uint16)


class Placement(NamedTuple):
    """Where the pixels of the scene's grid lie in those of a band.

    The left edge of the grid's pixel j lies at `column + j * column_step` pixels of the band, its
    upper edge at the same of rows.
    """

    row: float
    row_step: float
    column: float
    column_step: float


class Band:
    """One band's file on the scene's grid, and a table of what its DN become.

    With a placement the band is aligned by it; without, it lies on the grid `ratio` times
    coarser. `units` (scale, offset) bring the numbers of the file to DN.
    """

    def __init__(
        self,
        name: str,
        raster: reading.Raster,
        index: int,
        ratio: int,
        placement: Placement | None = None,
    ) -> None:
        self.name, self.raster, self.index, self.ratio = name, raster, index, ratio
        self.placement, self.units = placement, reading.SAME_UNITS
        self.table: np.ndarray = np.arange(LARGEST_DN + 1).astype(np.uint16)

    def read(self, window: reading.Window) -> np.ndarray:
        """Read a window (row, column, rows, columns) of the scene's grid."""
        if self.placement is None:
            dn = self.raster.read_upsampled(self.index, *window, self.ratio, self.units)
        else:
            row, column, rows, columns = window
            place = self.placement
            at_rows = place.row + (row + np.arange(rows) + 0.5) * place.row_step
            at_columns = place.column + (column + np.arange(columns) + 0.5) * place.column_step
            dn = self.raster.read_at(self.index, at_rows, at_columns, self.units)
        return self.table[dn]


def pixel_area(info: descriptions.RasterInfo) -> float:
    """Return the area of a pixel in units of the map."""
    _, width, _, _, _, height = info.geotransform or NOT_GEOREFERENCED
    return abs(width * height)


def _on_disk(name: str) -> Path:
    """Return the file that GDAL's name of a file leads to: the zip for its member."""
    member = re.match(r"/vsizip/\{(.+)\}/", name)
    return Path(member[1] if member else name)


def _ground_messages(size: ground.Ground | None, crs: str, path: str, pixel: float) -> list[str]:
    """Say where the pixels are not those on the ground that models are trained on."""
    if not crs:
        return ["no georeference: the map has none either"]
    if size is None:
        return [
            "its reference system does not say where on Earth it is: pixels may not be "
            f"{pixel:g} m wide, and areas are given in pixels and percent only"
        ]
    messages = []
    oblong = abs(size.width / size.height - 1)
    if oblong > OBLONG or any(abs(s / pixel - 1) > NEARLY for s in (size.width, size.height)):
        square = oblong <= 0.02
        sides = f"{size.width:.3g} m" if square else f"{size.width:.3g} m by {size.height:.3g} m"
        messages.append(
            f"the pixels measure {sides} on the ground, those of the training images "
            f"{pixel:g} m, so that windows see another piece of land than these did; "
            f"{ground.warp_command(path, size, pixel)} makes them alike"
        )
    if not size.is_true_to_scale:
        messages.append(
            "areas are measured on the ground, at the centre of the scene: the units of the map "
            f"({reference_systems.crs_name(crs)}) are no metres there"
        )
    return messages


class Scene:
    """An open scene, and a context manager that closes it; `open_scene` makes it.

    Attributes
    ----------
    name : str
        Outputs are named after it.
    rows, columns : int
    geotransform : tuple of 6 floats
    crs : str
        WKT, "" where there is none.
    band_names : tuple of str
    units : {"DN", "rgb8"}
    dtype : numpy.dtype
        uint16 for "DN", uint8 for "rgb8".
    level, sensing_time : str or None
    product : dict
        What the product says of itself, for the metadata of a map.
    ground : Ground or None
        What a pixel and a unit of the map measure on the ground.
    is_picture : bool
        Whether it is an 8-bit RGB image.
    assumed_order : tuple of str
        Names that the bands of a raster without names were given, in the order of the file.
    named_by_file : bool
        Whether a raster says the names of its bands, and nobody has confirmed them.
    messages : tuple of str
        What was assumed, for the user to read.
    """

    def __init__(
        self,
        found: products.Product,
        bands: Sequence[Band],
        units: str,
        lent: Sequence[reading.Raster] = (),
    ) -> None:
        finest = min(bands, key=lambda band: band.ratio)
        if finest.placement is not None:
            finest = min(bands, key=lambda band: pixel_area(band.raster.info))
        info, ratio = finest.raster.info, finest.ratio
        left, width, _, top, _, height = info.geotransform or NOT_GEOREFERENCED
        self.name = found.name
        self.rows, self.columns = info.rows * ratio, info.columns * ratio
        self.geotransform = (left, width / ratio, 0.0, top, 0.0, height / ratio)
        self.crs = info.crs
        self.band_names = tuple(band.name for band in bands)
        self.units = units
        self.dtype = np.dtype(np.uint8 if units == "rgb8" else np.uint16)
        self.level, self.sensing_time = found.level, found.sensing_time
        self.product: dict[str, Any] = {
            "name": found.name,
            "level": found.level,
            "baseline": found.baseline,
            "sensing_time": found.sensing_time,
            "tile": found.tile,
        }
        self.ground = ground.measure(self.geotransform, self.crs, (self.rows, self.columns))
        if info.geotransform is None:
            self.ground = None
        file = "FILE" if found.kind == "folder" else found.path
        pixel = sensors.sensor_of(self.band_names).pixel
        told = _ground_messages(self.ground, self.crs, file, pixel)
        self.messages = (*found.messages, *told)
        self.is_picture, self.assumed_order = found.picture, found.order
        self.named_by_file = found.named_by_file
        self.reopen: Callable[[Sequence[str]], Scene]  # other bands of the same; set on opening
        self._bands, self._lent = tuple(bands), tuple(lent)  # who lends a file closes it
        self._clouds: cloud_masks.Clouds | None = None
        self._lock = threading.Lock()

    @property
    def masks_clouds(self) -> bool:
        """Whether pixels under clouds count as not valid."""
        return self._clouds is not None

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def rasters(self) -> list[reading.Raster]:
        """Return the rasters that are read, each once."""
        return list({id(band.raster): band.raster for band in self._bands}.values())

    def files(self) -> list[Path]:
        """Return the files on disk that pixels and clouds come from; a zip for its members."""
        names = {name for raster in self.rasters() for name in raster.files()}
        if self._clouds is not None:
            names.add(self._clouds.path)
        return sorted({_on_disk(name) for name in names})

    def close(self) -> None:
        """Close the files."""
        for raster in self.rasters():
            if raster not in self._lent:
                raster.close()
        if self._clouds is not None and self._clouds.raster is not None:
            self._clouds.raster.close()

    def read(self, row: int, column: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a window; it comes out the same whatever else is read.

        Parameters
        ----------
        row, column, rows, columns : int
            The window, which must lie inside the scene.

        Returns
        -------
        pixels : ndarray of shape (rows, columns, bands), uint16 DN or uint8 rgb8
            DN have the product's offset applied and start at 1; 0 is nodata. Pixels under
            clouds keep their values.
        valid : ndarray of shape (rows, columns), bool
            False where a band is nodata (in an 8-bit RGB image: all three), or under clouds.

        Raises
        ------
        ValueError
            If the window does not lie in the scene.
        OSError
            If a file is damaged.
        """
        inside = row >= 0 and column >= 0 and rows > 0 and columns > 0
        if not inside or row + rows > self.rows or column + columns > self.columns:
            raise ValueError(
                f"{self.name}: the window of {rows}x{columns} at {row}, {column} does not lie "
                f"in the scene of {self.rows}x{self.columns}"
            )
        window = (row, column, rows, columns)
        pixels = np.empty((rows, columns, len(self._bands)), self.dtype)
        with self._lock:
            for number, band in enumerate(self._bands):
                pixels[..., number] = band.read(window)
            clouds = self._clouds.read(window) if self._clouds is not None else False
        has_data = (pixels > 0).any(axis=2) if self.is_picture else pixels.all(axis=2)
        return pixels, has_data & ~np.asarray(clouds)

    def empty_bands(self) -> list[str]:
        """Return the bands of which not one pixel, of some from all over the scene, is valid."""
        return [band.name for band in self._bands if not band.raster.read_thinned(band.index).size]

    def sample(self, count: int = 20_000, seed: int = 0) -> np.ndarray:
        """Draw valid pixels from windows spread over the scene.

        Parameters
        ----------
        count : int
            How many at most.
        seed : int

        Returns
        -------
        ndarray of shape (pixels, bands), in the scene's units
            Empty where nothing valid was met.
        """
        rng = np.random.default_rng(seed)
        found = np.empty((0, len(self._bands)), self.dtype)
        # a window costs the decoding of a whole tile of each band, so more of them only if needed
        for across in (3, 6):
            if len(found) < sensors.PATCH_SIZE**2:
                for row, column in _sample_windows(self.rows, self.columns, across, rng):
                    pixels, valid = self.read(row, column, sensors.PATCH_SIZE, sensors.PATCH_SIZE)
                    found = np.concatenate([found, pixels[valid]])
        return found[rng.permutation(len(found))[:count]]


def _sample_windows(
    rows: int, columns: int, across: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Place one window at random in every cell of a coarse grid over the scene."""
    places = []
    for i, j in np.ndindex(across, across):
        row = int((i + rng.random()) / across * (rows - sensors.PATCH_SIZE + 1))
        column = int((j + rng.random()) / across * (columns - sensors.PATCH_SIZE + 1))
        places.append((row, column))
    return places
