"""Large GeoTIFFs, written block by block and then turned into Cloud Optimized GeoTIFFs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from landuse import files
from landuse.rasters import image_opening, reference_systems
from landuse.rasters.gdal_setup import gdal, gdal_array

TILE = 512  # px, side of the tiles within the file
ROWS_AT_ONCE = 512


class BlockFile:
    """A raster of one band on disk that is filled block by block; never all of it in memory.

    Parameters
    ----------
    path : Path
        A file for the time of the work.
    shape : (rows, columns)
    dtype : str
        "uint8" or "float32".
    geotransform : sequence of 6 floats
    crs : str
    nodata : float
        What it is full of at first.

    Raises
    ------
    OSError
        If it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int],
        dtype: str,
        geotransform: Sequence[float],
        crs: str,
        nodata: float,
    ) -> None:
        self.path, self.shape = path, shape
        code = gdal_array.NumericTypeCodeToGDALTypeCode(np.dtype(dtype).type)
        options = ["TILED=YES", "COMPRESS=LZW", "BIGTIFF=IF_SAFER", "SPARSE_OK=TRUE"]
        options += [f"BLOCKXSIZE={TILE}", f"BLOCKYSIZE={TILE}"]
        with image_opening.plain_errors(path, "cannot be written (is the disk full?)"):
            self._dataset = gdal.GetDriverByName("GTiff").Create(
                str(path), shape[1], shape[0], 1, code, options
            )
            self._dataset.SetGeoTransform([float(value) for value in geotransform])
            if crs:
                wkt = reference_systems.spatial_reference(crs).ExportToWkt()
                self._dataset.SetProjection(wkt)
            self._dataset.GetRasterBand(1).SetNoDataValue(nodata)

    def write(self, row: int, column: int, values: np.ndarray) -> None:
        """Put a block (rows, columns) at its upper left cell."""
        with image_opening.plain_errors(self.path, "cannot be written (is the disk full?)"):
            self._dataset.GetRasterBand(1).WriteArray(values, int(column), int(row))

    def read(self, row: int, rows: int) -> np.ndarray:
        """Read whole rows back."""
        with image_opening.plain_errors(self.path, "cannot be read back"):
            return self._dataset.GetRasterBand(1).ReadAsArray(0, row, self.shape[1], rows)

    def save(
        self,
        path: str | Path,
        *,
        band_name: str,
        metadata: Mapping[str, str],
        category_names: Sequence[str] | None = None,
        colours: Sequence[Sequence[int]] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Write a Cloud Optimized GeoTIFF of it with overviews, whole or not at all.

        Parameters
        ----------
        path : str or Path
        band_name : str
        metadata : mapping of str
        category_names : sequence of str, optional
            Names of the values 0, 1, ...
        colours : sequence of (red, green, blue), optional
            Of the same.
        options : sequence of str
            GDAL's creation options.

        Raises
        ------
        OSError
            If it cannot be written, also when the disk is full.
        """
        with image_opening.plain_errors(path, "cannot be written (is the disk full?)"):
            band = self._dataset.GetRasterBand(1)
            band.SetDescription(band_name)
            if category_names is not None:
                band.SetCategoryNames(list(category_names))
            if colours is not None:
                table = gdal.ColorTable()
                for value, colour in enumerate(colours):
                    table.SetColorEntry(value, tuple(int(part) for part in colour))
                band.SetRasterColorTable(table)
            del band
            self._dataset.SetMetadata(dict(metadata))
            self._dataset.FlushCache()
        with files.atomic_path(path) as temporary:
            with image_opening.plain_errors(path, "cannot be written (is the disk full?)"):
                driver = gdal.GetDriverByName("COG")
                copy = driver.CreateCopy(str(temporary), self._dataset, 0, list(options))
                copy.FlushCache()
                del copy
            self._check_written(temporary, path)

    def _check_written(self, temporary: Path, path: str | Path) -> None:
        """Read the file back: GDAL 3.6 does not report every failed write."""
        written = image_opening.open_with_drivers(temporary, ("GTiff",))
        for row in range(0, self.shape[0], ROWS_AT_ONCE):
            rows = min(ROWS_AT_ONCE, self.shape[0] - row)
            found = written.GetRasterBand(1).ReadAsArray(0, row, self.shape[1], rows)
            if not np.array_equal(found, self.read(row, rows)):
                raise OSError(f"{path}: was not written completely; is the disk full?")

    def close(self) -> None:
        """Close the file; it stays where it is."""
        self._dataset = None
