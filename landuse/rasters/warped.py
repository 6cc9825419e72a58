"""Rasters read on another grid by nearest neighbour, whatever its reference system."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from landuse.rasters import geotransforms, image_opening, reading, reference_systems
from landuse.rasters.gdal_setup import gdal, gdal_array


def place_in(path: str | Path, crs: str) -> tuple[geotransforms.Bounds, float]:
    """Tell what a raster covers in another reference system, and how large its pixels are there.

    Parameters
    ----------
    path : str or Path
        A raster with a georeference.
    crs : str
        EPSG code or WKT.

    Returns
    -------
    bounds : (left, bottom, right, top)
        In units of `crs`. The corners of a warped raster may be empty.
    size : float
        Of a pixel; where the systems differ, as gdalwarp would choose it.

    Raises
    ------
    OSError
        If the raster cannot be brought there.
    """
    info = reading.read_info(path)
    assert info.geotransform is not None
    if reference_systems.same_crs(info.crs, crs):
        bounds = geotransforms.extent(info.geotransform, (info.rows, info.columns))
        return bounds, abs(info.geotransform[5])
    with image_opening.plain_errors(
        path, "cannot be brought into the reference system of the mosaic"
    ):
        source = image_opening.open_with_drivers(path, ("GTiff",))
        wkt = reference_systems.spatial_reference(crs).ExportToWkt()
        guess = gdal.AutoCreateWarpedVRT(source, None, wkt)
        place, shape = guess.GetGeoTransform(), (guess.RasterYSize, guess.RasterXSize)
    return geotransforms.extent(place, shape), abs(place[5])


def read_on(
    path: str | Path,
    geotransform: Sequence[float],
    crs: str,
    shape: tuple[int, int],
    nodata: float,
) -> np.ndarray:
    """Read the first band of a raster at the middle of each cell of a grid.

    Parameters
    ----------
    path : str or Path
        A GeoTIFF with a georeference.
    geotransform : sequence of 6 floats
        Of the grid, north up.
    crs : str
        Of the grid.
    shape : (rows, columns)
    nodata : float
        What cells outside the raster get, and those where it has no data.

    Returns
    -------
    ndarray of shape (rows, columns), the raster's dtype
    """
    source = image_opening.open_with_drivers(path, ("GTiff",))
    first = source.GetRasterBand(1)
    kind, own = first.DataType, first.GetNoDataValue()
    del first  # a band that outlives its dataset crashes the interpreter
    target = gdal.GetDriverByName("MEM").Create("", shape[1], shape[0], 1, kind)
    target.SetGeoTransform([float(value) for value in geotransform])
    target.SetProjection(reference_systems.spatial_reference(crs).ExportToWkt())
    target.GetRasterBand(1).SetNoDataValue(nodata)
    target.GetRasterBand(1).Fill(nodata)
    with image_opening.plain_errors(path, "cannot be read (damaged or truncated)"):
        gdal.Warp(
            target,
            gdal.Translate("", source, format="VRT", bandList=[1]),
            srcNodata=own,
            dstNodata=nodata,
            resampleAlg="near",
            errorThreshold=0,  # of a pixel: each place is computed, none is interpolated
            overviewLevel="NONE",  # they are means and modes
        )
        values = target.GetRasterBand(1).ReadAsArray()
    return values.astype(gdal_array.GDALTypeCodeToNumericTypeCode(kind), copy=False)
