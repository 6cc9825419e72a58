"""The two scenes behind two maps, on one grid of pixels, as coarse as a screen needs."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from landuse import sensors
from landuse.changes import alignment
from landuse.outputs import map_layers
from landuse.rasters import reference_systems
from landuse.scenes import colour_scenes, opening, scene_reader, thinning


class ScenePair(NamedTuple):
    """Pixels of both scenes where they and the maps overlap."""

    before: np.ndarray  # (rows, columns, bands) uint16 DN or uint8; red, green, blue come first
    after: np.ndarray
    valid: np.ndarray  # (rows, columns) bool, both have data
    geotransform: alignment.Geotransform
    step: int  # pixels of the scenes that became one
    pixel: float  # width of a pixel of the scenes, in units of the map
    band_names: tuple[str, ...]
    units: str  # "DN" or "rgb8"

    @property
    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """Both in natural colour, each stretched for itself: (rows, columns, 3) uint8."""
        one, other = (
            map_layers.natural_colour(pixels[..., :3], self.units)
            for pixels in (self.before, self.after)
        )
        return one, other


def open_one(
    path: Path, stack: contextlib.ExitStack, options: Mapping[str, Any]
) -> scene_reader.Scene:
    """Open a scene in the bands of 10 m, or as it is: red, green and blue, 8 bits."""
    return stack.enter_context(colour_scenes.open_in_colours(path, **options))


def read_scenes(
    before: Path,
    after: Path,
    bounds: tuple[float, float, float, float],
    crs: str,
    options: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
    largest: int = map_layers.LARGEST_PAGE,
) -> ScenePair:
    """Read two scenes under a map.

    Parameters
    ----------
    before, after : Path
    bounds : (left, bottom, right, top)
        Of the cells that the maps have in common.
    crs : str
        Of the maps.
    options : tuple of mapping
        Of `opening.open_scene` for each, as script 06 opened it.
    largest : int
        Pixels a side; larger scenes are averaged.

    Raises
    ------
    ValueError
        When the scenes do not fit each other or the maps.
    OSError
        When one is missing or damaged.
    """
    with contextlib.ExitStack() as stack:
        one, other = (
            open_one(path, stack, given)
            for path, given in zip((before, after), options, strict=True)
        )
        for scene, path in ((one, before), (other, after)):
            if not reference_systems.same_crs(scene.crs, crs):
                raise ValueError(
                    f"{path}: is in {reference_systems.crs_name(scene.crs)}, its map in "
                    f"{reference_systems.crs_name(crs)}; name the scene that the map was made from"
                )
        if not alignment.same_cells(one.geotransform, other.geotransform):
            raise ValueError(
                f"{before} has pixels of {one.geotransform[1]:g}, {after} of "
                f"{other.geotransform[1]:g}: their pixels cannot be compared"
            )
        if one.units != other.units or one.band_names != other.band_names:
            names = _common_bands(one, other)
            one, other = (
                stack.enter_context(opening.open_scene(path, names, "rgb8", **given))
                for path, given in zip((before, after), options, strict=True)
            )
        part = _part(one, other, bounds, f"{before} and {after}")
        step = -(-max(part.shape) // largest)
        pixels = [
            thinning.read_thinned(scene.read, _window(window), step)
            for scene, window in ((one, part.before), (other, part.after))
        ]
    left, width, _, top, _, height = part.geotransform
    return ScenePair(
        pixels[0],
        pixels[1],
        _valid(pixels[0]) & _valid(pixels[1]),
        (left, width * step, 0.0, top, 0.0, height * step),
        step,
        width,
        one.band_names,
        one.units,
    )


def _valid(pixels: np.ndarray) -> np.ndarray:
    # black is a colour of an 8-bit picture, but no DN
    has_data = pixels > 0
    return np.asarray(has_data.any(axis=2) if pixels.dtype == np.uint8 else has_data.all(axis=2))


def _common_bands(one: scene_reader.Scene, other: scene_reader.Scene) -> tuple[str, ...]:
    """Give red, green and blue: a picture of 8 bits and a product have those in common."""
    colours = sensors.sensor_of(one.band_names).true_colour
    return tuple(name for name in colours if name in one.band_names and name in other.band_names)


def _part(
    one: scene_reader.Scene,
    other: scene_reader.Scene,
    bounds: tuple[float, float, float, float],
    names: str,
) -> alignment.Overlap:
    """Find the pixels that both scenes have under the map."""
    common = alignment.overlap(
        one.geotransform, (one.rows, one.columns), other.geotransform, (other.rows, other.columns)
    )
    left, bottom, right, top = bounds
    width, height = one.geotransform[1], one.geotransform[5]
    place = (left, width, 0.0, top, 0.0, height)
    shape = round((bottom - top) / height), round((right - left) / width)
    under = common and alignment.overlap(place, shape, common.geotransform, common.shape)
    if not (common and under):
        raise ValueError(f"{names} have no pixel in common under the maps")
    cut = under.after
    return alignment.Overlap(
        _cut(common.before, cut), _cut(common.after, cut), _moved(common, cut), common.residual
    )


def _cut(part: tuple[slice, slice], cut: tuple[slice, slice]) -> tuple[slice, slice]:
    rows, columns = (
        slice(whole.start + piece.start, whole.start + piece.stop)
        for whole, piece in zip(part, cut, strict=True)
    )
    return rows, columns


def _moved(part: alignment.Overlap, cut: tuple[slice, slice]) -> alignment.Geotransform:
    left, width, _, top, _, height = part.geotransform
    return left + cut[1].start * width, width, 0.0, top + cut[0].start * height, 0.0, height


def _window(part: tuple[slice, slice]) -> tuple[int, int, int, int]:
    rows, columns = part
    return rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
