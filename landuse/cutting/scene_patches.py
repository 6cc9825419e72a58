"""The patches of one scene: which windows could be cut, and cutting them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landuse import sensors
from landuse.cutting import candidates as candidate_windows
from landuse.cutting import choosing, cut_folders, label_files
from landuse.rasters import geotransforms, point_files, reference_systems
from landuse.scenes import finding, opening, products, scene_reader

SIZE = sensors.PATCH_SIZE


@dataclass(frozen=True)
class OpenScene:
    """A scene to cut from.

    Attributes
    ----------
    path : Path
        As the user gave it.
    scene : Scene
        Open, in the bands and units of the patches.
    name : str
        That no other scene has.
    """

    path: Path
    scene: scene_reader.Scene
    name: str

    @property
    def grid(self) -> candidate_windows.PixelGrid:
        """Where its pixels lie."""
        scene = self.scene
        return candidate_windows.PixelGrid(scene.geotransform, scene.crs, scene.rows, scene.columns)


def open_to_cut(
    path: Path,
    bands: str | Sequence[str] | None,
    ending: str,
    *,
    mask_clouds: bool,
    granule: str | None,
    order: Sequence[str] | None,
    radiometric_offset: str | float,
    reflectance_scale: float | None,
    others: Sequence[OpenScene] = (),
) -> OpenScene:
    """Open a scene in the bands of the patches, and say what was assumed.

    Parameters
    ----------
    path : Path
    bands : as BANDS of the script
        None: all that the scene has.
    ending : {"tif", "jpg"}
        "jpg": red, green and blue, scaled as the published images.
    mask_clouds : bool
        Where the product has a mask of them.
    granule, order, radiometric_offset, reflectance_scale
        As in `opening.open_scene`.
    others : sequence of OpenScene
        Those before it.

    Raises
    ------
    ValueError, OSError
        If it cannot be opened, has no georeference, or has other bands than the others.
    """
    found = finding.find_product(path, granule=granule, order=order)
    if ending == "jpg":
        sensor = sensors.sensor_of([*found.bands, *found.expected])
        names, units = list(sensor.true_colour), "rgb8"
    else:
        if found.picture:
            raise ValueError(
                f"{path}: is an 8-bit RGB image, whose values are no DN: give the product itself, "
                'or set FORMAT = "jpg" for patches in true colours'
            )
        names = cut_folders.bands_to_cut([*found.bands, *found.expected], bands, str(path))
        units = "DN"
    for other in others:
        if other.scene.band_names != tuple(names):
            raise ValueError(
                f"scenes of different bands: {other.path} has {' '.join(other.scene.band_names)}, "
                f"{path} has {' '.join(names)}: set BANDS to what all have"
            )
    scene = opening.open_scene(
        path,
        names,
        units,
        radiometric_offset,
        mask_clouds and found.cloud_mask is not None,
        granule=granule,
        order=order,
        reflectance_scale=reflectance_scale,
    )
    try:
        _check_place(scene, path)
    except ValueError:
        scene.close()
        raise
    for text in _messages(scene, found, mask_clouds):
        print(f"  {text}")
    return OpenScene(path, scene, _free_name(scene.name, [other.name for other in others]))


def _check_place(scene: scene_reader.Scene, path: Path) -> None:
    if not scene.crs or scene.ground is None:
        raise ValueError(
            f"{path}: has no georeference that says where on Earth it is, so labels cannot be "
            "laid on it"
        )


def _messages(scene: scene_reader.Scene, found: products.Product, mask_clouds: bool) -> list[str]:
    """Say what was assumed of a scene."""
    without = "no cloud mask: look that no patch shows a cloud"
    return [*scene.messages, *([without] if mask_clouds and found.cloud_mask is None else [])]


def _free_name(name: str, taken: Sequence[str]) -> str:
    """Return the name, with a number where another scene has it."""
    names = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(free for free in names if free not in taken)


def check_any_inside(
    found: Sequence[candidate_windows.Candidates],
    scenes: Sequence[OpenScene],
    labels: label_files.Labels,
) -> None:
    """Raise a ValueError when no feature lies on any scene, with where both are."""
    wanted = set(np.flatnonzero(labels.classes >= 0).tolist())
    outside = [
        {feature for feature, why in one.reasons.items() if why == candidate_windows.OUTSIDE}
        for one in found
    ]
    if not all(wanted <= features for features in outside):
        return
    scene = scenes[0].scene
    place = labels.features.coordinates()[sorted(wanted)[0]]
    left, bottom, right, top = geotransforms.extent(scene.geotransform, (scene.rows, scene.columns))
    several = f" nor any of the {len(scenes) - 1} others" if len(scenes) > 1 else ""
    system = reference_systems.crs_name(scene.crs)
    raise ValueError(
        f"none of the {len(wanted)} labelled features lies on {scenes[0].path}{several}: the first "
        f"lies at {place[0]:.0f}, {place[1]:.0f}, the scene from {left:.0f}, {bottom:.0f} to "
        f"{right:.0f}, {top:.0f} ({system}). Is the reference system of the labels right "
        "(LABELS_CRS), and x before y?"
    )


def cut_scene(
    opened: OpenScene,
    candidates: candidate_windows.Candidates,
    labels: label_files.Labels,
    folder: Path,
    ending: str,
    *,
    least_distance: int,
    most_per_class: int | None,
    least_valid: float,
    seed: int,
) -> tuple[list[dict[str, Any]], choosing.Choice]:
    """Cut the patches of a scene.

    Parameters
    ----------
    opened : OpenScene
    candidates : Candidates
    labels : Labels
    folder : Path
        Gets a folder for each class.
    ending : {"tif", "jpg"}
    least_distance, most_per_class, seed
        As in `choosing.choose_windows`.
    least_valid : float
        Share of a window's pixels that must be neither nodata nor under clouds.

    Returns
    -------
    rows : list of dict
        Of the table of places.
    choice : Choice
    """
    scene, class_names = opened.scene, labels.class_names
    metadata = {"SCENE": opened.name, "SENSING_TIME": scene.sensing_time or ""}

    def name_of(index: int) -> str:
        name = class_names[candidates.classes[index]]
        place = f"{candidates.rows[index]}_{candidates.columns[index]}"
        return f"{name}/{name}_{opened.name}_{place}.{ending}"

    def take(index: int) -> bool:
        row, column = int(candidates.rows[index]), int(candidates.columns[index])
        pixels, valid = scene.read(row, column, SIZE, SIZE)
        if valid.mean() < least_valid:
            return False
        cut_folders.write_patch(
            folder / name_of(index),
            pixels,
            opened.grid.part(row, column),
            scene.crs,
            scene.band_names,
            metadata,
        )
        return True

    choice = choosing.choose_windows(
        candidates,
        take,
        least_distance=least_distance,
        most_per_class=most_per_class,
        seed=seed,
        given=labels.is_window[candidates.features],
        description=f"cutting {opened.name[:30]}",
    )
    return _rows(opened, candidates, labels, choice.chosen, name_of), choice


def _rows(
    opened: OpenScene,
    candidates: candidate_windows.Candidates,
    labels: label_files.Labels,
    chosen: list[int],
    name_of: Callable[[int], str],
) -> list[dict[str, Any]]:
    """Return the rows of the table of places."""
    if not chosen:
        return []
    scene = opened.scene
    left, width, _, top, _, height = scene.geotransform
    x = left + (candidates.columns[chosen] + SIZE / 2) * width
    y = top + (candidates.rows[chosen] + SIZE / 2) * height
    degrees = point_files.longitudes_latitudes(np.column_stack([x, y]), scene.crs)
    code = reference_systems.crs_code(scene.crs) or reference_systems.crs_name(scene.crs)
    size = scene.ground.width if scene.ground is not None else sensors.SENTINEL_2.pixel
    rows = []
    for number, index in enumerate(chosen):
        feature = int(candidates.features[index])
        own = {
            "file": name_of(index),
            "class": labels.class_names[candidates.classes[index]],
            "scene": opened.name,
            "date": (scene.sensing_time or "")[:10],
            "row": int(candidates.rows[index]),
            "column": int(candidates.columns[index]),
            "crs": code,
            "x": round(float(x[number]), 3),
            "y": round(float(y[number]), 3),
            "longitude": f"{degrees[number, 0]:.7f}",
            "latitude": f"{degrees[number, 1]:.7f}",
            "side_m": round(SIZE * size, 1),
            "cover": f"{candidates.covers[index]:.3f}",
            "labels": Path(labels.sources[feature]).name,
            "feature": feature + 1,
        }
        known = {name.lower() for name in own}
        told = labels.features.attributes[feature]
        rows.append(
            {
                **own,
                **{(f"{n}_of_label" if n.lower() in known else n): v for n, v in told.items()},
            }
        )
    return rows
