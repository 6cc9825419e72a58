"""A sample drawn from a map: how it was drawn, where its points are, and its files.

What is needed to estimate from it later (strata, their sizes, places) is one mapping of JSON. It
lies beside the points, and travels through the page to label into the file that the page saves.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from landuse import files, sensors
from landuse.evaluation import sampling_designs
from landuse.map_checking import reference_cells
from landuse.outputs import labelling_page
from landuse.rasters import label_maps, point_files, reference_systems
from landuse.scenes import scene_reader, scene_windows

SURROUNDINGS = 192  # px, side of what the page shows: a window and as much on either side
DESIGN_FILE, POINTS_FILE, TABLE_FILE, PAGE_FILE = (
    "design.json",
    "points.gpkg",
    "points.csv",
    "label.html",
)
WHOLE_MAP = "the whole map"
CANNOT_TELL = ("cannot tell", "?", "x", "unknown")  # in a table filled in by hand


@dataclass(frozen=True)
class Sample:
    """Points drawn from a map.

    Attributes
    ----------
    map_name, map_sha256 : str
        Of the file.
    design : {"stratified", "random"}
    seed : int
    unit : {"window", "cell"}
        What is labelled.
    crs : str
        WKT, of the places.
    class_names : list of str
        That can be chosen.
    hectares_per_cell : float or None
    stratum_names : list of str
    stratum_cells : ndarray of shape (strata,), int
    identities : list of str
    places : ndarray of shape (points, 2)
        x and y of the middle of each cell.
    strata : ndarray of shape (points,), int
    """

    map_name: str
    map_sha256: str
    design: str
    seed: int
    unit: str
    crs: str
    class_names: list[str]
    hectares_per_cell: float | None
    stratum_names: list[str]
    stratum_cells: np.ndarray
    identities: list[str]
    places: np.ndarray
    strata: np.ndarray

    @property
    def points_by_stratum(self) -> np.ndarray:
        """How many were drawn from each stratum."""
        return np.bincount(self.strata, minlength=len(self.stratum_names))

    @property
    def probabilities(self) -> np.ndarray:
        """Inclusion probability of each point."""
        return (self.points_by_stratum / np.maximum(self.stratum_cells, 1))[self.strata]

    def about(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        strata = zip(self.stratum_names, self.stratum_cells.tolist(), strict=True)
        points = zip(self.identities, self.places.tolist(), self.strata.tolist(), strict=True)
        return {
            "map": self.map_name,
            "map_sha256": self.map_sha256,
            "design": self.design,
            "seed": self.seed,
            "unit": self.unit,
            "crs": self.crs,
            "classes": self.class_names,
            "hectares_per_cell": self.hectares_per_cell,
            "strata": [{"name": name, "cells": cells} for name, cells in strata],
            "points": {name: [*place, stratum] for name, place, stratum in points},
        }

    @classmethod
    def from_about(cls, about: Mapping[str, Any], source: str | Path) -> "Sample":
        """Make it from what `about` gave; ValueError if that is damaged."""
        try:
            names = [str(stratum["name"]) for stratum in about["strata"]]
            points = np.array([about["points"][name] for name in about["points"]], np.float64)
            hectares = about["hectares_per_cell"]
            sample = cls(
                map_name=str(about["map"]),
                map_sha256=str(about["map_sha256"]),
                design=str(about["design"]),
                seed=int(about["seed"]),
                unit=str(about["unit"]),
                crs=str(about["crs"]),
                class_names=[str(name) for name in about["classes"]],
                hectares_per_cell=None if hectares is None else float(hectares),
                stratum_names=names,
                stratum_cells=np.array([int(stratum["cells"]) for stratum in about["strata"]]),
                identities=[str(name) for name in about["points"]],
                places=points.reshape(-1, 3)[:, :2],
                strata=points.reshape(-1, 3)[:, 2].astype(np.int64),
            )
            np.take(sample.stratum_cells, sample.strata)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ValueError(
                f"{source}: does not say how its points were drawn ({error!r}); was it saved by "
                "the page that script 08 made?"
            ) from error
        return sample


def draw_sample(
    label_map: label_maps.LabelMap,
    design: str,
    half_width: float,
    expected_accuracy: float,
    size: int | None,
    floor: int,
    seed: int,
    unit: str,
) -> Sample:
    """Draw points from a map.

    Parameters
    ----------
    label_map : LabelMap
    design : {"stratified", "random"}
        "stratified": by class, with at least `floor` points in each.
    half_width, expected_accuracy : float
        How well overall accuracy shall be known, and about what it is; they give the size.
    size : int or None
        Of the sample, instead.
    floor : int
    seed : int
    unit : {"window", "cell"}

    Returns
    -------
    Sample
    """
    if design == "stratified":
        present = np.flatnonzero(label_map.counts)
        names = [label_map.class_names[index] for index in present]
        cells = label_map.counts[present]
        numbers = np.full(256, -1)
        numbers[present] = np.arange(len(present))
    else:
        names, cells, floor = [WHOLE_MAP], np.array([label_map.counts.sum()]), 0
        numbers = np.where(np.arange(256) < len(label_map.class_names), 0, -1)
    points = (
        sampling_designs.allocate(cells, size, floor)
        if size is not None
        else sampling_designs.points_for_half_width(cells, half_width, expected_accuracy, floor)
    )
    drawn = sampling_designs.draw(numbers[label_map.labels], points, seed)
    return Sample(
        Path(label_map.path).name,
        files.sha256(label_map.path),
        design,
        seed,
        unit if reference_cells.stride_of(label_map) is not None else "cell",
        label_map.crs,
        label_maps.judged_classes(label_map.class_names),
        label_map.hectares_per_cell,
        names,
        cells,
        [str(number) for number in range(1, len(drawn.rows) + 1)],
        label_map.centres(drawn.rows, drawn.columns),
        drawn.strata,
    )


# ---- files


def write_points(folder: Path, sample: Sample) -> None:
    """Write the points for GIS and for tables; the class of each is left to fill in."""
    degrees = point_files.longitudes_latitudes(sample.places, sample.crs)
    columns: dict[str, Any] = {
        "id": sample.identities,
        "class": [""] * len(sample.identities),
        "stratum": sample.strata,
        "probability": sample.probabilities,
    }
    point_files.write_points(folder / POINTS_FILE, sample.places, sample.crs, columns)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", "class", "longitude", "latitude", "x", "y", "stratum", "probability"])
    for number, name in enumerate(sample.identities):
        place = [f"{value:.7f}" for value in degrees[number]]
        chance = f"{sample.probabilities[number]:.8g}"
        stratum = sample.strata[number]
        writer.writerow([name, "", *place, *sample.places[number].tolist(), stratum, chance])
    with files.atomic_path(folder / TABLE_FILE) as temporary:
        temporary.write_text(table.getvalue(), encoding="utf-8")


def write_page(
    folder: Path,
    sample: Sample,
    scene: scene_reader.Scene,
    label_map: label_maps.LabelMap,
    file_name: str,
    next_command: str,
    caption: str = "",
) -> None:
    """Write the page to label the points on, with the windows of a scene.

    Raises
    ------
    ValueError
        If scene and map do not lie on each other.
    """
    corners, outlines = squares(sample, scene, label_map)
    degrees = point_files.longitudes_latitudes(sample.places, sample.crs)
    size = SURROUNDINGS
    pictures = tqdm(
        scene_windows.window_pictures(scene, corners, size),
        total=len(corners),
        desc="reading windows",
        unit="window",
    )
    windows = [
        labelling_page.LabelWindow(name, layers, outline, _degrees_text(*place))
        for name, layers, outline, place in zip(
            sample.identities, pictures, outlines, degrees.tolist(), strict=True
        )
    ]
    whole = f"{len(windows)} windows of {scene.name}, drawn at random"
    what = "outlined window" if sample.unit == "window" else "outlined cell"
    labelling_page.write_labelling_page(
        folder / PAGE_FILE,
        windows,
        sample.class_names,
        sample.about(),
        title=f"What is there? {Path(sample.map_name).stem.removesuffix('_label')}",
        subtitle=whole,
        question=f"Which class covers most of the {what}?",
        layer_names=scene_windows.layer_names(scene),
        file_name=file_name,
        next_command=next_command,
        caption=caption,
    )


def squares(
    sample: Sample, scene: scene_reader.Scene, label_map: label_maps.LabelMap
) -> tuple[np.ndarray, list[tuple[float, float, float, float]]]:
    """Return the upper left pixel of what is shown of each point, and where its outline lies.

    Raises
    ------
    ValueError
        If scene and map do not lie on each other.
    """
    if not reference_systems.same_crs(scene.crs, sample.crs):
        raise ValueError(
            f"the scene {scene.name} is in {reference_systems.crs_name(scene.crs)}, the map in "
            f"{reference_systems.crs_name(sample.crs)}: give the scene that the map was made from"
        )
    left, width, _, top, _, height = scene.geotransform
    rows = (sample.places[:, 1] - top) / height
    columns = (sample.places[:, 0] - left) / width
    outside = (rows < 0) | (rows >= scene.rows) | (columns < 0) | (columns >= scene.columns)
    # the middle of the last cell may lie past the last pixel
    reach = abs(label_map.geotransform[1] / width)
    far = (rows > scene.rows + reach) | (columns > scene.columns + reach)
    far |= (rows < -reach) | (columns < -reach)
    if far.any() or outside.all():
        raise ValueError(
            f"{int((far | outside).sum())} of {len(rows)} points lie outside the scene "
            f"{scene.name}: give the scene that the map was made from"
        )
    unit = sensors.PATCH_SIZE if sample.unit == "window" else reach
    corners = np.stack([rows, columns], axis=1) - SURROUNDINGS / 2
    corners = np.rint(corners).astype(np.int64)
    tops, lefts = rows - unit / 2 - corners[:, 0], columns - unit / 2 - corners[:, 1]
    outlines = [
        (float(t), float(s), float(t + unit), float(s + unit))
        for t, s in zip(tops, lefts, strict=True)
    ]
    return corners, outlines


def _degrees_text(longitude: float, latitude: float) -> str:
    """Return "43.71234° N, 10.41234° E"."""
    north, east = ("N" if latitude >= 0 else "S"), ("E" if longitude >= 0 else "W")
    return f"{abs(latitude):.5f}° {north}, {abs(longitude):.5f}° {east}"


def describe(sample: Sample, expected_accuracy: float) -> list[str]:
    """Say how many points lie where, and how well they will tell overall accuracy."""
    half = sampling_designs.expected_half_width(
        sample.stratum_cells, sample.points_by_stratum, expected_accuracy
    )
    drawn = zip(sample.stratum_names, sample.points_by_stratum, sample.stratum_cells, strict=True)
    return [
        f"{len(sample.identities)} points: "
        + ", ".join(f"{name} {points} of {cells:,}" for name, points, cells in drawn),
        f"if {100 * expected_accuracy:.0f} % are right, overall accuracy will be known to "
        f"+- {100 * half:.1f} points",
    ]


def check_same(sample: Sample, found: Any, path: Path) -> None:
    """Raise a ValueError if another sample lies where this one should go."""
    own = sample.about()
    plain = {
        **{"map_sha256": "the content of the map", "map": "the name of the map"},
        **{"design": "DESIGN", "seed": "SEED", "unit": "UNIT", "classes": "the classes"},
        **{"strata": "the strata", "points": "the points"},
    }
    if not isinstance(found, Mapping):
        raise ValueError(f"{path}: does not describe a sample")
    changed = [text for key, text in plain.items() if own[key] != found.get(key)]
    if changed:
        raise ValueError(
            f"{path}: another sample was drawn there ({', '.join(changed)} differ), and may be "
            "half labelled: name another folder (PATH_TO_CHECK), or remove that one"
        )
