"""The cells of a map, and the window of the scene that each one stands for.

The map lies on a grid of cells. With a stride of n pixels, cell (i, j) stands for the window of
64x64 px of the scene's rows ``i*n + n//2 - 32`` to ``i*n + n//2 + 31`` and the same columns: it is
centred on pixel ``(i*n + n//2, j*n + n//2)``. There are ``ceil(rows / n) x ceil(columns / n)``
cells, the last of which may reach past the scene. Beyond its edges the scene is continued by
reflection (numpy's "symmetric").
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from landuse import sensors


@dataclass(frozen=True)
class Grid:
    """Cells of a map, as a rectangle of the grid that covers the whole scene.

    Attributes
    ----------
    stride : int
        Side of a cell in pixels of the scene.
    row, column : int
        First cell, counted from the scene's own corner.
    rows, columns : int
        Number of cells.
    window : int
        Side in pixels of the window that each cell stands for.
    """

    stride: int
    row: int
    column: int
    rows: int
    columns: int
    window: int = sensors.PATCH_SIZE

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return self.rows, self.columns

    @property
    def cells(self) -> int:
        """Number of cells, and so of windows."""
        return self.rows * self.columns


def scene_grid(shape: tuple[int, int], stride: int, window: int = sensors.PATCH_SIZE) -> Grid:
    """Give the grid that covers a whole scene.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the scene, at least those of a window.
    stride : int
        Side of a cell in pixels, 1 or more.
    window : int
        Side of a window in pixels, even.

    Raises
    ------
    ValueError
        When the scene is smaller than a window, the stride is no positive whole number, or so
        large that no cell has its centre in the scene.
    """
    if min(shape) < window:
        raise ValueError(
            f"the scene has {shape[0]}x{shape[1]} px (rows x columns), but a window needs "
            f"{window}x{window}: choose a larger part of the scene"
        )
    if stride != int(stride) or stride < 1:
        raise ValueError(f"STRIDE must be a whole number of pixels from 1 up, not {stride}")
    largest = 2 * min(shape) - 1
    if stride > largest:
        raise ValueError(
            f"STRIDE = {stride} is too large for a scene of {shape[0]}x{shape[1]} px: no cell has "
            f"its centre in it; the largest that fits is {largest}"
        )
    rows, columns = (math.ceil(side / stride) for side in shape)
    return Grid(stride, 0, 0, rows, columns, window)


def grid_in_bounds(
    grid: Grid,
    geotransform: tuple[float, ...],
    bounds: tuple[float, float, float, float],
    system: str = "",
) -> Grid:
    """Give the cells that touch a rectangle on the ground: it snaps outwards to whole cells.

    Parameters
    ----------
    grid : Grid
        Grid of the whole scene.
    geotransform : tuple of float
        GDAL's six numbers for the scene's pixels, north up.
    bounds : tuple of float
        (left, bottom, right, top) in the scene's coordinate system.
    system : str
        Name of that coordinate system, for the error message; "" where there is none.

    Raises
    ------
    ValueError
        When the rectangle is none, or lies outside the scene.
    """
    left, bottom, right, top = bounds
    if not (left < right and bottom < top):
        raise ValueError(
            f"BOUNDS must be (left, bottom, right, top) with left < right and bottom < top, "
            f"not {tuple(bounds)}"
        )
    rows = _cells_between(top, bottom, geotransform[3], geotransform[5] * grid.stride, grid.rows)
    columns = _cells_between(
        left, right, geotransform[0], geotransform[1] * grid.stride, grid.columns
    )
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        spans = _extent(grid, geotransform)
        hint = ""
        if system and _may_be_degrees(bounds) and not _may_be_degrees(spans):
            hint = (
                "; these look like degrees: give them in the coordinates of the scene, or as a "
                "GeoJSON file, which may hold degrees"
            )
        raise ValueError(
            f"BOUNDS {tuple(bounds)} lie outside the scene, which spans {spans} (left, bottom, "
            f"right, top) in its own coordinates{f', {system}' if system else ''}{hint}"
        )
    return replace(
        grid,
        row=rows[0],
        column=columns[0],
        rows=rows[1] - rows[0],
        columns=columns[1] - columns[0],
    )


def _cells_between(
    first: float, last: float, origin: float, size: float, count: int
) -> tuple[int, int]:
    """Cells from `first` up to `last` along one axis, cut at the scene; the end is exclusive."""
    # A millionth of a cell is rounding of the coordinates, not a wish for one cell more.
    begin = math.floor((first - origin) / size + 1e-6)
    end = math.ceil((last - origin) / size - 1e-6)
    return max(begin, 0), min(end, count)


def _may_be_degrees(values: Iterable[float]) -> bool:
    return all(abs(value) <= 180 for value in values)


def _extent(grid: Grid, geotransform: tuple[float, ...]) -> tuple[float, float, float, float]:
    left, _, _, top, _, _ = grid_geotransform(geotransform, grid)
    right = left + grid.columns * grid.stride * geotransform[1]
    bottom = top + grid.rows * grid.stride * geotransform[5]
    return left, bottom, right, top


def grid_geotransform(
    geotransform: tuple[float, ...], grid: Grid
) -> tuple[float, float, float, float, float, float]:
    """Give the map's geotransform from that of the scene's pixels (north up or not)."""
    left, column_x, row_x, top, column_y, row_y = geotransform
    column, row, n = grid.column * grid.stride, grid.row * grid.stride, grid.stride
    return (
        left + column * column_x + row * row_x,
        column_x * n,
        row_x * n,
        top + column * column_y + row * row_y,
        column_y * n,
        row_y * n,
    )


def window_starts(
    first: int, count: int, stride: int, window: int = sensors.PATCH_SIZE
) -> np.ndarray:
    """Give the first row of the windows of `count` cells from cell `first` on (or columns)."""
    return (first + np.arange(count)) * stride + stride // 2 - window // 2


def pixels_in_grid(grid: Grid, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Give the scene's own pixels under the map: (row, column, rows, columns), for a picture."""
    row, column = grid.row * grid.stride, grid.column * grid.stride
    rows = min(grid.rows * grid.stride, shape[0] - row)
    columns = min(grid.columns * grid.stride, shape[1] - column)
    return row, column, rows, columns
