"""The files of a map: labels, probabilities, table, polygons, picture and page."""

import contextlib
from typing import Any

import numpy as np

from landuse import files, sensors
from landuse.mapping import classification, grids, plans, saved_blocks, whole_scene
from landuse.outputs import area_tables, geopackages, geotiffs, map_layers, pages, quicklooks
from landuse.rasters import geotransforms, reference_systems
from landuse.scenes import opening, scene_reader, thinning


def write_files(
    plan: plans.Plan, network: classification.ReadyNetwork, result: whole_scene.Result
) -> None:
    """Write all files of a map, the labels last: where they are, the map is complete."""
    settings, place = plan.settings, (plan.geotransform, plan.scene.crs)
    geotiffs.write_probability_map(
        plan.probability, *with_all_classes(plan, result, place, network.facts)
    )
    bounds = geotransforms.extent(plan.scene.geotransform, plan.shape)
    areas = area_tables.write_areas(
        plan.beside("_areas.csv"),
        result.labels,
        plan.geotransform,
        plan.class_names,
        bounds,
        plan.unit,
    )
    if settings.polygons:
        names = plan.class_names
        geopackages.write_polygons(plan.beside(".gpkg"), result.labels, *place, names, plan.unit)
    if settings.quicklook or settings.html:
        show_map(plan, network, result)
    files.write_json(
        plan.beside("_settings.json"), {"settings": settings.constants(), **network.facts}
    )
    geotiffs.write_label_map(plan.label, result.labels, *place, plan.class_names, network.facts)
    saved_blocks.remove_saved_blocks(plan.unfinished)
    classes = [area for area in areas if area.percent is not None]
    print("  " + ", ".join(f"{area.class_name} {area.percent:.1f} %" for area in classes))
    mention_older_files(plan)


def mention_older_files(plan: plans.Plan) -> None:
    """Say which files beside a map were not written with it; nothing of the user's is deleted."""
    for name, (_, ending) in plans.FURTHER.items():
        path = plan.beside(ending)
        if not plan.wants(name) and path.exists():
            print(
                f"  {path} is of an earlier map, not of this one: set {name} = True "
                f"(--{name.lower()}) to renew it"
            )


def with_all_classes(
    plan: plans.Plan, result: whole_scene.Result, place: tuple[Any, str], facts: dict[str, Any]
) -> tuple[Any, ...]:
    """Give the arguments of the probability map, with one more band for each class if wanted."""
    if result.all_probabilities is None:
        return result.probability, *place, facts
    bands = np.concatenate([result.probability[np.newaxis], result.all_probabilities])
    names = ["probability of the label", *plan.record["class_names"]]
    return np.moveaxis(bands, 0, -1), *place, facts, names


def show_map(
    plan: plans.Plan, network: classification.ReadyNetwork, result: whole_scene.Result
) -> None:
    """Write the picture and the page."""
    rgb, rgb_geotransform = read_picture(plan)
    picture = plan.class_names, plan.geotransform, plan.scene.name
    options: dict[str, Any] = {
        "rgb_geotransform": rgb_geotransform,
        "subtitle": str(plan.scene.sensing_time or ""),
        "caption": caption(plan.scene, network.facts),
        "unit": plan.unit,
    }
    if plan.settings.quicklook:
        quicklooks.write_quicklook(plan.beside(".png"), rgb, result.labels, *picture, **options)
    if plan.settings.html:
        values = rgb, result.labels, result.probability
        name, metric = (
            reference_systems.crs_name(plan.scene.crs),
            reference_systems.in_metres(plan.scene.crs),
        )
        pages.write_html(
            plan.beside(".html"), *values, *picture, crs_name=name, metric=metric, **options
        )


def caption(scene: scene_reader.Scene, facts: dict[str, Any]) -> str:
    """Say how a map was made, and whose data it shows, as the licence of Sentinel data asks."""
    how = "dense" if facts["method"] == "dense" else "window by window"
    made = f"Model {facts['model']} ({facts['network']}), stride {facts['stride']} px, {how}."
    if not (scene.level and scene.sensing_time):  # no Sentinel-2 product
        return made
    return f"{made} Contains modified Copernicus Sentinel data {scene.sensing_time[:4]}."


def read_picture(plan: plans.Plan) -> tuple[np.ndarray, tuple[float, ...]]:
    """Read the scene under the map in natural colour, coarse enough for a screen.

    Returns
    -------
    rgb : ndarray of shape (rows, columns, 3), uint8
    geotransform : six floats
    """
    units, settings = plan.record["units"], plan.settings
    window = grids.pixels_in_grid(plan.grid, plan.shape)
    step = -(-max(window[2:]) // map_layers.LARGEST_PAGE)
    with contextlib.ExitStack() as stack:
        try:
            scene = opening.open_scene(
                plan.image,
                sensors.BANDS_RGB,
                units,
                settings.radiometric_offset,
                granule=settings.granule,
                order=settings.band_names,
                reflectance_scale=settings.reflectance_scale,
            )
            read = stack.enter_context(scene).read
        except ValueError:  # no red, green or blue: the model's bands must do
            read = plan.scene.read
        rgb = thinning.read_thinned(read, window, step)
    rgb = np.take(rgb, np.minimum((0, 1, 2), rgb.shape[2] - 1), axis=2)
    part = grids.Grid(1, window[0], window[1], *window[2:])
    left, width, turn, top, tilt, height = grids.grid_geotransform(plan.scene.geotransform, part)
    geotransform = (left, width * step, turn * step, top, tilt * step, height * step)
    return map_layers.natural_colour(rgb, units), geotransform
