"""GeoTIFFs, written whole or not at all, and read back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landuse import files
from landuse.rasters import image_opening, reference_systems
from landuse.rasters.gdal_setup import gdal, gdal_array


def memory_dataset(
    array: np.ndarray, geotransform: Sequence[float] | None, crs: str
) -> gdal.Dataset:
    """Return a dataset in memory that holds the array (rows, columns, bands)."""
    pixels = array.astype(np.uint8) if array.dtype == bool else array
    code = gdal_array.NumericTypeCodeToGDALTypeCode(pixels.dtype.type)
    if code is None:
        raise ValueError(f"a GeoTIFF cannot hold values of type {array.dtype}")
    rows, columns, bands = pixels.shape
    dataset = gdal.GetDriverByName("MEM").Create("", columns, rows, bands, code)
    if geotransform is not None:
        dataset.SetGeoTransform([float(value) for value in geotransform])
    if crs:
        dataset.SetProjection(reference_systems.spatial_reference(crs).ExportToWkt())
    for band in range(bands):
        dataset.GetRasterBand(band + 1).WriteArray(np.ascontiguousarray(pixels[..., band]))
    return dataset


def _colour_table(colours: Mapping[int, Sequence[int]] | Sequence[Sequence[int]]) -> Any:
    """Return GDAL's table of value to colour."""
    pairs = colours.items() if isinstance(colours, Mapping) else enumerate(colours)
    table = gdal.ColorTable()
    for value, colour in pairs:
        table.SetColorEntry(int(value), tuple(int(part) for part in colour))
    return table


def _check_written(path: Path, array: np.ndarray, name: str | Path) -> None:
    """Read a fresh file back and compare it: GDAL 3.6 does not report every failed write."""
    dataset = image_opening.open_with_drivers(path, ("GTiff",))
    # rows in strips, so that a large map is not held twice
    for row in range(0, array.shape[0], 2048):
        expected = array[row : row + 2048]
        for band in range(array.shape[2]):
            found = dataset.GetRasterBand(band + 1).ReadAsArray(
                0, row, array.shape[1], expected.shape[0]
            )
            if not np.array_equal(found, expected[..., band], equal_nan=array.dtype.kind == "f"):
                raise OSError(f"{name}: was not written completely; is the disk full?")


def write_geotiff(
    path: str | Path,
    array: np.ndarray,
    geotransform: Sequence[float] | None,
    crs: str,
    *,
    nodata: float | None = None,
    band_names: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    category_names: Sequence[str] | None = None,
    colours: Mapping[int, Sequence[int]] | Sequence[Sequence[int]] | None = None,
    options: Sequence[str] = (),
    driver: str = "GTiff",
) -> None:
    """Write a GeoTIFF, whole or not at all.

    Parameters
    ----------
    path : str or Path
    array : ndarray of shape (rows, columns) or (rows, columns, bands)
    geotransform : sequence of 6 floats, or None
        Left edge, pixel width, 0, top edge, 0, minus pixel height.
    crs : str
        "EPSG:32632" or WKT; "" for none.
    nodata : float, optional
    band_names : sequence of str, optional
        Written as the descriptions of the bands.
    metadata : mapping of str, optional
        Written into the file's own metadata.
    category_names : sequence of str, optional
        Name of value 0, 1, ... of the first band. GDAL keeps them in `<path>.aux.xml`.
    colours : mapping or sequence, optional
        Value to (red, green, blue), 0..255, for the first band (uint8 or uint16).
    options : sequence of str
        GDAL's creation options, as "OVERVIEW_RESAMPLING=MODE".
    driver : {"GTiff", "COG"}
        COG writes a Cloud Optimized GeoTIFF with overviews.

    Raises
    ------
    OSError
        If it cannot be written, also when the disk is full.
    ValueError
        If names and array do not fit together.
    """
    pixels = array if array.ndim == 3 else array[..., None]
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ValueError(f"{path}: an array of shape {array.shape} is no raster")
    if band_names is not None and len(band_names) != pixels.shape[2]:
        raise ValueError(f"{path}: {len(band_names)} band names for {pixels.shape[2]} bands")
    dataset = memory_dataset(pixels, geotransform, crs)
    for number, name in enumerate(band_names or (), start=1):
        dataset.GetRasterBand(number).SetDescription(name)
    for number in range(1, pixels.shape[2] + 1 if nodata is not None else 0):
        dataset.GetRasterBand(number).SetNoDataValue(nodata)
    if metadata:
        dataset.SetMetadata({key: str(value) for key, value in metadata.items()})
    if category_names is not None:
        dataset.GetRasterBand(1).SetCategoryNames(list(category_names))
    if colours is not None:
        dataset.GetRasterBand(1).SetRasterColorTable(_colour_table(colours))
    with files.atomic_path(path) as temporary:
        _copy_to_file(dataset, temporary, driver, options, path)
        _check_written(temporary, pixels, path)
        has_sidecar = Path(f"{temporary}.aux.xml").exists()
    if not has_sidecar:
        # one that is still there belonged to the file just replaced
        Path(f"{path}.aux.xml").unlink(missing_ok=True)


def _copy_to_file(
    dataset: gdal.Dataset, temporary: Path, driver: str, options: Sequence[str], name: str | Path
) -> None:
    """Write the dataset to a new file and make sure that it is flushed."""
    given = {option.split("=")[0].upper() for option in options}
    chosen = list(options) + ([] if "COMPRESS" in given else ["COMPRESS=DEFLATE"])
    with image_opening.plain_errors(name, "cannot be written (is the disk full?)"):
        copy = gdal.GetDriverByName(driver).CreateCopy(str(temporary), dataset, 0, chosen)
        copy.FlushCache()
        del copy
