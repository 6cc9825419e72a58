"""Polygons: made from a raster, read from files, burnt into a grid."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landuse import files, map_values
from landuse.rasters import geotransforms, image_opening, reference_systems, writing
from landuse.rasters.gdal_setup import gdal, ogr, osr

VECTOR_DRIVERS = ("GeoJSON", "GPKG", "ESRI Shapefile", "FlatGeobuf", "KML")


def sqlite_has_trees() -> bool:
    """Tell whether SQLite can make the trees of a spatial index.

    TensorFlow brings an SQLite that cannot, and it serves GDAL too where it was loaded first.
    """
    database = gdal.GetDriverByName("SQLite").Create(":memory:", 0, 0, 0, gdal.GDT_Unknown)
    try:
        database.ExecuteSQL("CREATE VIRTUAL TABLE tree USING rtree(id, low, high)")
    except RuntimeError:
        return False
    return True


def _polygon_layer(target: Any, crs: str) -> Any:
    """Make the layer that takes the polygons."""
    options = [] if sqlite_has_trees() else ["SPATIAL_INDEX=NO"]
    layer = target.CreateLayer(
        "land_use", reference_systems.spatial_reference(crs), ogr.wkbPolygon, options
    )
    layer.CreateField(ogr.FieldDefn("class_index", ogr.OFTInteger))
    layer.CreateField(ogr.FieldDefn("class_name", ogr.OFTString))
    layer.CreateField(ogr.FieldDefn("hectares", ogr.OFTReal))
    return layer


def polygonize(
    path_gpkg: str | Path,
    labels: np.ndarray,
    geotransform: Sequence[float],
    crs: str,
    class_names: Sequence[str],
    nodata: int = map_values.NODATA,
    unit: geotransforms.MapUnit | None = geotransforms.METRE,
) -> int:
    """Write connected cells of one class as polygons (GeoPackage, layer "land_use").

    Parameters
    ----------
    path_gpkg : str or Path
    labels : ndarray of shape (rows, columns), uint8
    geotransform, crs
        As in `write_geotiff`.
    class_names : sequence of str
    nodata : int
        Label that gets no polygon.
    unit : MapUnit or None
        What a unit of the map measures on the ground. None: nobody knows, hectares stay empty.

    Returns
    -------
    int
        The number of polygons.
    """
    source = writing.memory_dataset(labels[..., None], geotransform, crs)
    mask = writing.memory_dataset((labels != nodata)[..., None], geotransform, crs)
    with (
        files.atomic_path(path_gpkg) as temporary,
        image_opening.plain_errors(path_gpkg, "cannot be written"),
    ):
        target = gdal.GetDriverByName("GPKG").Create(str(temporary), 0, 0, 0, gdal.GDT_Unknown)
        layer = _polygon_layer(target, crs)
        layer.StartTransaction()
        gdal.Polygonize(source.GetRasterBand(1), mask.GetRasterBand(1), layer, 0)
        for feature in layer:
            index = feature.GetField("class_index")
            feature.SetField("class_name", class_names[index])
            if unit is not None:
                square_metres = feature.GetGeometryRef().GetArea() * unit.square_metres
                feature.SetField("hectares", square_metres / 10_000)
            layer.SetFeature(feature)
        layer.CommitTransaction()
        count = layer.GetFeatureCount()
        target.FlushCache()
        del layer, target
    return count


def write_pieces(
    path_gpkg: str | Path,
    pieces: np.ndarray,
    geotransform: Sequence[float],
    crs: str,
    layer_name: str,
    fields: Mapping[str, Sequence[str] | Sequence[float]],
) -> int:
    """Write numbered pieces of a raster as polygons with fields of their own (GeoPackage).

    Parameters
    ----------
    path_gpkg : str or Path
    pieces : ndarray of shape (rows, columns), int32
        Number of the piece that a cell belongs to, from 1; 0: none.
    geotransform, crs
        As in `write_geotiff`.
    layer_name : str
    fields : mapping of str to sequence
        Texts or numbers, one for each piece, in the order of their numbers.

    Returns
    -------
    int
        The number of polygons: more than one for a piece whose parts touch at corners only.
    """
    source = writing.memory_dataset(pieces.astype(np.int32)[..., None], geotransform, crs)
    mask = writing.memory_dataset((pieces > 0)[..., None], geotransform, crs)
    with (
        files.atomic_path(path_gpkg) as temporary,
        image_opening.plain_errors(path_gpkg, "cannot be written"),
    ):
        target = gdal.GetDriverByName("GPKG").Create(str(temporary), 0, 0, 0, gdal.GDT_Unknown)
        options = [] if sqlite_has_trees() else ["SPATIAL_INDEX=NO"]
        layer = target.CreateLayer(
            layer_name, reference_systems.spatial_reference(crs), ogr.wkbPolygon, options
        )
        layer.CreateField(ogr.FieldDefn("piece", ogr.OFTInteger))
        for name, values in fields.items():
            is_text = len(values) > 0 and isinstance(values[0], str)
            layer.CreateField(ogr.FieldDefn(name, ogr.OFTString if is_text else ogr.OFTReal))
        layer.StartTransaction()
        gdal.Polygonize(source.GetRasterBand(1), mask.GetRasterBand(1), layer, 0)
        for feature in layer:
            piece = feature.GetField("piece")
            for name, values in fields.items():
                value = values[piece - 1]
                feature.SetField(name, value if isinstance(value, str) else float(value))
            layer.SetFeature(feature)
        layer.CommitTransaction()
        count = layer.GetFeatureCount()
        target.FlushCache()
        del layer, target
    return count


def _geometries(path: str | Path, crs: str) -> Iterator[Any]:
    """Yield the polygons of every layer in the given reference system."""
    with image_opening.plain_errors(
        path, "cannot be read as a vector file (GeoJSON, GPKG, Shapefile)"
    ):
        source = gdal.OpenEx(str(path), gdal.OF_VECTOR, allowed_drivers=list(VECTOR_DRIVERS))
    target = reference_systems.spatial_reference(crs)
    for number in range(source.GetLayerCount()):
        layer = source.GetLayer(number)
        own = layer.GetSpatialRef()
        if own is None:
            raise ValueError(f"{path}: says no coordinate reference system")
        own = own.Clone()
        own.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        transformation = osr.CoordinateTransformation(own, target)
        for feature in layer:
            geometry = feature.GetGeometryRef()
            if geometry is None or geometry.GetDimension() != 2:
                continue
            geometry = geometry.Clone()
            left, right, bottom, top = geometry.GetEnvelope()
            # a straight edge in degrees is a curve in metres
            geometry.Segmentize(max(right - left, top - bottom) / 100 or 1)
            geometry.Transform(transformation)
            yield geometry


def read_polygons(path: str | Path, crs: str) -> list[bytes]:
    """Read the polygons of a vector file, reprojected.

    Parameters
    ----------
    path : str or Path
        GeoJSON, GeoPackage, Shapefile, FlatGeobuf or KML, with a reference system of its own.
    crs : str
        Reference system of the result, "EPSG:32632" or WKT.

    Returns
    -------
    list of bytes
        Well-known binary (WKB), x before y.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it holds no polygon, has no reference system, or the polygons cannot be reprojected.
    """
    image_opening.check_local_file(path)
    try:
        polygons = [bytes(geometry.ExportToWkb()) for geometry in _geometries(path, crs)]
    except RuntimeError as error:
        raise ValueError(f"{path}: cannot be reprojected: {image_opening.reason(error)}") from error
    if not polygons:
        raise ValueError(f"{path}: holds no polygon")
    return polygons


def polygon_from_rings(rings: Sequence[np.ndarray]) -> bytes:
    """Return a polygon as WKB.

    Parameters
    ----------
    rings : sequence of ndarray of shape (points, 2)
        The outer ring, then its holes; x before y.
    """
    polygon = ogr.Geometry(ogr.wkbPolygon)
    for points in rings:
        ring = ogr.Geometry(ogr.wkbLinearRing)
        for x, y in points:
            ring.AddPoint_2D(float(x), float(y))
        ring.CloseRings()
        polygon.AddGeometry(ring)
    return bytes(polygon.ExportToWkb())


def polygon_bounds(polygons: Sequence[bytes]) -> tuple[float, float, float, float]:
    """Return (left, bottom, right, top) around polygons given as WKB."""
    envelopes = np.array([ogr.CreateGeometryFromWkb(item).GetEnvelope() for item in polygons])
    left, bottom = envelopes[:, 0].min(), envelopes[:, 2].min()
    right, top = envelopes[:, 1].max(), envelopes[:, 3].max()
    if not all(math.isfinite(value) for value in (left, bottom, right, top)):
        raise ValueError("the polygons lie outside what the reference system can express")
    return float(left), float(bottom), float(right), float(top)


def rasterize(
    polygons: Sequence[bytes],
    geotransform: Sequence[float],
    crs: str,
    rows: int,
    columns: int,
) -> np.ndarray:
    """Return which pixels have their centre in a polygon.

    Parameters
    ----------
    polygons : sequence of bytes
        WKB in `crs`, as `read_polygons` gives them.
    geotransform : sequence of 6 floats
    crs : str
    rows, columns : int

    Returns
    -------
    ndarray of shape (rows, columns), bool
    """
    grid = writing.memory_dataset(np.zeros((rows, columns, 1), np.uint8), geotransform, crs)
    memory = gdal.GetDriverByName("Memory") or gdal.GetDriverByName("MEM")  # one from 3.11 on
    vectors = memory.Create("", 0, 0, 0, gdal.GDT_Unknown)
    layer = vectors.CreateLayer(
        "polygons", reference_systems.spatial_reference(crs), ogr.wkbUnknown
    )
    for polygon in polygons:
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkb(polygon))
        layer.CreateFeature(feature)
    gdal.RasterizeLayer(grid, [1], layer, burn_values=[1])
    return grid.GetRasterBand(1).ReadAsArray() > 0
