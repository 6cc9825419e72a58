"""References laid on the grid of a map: another raster, or polygons that lie on each other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from landuse.rasters import image_opening, reading, reference_systems, writing
from landuse.rasters.gdal_setup import gdal, ogr

NO_VALUE = -(2**31)


class ReferenceRaster:
    """A raster of whole numbers that mean classes, read on the grid of a map.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    OSError, ValueError
        If it cannot be read, has no georeference, several bands, or no whole numbers.
    """

    def __init__(self, path: str | Path) -> None:
        self.info = reading.read_info(path)  # refuses what is no image on this machine
        if self.info.bands != 1 or self.info.dtype.kind not in "iu":
            raise ValueError(
                f"{path}: a reference raster has one band of whole numbers that mean classes; "
                f"found {self.info.bands} of {self.info.dtype}"
            )
        if self.info.geotransform is None or not self.info.crs:
            raise ValueError(f"{path}: has no georeference, so it cannot be laid on the map")
        self.path = str(path)

    def pixel_size(self, crs: str) -> float:
        """Return the height of its pixels in units of another reference system."""
        # GDAL's own guess of a fitting resolution, as gdalwarp would take it
        with image_opening.plain_errors(self.path, "cannot be laid on the map"):
            guess = gdal.AutoCreateWarpedVRT(
                gdal.Open(self.path), None, reference_systems.spatial_reference(crs).ExportToWkt()
            )
        return abs(guess.GetGeoTransform()[5])

    def read_on(
        self, geotransform: Sequence[float], crs: str, rows: int, columns: int
    ) -> np.ndarray:
        """Return the value at the middle of each pixel of a grid.

        Returns
        -------
        ndarray of shape (rows, columns), int32
            `NO_VALUE` outside the raster and where it has no data.
        """
        left, width, _, top, _, height = geotransform
        bounds = (left, top + rows * height, left + columns * width, top)
        with image_opening.plain_errors(self.path, "cannot be laid on the map"):
            warped = gdal.Warp(
                "",
                self.path,
                format="MEM",
                dstSRS=reference_systems.spatial_reference(crs).ExportToWkt(),
                outputBounds=bounds,
                width=columns,
                height=rows,
                outputType=gdal.GDT_Int32,
                dstNodata=NO_VALUE,
                resampleAlg="near",
            )
            return warped.GetRasterBand(1).ReadAsArray()


def burn_in_order(
    polygons: Sequence[bytes],
    values: Sequence[int],
    geotransform: Sequence[float],
    crs: str,
    rows: int,
    columns: int,
    empty: int = 255,
) -> np.ndarray:
    """Burn polygons into a grid, each over those before it.

    Parameters
    ----------
    polygons : sequence of bytes
        WKB in `crs`.
    values : sequence of int
        0..254.
    geotransform : sequence of 6 floats
    crs : str
    rows, columns : int
    empty : int
        Where there is none.

    Returns
    -------
    ndarray of shape (rows, columns), uint8
    """
    grid = writing.memory_dataset(np.full((rows, columns, 1), empty, np.uint8), geotransform, crs)
    memory = gdal.GetDriverByName("Memory") or gdal.GetDriverByName("MEM")  # one from 3.11 on
    vectors = memory.Create("", 0, 0, 0, gdal.GDT_Unknown)
    layer = vectors.CreateLayer("shapes", reference_systems.spatial_reference(crs), ogr.wkbUnknown)
    layer.CreateField(ogr.FieldDefn("value", ogr.OFTInteger))
    left, width, _, top, _, height = geotransform
    right, bottom = left + columns * width, top + rows * height
    for wkb, value in zip(polygons, values, strict=True):
        geometry = ogr.CreateGeometryFromWkb(wkb)
        west, east, south, north = geometry.GetEnvelope()
        if west > right or east < left or south > top or north < bottom:
            continue
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("value", int(value))
        feature.SetGeometry(geometry)
        layer.CreateFeature(feature)
    gdal.RasterizeLayer(grid, [1], layer, options=["ATTRIBUTE=value"])
    return grid.GetRasterBand(1).ReadAsArray()
