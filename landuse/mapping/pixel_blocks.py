"""Pieces of a scene whose every pixel is classified at once, with real neighbours around them.

A network of `pixel_networks` halves the image several times, so what it says of a pixel depends on
where that pixel lies in steps of 16 px. Every piece starts at a multiple of 16 px of the scene and
has a margin that is wider than what the small networks see: a map comes out the same whatever its
blocks and its bounds.
"""

from __future__ import annotations

import numpy as np

from landuse.mapping import grids, map_blocks
from landuse.networks import engines, pixel_networks
from landuse.scenes import scene_reader

MARGIN = 160  # px of neighbours; ResNet9 with its pyramid sees about 150 px to each side
STEP = pixel_networks.DEEPEST_STRIDE


def block_shape(grid: grids.Grid, block_size: int) -> tuple[int, int]:
    """Give rows and columns in pixels of the images that the network is called with.

    Parameters
    ----------
    grid : Grid
        Of the map, with a stride of 1.
    block_size : int
        Side of the pieces in pixels, without their margins.
    """
    block = map_blocks.blocks_of(grid, block_size, "pixels")[0]
    return _with_margin(block.rows), _with_margin(block.columns)


def _with_margin(count: int) -> int:
    """Pixels of a piece with margins, wherever it starts; a multiple of the step."""
    return -(-(count + STEP - 1 + 2 * MARGIN) // STEP) * STEP


def read_block(
    read: scene_reader.Read,
    shape: tuple[int, int],
    grid: grids.Grid,
    block: map_blocks.Block,
    size: tuple[int, int],
    inside: np.ndarray | None = None,
) -> map_blocks.BlockData:
    """Read the pixels of a block with their margins; beyond the scene lies its reflection.

    Parameters
    ----------
    read : callable
        ``read(row, column, rows, columns)`` -> pixels (rows, columns, bands), valid (rows,
        columns).
    shape : tuple of int
        Rows and columns of the scene.
    grid, block : Grid, Block
        The map, and the part of it that is wanted.
    size : tuple of int
        Of all images, as `block_shape` gives it.
    inside : ndarray of shape (grid.rows, grid.columns), bool, optional
        Pixels of the area of interest.

    Returns
    -------
    BlockData
        Chosen is every pixel with data: nodata beside it is filled by its reflection.
    """
    if inside is not None and not inside[block.cells].any():
        return map_blocks.BlockData(np.empty((0, 0, 0), np.uint8), inside[block.cells])
    starts = first_pixels(grid, block)
    sources = [
        map_blocks.mirrored(start + np.arange(count), side)
        for start, count, side in zip(starts, size, shape, strict=True)
    ]
    row, column = int(sources[0].min()), int(sources[1].min())
    extent = row, column, int(sources[0].max()) + 1 - row, int(sources[1].max()) + 1 - column
    pixels, valid = read(*extent)
    first_row, first_column = grid.row + block.row - row, grid.column + block.column - column
    chosen = valid[
        first_row : first_row + block.rows, first_column : first_column + block.columns
    ].copy()
    if inside is not None:
        chosen &= inside[block.cells]
    if chosen.any() and not valid.all():
        pixels = map_blocks.without_nodata(pixels, valid)
    return map_blocks.BlockData(
        pixels[np.ix_(sources[0] - row, sources[1] - column)] if chosen.any() else pixels[:0],
        chosen,
    )


def first_pixels(grid: grids.Grid, block: map_blocks.Block) -> tuple[int, int]:
    """Give row and column of the scene at which the image of a block starts; may be negative."""
    row, column = grid.row + block.row, grid.column + block.column
    return (row - MARGIN) // STEP * STEP, (column - MARGIN) // STEP * STEP


def classify(
    data: map_blocks.BlockData,
    predict: engines.Predict,
    grid: grids.Grid,
    block: map_blocks.Block,
) -> np.ndarray:
    """Give the class probabilities of the chosen pixels of a block.

    Parameters
    ----------
    data : BlockData
    predict : callable
        (1, rows, columns, bands) pixels -> (1, rows, columns, classes).
    grid, block : Grid, Block
        As they were read.

    Returns
    -------
    ndarray of shape (chosen pixels, classes), float32
        In the order of ``numpy.nonzero(data.chosen)``.
    """
    probabilities = predict(data.pixels[np.newaxis])[0]
    start_row, start_column = first_pixels(grid, block)
    row, column = grid.row + block.row - start_row, grid.column + block.column - start_column
    part = probabilities[row : row + block.rows, column : column + block.columns]
    return np.asarray(part[data.chosen], np.float32)
