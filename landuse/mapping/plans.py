"""A plan for the map of each scene: where it lies, how it is made, where it goes.

`plan_map` checks, before long work, that the map of an open scene can be made and written.
"""

import contextlib
import dataclasses
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landuse import files, sensors
from landuse.evaluation import trust
from landuse.mapping import grids, methods
from landuse.networks import model_files
from landuse.outputs import map_formats
from landuse.rasters import geotransforms, reference_systems, vectors
from landuse.sample import sample_marker
from landuse.scenes import plausibility, scene_reader

AreaOfInterest = Sequence[float] | str | None  # left, bottom, right, top; or a file of polygons


def beside(label: Path, ending: str) -> Path:
    """Give the path of a further file: "maps/pisa.png" beside "maps/pisa_label.tif"."""
    return label.with_name(label.stem.removesuffix("_label") + ending)


def probability_template(label: str, probability: str | None) -> str:
    """Give PATH_TO_PROB_IMAGE, or by default a name like that of the labels."""
    if probability is not None:
        return probability
    return str(beside(Path(label), f"_probability{Path(label).suffix}"))


@dataclass(frozen=True)
class Plan:
    """One scene, and how it is to be mapped.

    Attributes
    ----------
    image : Path
        As the user gave it.
    scene : Scene
        Open.
    record : dict
        Of the model.
    path_to_model : Path
    grid : Grid
        Of the map.
    inside : ndarray of shape (grid.rows, grid.columns), bool, or None
        Cells of the area of interest.
    wanted_method : {"auto", "windows", "dense"}
    method : {"windows", "dense", "pixels"}
        As model, stride and cost suggest.
    label, probability : Path
        What is written.
    trust : Trust
        How far the map can be trusted, with all warnings of its model and of its scene.
    """

    image: Path
    scene: scene_reader.Scene
    record: dict[str, Any]
    path_to_model: Path
    grid: grids.Grid
    inside: np.ndarray | None
    wanted_method: str
    method: str
    label: Path
    probability: Path
    trust: trust.Trust

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the scene."""
        return self.scene.rows, self.scene.columns

    @property
    def geotransform(self) -> geotransforms.Geotransform:
        """Where the cells lie on the ground."""
        return grids.grid_geotransform(self.scene.geotransform, self.grid)

    @property
    def made(self) -> Path:
        """The file whose presence says that a map is there: several labels have no label map."""
        return self.probability if model_files.has_several_labels(self.record) else self.label

    @property
    def unfinished(self) -> Path:
        """Folder of the map while it is not complete."""
        return self.label.with_name(self.label.name + ".partial")

    def beside(self, ending: str) -> Path:
        """Give the path of a further file of the map."""
        return beside(self.label, ending)


def plan_map(
    image: Path,
    scene: scene_reader.Scene,
    record: dict[str, Any],
    *,
    path_to_model: str,
    stride: int,
    bounds: AreaOfInterest,
    method: str,
    path_to_label_image: str,
    path_to_prob_image: str | None,
    strict: bool,
    stack: contextlib.ExitStack,
    others: Sequence[Plan] = (),
    may_be_kept: bool = False,
    replace: bool = False,
) -> Plan:
    """Check, before long work, that the map of a scene can be made and written.

    Parameters
    ----------
    image : Path
        What the scene was opened from.
    scene : Scene
        Open.
    record : dict
        Of the model.
    path_to_model : str
    stride : int
        Pixels from one cell of the map to the next; 1 with a model that classifies pixels.
    bounds : four numbers, path of a vector file, or None
        The area that is wanted: all of the scene by default.
    method : {"auto", "windows", "dense"}
    path_to_label_image, path_to_prob_image : str
        "{product}" in them is the name of the scene, "{run}" that of the model's run. None:
        beside the labels.
    strict : bool
        Whether a warning is an error.
    stack : contextlib.ExitStack
        Gives the outputs free for other runs.
    others : sequence of Plan
        Of the scenes before it, whose maps must not be written over.
    may_be_kept : bool
        Whether a map that is there may stay, so that it is too early to say that it will not.
    replace : bool
        Whether a map that another model made may be replaced.

    Raises
    ------
    ValueError, OSError
        With what is wrong and what to do.
    """
    grid, inside = area_of_interest(
        scene, methods.stride_for(record, stride), bounds, methods.window_for(record)
    )
    run = run_in_names(record, path_to_model)
    template = probability_template(path_to_label_image, path_to_prob_image)
    plan = Plan(
        image=image,
        scene=scene,
        record=record,
        path_to_model=Path(path_to_model),
        grid=grid,
        inside=inside,
        wanted_method=method,
        method=methods.choose_method(method, record, grid),
        label=output_path(path_to_label_image, scene.name, run),
        probability=output_path(template, scene.name, run),
        trust=trust.of_model(record, path_to_model),
    )
    check_outputs(plan, bounds, others)
    if not replace:
        check_other_model(plan, run)
    stack.enter_context(files.lock(plan.label, "writing the map"))
    if plan.made.exists() and not may_be_kept:
        print(f"  {plan.made} exists; the new map will replace it")
    warnings = [*check_sample(record, image), *plausibility.check_against_model(scene, record)]
    plan = dataclasses.replace(plan, trust=plan.trust.warned(warnings))
    warn(scene, plan.trust.warnings, strict)
    return plan


def area_of_interest(
    scene: scene_reader.Scene,
    stride: int,
    bounds: AreaOfInterest,
    window: int = sensors.PATCH_SIZE,
) -> tuple[grids.Grid, np.ndarray | None]:
    """Give the cells within BOUNDS, and for polygons which of them have their centre inside."""
    grid = grids.scene_grid((scene.rows, scene.columns), stride, window)
    if bounds is None:
        return grid, None
    place = scene.geotransform
    system = reference_systems.crs_name(scene.crs) if scene.crs else ""
    if not isinstance(bounds, str):
        left, bottom, right, top = bounds
        return grids.grid_in_bounds(grid, place, (left, bottom, right, top), system), None
    polygons = vectors.read_polygons(bounds, scene.crs)
    grid = grids.grid_in_bounds(grid, place, vectors.polygon_bounds(polygons), system)
    geotransform = grids.grid_geotransform(scene.geotransform, grid)
    inside = vectors.rasterize(polygons, geotransform, scene.crs, grid.rows, grid.columns)
    if not inside.any():
        raise ValueError(f"BOUNDS: no cell of the map has its centre in a polygon of {bounds}")
    return grid, inside


def run_in_names(record: dict[str, Any], path_to_model: str) -> str:
    """Give the name of a model's run as file names can hold it, whatever its record says."""
    return re.sub(r"[^\w.-]", "_", trust.run_of(record, path_to_model))


