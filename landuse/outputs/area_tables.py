"""What each class of a map covers, as a table."""

import csv
import io
from pathlib import Path

from landuse import files
from landuse.outputs import land_use_map
from landuse.rasters import geotransforms


def write_areas(path: str | Path, land_use: land_use_map.LandUseMap) -> None:
    """Write the areas of a map as CSV: class, pixels, hectares, percent; nodata in the last row.

    Parameters
    ----------
    path : str or Path
        The .csv to write.
    land_use : LandUseMap
        Without a unit, the hectares stay empty.
    """
    unit = land_use.unit
    measured = "UTM pixel area" if unit == geotransforms.METRE else "measured at the centre"
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["class", "pixels", f"hectares ({measured})", "percent of the classified area"])
    for row in land_use.areas:
        percent = "" if row.percent is None else f"{row.percent:.2f}"
        hectares = f"{row.hectares:.2f}" if unit is not None else ""
        writer.writerow([row.class_name, row.pixels, hectares, percent])
    files.write_text(path, table.getvalue())
