"""The map page with the points that were checked, and the same points for GIS."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from landuse import map_values
from landuse.evaluation import map_trust, trust
from landuse.map_checking import map_checks
from landuse.outputs import land_use_map, map_layers, pages
from landuse.rasters import geotransforms, label_maps, point_files
from landuse.scenes import colour_scenes, scene_reader, thinning


def write_points(path: Path, check: map_checks.MapCheck, crs: str) -> None:
    """Write the points with both classes, and whether they are the same, as a GeoPackage."""
    points = check.points
    if points is None:
        raise ValueError(f"{path}: this check has no points")
    columns: dict[str, Any] = {
        "id": points.identities,
        "map_class": [check.rows[index] for index in points.mapped],
        "reference_class": [check.columns[index] for index in points.true],
        "right": points.right.astype(np.int64),
    }
    point_files.write_points(path, points.places, crs, columns, "checked_points")


def page_points(check: map_checks.MapCheck) -> list[pages.PagePoint]:
    """Return the points as the map page shows them."""
    points = check.points
    if points is None:
        return []
    return [
        pages.PagePoint(
            float(x),
            float(y),
            bool(right),
            "right" if right else f"is {check.columns[true]}",
        )
        for (x, y), true, right in zip(points.places, points.true, points.right, strict=True)
    ]


def trust_of(label_map: label_maps.LabelMap, figures: Mapping[str, Any]) -> trust.Trust | None:
    """Tell how far a map can be trusted: by a random sample, else by what the map itself says."""
    told = map_trust.of_tags(label_map.metadata)
    if "area_shares" not in figures:
        return told
    return map_trust.of_check(figures, told.model if told is not None else "not named")


def write_map_page(
    path: Path,
    label_map: label_maps.LabelMap,
    check: map_checks.MapCheck,
    scene: scene_reader.Scene | None,
    figures: Mapping[str, Any],
) -> None:
    """Write the page of the map with its points.

    Of a random sample, it says how right the map is in place of how right its model was.

    Parameters
    ----------
    path : Path
        The .html to write.
    label_map : LabelMap
    check : MapCheck
    scene : scenes.Scene or None
        As `scene_windows.open_for_pictures` gives it; without one the ground stays grey.
    figures : mapping
        Of the check, as `check_reports.figures_of` gives them.
    """
    bounds = None
    if scene is None:
        grey = np.where(label_map.labels == map_values.NODATA, 0, 90).astype(np.uint8)
        rgb, place = np.repeat(grey[..., None], 3, axis=2), label_map.geotransform
    else:
        rgb, place = _picture(scene)
        bounds = geotransforms.extent(scene.geotransform, (scene.rows, scene.columns))
    land_use = land_use_map.LandUseMap(
        label_map.labels,
        label_map.geotransform,
        label_map.crs,
        label_map.class_names,
        name=Path(label_map.path).stem,
        bounds=bounds,
        unit=label_map.ground.unit if label_map.ground is not None else None,
        caption=f"Checked against {Path(check.reference).name}",
        trust=trust_of(label_map, figures),
    )
    picture = map_layers.Picture(rgb, place)
    pages.write_html(path, land_use, picture, points=page_points(check))


def _picture(scene: scene_reader.Scene) -> tuple[np.ndarray, geotransforms.Geotransform]:
    """Read a scene in natural colour, coarse enough for a screen."""
    step = -(-max(scene.rows, scene.columns) // map_layers.LARGEST_PAGE)
    pixels = thinning.read_thinned(scene.read, (0, 0, scene.rows, scene.columns), step)
    rgb = pixels[..., colour_scenes.colours_of(scene)]
    left, width, turn, top, tilt, height = scene.geotransform
    place = (left, width * step, turn, top, tilt, height * step)
    return map_layers.natural_colour(rgb, scene.units), place
