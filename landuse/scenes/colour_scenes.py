"""A scene opened for the eye: true colour, and near infrared where it has it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from landuse import sensors
from landuse.scenes import opening, scene_reader


def _attempts() -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the bands and units to try in turn: of each sensor, the most first."""
    for sensor in sensors.SENSORS:
        if sensor.near_infrared:
            yield (*sensor.true_colour, sensor.near_infrared), "DN"
        yield sensor.true_colour, "DN"


def open_in_colours(path: str | Path, **options: Any) -> scene_reader.Scene:
    """Open a scene in true colour, with near infrared where it has it.

    Parameters
    ----------
    path : str or Path
        A product, a folder of bands or a raster, or an 8-bit RGB image.
    **options
        Of `opening.open_scene`.

    Returns
    -------
    Scene
        With red, green and blue, and near infrared where there is one.
    """
    for bands, units in _attempts():
        with contextlib.suppress(ValueError, FileNotFoundError):
            return opening.open_scene(path, bands, units, **options)
    return opening.open_scene(path, sensors.BANDS_RGB, "rgb8", **options)


def in_true_colour(scene: scene_reader.Scene) -> scene_reader.Scene:
    """Open what a scene was read from once more, in red, green and blue, and without its clouds.

    Nothing is looked for again. Where a colour is missing, the bands of the scene must do.

    Parameters
    ----------
    scene : Scene

    Returns
    -------
    Scene
        A context manager of its own.
    """
    try:
        return scene.reopen(sensors.sensor_of(scene.band_names).true_colour)
    except ValueError:
        return scene.reopen(scene.band_names)


def colours_of(scene: scene_reader.Scene) -> list[int]:
    """Return where red, green and blue lie among the bands of a scene."""
    colours = sensors.sensor_of(scene.band_names).true_colour
    return [scene.band_names.index(band) for band in colours]


def infrared_of(scene: scene_reader.Scene) -> list[int]:
    """Return where near infrared, red and green lie, nothing where there is no infrared."""
    bands = sensors.sensor_of(scene.band_names).infrared
    there = bands and bands[0] in scene.band_names
    return [scene.band_names.index(band) for band in bands] if there else []
