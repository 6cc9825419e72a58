"""Window by window, or dense: what is allowed, and what costs less."""

from __future__ import annotations

import math
from typing import Any

from landuse import choices, sensors
from landuse.mapping import grids, map_blocks
from landuse.networks import model_files

METHODS = ("windows", "dense", "auto")
DENSE_STRIDES = (8, 16, 32)

# The margins of dense blocks are classified for nothing: by count 41 % of the pixels of a tile
# at 1024 px, 29 % at 1536 px, 21 % at 2048 px. Larger blocks need more memory: a tile of 13 bands
# took 3.9 GiB in all at 1536 px, 5.3 GiB at 2048 px (DenseNet201, bfloat16).
DENSE_BLOCK_SIZE = 1536  # px

DENSE_MARGIN = 64  # px of real neighbours around the windows of a block of the dense network

# What the dense network costs per pixel of scene, as a multiple of separate patches side by side
# (VGG16: 37 TMAC for a tile in patches, 57, 40 and 38 dense at strides of 8, 16 and 32 px).
DENSE_COSTS = {8: 57 / 37, 16: 40 / 37, 32: 38 / 37}


def stride_for(record: dict[str, Any], stride: int) -> int:
    """Give the stride of a map: 1 with a model that classifies pixels, else what is wanted."""
    return 1 if model_files.is_of_pixels(record) else stride


def window_for(record: dict[str, Any]) -> int:
    """Give the side in pixels of the windows that a model classifies."""
    if model_files.has_several_labels(record):
        return int(record["patch_size"])
    return sensors.PATCH_SIZE


def choose_method(method: str, record: dict[str, Any], grid: grids.Grid) -> str:
    """Decide between "windows" and "dense"; "auto" takes dense where it is allowed and pays.

    A model that classifies pixels leaves no choice: "pixels".

    Parameters
    ----------
    method : {"auto", "windows", "dense"}
    record : dict
        The model's record; "dense" says whether it was trained for dense maps.
    grid : Grid
        The map.

    Raises
    ------
    ValueError
        When a dense map is asked for, but the stride or the model does not allow it.
    """
    choices.check_choice("METHOD", method, METHODS)
    if model_files.is_of_pixels(record):
        if method != "auto":
            raise ValueError(
                f"METHOD = {method!r} is for models of patches; this one classifies pixels, and "
                "does so by METHOD = 'auto'"
            )
        return "pixels"
    reason = reason_against_dense(record, grid.stride)
    if method == "dense" and reason:
        raise ValueError(f"METHOD = 'dense' is not possible: {reason}")
    if method == "auto":
        return "dense" if not reason and dense_pays(grid) else "windows"
    return method


def reason_against_dense(record: dict[str, Any], stride: int) -> str:
    """Say why a model cannot make a dense map at this stride; empty when it can."""
    if stride not in DENSE_STRIDES:
        strides = ", ".join(map(str, DENSE_STRIDES))
        return f"it works at strides of {strides} px, not {stride}"
    if not record.get("dense"):
        return (
            "the model was not trained for dense maps, and its labels would suffer; train it "
            "with mosaics, or use METHOD = 'windows'"
        )
    return ""


def dense_pays(grid: grids.Grid, margin: int = DENSE_MARGIN) -> bool:
    """Whether one pass over the map's pixels costs less than its windows, one by one."""
    sides = [(count - 1) * grid.stride + sensors.PATCH_SIZE + 2 * margin for count in grid.shape]
    return math.prod(sides) * DENSE_COSTS[grid.stride] < grid.cells * sensors.PATCH_SIZE**2


def block_size_for(method: str, wanted: int | None = None) -> int:
    """Give the side of blocks in px: what is wanted, or what suits the method."""
    return wanted or (DENSE_BLOCK_SIZE if method == "dense" else map_blocks.BLOCK_SIZE)


def dense_block_shape(
    grid: grids.Grid, block_size: int, margin: int = DENSE_MARGIN
) -> tuple[int, int]:
    """Give rows and columns in pixels of the blocks that the dense network is called with."""
    block = map_blocks.blocks_of(grid, block_size, "dense")[0]
    rows, columns = (
        (count - 1) * grid.stride + sensors.PATCH_SIZE + 2 * margin
        for count in (block.rows, block.columns)
    )
    return rows, columns
