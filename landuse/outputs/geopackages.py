"""The classes of a map as polygons."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from landuse import map_values
from landuse.rasters import geotransforms, vectors


def write_polygons(
    path: str | Path,
    labels: np.ndarray,
    geotransform: geotransforms.SixFloats,
    crs: str,
    class_names: Sequence[str],
    unit: geotransforms.MapUnit | None = geotransforms.METRE,
) -> None:
    """Write the connected areas of each class as polygons to a GeoPackage.

    Each has the fields `class_index`, `class_name` and `hectares` (empty where nobody
    knows what the map's units measure); nodata has no polygon. Dissolve by
    class_name for one multipolygon per class.

    Parameters
    ----------
    path : str or Path
        The .gpkg to write.
    labels, geotransform, crs, class_names
        As in `write_label_map`.
    unit : MapUnit or None
        What a unit of the map measures on the ground.
    """
    map_values.check_labels(labels, class_names)
    vectors.polygonize(path, labels, geotransform, crs, class_names, map_values.NODATA, unit)
