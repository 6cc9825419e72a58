"""A plan for the map of each scene: where it lies, how it is made, where it goes.

`plan_map` opens a scene and checks, before long work, that its map can be made and written.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landuse import files, map_values
from landuse.evaluation import doubts
from landuse.mapping import grids, methods
from landuse.rasters import geotransforms, reference_systems, vectors
from landuse.sample import sample_marker
from landuse.scenes import opening, plausibility, scene_reader

FURTHER = {  # by setting: what it writes beside the labels, and the ending of that
    "QUICKLOOK": ("picture", ".png"),
    "HTML": ("page", ".html"),
    "POLYGONS": ("polygons", ".gpkg"),
}


@dataclass(frozen=True)
class Settings:
    """The constants of step 6, where they are explained; here in lower case."""

    path_to_image: str | list[str]
    path_to_model: str
    path_to_label_image: str
    path_to_prob_image: str | None
    stride: int
    bounds: Sequence[float] | str | None
    min_probability: float
    probability_type: str
    all_probabilities: bool
    band_names: list[str] | None
    reflectance_scale: float | None
    radiometric_offset: float | str
    granule: str | None
    mask_clouds: bool
    strict: bool
    quicklook: bool
    html: bool
    polygons: bool
    method: str
    engine: str
    precision: str
    batch_size: int
    block_size: int | None

    @classmethod
    def of(cls, constants: dict[str, Any]) -> "Settings":
        """Make them from the constants by name, as `command_line.constants` gives them."""
        return cls(**{name.lower(): value for name, value in constants.items()})

    @property
    def probability_template(self) -> str:
        """PATH_TO_PROB_IMAGE, or by default a name like that of the labels."""
        if self.path_to_prob_image is not None:
            return self.path_to_prob_image
        label = Path(self.path_to_label_image)
        return str(beside(label, f"_probability{label.suffix}"))

    def constants(self) -> dict[str, Any]:
        """Give them as constants by name, to be kept beside the map."""
        return {name.upper(): value for name, value in asdict(self).items()}


def beside(label: Path, ending: str) -> Path:
    """Give the path of a further file: "maps/pisa.png" beside "maps/pisa_label.tif"."""
    return label.with_name(label.stem.removesuffix("_label") + ending)


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
    settings : Settings
    grid : mapping.Grid
        Of the map.
    inside : ndarray of shape (grid.rows, grid.columns), bool, or None
        Cells of the area of interest.
    method : {"windows", "dense"}
        As model, stride and cost suggest.
    label, probability : Path
        What is written.
    """

    image: Path
    scene: scene_reader.Scene
    record: dict[str, Any]
    settings: Settings
    grid: grids.Grid
    inside: np.ndarray | None
    method: str
    label: Path
    probability: Path

    @property
    def class_names(self) -> list[str]:
        """Names of the labels in order."""
        uncertain = [map_values.UNCERTAIN] if self.settings.min_probability > 0 else []
        return self.record["class_names"] + uncertain

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the scene."""
        return self.scene.rows, self.scene.columns

    @property
    def geotransform(self) -> geotransforms.Geotransform:
        """Where the cells lie on the ground."""
        return grids.grid_geotransform(self.scene.geotransform, self.grid)

    @property
    def unit(self) -> geotransforms.MapUnit | None:
        """What a unit of the map measures on the ground, None where nobody knows."""
        return self.scene.ground.unit if self.scene.ground is not None else None

    @property
    def unfinished(self) -> Path:
        """Folder of the map while it is not complete."""
        return self.label.with_name(self.label.name + ".partial")

    def wants(self, name: str) -> bool:
        """Tell whether one of the settings in FURTHER is switched on."""
        return bool(getattr(self.settings, name.lower()))

    @property
    def outputs(self) -> dict[str, Path]:
        """What there is to look at besides the labels, by what it is."""
        further = {
            what: self.beside(ending)
            for name, (what, ending) in FURTHER.items()
            if self.wants(name)
        }
        return {"probability": self.probability, **further}

    def beside(self, ending: str) -> Path:
        """Give the path of a further file of the map."""
        return beside(self.label, ending)


def plan_map(
    image: Path,
    record: dict[str, Any],
    settings: Settings,
    stack: contextlib.ExitStack,
    others: Sequence[Plan] = (),
) -> Plan:
    """Open a scene and check, before long work, that its map can be made and written.

    Parameters
    ----------
    image : Path
        A product, a folder of bands or a raster.
    record : dict
        Of the model.
    settings : Settings
    stack : contextlib.ExitStack
        Closes the scene, and gives its outputs free for other runs.
    others : sequence of Plan
        Of the scenes before it, whose maps must not be written over.

    Raises
    ------
    ValueError, OSError
        With what is wrong and what to do.
    """
    print(f"scene: {image}")
    scene = stack.enter_context(
        opening.open_scene(
            image,
            record["band_names"],
            record["units"],
            settings.radiometric_offset,
            settings.mask_clouds,
            settings.granule,
            settings.band_names,
            settings.reflectance_scale,
        )
    )
    grid, inside = area_of_interest(scene, settings)
    plan = Plan(
        image,
        scene,
        record,
        settings,
        grid,
        inside,
        methods.choose_method(settings.method, record, grid),
        output_path(settings.path_to_label_image, scene.name),
        output_path(settings.probability_template, scene.name),
    )
    check_outputs(plan, others)
    stack.enter_context(files.lock(plan.label, "writing the map"))
    if plan.label.exists():
        print(f"  {plan.label} exists; the new map will replace it")
    warnings = [*check_model(record, image), *plausibility.check_against_model(scene, record)]
    warn(scene, warnings, settings.strict)
    return plan


def area_of_interest(
    scene: scene_reader.Scene, settings: Settings
) -> tuple[grids.Grid, np.ndarray | None]:
    """Give the cells within BOUNDS, and for polygons which of them have their centre inside."""
    grid, bounds = grids.scene_grid((scene.rows, scene.columns), settings.stride), settings.bounds
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


def output_path(template: str, product: str) -> Path:
    """Give the path of an output that can be written; only the folder "maps" is made."""
    path = Path(template.replace("{product}", product))
    if path.parent == Path("maps") and not path.parent.exists():
        path.parent.mkdir()
    files.check_can_write(path)
    return path


def check_outputs(plan: Plan, others: Sequence[Plan]) -> None:
    """Raise a ValueError when a map would be written over its own input, or over another map."""
    settings = plan.settings
    inputs = {plan.image.resolve(), Path(settings.path_to_model).resolve()}
    if isinstance(settings.bounds, str):
        inputs.add(Path(settings.bounds).resolve())
    further = [plan.beside(ending) for _, ending in FURTHER.values()]
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


def check_model(record: dict[str, Any], image: Path) -> list[str]:
    """Say why a map would mean little, whatever the scene looks like.

    Parameters
    ----------
    record : dict
        Of the model.
    image : Path
        The scene.

    Returns
    -------
    list of str
        Warnings, none for a model that is good for the scene.
    """
    warnings = []
    if record.get("built_in_sample") is True and not sample_marker.is_of_sample(image):
        warnings.append(
            "the model has learned from the built-in sample, a made landscape, and says nothing "
            "about real land: give a model that was trained on real patches"
        )
    doubt = doubts.doubt(record)
    return [*warnings, doubt] if doubt else warnings


def warn(scene: scene_reader.Scene, warnings: Sequence[str], strict: bool) -> None:
    """Print what was assumed of a scene and what looks wrong; an error if strict."""
    for message in scene.messages:
        print(f"  {message}")
    if warnings and strict:
        raise ValueError(f"{scene.name} (STRICT): {'; '.join(warnings)}")
    for warning in warnings:
        print(f"  warning: {warning}")
