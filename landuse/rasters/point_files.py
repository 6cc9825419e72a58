"""Points written to a GeoPackage, and their longitudes and latitudes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landuse import files
from landuse.rasters import image_opening, reference_systems, vectors
from landuse.rasters.gdal_setup import gdal, ogr, osr

_KINDS = {"i": ogr.OFTInteger64, "u": ogr.OFTInteger64, "f": ogr.OFTReal, "b": ogr.OFTInteger}


def write_points(
    path: str | Path,
    places: np.ndarray,
    crs: str,
    columns: Mapping[str, Sequence[Any] | np.ndarray],
    layer_name: str = "points",
) -> None:
    """Write points with their attributes to a GeoPackage, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The .gpkg to write.
    places : ndarray of shape (points, 2)
        x and y in `crs`.
    crs : str
        "EPSG:32632" or WKT.
    columns : mapping
        Attribute to one value per point: numbers or text.
    layer_name : str
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    with (
        files.atomic_path(path) as temporary,
        image_opening.plain_errors(path, "cannot be written"),
    ):
        target = gdal.GetDriverByName("GPKG").Create(str(temporary), 0, 0, 0, gdal.GDT_Unknown)
        options = [] if vectors.sqlite_has_trees() else ["SPATIAL_INDEX=NO"]
        reference = reference_systems.spatial_reference(crs)
        layer = target.CreateLayer(layer_name, reference, ogr.wkbPoint, options)
        for name, values in arrays.items():
            layer.CreateField(ogr.FieldDefn(name, _KINDS.get(values.dtype.kind, ogr.OFTString)))
        layer.StartTransaction()
        for number, (x, y) in enumerate(places.tolist()):
            feature = ogr.Feature(layer.GetLayerDefn())
            for name, values in arrays.items():
                feature.SetField(name, values[number].item())
            point = ogr.Geometry(ogr.wkbPoint)
            point.AddPoint_2D(x, y)
            feature.SetGeometry(point)
            layer.CreateFeature(feature)
        layer.CommitTransaction()
        target.FlushCache()
        del layer, target


def longitudes_latitudes(places: np.ndarray, crs: str) -> np.ndarray:
    """Return longitude and latitude (WGS 84) of places (points, 2), in degrees.

    Raises
    ------
    ValueError
        If places lie outside what the reference system can express.
    """
    transformation = osr.CoordinateTransformation(
        reference_systems.spatial_reference(crs),
        reference_systems.spatial_reference(reference_systems.LONGITUDE_LATITUDE),
    )
    try:
        found = transformation.TransformPoints(places.tolist())
    except RuntimeError as error:
        raise ValueError("points lie outside what the reference system can express") from error
    return np.array(found, dtype=np.float64).reshape(-1, 3)[:, :2]
