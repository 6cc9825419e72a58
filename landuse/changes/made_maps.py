"""Maps of scenes, made as script 06 makes them, or taken as they are if they are there already."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from landuse import files
from landuse.changes import dated_maps
from landuse.mapping import checks, classification, map_files, plans
from landuse.networks import model_files, shipped, stored_models
from landuse.rasters import geotransforms, reference_systems
from landuse.scenes import opening

# Constants of script 06 that a comparison does not offer: what a map that is taken must have.
FIXED: dict[str, Any] = {
    "BOUNDS": None,
    "ABSENT_CLASSES": None,
    "MIN_PROBABILITY": 0.0,
    "GRANULE": None,
}


def maps_of_scenes(
    scenes: Sequence[Path],
    *,
    path_to_model: str | None,
    path_to_label_image: str,
    stride: int,
    band_names: Sequence[str] | None,
    reflectance_scale: float | None,
    radiometric_offset: float | str,
    mask_clouds: bool,
    method: str,
    engine: str,
    precision: str,
    batch_size: int,
    cache_network: bool,
    quicklook: bool,
    html: bool,
    check: Callable[[Mapping[Path, dated_maps.DatedMap]], None],
) -> dict[Path, Path]:
    """Map scenes with one model, with the probabilities of all classes.

    A map that is there already, of the same scene by the same model with the same settings, is
    taken as it is; one that was begun is completed.

    Parameters
    ----------
    scenes : sequence of Path
    check : callable
        Gets what the map of each scene will say about itself, before any is made.
    **settings
        The constants of script 06, where they are explained.

    Returns
    -------
    dict
        Scene -> label map.
    """
    images = checks.check_images([str(scene) for scene in scenes])
    checks.check_map(stride, 0.0, "uint8")
    checks.check_computing(method, engine, precision, batch_size, None)
    checks.check_templates(path_to_label_image, None, images)
    path_to_model = str(shipped.find_model(path_to_model))
    record = model_files.read_record(path_to_model)
    model_files.check_gives_one_class(
        record, path_to_model, "maps of one class for each cell are compared"
    )
    settings = {
        "PATH_TO_IMAGE": [str(image) for image in images],
        "PATH_TO_MODEL": path_to_model,
        "STRIDE": stride,
        "BAND_NAMES": None if band_names is None else list(band_names),
        "REFLECTANCE_SCALE": reflectance_scale,
        "RADIOMETRIC_OFFSET": radiometric_offset,
        "MASK_CLOUDS": mask_clouds,
        "METHOD": method,
        "ENGINE": engine,
        "PRECISION": precision,
        **FIXED,
    }
    model = None
    with contextlib.ExitStack() as stack:
        planned: list[plans.Plan] = []
        for image in images:
            print(f"scene: {image}")
            scene = opening.open_scene(
                image,
                record["band_names"],
                record["units"],
                radiometric_offset=radiometric_offset,
                mask_clouds=mask_clouds,
                order=band_names,
                reflectance_scale=reflectance_scale,
            )
            plan = plans.plan_map(
                image,
                stack.enter_context(scene),
                record,
                path_to_model=path_to_model,
                stride=stride,
                bounds=None,
                method=method,
                path_to_label_image=path_to_label_image,
                path_to_prob_image=None,
                strict=False,
                stack=stack,
                others=planned,
                may_be_kept=True,
            )
            planned.append(plan)
        check({Path(s): dated_maps.planned_map(p) for s, p in zip(scenes, planned, strict=True)})
        for plan in planned:
            if is_made(plan, settings):
                print(f"  {plan.label}: is of this scene and model, and taken as it is")
                continue
            if model is None:
                print(f"model: {path_to_model}", flush=True)
                model = stored_models.StoredModel(Path(path_to_model), cache_network)
            network = classification.network_for(
                plan,
                model,
                engine=engine,
                precision=precision,
                batch_size=batch_size,
                block_size=None,
            )
            land_use = classification.classify(
                plan,
                network,
                min_probability=0.0,
                probability_type="uint8",
                all_probabilities=True,
            )
            map_files.write_files(
                plan, land_use, settings, quicklook=quicklook, html=html, polygons=False
            )
    return {Path(s): plan.label for s, plan in zip(scenes, planned, strict=True)}


def is_made(plan: plans.Plan, settings: Mapping[str, Any]) -> bool:
    """Tell whether the map of a plan is there, whole and newer than its scene and model."""
    if not (plan.label.is_file() and plan.probability.is_file()):
        return False
    try:
        found = dated_maps.open_map(plan.label, plan.probability)
    except (OSError, ValueError):
        return False
    decide = set(settings) - {"PATH_TO_IMAGE", "PATH_TO_MODEL"}
    newest = max(path.stat().st_mtime for path in plan.scene.files())
    place = geotransforms.extent(plan.geotransform, plan.grid.shape)
    return (
        found.tags.get("MODEL_SHA256") == files.sha256(plan.path_to_model)
        and found.name == plan.scene.name
        and found.class_names == tuple(plan.record["class_names"])
        and found.shape == plan.grid.shape
        and geotransforms.extent(found.geotransform, found.shape) == place
        and reference_systems.same_crs(found.crs, plan.scene.crs)
        and all(found.settings.get(name) == settings[name] for name in decide)
        and newest < plan.label.stat().st_mtime
    )