def output_path(template: str, product: str, run: str = "") -> Path:
    """Give the path of an output that can be written; only the folder "maps" is made."""
    path = Path(template.replace("{product}", product).replace("{run}", run))
    if path.parent == Path("maps") and not path.parent.exists():
        path.parent.mkdir()
    files.check_can_write(path)
    return path


def check_outputs(plan: Plan, bounds: AreaOfInterest, others: Sequence[Plan]) -> None:
    """Raise a ValueError when a map would be written over its own input, or over another map."""
    inputs = {plan.image.resolve(), plan.path_to_model.resolve()}
    if isinstance(bounds, str):
        inputs.add(Path(bounds).resolve())
    further = [plan.beside(known.ending) for known in map_formats.FORMATS.values()]
    for output in (plan.label, plan.probability, *further):
        if output.resolve() in inputs:
            raise ValueError(
                f"the map would be written over {output}, which it is made from: choose another "
                "PATH_TO_LABEL_IMAGE or PATH_TO_PROB_IMAGE"
            )
    # The style beside each has its name, but for the ending.
    if plan.label.resolve().with_suffix("") == plan.probability.resolve().with_suffix(""):
        raise ValueError(f"labels and probabilities cannot both be written to {plan.probability}")
    for other in others:
        if plan.label.resolve() == other.label.resolve():
            raise ValueError(
                f"the maps of {other.image} and {plan.image} would both be written to "
                f"{plan.label}: map them in two calls, with another PATH_TO_LABEL_IMAGE"
            )


def check_other_model(plan: Plan, run: str) -> None:
    """Raise a ValueError when a map of another model would be replaced.

    Which model made a map is told by its `_settings.json`; one that does not tell by its run, as
    older ones, is nobody's.
    """
    beside = plan.beside("_settings.json")
    if not (plan.made.exists() and beside.exists()):
        return
    try:
        facts = files.read_json(beside)
    except (ValueError, OSError):
        return
    if "trained" not in facts or facts.get("model") == trust.run_of(
        plan.record, plan.path_to_model
    ):
        return
    name = plan.label.name
    kept = name.replace("_label", f"_{run}_label") if "_label" in name else f"{run}_{name}"
    raise ValueError(
        f"{plan.made} is the map of another model ({facts['trained']}) and is left as it is. To "
        f"keep both, give this one a name: --path-to-label-image {plan.label.with_name(kept)}; to "
        "replace it, remove it first, or in script 06 give --replace"
    )


def say_how_right(path_to_model: Path, told: trust.Trust) -> None:
    """Print which model is taken, and how right it is; its warnings come with each scene."""
    print(f"model: {path_to_model} ({told.model})")
    for line in told.lines():
        print(f"  {line}")
    sys.stdout.flush()


def check_sample(record: dict[str, Any], image: Path) -> list[str]:
    """Say so when a model of the built-in sample is to map another scene.

    Parameters
    ----------
    record : dict
        Of the model.
    image : Path
        The scene.

    Returns
    -------
    list of str
        At most one warning.
    """
    if record.get("built_in_sample") is not True or sample_marker.is_of_sample(image):
        return []
    return [
        "the model has learned from the built-in sample, a made landscape, and says nothing "
        "about real land: give a model that was trained on real patches"
    ]


def warn(scene: scene_reader.Scene, warnings: Sequence[str], strict: bool) -> None:
    """Print what was assumed of a scene and what looks wrong; an error if strict."""
    for message in scene.messages:
        print(f"  {message}")
    if warnings and strict:
        raise ValueError(f"{scene.name} (STRICT): {'; '.join(warnings)}")
    for warning in warnings:
        print(f"  warning: {warning}")
