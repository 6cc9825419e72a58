"""A scene at a coarser resolution, read strip by strip, for pictures."""

from __future__ import annotations

import numpy as np

from landuse.scenes import scene_reader

STRIP_ROWS = 512  # px, read at once for a picture


def read_thinned(
    read: scene_reader.Read, window: tuple[int, int, int, int], step: int
) -> np.ndarray:
    """Read a window at a coarser resolution, strip by strip, for a picture.

    Parameters
    ----------
    read : callable
        As in `classify_scene`.
    window : tuple of int
        (row, column, rows, columns) in pixels of the scene.
    step : int
        Pixels that become one, in each direction: the mean of the valid ones.

    Returns
    -------
    ndarray of shape (ceil(rows / step), ceil(columns / step), bands), dtype of the scene
        0 where nothing is valid.
    """
    row, column, rows, columns = window
    height = step * max(1, STRIP_ROWS // step)
    strips = [
        _thin(*read(first, column, min(height, row + rows - first), columns), step)
        for first in range(row, row + rows, height)
    ]
    return np.concatenate(strips)


def _thin(pixels: np.ndarray, valid: np.ndarray, step: int) -> np.ndarray:
    if step == 1:
        return np.where(valid[..., np.newaxis], pixels, 0).astype(pixels.dtype)
    counts = _sums_of_squares(valid[..., np.newaxis].astype(np.uint32), step)
    sums = _sums_of_squares(np.where(valid[..., np.newaxis], pixels, 0).astype(np.uint32), step)
    return ((sums + counts // 2) // np.maximum(counts, 1)).astype(pixels.dtype)


def _sums_of_squares(values: np.ndarray, step: int) -> np.ndarray:
    """Add up squares of step x step; those at the end may be smaller."""
    rows, columns = (np.arange(0, size, step) for size in values.shape[:2])
    return np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
