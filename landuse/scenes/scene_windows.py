"""Windows of a scene with their surroundings, as pictures for the eye: true colour and infrared."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from landuse import sensors
from landuse.scenes import colour_scenes, scene_reader

LAYER_NAMES = {"rgb": "True colour", "infrared": "Infrared: plants are red"}
LOW, HIGH = 0.5, 98.5  # percentiles of the scene that become dark and bright
LEAST_SPAN = {
    "DN": 600.0,
    "rgb8": 600 / sensors.DN_AT_255 * 255,
}  # keeps the noise of calm scenes calm


def open_for_pictures(
    path: str | Path, radiometric_offset: str | float = "auto", granule: str | None = None
) -> scene_reader.Scene:
    """Open a scene in true colour, with near infrared where it has it.

    Parameters
    ----------
    path : str or Path
        A product, a folder of bands or a raster, or an 8-bit RGB image.
    radiometric_offset, granule
        As in `scenes.open_scene`.

    Returns
    -------
    scenes.Scene
        With red, green and blue, and near infrared where there is one.
    """
    return colour_scenes.open_in_colours(
        path, radiometric_offset=radiometric_offset, granule=granule
    )


def layer_names(scene: scene_reader.Scene) -> list[str]:
    """Name the pictures that `window_pictures` gives of each window."""
    wanted = ("rgb", "infrared") if colour_scenes.infrared_of(scene) else ("rgb",)
    return [LAYER_NAMES[name] for name in wanted]


def stretch_limits(sample: np.ndarray, units: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the dark and the bright end of each band.

    Parameters
    ----------
    sample : ndarray of shape (pixels, bands)
        Valid pixels of the scene.
    units : {"DN", "rgb8"}

    Returns
    -------
    low, high : ndarray of shape (bands,), float
    """
    if not len(sample):
        return np.zeros(sample.shape[1]), np.full(sample.shape[1], LEAST_SPAN[units])
    low, high = np.percentile(sample, (LOW, HIGH), axis=0)
    return low, np.maximum(high, low + LEAST_SPAN[units])


def stretched(pixels: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return pixels (rows, columns, bands) as uint8 1..255, 0 where a band is 0 (nodata)."""
    shares = ((pixels.astype(np.float32) - low) / (high - low)).clip(0, 1) ** (1 / 1.5)
    shown = 1 + np.rint(254 * shares)
    return np.where((pixels > 0).any(axis=2, keepdims=True), shown, 0).astype(np.uint8)


def window_pictures(
    scene: scene_reader.Scene,
    corners: Sequence[tuple[int, int]] | np.ndarray,
    size: int,
    seed: int = 0,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the pictures of squares of a scene, all stretched alike.

    Parameters
    ----------
    scene : scenes.Scene
        As `open_for_pictures` gives it.
    corners : sequence of (row, column)
        Upper left pixel of each square; it may reach past the scene.
    size : int
        Side of a square in pixels.
    seed : int
        Of the pixels that tell the stretch.

    Yields
    ------
    tuple of ndarray of shape (size, size, 3), uint8
        True colour, and infrared where the scene has it; 0 is nodata.
    """
    low, high = stretch_limits(scene.sample(seed=seed), scene.units)
    wanted = [colour_scenes.colours_of(scene)]
    if infrared := colour_scenes.infrared_of(scene):
        wanted.append(infrared)
    for row, column in corners:
        pixels = stretched(_read_padded(scene, int(row), int(column), size), low, high)
        yield tuple(pixels[..., bands] for bands in wanted)


def _read_padded(scene: scene_reader.Scene, row: int, column: int, size: int) -> np.ndarray:
    """Read a square, 0 where it reaches past the scene."""
    square = np.zeros((size, size, len(scene.band_names)), scene.dtype)
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + size, scene.rows), min(column + size, scene.columns)
    if top < bottom and left < right:
        pixels, _ = scene.read(top, left, bottom - top, right - left)
        square[top - row : bottom - row, left - column : right - column] = pixels
    return square
