"""The classes of a map as polygons."""

from pathlib import Path

from landuse import map_values
from landuse.outputs import land_use_map
from landuse.rasters import vectors


def write_polygons(path: str | Path, land_use: land_use_map.LandUseMap) -> None:
    """Write the connected areas of each class as polygons to a GeoPackage.

    Each has the fields `class_index`, `class_name` and `hectares` (empty where nobody knows what
    the map's units measure); nodata has no polygon. Dissolve by class_name for one multipolygon
    per class.

    Parameters
    ----------
    path : str or Path
        The .gpkg to write.
    land_use : LandUseMap
    """
    vectors.polygonize(
        path,
        land_use.labels,
        land_use.geotransform,
        land_use.crs,
        land_use.class_names,
        map_values.NODATA,
        land_use.unit,
    )
