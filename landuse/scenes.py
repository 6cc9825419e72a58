"""A scene as the model wants it: bands by name, in the model's units, window by window."""

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from image_functions import PATCH_SIZE, scale_to_rgb8
from landuse import products, rasters
from landuse.products import Product

PIXEL_SIZE = 10.0  # metres; products are read on the grid of their 10 m bands
LARGEST_DN = 65535
Bounds = tuple[float, float, float, float]
NOT_GEOREFERENCED: rasters.Geotransform = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
# in MSK_CLASSI: opaque clouds, cirrus; in SCL: cloud shadow, cloud medium, cloud high, cirrus
CLOUD_BANDS = (0, 1)
CLOUD_CLASSES = (3, 8, 9, 10)


class _Band:
    """One band's file on the scene's grid."""

    def __init__(self, name: str, raster: rasters.Raster, index: int, ratio: int) -> None:
        self.name, self.raster, self.index, self.ratio = name, raster, index, ratio

    def read(self, window: tuple[int, int, int, int]) -> np.ndarray:
        """Read a window (row, column, rows, columns) of the scene's grid."""
        return self.raster.read_upsampled(self.index, *window, self.ratio)


class Scene:
    """An open scene; `open_scene` makes it.

    Attributes
    ----------
    name : str
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
    messages : tuple of str
        What was assumed, for the user to read.
    """

    def __init__(
        self, found: Product, bands: Sequence[_Band], units: str, offsets: dict[str, float]
    ) -> None:
        self._found, self._bands, self._offsets = found, tuple(bands), offsets
        self._lock = threading.Lock()
        finest = min(bands, key=lambda band: band.ratio)
        info, ratio = finest.raster.info, finest.ratio
        self.name = found.name
        self.rows, self.columns = info.rows * ratio, info.columns * ratio
        left, width, _, top, _, height = info.geotransform or NOT_GEOREFERENCED
        self.geotransform = (left, width / ratio, 0.0, top, 0.0, height / ratio)
        self.crs = info.crs
        self.band_names = tuple(band.name for band in bands)
        self.units = units
        self.dtype = np.dtype(np.uint8 if units == "rgb8" else np.uint16)
        self.level, self.sensing_time = found.level, found.sensing_time
        self.product = {
            "name": found.name,
            "level": found.level,
            "baseline": found.baseline,
            "sensing_time": found.sensing_time,
            "tile": found.tile,
            "offsets": {band: offsets[band] for band in self.band_names},
            "quantification": found.quantification,
        }
        self.messages = found.messages

    def __enter__(self) -> "Scene":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for band in self._bands:
            band.raster.close()

    def read(self, row: int, column: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a window.

        Parameters
        ----------
        row, column, rows, columns : int
            The window, which must lie inside the scene.

        Returns
        -------
        pixels : ndarray of shape (rows, columns, bands), uint16 DN or uint8 rgb8
            DN have the product's offset applied and start at 1; 0 is nodata.
        valid : ndarray of shape (rows, columns), bool
            False where any of the bands is nodata.
        """
        inside = row >= 0 and column >= 0 and rows > 0 and columns > 0
        if not inside or row + rows > self.rows or column + columns > self.columns:
            raise ValueError(
                f"{self.name}: the window of {rows}x{columns} at {row}, {column} does not lie "
                f"in the scene of {self.rows}x{self.columns}"
            )
        window = (row, column, rows, columns)
        pixels = np.empty((rows, columns, len(self._bands)), self.dtype)
        valid = np.ones((rows, columns), bool)
        with self._lock:
            for number, band in enumerate(self._bands):
                dn = to_training_dn(
                    band.read(window), self._offsets[band.name], self._found.quantification
                )
                pixels[..., number] = scale_to_rgb8(dn) if self.units == "rgb8" else dn
                valid &= dn > 0
        return pixels, valid


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
    value = (dn.astype(np.float64) + offset) * (10_000 / quantification)
    value = np.clip(np.floor(value + 0.5), 1, LARGEST_DN)
    return np.where(dn > 0, value, 0).astype(np.uint16)


def _check_bands(found: Product, band_names: Sequence[str]) -> None:
    """Check that the product has the bands; name what is missing."""
    missing = [band for band in band_names if band not in found.bands]
    if not missing:
        return
    if missing == ["B10"] and found.level == "L2A":
        raise ValueError(
            f"{found.path}: Level-2A products have no band B10, which this model needs: give the "
            "Level-1C product, or a model trained on the 12 bands without B10 "
            '(BAND_COMBINATIONS["L2A"])'
        )
    for band in missing:
        if band in found.expected:
            raise FileNotFoundError(
                f"{found.path}: the file of band {band} is missing: {found.expected[band]}; "
                "copy or download the product again"
            )
    raise ValueError(
        f"{found.path}: has no band {', '.join(missing)}, the model needs "
        f"{', '.join(band_names)}; it has {', '.join(sorted(found.bands))}"
    )


def _ratio_to(size: float, raster: rasters.Raster) -> int:
    """Return how many pixels of the given size lie side by side in one of the raster's."""
    info = raster.info
    if info.geotransform is None:
        return 1
    ratio = info.geotransform[1] / size
    if abs(ratio - round(ratio)) > 1e-3 or round(ratio) < 1:
        raise ValueError(
            f"{info.path}: its pixels of {info.geotransform[1]:g} do not fit a grid of {size:g}"
        )
    return round(ratio)


def _check_same_grid(bands: Sequence[_Band]) -> None:
    """Check that the bands lie on each other: projection, upper left corner, size."""
    first = min(bands, key=lambda band: band.ratio)
    one = first.raster.info
    for band in bands:
        other = band.raster.info
        if not rasters.same_crs(one.crs, other.crs):
            raise ValueError(
                f"{other.path}: band {band.name} is in {rasters.crs_name(other.crs)}, its "
                f"neighbour {first.name} in {rasters.crs_name(one.crs)}; warp one to the other"
            )
        size = (other.rows * band.ratio, other.columns * band.ratio)
        if size != (one.rows * first.ratio, one.columns * first.ratio):
            raise ValueError(
                f"{other.path}: band {band.name} covers {size[0]}x{size[1]} pixels of the "
                f"scene's grid, {first.name} covers {one.rows * first.ratio}x"
                f"{one.columns * first.ratio}"
            )
        if not _same_corner(one.geotransform, other.geotransform):
            raise ValueError(
                f"{other.path}: band {band.name} starts at another corner than {first.name}"
            )


def _same_corner(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    limit = abs(one[1]) * 1e-3
    return abs(one[0] - other[0]) <= limit and abs(one[3] - other[3]) <= limit


def _open_bands(
    found: Product, band_names: Sequence[str], stack: contextlib.ExitStack
) -> list[_Band]:
    """Open the files of the bands, each once."""
    opened: dict[str, rasters.Raster] = {}
    for name in band_names:
        path = found.bands[name].path
        if path not in opened:
            raster = rasters.Raster(path, allow_vrt=found.kind == "raster")
            opened[path] = stack.enter_context(raster)
    size = PIXEL_SIZE if found.kind == "SAFE" else _finest_pixel(opened.values())
    return [
        _Band(name, raster, found.bands[name].index, _ratio_to(size, raster))
        for name, raster in ((name, opened[found.bands[name].path]) for name in band_names)
    ]


def _finest_pixel(opened: Any) -> float:
    sizes = [raster.info.geotransform[1] for raster in opened if raster.info.geotransform]
    return min(sizes, default=1.0)


def _choose_offsets(found: Product, radiometric_offset: str | float) -> dict[str, float]:
    """Return the offset of each band."""
    bands = list(found.bands)
    if radiometric_offset == "auto":
        return {band: found.offsets.get(band, 0.0) for band in bands}
    if isinstance(radiometric_offset, str):
        raise ValueError(
            f'RADIOMETRIC_OFFSET is {radiometric_offset!r}, expected "auto" or a number'
        )
    return dict.fromkeys(bands, float(radiometric_offset))


def open_scene(
    path: str | Path,
    band_names: Sequence[str],
    units: str = "DN",
    radiometric_offset: str | float = "auto",
    mask_clouds: bool = False,
    granule: str | None = None,
    bounds: Bounds | str | Path | None = None,
) -> Scene:
    """Open a scene for reading in a model's bands and units.

    Parameters
    ----------
    path : str or Path
        An L1C or L2A product (folder, zip or MTD_*.xml), a folder of single-band files, or a
        multi-band raster.
    band_names : sequence of str
        The bands in the model's order.
    units : {"DN", "rgb8"}
        "rgb8" scales DN 0..2750 to 1..255, or takes an 8-bit RGB image as it is.
    radiometric_offset : "auto" or float
        What is added to every DN; "auto" takes it from the product.
    mask_clouds : bool
        Count as nodata what the product's own masks call cloud.
    granule : str, optional
        Which one, in a product of several.
    bounds : (left, bottom, right, top) in the scene's reference system, or path, optional
        Area of interest; of a vector file, pixels outside its polygons are nodata.

    Returns
    -------
    Scene
        A context manager.

    Raises
    ------
    OSError, ValueError
        With what is wrong and what to do.
    """
    found = products.find_product(path, band_names, granule)
    _check_bands(found, band_names)
    offsets = _choose_offsets(found, radiometric_offset)
    with contextlib.ExitStack() as stack:
        bands = _open_bands(found, band_names, stack)
        _check_same_grid(bands)
        scene = Scene(found, bands, units, offsets)
        if min(scene.rows, scene.columns) < PATCH_SIZE:
            raise ValueError(
                f"{path}: is {scene.rows}x{scene.columns} pixels, expected at least "
                f"{PATCH_SIZE}x{PATCH_SIZE}"
            )
        stack.pop_all()
    return scene
