"""What each class covers, as a table."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from landuse import files, map_values
from landuse.rasters import geotransforms

SQUARE_METRES_PER_HECTARE = 10_000.0


class Area(NamedTuple):
    """What one class covers."""

    class_name: str
    pixels: int
    hectares: float
    percent: float | None  # of the classified area; None for nodata


def _covered(start: float, step: float, count: int, limits: tuple[float, float]) -> np.ndarray:
    """Return the covered part, 0..1, of each of `count` cells from `start` on."""
    edges = start + step * np.arange(count + 1)
    return np.abs(np.diff(edges.clip(min(limits), max(limits)))) / abs(step)


def areas(
    labels: np.ndarray,
    geotransform: geotransforms.SixFloats,
    class_names: Sequence[str],
    bounds: geotransforms.Bounds | None = None,
    unit: geotransforms.MapUnit | None = geotransforms.METRE,
) -> list[Area]:
    """Return what each class covers, and as the last row what is nodata.

    The area of a pixel is taken as constant, as is usual in the UTM grid of Sentinel-2: within a
    zone, areas on the map and on the ground differ by 0.2 % at most.

    Parameters
    ----------
    labels : ndarray of shape (rows, columns), uint8
        Class index, or NODATA.
    geotransform : six floats
        Of the labels.
    class_names : sequence of str
        Names in the order of the labels.
    bounds : (left, bottom, right, top), optional
        Of the scene: cells of the last row and column may reach past it and count in part then.
    unit : MapUnit or None
        What a unit of the map measures on the ground. None: nobody knows, and hectares are 0.

    Returns
    -------
    list of Area
        One per class in the order of the labels, then one called "nodata" without a percentage.
    """
    map_values.check_labels(labels, class_names)
    _, width, row_rotation, _, column_rotation, height = geotransform
    hectares_per_pixel = (
        abs(width * height - row_rotation * column_rotation) / SQUARE_METRES_PER_HECTARE
    )
    square_metres = unit.square_metres if unit is not None else 0.0
    counts = covered = map_values.label_sums(labels, None)
    if bounds is not None:
        left, bottom, right, top = bounds
        of_rows = _covered(geotransform[3], height, labels.shape[0], (bottom, top))
        of_columns = _covered(geotransform[0], width, labels.shape[1], (left, right))
        covered = map_values.label_sums(labels, (of_rows, of_columns))
    extents = covered * hectares_per_pixel
    classified = max(float(extents[: map_values.NODATA].sum()), np.finfo(float).tiny)
    hectares = extents * square_metres
    rows = [
        Area(name, int(counts[i]), float(hectares[i]), float(100 * extents[i] / classified))
        for i, name in enumerate(class_names)
    ]
    return [
        *rows,
        Area("nodata", int(counts[map_values.NODATA]), float(hectares[map_values.NODATA]), None),
    ]


def write_areas(
    path: str | Path,
    labels: np.ndarray,
    geotransform: geotransforms.SixFloats,
    class_names: Sequence[str],
    bounds: geotransforms.Bounds | None = None,
    unit: geotransforms.MapUnit | None = geotransforms.METRE,
) -> list[Area]:
    """Write `areas` as CSV: class, pixels, hectares, percent; nodata in the last row.

    Parameters
    ----------
    path : str or Path
        The .csv to write.
    labels, geotransform, class_names, bounds
        As in `areas`.
    unit : MapUnit or None
        What a unit of the map measures on the ground. None: nobody knows, the hectares stay
        empty.

    Returns
    -------
    list of Area
        What was written.
    """
    rows = areas(labels, geotransform, class_names, bounds, unit)
    measured = "UTM pixel area" if unit == geotransforms.METRE else "measured at the centre"
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["class", "pixels", f"hectares ({measured})", "percent of the classified area"])
    for row in rows:
        percent = "" if row.percent is None else f"{row.percent:.2f}"
        hectares = f"{row.hectares:.2f}" if unit is not None else ""
        writer.writerow([row.class_name, row.pixels, hectares, percent])
    write_text(path, table.getvalue())
    return rows


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all."""
    with files.atomic_path(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8", newline="")
