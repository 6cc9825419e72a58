"""A page to walk around in a comparison: both dates, a slider between them, the change."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from landuse import files, map_values
from landuse.changes import comparing, from_to
from landuse.outputs import class_colours, map_layers, pages
from landuse.rasters import geotransforms

TEMPLATE = Path(__file__).with_name("compare.html")
MOST_KINDS = 253  # of change on the page: a byte, less 0 and 255; the rarest are left out


def write_page(
    path: str | Path,
    pictures: tuple[np.ndarray, np.ndarray] | None,
    picture_geotransform: Sequence[float] | None,
    comparison: comparing.Comparison,
    changes: Sequence[from_to.Change],
    class_names: Sequence[str],
    titles: tuple[str, str],
    said: Sequence[str],
    notes: Sequence[str],
    *,
    caption: str = "",
    subtitle: str = "",
    crs_name: str = "",
    metric: bool = True,
) -> None:
    """Write the page; it loads nothing from anywhere.

    Parameters
    ----------
    path : str or Path
        The .html to write; the same arguments give the same bytes.
    pictures : tuple of ndarray of shape (rows, columns, 3), uint8, or None
        Both scenes in natural colour; None: maps only.
    picture_geotransform : six floats or None
    comparison : comparing.Comparison
    changes : sequence of from_to.Change
    class_names : sequence of str
    titles : tuple of str
        What each date is called.
    said : sequence of str
        How sure the change is.
    notes : sequence of str
        What was found in maps and scenes.
    caption, subtitle : str
    crs_name : str
        Stands beside the coordinates.
    metric : bool
        Whether the units of the map are called metres; coordinates are written as such.
    """
    pair = comparison.pair
    kinds = from_to.of_change(changes)[:MOST_KINDS]
    palette = class_colours.colours_of(class_names)
    layers = {
        "before": pair.before,
        "after": pair.after,
        "change": _numbered(comparison, kinds),
        "probability": map_values.to_percent(pair.probability),
    }
    thinned = {
        name: map_layers.thin(layer, map_layers.LARGEST_PAGE) for name, layer in layers.items()
    }
    shown, step = thinned["before"]
    left, width, _, top, _, height = pair.overlap.geotransform
    bounds = geotransforms.extent((left, width * step, 0.0, top, 0.0, height * step), shown.shape)
    scenes = None
    if pictures is not None and picture_geotransform is not None:
        scenes = {
            "before": pages.as_data_uri(pictures[0]),
            "after": pages.as_data_uri(pictures[1]),
            "bounds": geotransforms.extent(picture_geotransform, pictures[0].shape),
            "rows": pictures[0].shape[0],
            "columns": pictures[0].shape[1],
        }
    data = {
        "scenes": scenes,
        "map": {
            **{name: pages.packed(layer) for name, (layer, _) in thinned.items()},
            "bounds": bounds,
            "rows": shown.shape[0],
            "columns": shown.shape[1],
        },
        "classes": [
            {"name": name, "colour": colour}
            for name, colour in zip(class_names, palette, strict=True)
        ],
        "changes": [
            {
                "before": kind.before,
                "after": kind.after,
                "colour": from_to.colour_of(kind, palette),
                "cells": kind.changed_cells,
                "hectares": kind.changed_hectares,
            }
            for kind in kinds
        ],
        "said": list(said),
        "notes": list(notes),
        "nodata": map_values.NODATA,
        "crs": crs_name,
        "metric": metric,
        "unit": comparison.unit.metres if comparison.unit is not None else None,
    }
    texts = {
        "title": f"Change of land use, {titles[0]} to {titles[1]}",
        "subtitle": subtitle,
        "caption": caption,
        "before": titles[0],
        "after": titles[1],
    }
    page = pages.fill_template(TEMPLATE, texts, data)
    with files.atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="")


def _numbered(comparison: comparing.Comparison, kinds: Sequence[from_to.Change]) -> np.ndarray:
    """Give the place of each change in the list, from 1; 0: none, 255: no data."""
    pair = comparison.pair
    numbers = np.zeros(pair.before.shape, np.uint8)
    for number, kind in enumerate(kinds, start=1):
        own = comparison.changed & (pair.before == kind.before) & (pair.after == kind.after)
        numbers[own] = number
    numbers[~pair.valid] = map_values.NODATA
    return numbers
