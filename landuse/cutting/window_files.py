"""Windows to label next, as points for GIS and as the page to label them on; and those known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from landuse import files, sensors
from landuse.outputs import labelling_page
from landuse.patches import patch_places
from landuse.rasters import feature_sets, label_maps, point_files, reference_systems
from landuse.scenes import scene_reader, scene_windows

SURROUNDINGS = 192  # px, side of what the page shows: a window and as much on either side
PAGE_FILE, POINTS_FILE, ABOUT_FILE = "label.html", "windows.gpkg", "windows.json"
MAPPED = "mapped_class"  # attribute of the points, by which they are known again


@dataclass(frozen=True)
class Known:
    """Windows that have a label already.

    Attributes
    ----------
    places : ndarray of shape (N, 2)
        x and y of their middles, in the map's reference system.
    names : list of str
        Class of each, "" where nobody could tell.
    """

    places: np.ndarray
    names: list[str]


def read_known(paths: Sequence[str], crs: str) -> Known:
    """Read which windows have a label already.

    Parameters
    ----------
    paths : sequence of str
        Folders that script 00_cut_patches made, or labels that a page saved.
    crs : str
        Of the map.

    Raises
    ------
    OSError, ValueError
        If a path is neither.
    """
    places, names = [np.empty((0, 2))], []
    for path in paths:
        if labelling_page.is_saved_labels(path):
            saved = labelling_page.read_saved_labels(path)
            points = saved.about.get("points", {})
            told = [name for name in saved.labels if name in points]
            at = np.array([points[name][:2] for name in told], np.float64).reshape(-1, 2)
            own, found = str(saved.about.get("crs", "")), [saved.labels[n] or "" for n in told]
        else:
            rows = list(patch_places.read_table(path).values())
            if not rows:
                raise ValueError(
                    f"{path}: is no folder that script 00_cut_patches made (it has no "
                    f"{patch_places.TABLE_FILE}), and holds no labels saved by a page"
                )
            at = np.array([(row["longitude"], row["latitude"]) for row in rows], np.float64)
            own, found = reference_systems.LONGITUDE_LATITUDE, [row["class"] for row in rows]
        names += found
        if found:
            features = feature_sets.of_places(path, found, found, at, own, crs)
            places.append(features.coordinates())
    return Known(np.concatenate(places), names)


def about_windows(label_map: label_maps.LabelMap, places: np.ndarray) -> dict[str, Any]:
    """Return what travels through the page into the file that it saves."""
    return {
        "map": Path(label_map.path).name,
        "map_sha256": files.sha256(label_map.path),
        "crs": label_map.crs,
        "points": {str(number): place for number, place in enumerate(places.tolist(), start=1)},
    }


def write_points(
    path: Path, about: Mapping[str, Any], mapped: Sequence[str], doubt: np.ndarray
) -> None:
    """Write the windows as points whose class is left to fill in."""
    places = np.array(list(about["points"].values()), np.float64)
    columns: dict[str, Any] = {
        "id": list(about["points"]),
        "class": [""] * len(places),
        MAPPED: list(mapped),
        "doubt": doubt.astype(np.float64),
    }
    point_files.write_points(path, places, about["crs"], columns, "windows")


def corners_of(places: np.ndarray, crs: str, scene: scene_reader.Scene) -> np.ndarray:
    """Return the upper left pixel of what the page shows of each window.

    Raises
    ------
    ValueError
        If the scene lies elsewhere than the map.
    """
    advice = "give the scene that the map was made from"
    if not reference_systems.same_crs(scene.crs, crs):
        raise ValueError(
            f"the scene {scene.name} is in {reference_systems.crs_name(scene.crs)}, the map in "
            f"{reference_systems.crs_name(crs)}: {advice}"
        )
    left, width, _, top, _, height = scene.geotransform
    middles = np.column_stack([(places[:, 1] - top) / height, (places[:, 0] - left) / width])
    outside = (middles < 0).any(axis=1) | (middles >= (scene.rows, scene.columns)).any(axis=1)
    if outside.any():
        raise ValueError(
            f"{int(outside.sum())} of {len(places)} windows lie outside the scene {scene.name}: "
            f"{advice}"
        )
    return np.floor(middles).astype(np.int64) - SURROUNDINGS // 2


def write_page(
    path: Path,
    about: Mapping[str, Any],
    scene: scene_reader.Scene,
    class_names: Sequence[str],
    file_name: str,
    next_command: str,
) -> None:
    """Write the page to label the windows on; what the map says of them is not shown."""
    places = np.array(list(about["points"].values()), np.float64)
    degrees = point_files.longitudes_latitudes(places, about["crs"])
    pictures = tqdm(
        scene_windows.window_pictures(scene, corners_of(places, about["crs"], scene), SURROUNDINGS),
        total=len(places),
        desc="reading windows",
        unit="window",
        leave=False,
    )
    edge = (SURROUNDINGS - sensors.PATCH_SIZE) / 2
    outline = (edge, edge, SURROUNDINGS - edge, SURROUNDINGS - edge)
    windows = [
        labelling_page.LabelWindow(name, layers, outline, f"{north:.5f}, {east:.5f}")
        for name, layers, (east, north) in zip(
            about["points"], pictures, degrees.tolist(), strict=True
        )
    ]
    labelling_page.write_labelling_page(
        path,
        windows,
        class_names,
        about,
        title=f"What is there? {Path(about['map']).stem.removesuffix('_label')}",
        subtitle=f"{len(windows)} windows of {scene.name} where the map is in doubt",
        question="Which class covers most of the outlined window?",
        layer_names=scene_windows.layer_names(scene),
        file_name=file_name,
        next_command=next_command,
        caption="Chosen to train with: how right the map is cannot be told from them.",
    )
