"""Rasters opened and read: only what is allowed, and only what is whole.

What goes wrong comes out as OSError or ValueError with the file's name.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from landuse.rasters import descriptions, image_opening, jpeg2000, resampling
from landuse.rasters.gdal_setup import gdal

Window = tuple[int, int, int, int]
Units = tuple[float, float]
SAME_UNITS: Units = (1.0, 0.0)
NEARLY_AS_FINE = 0.75  # of a pixel from one place to the next: nothing is gained by a spline


class Raster:
    """An open raster: its description, and windows of its bands as arrays.

    Parameters
    ----------
    path : str or Path
        A GeoTIFF, JPEG 2000, PNG or JPEG, or a VRT that refers to such files on this machine.
    allow_vrt : bool
        False where a VRT has no business to be, as within a product.
    tiles : sequence of str or Path
        Files of one grid that are read as one raster; `path` then only names it.

    Raises
    ------
    OSError
        If the file is missing, damaged, truncated or no image.
    ValueError
        If it refers to something outside this machine.
    """

    def __init__(
        self, path: str | Path, allow_vrt: bool = True, tiles: Sequence[str | Path] = ()
    ) -> None:
        self._state: tuple[object, ...] = ()
        self._parts = tuple(map(str, tiles))
        if tiles:
            self._dataset = image_opening.join(path, tiles)
        else:
            self._dataset, self._state = image_opening.open_or_take(path, allow_vrt)
        self.driver = self._dataset.GetDriver().ShortName
        if self.driver.startswith("JP2"):
            jpeg2000.check_complete(path)
        with image_opening.plain_errors(path, "its description is damaged"):
            self.info = descriptions.describe(path, self._dataset)
        self._lock = threading.Lock()
        self.mask_band: int | None = None  # one that masks the others without being declared so

    def __enter__(self) -> "Raster":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._dataset is not None:
            image_opening.close(self._dataset, self._state)
        self._dataset = None

    @property
    def is_open(self) -> bool:
        """Whether it was not closed."""
        return self._dataset is not None

    def files(self) -> tuple[str, ...]:
        """Return the files that are read: the raster, what a VRT refers to, and side files."""
        return self._parts or tuple(self._dataset.GetFileList() or (self.info.path,))

    def read(self, band: int, row: int, column: int, rows: int, columns: int) -> np.ndarray:
        """Read a window of one band at the raster's own resolution.

        Parameters
        ----------
        band : int
            From 0.
        row, column, rows, columns : int
            The window, which must lie inside the raster.

        Returns
        -------
        ndarray of shape (rows, columns), the raster's dtype
        """
        with (
            self._lock,
            image_opening.plain_errors(self.info.path, "cannot be read (damaged or truncated)"),
        ):
            # the band object must not outlive this call: on its own it crashes the interpreter
            pixels = self._dataset.GetRasterBand(band + 1).ReadAsArray(
                int(column), int(row), int(columns), int(rows)
            )
        if pixels is None:
            raise OSError(f"{self.info.path}: cannot be read (damaged or truncated)")
        return pixels

    def read_dn(
        self,
        band: int,
        row: int,
        column: int,
        rows: int,
        columns: int,
        units: Units = SAME_UNITS,
    ) -> np.ndarray:
        """Read a window of one band as DN; 0 is what the file calls nodata, or masks.

        Parameters
        ----------
        band, row, column, rows, columns : int
            As in `read`.
        units : (scale, offset)
            DN = value * scale + offset.

        Returns
        -------
        ndarray of shape (rows, columns), uint8 or uint16
        """
        pixels = self.read(band, row, column, rows, columns)
        dn = resampling.as_dn(pixels, self.info.nodata_values[band], *units)
        if self.mask_band is not None:
            shown = self.read(self.mask_band, row, column, rows, columns)
            dn = np.where(shown > 0, dn, 0).astype(dn.dtype)
        if not self.info.has_mask:
            return dn
        with self._lock, image_opening.plain_errors(self.info.path, "its mask cannot be read"):
            mask = (
                self._dataset.GetRasterBand(band + 1)
                .GetMaskBand()
                .ReadAsArray(int(column), int(row), int(columns), int(rows))
            )
        return np.where(mask > 0, dn, 0).astype(dn.dtype)

    def read_thinned(self, band: int, most: int = 256) -> np.ndarray:
        """Read some pixels of one band from all over the raster, at most `most` to a side.

        Returns
        -------
        ndarray of shape (pixels,), the raster's dtype
            Those that the file does not call nodata, and that are not 0.
        """
        rows, columns = min(self.info.rows, most), min(self.info.columns, most)
        with (
            self._lock,
            image_opening.plain_errors(self.info.path, "cannot be read (damaged or truncated)"),
        ):
            pixels = self._dataset.GetRasterBand(band + 1).ReadAsArray(
                buf_xsize=columns, buf_ysize=rows
            )
        valid = np.isfinite(pixels) & (pixels != 0)
        nodata = self.info.nodata_values[band]
        return pixels[valid if nodata is None else valid & (pixels != nodata)]

    def read_all(self) -> np.ndarray:
        """Read the whole raster.

        Returns
        -------
        ndarray of shape (rows, columns), or (rows, columns, bands) with more than one band
        """
        size = (self.info.rows, self.info.columns)
        pixels = [self.read(band, 0, 0, *size) for band in range(self.info.bands)]
        return pixels[0] if len(pixels) == 1 else np.stack(pixels, axis=-1)

    def read_upsampled(
        self,
        band: int,
        row: int,
        column: int,
        rows: int,
        columns: int,
        ratio: int,
        units: Units = SAME_UNITS,
    ) -> np.ndarray:
        """Read a window of a band as it lies on a grid that is `ratio` times finer.

        Parameters
        ----------
        band : int
            From 0.
        row, column, rows, columns : int
            The window on the finer grid, inside the raster.
        ratio : int
            How many pixels of the finer grid lie side by side in one of the band: 2 from 20 m
            to 10 m, 6 from 60 m.
        units : (scale, offset)
            DN = value * scale + offset.

        Returns
        -------
        ndarray of shape (rows, columns), uint8 or uint16
            Cubic spline; 0 where the band's own pixel is nodata. Whole numbers from 1 on
            elsewhere: other types than uint8 and uint16 are rounded and clipped to uint16.
        """
        if ratio == 1:
            return self.read_dn(band, row, column, rows, columns, units)
        first, last = row // ratio, -(-(row + rows) // ratio)
        left, right = column // ratio, -(-(column + columns) // ratio)
        coarse = self._read_around(band, first, last, left, right, units)
        fine = resampling.upsample(coarse, ratio)
        row, column = row - first * ratio, column - left * ratio
        return fine[row : row + rows, column : column + columns]

    def read_repeated(
        self, band: int, row: int, column: int, rows: int, columns: int, ratio: int
    ) -> np.ndarray:
        """Read a window as `read_upsampled` does, each pixel repeated: for classes and masks."""
        first, last = row // ratio, -(-(row + rows) // ratio)
        left, right = column // ratio, -(-(column + columns) // ratio)
        pixels = self.read(band, first, left, last - first, right - left)
        fine = pixels.repeat(ratio, axis=0).repeat(ratio, axis=1)
        row, column = row - first * ratio, column - left * ratio
        return fine[row : row + rows, column : column + columns]

    def read_at(
        self, band: int, rows: np.ndarray, columns: np.ndarray, units: Units = SAME_UNITS
    ) -> np.ndarray:
        """Read a band at any places of a grid that is finer, or as fine.

        Parameters
        ----------
        band : int
            From 0.
        rows, columns : ndarray of shape (rows,) and (columns,), rising
            Places in pixels of this raster, 0.5 at the centre of the first; they may lie outside.
        units : (scale, offset)
            DN = value * scale + offset.

        Returns
        -------
        ndarray of shape (rows, columns), uint8 or uint16
            Cubic spline, or the nearest pixel where the grid is not finer, so that nothing is
            smoothed; 0 outside.
        """
        first, last = int(np.floor(rows[0])), int(np.floor(rows[-1])) + 1
        left, right = int(np.floor(columns[0])), int(np.floor(columns[-1])) + 1
        coarse = self._read_around(band, first, last, left, right, units)
        at_rows = rows - (first - resampling.MARGIN)
        at_columns = columns - (left - resampling.MARGIN)
        finer = min(_steps(rows), _steps(columns)) < NEARLY_AS_FINE
        if finer:
            return resampling.upsample_at(coarse, at_rows, at_columns)
        return coarse[np.floor(at_rows).astype(int)][:, np.floor(at_columns).astype(int)]

    def _read_around(
        self, band: int, first: int, last: int, left: int, right: int, units: Units
    ) -> np.ndarray:
        """Read rows first..last and columns left..right and MARGIN more around, 0 outside."""
        margin = resampling.MARGIN
        top, bottom = max(first - margin, 0), min(last + margin, self.info.rows)
        west, east = max(left - margin, 0), min(right + margin, self.info.columns)
        size = (last - first + 2 * margin, right - left + 2 * margin)
        if top >= bottom or west >= east:
            return np.zeros(size, np.uint16)
        pixels = self.read_dn(band, top, west, bottom - top, east - west, units)
        around = np.zeros(size, pixels.dtype)
        row, column = top - first + margin, west - left + margin
        around[row : row + bottom - top, column : column + east - west] = pixels
        return around


def _steps(places: np.ndarray) -> float:
    """Return how far apart places are, in pixels."""
    return float((places[-1] - places[0]) / (len(places) - 1)) if len(places) > 1 else 1.0


def read_bytes(path: str, most: int) -> bytes:
    """Read at most so many bytes of a file, which may be a member of a zip."""
    with image_opening.plain_errors(path, "cannot be read"):
        stream = gdal.VSIFOpenL(path, "rb")
        if stream is None:
            raise FileNotFoundError(f"{path}: no such file")
        try:
            return bytes(gdal.VSIFReadL(1, most, stream) or b"")
        finally:
            gdal.VSIFCloseL(stream)


def read_info(path: str | Path) -> descriptions.RasterInfo:
    """Describe a raster without reading its pixels (see `Raster` for what may be opened)."""
    with Raster(path) as raster:
        return raster.info


def read_raster(path: str | Path) -> tuple[np.ndarray, descriptions.RasterInfo]:
    """Read a whole raster.

    Parameters
    ----------
    path : str or Path
        A GeoTIFF, JPEG 2000, PNG or JPEG, or a VRT that refers to such files.

    Returns
    -------
    array : ndarray of shape (rows, columns), or (rows, columns, bands) with more than one band
    info : descriptions.RasterInfo
    """
    with Raster(path) as raster:
        return raster.read_all(), raster.info


def ratio_to(size: float, raster: Raster) -> int:
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
