"""The files of a comparison: raster of changes, probability of change, table, polygons."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from landuse import files, map_values
from landuse.changes import comparing, from_to
from landuse.outputs import class_colours, geotiffs, qgis_styles
from landuse.rasters import vectors, writing

MEANING = (
    "Probability ({unit}) that the class has changed, as two maps say: 1 minus the sum of the "
    "products of both probabilities of each group of classes; it takes the maps at their word"
)


def write_changes(
    path: str | Path,
    comparison: comparing.Comparison,
    changes: Sequence[from_to.Change],
    class_names: Sequence[str],
    crs: str,
    metadata: Mapping[str, object],
) -> None:
    """Write the raster of changes (Cloud Optimized GeoTIFF) and its QGIS style.

    Its numbers are 1 + before * classes + after, 0 for no change. Those that occur stand in the
    GeoTIFF itself as CHANGE_<number>, with their colours, and in the style beside it (.qml).

    Parameters
    ----------
    path : str or Path
        The .tif to write.
    comparison : comparing.Comparison
    changes : sequence of from_to.Change
        As `from_to.count_changes` gives them.
    class_names : sequence of str
    crs : str
    metadata : mapping
        What becomes tags of the GeoTIFF.
    """
    count, pair = len(class_names), comparison.pair
    found = from_to.of_change(changes)
    palette = class_colours.colours_of(class_names)
    numbers = [from_to.NO_CHANGE, *(change.code(count) for change in found)]
    names = [from_to.NO_CHANGE_NAME, *(from_to.name_of(change, class_names) for change in found)]
    colours = [from_to.NO_CHANGE_COLOUR, *(from_to.colour_of(c, palette) for c in found)]
    legend = {f"CHANGE_{number}": name for number, name in zip(numbers, names, strict=True)}
    described = ", ".join(f"{number} {name}" for number, name in zip(numbers, names, strict=True))
    nodata = from_to.nodata_of(count)
    categories = [""] * (max(numbers) + 1)
    for number, name in zip(numbers, names, strict=True):
        categories[number] = name
    qgis_styles.write_style(
        Path(path).with_suffix(".qml"), names, colours, numbers, see_through=[from_to.NO_CHANGE]
    )
    writing.write_geotiff(
        path,
        from_to.encode(pair.before, pair.after, comparison.changed, count),
        pair.overlap.geotransform,
        crs,
        nodata=nodata,
        band_names=["change"],
        metadata={
            **geotiffs.metadata_tags(metadata),
            **legend,
            "CLASSES": ", ".join(class_names),
            "TIFFTAG_IMAGEDESCRIPTION": f"Change of land use: {described}; {nodata} nodata",
        },
        category_names=categories,
        colours=dict(zip(numbers, colours, strict=True)),
        options=[*geotiffs.COG_OPTIONS, "OVERVIEW_RESAMPLING=MODE"],
        driver="COG",
    )


def write_probability(
    path: str | Path, comparison: comparing.Comparison, crs: str, metadata: Mapping[str, object]
) -> None:
    """Write the probability of change in percent, nodata 255."""
    geotiffs.write_shares(
        path,
        map_values.to_percent(comparison.pair.probability)[..., np.newaxis],
        ["probability of change"],
        comparison.pair.overlap.geotransform,
        crs,
        MEANING,
        metadata,
    )


def write_table(
    path: str | Path, changes: Sequence[from_to.Change], class_names: Sequence[str]
) -> None:
    """Write from-to areas as CSV: one row for each pair of classes that occurs.

    Parameters
    ----------
    path : str or Path
        The .csv to write.
    changes : sequence of from_to.Change
    class_names : sequence of str
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(
        [
            "before",
            "after",
            "cells of both maps",
            "hectares of both maps",
            "cells changed",
            "hectares changed",
        ]
    )
    for change in changes:
        writer.writerow(
            [
                class_names[change.before],
                class_names[change.after],
                change.cells,
                _number(change.hectares),
                change.changed_cells,
                _number(change.changed_hectares),
            ]
        )
    with files.atomic_path(path) as temporary:
        temporary.write_text(table.getvalue(), encoding="utf-8", newline="")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def write_polygons(
    path: str | Path,
    numbers: np.ndarray,
    pieces: Sequence[from_to.Piece],
    geotransform: Sequence[float],
    crs: str,
) -> int:
    """Write each connected change as a polygon (GeoPackage, layer "change").

    Its fields: class_before, class_after, hectares (left out where map units are not metres) and
    the mean probability of change in percent.

    Returns
    -------
    int
        The number of polygons.
    """
    fields: dict[str, Sequence[str] | Sequence[float]] = {
        "class_before": [piece.before for piece in pieces],
        "class_after": [piece.after for piece in pieces],
        "probability": [round(100 * piece.probability, 1) for piece in pieces],
    }
    if all(piece.hectares is not None for piece in pieces):
        fields["hectares"] = [round(piece.hectares or 0.0, 2) for piece in pieces]
    return vectors.write_pieces(path, numbers, geotransform, crs, "change", fields)
