"""Pieces of a map that are read and classified at once, with the pixels of their windows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from landuse.mapping import grids
from landuse.scenes import scene_reader

BLOCK_SIZE = 1024  # px

MOST_WINDOWS_IN_A_BLOCK = 16_384  # what a killed run may lose: minutes, not hours, at stride 1


class Block(NamedTuple):
    """Rectangle of cells that is read, classified and saved at once, in the map's rows."""

    row: int
    column: int
    rows: int
    columns: int

    @property
    def cells(self) -> tuple[slice, slice]:
        """Where the block lies in the arrays of the map."""
        return (
            slice(self.row, self.row + self.rows),
            slice(self.column, self.column + self.columns),
        )


class BlockData(NamedTuple):
    """What is known of a block before it is classified."""

    pixels: np.ndarray  # (rows, columns, bands), its windows with their margin
    chosen: np.ndarray  # (rows, columns) bool, cells to classify


def blocks_of(
    grid: grids.Grid, block_size: int = BLOCK_SIZE, method: str = "windows"
) -> list[Block]:
    """Cut a map into blocks of nearly equal size, row by row.

    Parameters
    ----------
    grid : Grid
        The map's grid.
    block_size : int
        Largest side of a block in pixels of the scene; at least one cell is taken.
    method : {"windows", "dense"}
        Window by window, a block has at most 16,384 windows.
    """
    most = max(1, block_size // grid.stride)
    if method == "windows":
        most = min(most, math.isqrt(MOST_WINDOWS_IN_A_BLOCK))
    return [
        Block(row, column, rows, columns)
        for row, rows in _pieces(grid.rows, most)
        for column, columns in _pieces(grid.columns, most)
    ]


def _pieces(count: int, most: int) -> list[tuple[int, int]]:
    """Cut `count` into (first, length) of equal length, only the last one shorter."""
    length = math.ceil(count / math.ceil(count / most))
    return [(first, min(length, count - first)) for first in range(0, count, length)]


def read_block(
    read: scene_reader.Read,
    shape: tuple[int, int],
    grid: grids.Grid,
    block: Block,
    size: tuple[int, int] | None = None,
    margin: int = 0,
    inside: np.ndarray | None = None,
    mirror_nodata: bool = False,
) -> BlockData:
    """Read the windows of a block, and say which of its cells can be classified.

    Beyond the block lie its real neighbours, beyond the scene its reflection.

    Parameters
    ----------
    read : callable
        ``read(row, column, rows, columns)`` gives the pixels (rows, columns, bands) of a window
        inside the scene, and where they are valid (rows, columns).
    shape : tuple of int
        Rows and columns of the scene.
    grid, block : Grid, Block
        The map, and the part of it that is wanted.
    size : tuple of int, optional
        Rows and columns of cells to read for, when all blocks must have the same size.
    margin : int
        Further pixels on each side.
    inside : ndarray of shape (grid.rows, grid.columns), bool, optional
        Cells of the area of interest.
    mirror_nodata : bool
        Put the reflection of what is beside it in place of nodata, as beyond the scene.
    """
    if inside is not None and not inside[block.cells].any():
        return BlockData(np.empty((0, 0, 0), np.uint8), inside[block.cells])
    rows, columns = size or (block.rows, block.columns)
    wanted_rows = _pixels_of_windows(grid.row + block.row, rows, grid, margin)
    wanted_columns = _pixels_of_windows(grid.column + block.column, columns, grid, margin)
    sources = mirrored(wanted_rows, shape[0]), mirrored(wanted_columns, shape[1])
    row, column = int(sources[0].min()), int(sources[1].min())
    extent = row, column, int(sources[0].max()) + 1 - row, int(sources[1].max()) + 1 - column
    pixels, valid = read(*extent)
    spread = sources[0] - row, sources[1] - column
    windows_valid = _take(valid, spread)[margin:, margin:]
    chosen = _mostly_valid(windows_valid, block, grid)
    chosen &= _valid_centres(valid, (row, column), shape, grid, block)
    if inside is not None:
        chosen &= inside[block.cells]
    if mirror_nodata and chosen.any() and not valid.all():
        pixels = _read_without_nodata(read, extent, shape, grid.window)
    return BlockData(_take(pixels, spread), chosen)


def _read_without_nodata(
    read: scene_reader.Read,
    extent: tuple[int, int, int, int],
    shape: tuple[int, int],
    window: int,
) -> np.ndarray:
    """Read pixels, and the reflection of their neighbours where they are nodata.

    So much more is read around them that what a window gets does not depend on its block: less
    than a window from its valid centre to nodata in its corner and again to what is reflected.
    """
    first, last, inner = [], [], []
    for start, count, size in zip(extent[:2], extent[2:], shape, strict=True):
        first.append(max(0, start - window))
        last.append(min(size, start + count + window))
        inner.append(slice(start - first[-1], start - first[-1] + count))
    pixels, valid = read(first[0], first[1], last[0] - first[0], last[1] - first[1])
    return without_nodata(pixels, valid)[tuple(inner)]


def without_nodata(pixels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Put the reflection of valid pixels in place of nodata.

    A pixel of nodata gets the value of the one that lies as far behind the valid pixel nearest to
    it; where that is nodata too, or beyond the array, the value of the nearest one.

    Parameters
    ----------
    pixels : ndarray of shape (rows, columns, bands)
    valid : ndarray of shape (rows, columns), bool
        At least one is.

    Returns
    -------
    ndarray of shape (rows, columns, bands)
    """
    from scipy import ndimage

    nodata = np.argwhere(~valid)
    indices = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    nearest = indices[:, ~valid].T
    behind = 2 * nearest - nodata
    useless = ((behind < 0) | (behind >= valid.shape)).any(axis=1)
    behind[useless] = nearest[useless]
    useless = ~valid[tuple(behind.T)]
    behind[useless] = nearest[useless]
    filled = pixels.copy()
    filled[~valid] = pixels[tuple(behind.T)]
    return filled


def _pixels_of_windows(first: int, count: int, grid: grids.Grid, margin: int) -> np.ndarray:
    """Rows of the scene that the windows of `count` cells cover, with a margin."""
    start = int(grids.window_starts(first, 1, grid.stride, grid.window)[0]) - margin
    return start + np.arange((count - 1) * grid.stride + grid.window + 2 * margin)


def mirrored(indices: np.ndarray, size: int) -> np.ndarray:
    """Give the index inside 0..size-1 that numpy's "symmetric" padding puts at each index."""
    folded = indices % (2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)


def _take(array: np.ndarray, indices: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Rows and columns by index, without a copy where these are simply all of them."""
    for axis in (0, 1):
        if not np.array_equal(indices[axis], np.arange(array.shape[axis])):
            array = np.take(array, indices[axis], axis=axis)
    return array


def _mostly_valid(valid: np.ndarray, block: Block, grid: grids.Grid) -> np.ndarray:
    """Cells of which no more than half of the window is nodata."""
    if valid.all():
        return np.ones((block.rows, block.columns), bool)
    sums = np.pad(np.cumsum(np.cumsum(~valid, axis=0, dtype=np.int64), axis=1), ((1, 0), (1, 0)))
    stride, size = grid.stride, grid.window
    first = slice(None, block.rows * stride, stride), slice(None, block.columns * stride, stride)
    whole = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return whole[first] * 2 <= size**2


def _valid_centres(
    valid: np.ndarray,
    origin: tuple[int, int],
    shape: tuple[int, int],
    grid: grids.Grid,
    block: Block,
) -> np.ndarray:
    """Cells whose centre pixel, or the scene's last one before it, is valid."""
    rows, columns = (
        grids.window_starts(first, count, grid.stride, grid.window) + grid.window // 2
        for first, count in (
            (grid.row + block.row, block.rows),
            (grid.column + block.column, block.columns),
        )
    )
    rows = np.minimum(rows, shape[0] - 1) - origin[0]
    columns = np.minimum(columns, shape[1] - 1) - origin[1]
    return valid[np.ix_(rows, columns)]
