"""What each class of a map covers, as a table."""

import csv
import io
from pathlib import Path

from landuse import files
from landuse.outputs import land_use_map
from landuse.rasters import geotransforms


def write_areas(path: str | Path, land_use: land_use_map.LandUseMap) -> None:
    """Write the areas of a map as CSV: class, pixels, hectares, percent; nodata in the last row.

    Of a map that knows how right its model is, areas have the digits that this allows, and each
    class how much of what is called so is so, and of what that was measured on. Where something
    speaks against the map, the first row says what.

    Parameters
    ----------
    path : str or Path
        The .csv to write.
    land_use : LandUseMap
        Without a unit, the hectares stay empty.
    """
    unit, trust = land_use.unit, land_use.trust
    measured = "UTM pixel area" if unit == geotransforms.METRE else "measured at the centre"
    head = ["class", "pixels", f"hectares ({measured})", "percent of the classified area"]
    warnings: list[str] = []
    if trust is not None:
        unit_of_share = "" if trust.right_of_said else "% of "
        of = f", {unit_of_share}{trust.precision_of}" if trust.precision else ""  # else it is empty
        head.append(f"right of those called so{of}")
        warnings = ["; ".join(trust.warnings)] if trust.warnings else []
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*head, *(["warning"] if warnings else [])])
    for row in land_use.areas:
        percent = "" if row.percent is None else f"{land_use.percent_of(row.percent):.2f}"
        hectares = f"{land_use.hectares_of(row):.2f}" if unit is not None else ""
        cells = [row.class_name, row.pixels, hectares, percent]
        if trust is not None:
            right = trust.right_in(row.class_name).removesuffix(" %")
            cells[2:] = [_short(hectares), _short(percent), right]
        writer.writerow([*cells, *warnings])
        warnings = [""] * len(warnings)
    files.write_text(path, table.getvalue())


def _short(number: str) -> str:
    """Return a number without the zeros that a rounded one ends in behind its point."""
    return number.rstrip("0").rstrip(".") if "." in number else number
