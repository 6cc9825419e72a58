"""The files of a map: labels, probabilities, areas, and what the table of formats knows."""

from pathlib import Path
from typing import Any

import numpy as np

from landuse import files
from landuse.mapping import grids, made_scenes, plans, saved_blocks
from landuse.outputs import area_tables, geotiffs, land_use_map, map_formats, map_layers
from landuse.scenes import colour_scenes, thinning


def write_files(
    plan: plans.Plan,
    land_use: land_use_map.LandUseMap,
    settings: dict[str, Any],
    **wanted: bool,
) -> dict[str, Path]:
    """Write all files of a map, the labels last: where they are, the map is complete.

    Parameters
    ----------
    plan : Plan
    land_use : LandUseMap
    settings : dict
        The constants of the script, to be kept beside the map.
    **wanted
        Names of `map_formats.FORMATS`: whether to write them.

    Returns
    -------
    dict
        What there is to look at besides the labels: what it is -> its path.
    """
    chosen = {name: map_formats.FORMATS[name] for name in map_formats.FORMATS if wanted[name]}
    geotiffs.write_probability_map(plan.probability, land_use)
    area_tables.write_areas(plan.beside("_areas.csv"), land_use)
    picture = None
    for known in chosen.values():
        if known.needs_picture and picture is None:
            picture = read_picture(plan)
        scene = (picture,) if known.needs_picture else ()
        known.write(plan.beside(known.ending), land_use, *scene)
    made = {made_scenes.KEY: made_scenes.key_of(plan, settings)}
    kept = {
        "settings": made_scenes.settings_of(plan, settings),
        **made,
        **land_use.facts,
        **land_use.remarks,
    }
    files.write_json(plan.beside("_settings.json"), kept)
    geotiffs.write_label_map(plan.label, land_use)
    shares = ", ".join(
        f"{area.class_name} {land_use.share_text(area.percent)}"
        for area in land_use.areas
        if area.percent is not None
    )
    saved_blocks.remove_saved_blocks(plan.unfinished)
    print(f"  {shares}")
    mention_older_files(plan, chosen)
    further = {known.what: plan.beside(known.ending) for known in chosen.values()}
    return {"probability": plan.probability, **further}


def mention_older_files(plan: plans.Plan, chosen: dict[str, map_formats.Format]) -> None:
    """Say which files beside a map were not written with it; nothing of the user's is deleted."""
    for name, known in map_formats.FORMATS.items():
        path = plan.beside(known.ending)
        if name not in chosen and path.exists():
            print(
                f"  {path} is of an earlier map, not of this one: set {name.upper()} = True "
                f"(--{name}) to renew it"
            )


def read_picture(plan: plans.Plan) -> map_layers.Picture:
    """Read the scene under the map in natural colour, coarse enough for a screen."""
    window = grids.pixels_in_grid(plan.grid, plan.shape)
    step = -(-max(window[2:]) // map_layers.LARGEST_PAGE)
    with colour_scenes.in_true_colour(plan.scene) as scene:
        rgb = thinning.read_thinned(scene.read, window, step)
    rgb = np.take(rgb, np.minimum((0, 1, 2), rgb.shape[2] - 1), axis=2)
    part = grids.Grid(1, window[0], window[1], *window[2:])
    left, width, turn, top, tilt, height = grids.grid_geotransform(plan.scene.geotransform, part)
    geotransform = (left, width * step, turn * step, top, tilt * step, height * step)
    return map_layers.Picture(map_layers.natural_colour(rgb, plan.scene.units), geotransform)
