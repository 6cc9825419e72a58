"""All blocks of a map, one after the other, going on where an earlier run was.

The next block is read while this one is classified, and finished ones are kept on disk.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from landuse import choices, map_values
from landuse.mapping import (
    absent_classes,
    block_classes,
    doubt_bands,
    grids,
    map_blocks,
    methods,
    pixel_blocks,
    saved_blocks,
    watching,
)
from landuse.networks import engines
from landuse.scenes import scene_reader

PROBABILITY_TYPES = ("uint8", "float32")


class Result(NamedTuple):
    """A map as arrays, on disk in the work folder; copy what must outlive that folder."""

    labels: np.ndarray  # (rows, columns) uint8, nodata 255, "uncertain" is the number of classes
    probability: np.ndarray  # (rows, columns) uint8 percent, nodata 255, or float32, nodata -1
    all_probabilities: np.ndarray | None  # (classes, rows, columns) likewise
    doubt: np.ndarray | None = None  # (bands, rows, columns) likewise, as `doubt_bands.names` say
    moved: float | None = None  # share of the cells classified now that seemed an absent class


def classify_scene(
    read: scene_reader.Read,
    shape: tuple[int, int],
    predict: engines.Predict,
    stride: int,
    class_count: int,
    work_folder: str | os.PathLike[str],
    settings: dict[str, Any],
    *,
    method: str = "windows",
    batch_size: int = 64,
    block_size: int = map_blocks.BLOCK_SIZE,
    margin: int = methods.DENSE_MARGIN,
    grid: grids.Grid | None = None,
    inside: np.ndarray | None = None,
    mirror_nodata: bool = False,
    absent: Sequence[int] = (),
    min_probability: float = 0.0,
    probability_type: str = "uint8",
    all_probabilities: bool = False,
    doubt: bool = False,
    set_threshold: float | None = None,
    seconds: float | None = None,
) -> Result:
    """Classify a scene block by block, going on where an earlier run with the same settings was.

    Parameters
    ----------
    read : callable
        ``read(row, column, rows, columns)`` -> pixels (rows, columns, bands), valid (rows,
        columns); asked for windows inside the scene only, from one thread at a time.
    shape : tuple of int
        Rows and columns of the scene.
    predict : callable
        Windows, (batch_size, window, window, bands) -> (batch_size, classes); dense (1, rows,
        columns, bands) -> (1, cell rows, cell columns, classes); by pixels (1, rows, columns,
        bands) -> (1, rows, columns, classes).
    stride : int
        Side of a cell in pixels.
    class_count : int
        Number of classes, at most 254.
    work_folder : path
        Where finished blocks are kept; remove it with `remove_saved_blocks` when the map is
        written.
    settings : dict
        What else the result depends on (model, product, engine): an unfinished map made with
        other settings is started anew.
    method : {"windows", "dense", "pixels"}
        One network call for batches of windows, or one for a whole block, whose windows or whose
        pixels it classifies.
    batch_size : int
        Windows in a batch.
    block_size : int
        Side of a block in pixels, at most.
    margin : int
        Pixels around the windows of a block that the dense network sees; a multiple of the stride.
    grid : Grid, optional
        Part of the scene's grid that is wanted (`grid_in_bounds`); all of it by default.
    inside : ndarray of shape (grid.rows, grid.columns), bool, optional
        Cells outside get nodata and are not classified.
    mirror_nodata : bool
        In windows of which up to half is nodata, put the reflection of what is beside it in its
        place. Left as it is by default.
    absent : sequence of int
        Numbers of classes that the scene does not have: the others share their probability.
    min_probability : float
        Cells whose label is less probable become the extra class number `class_count`.
    probability_type : {"uint8", "float32"}
        Percent, rounded, or a number from 0 to 1.
    all_probabilities : bool
        Keep the probabilities of all classes too.
    doubt : bool
        Keep entropy and margin too, and with a `set_threshold` the size of the prediction set.
    set_threshold : float, optional
        Probability from which on a class is in the set.
    seconds : float, optional
        That the whole map is expected to take; said, for what is left, where an earlier run goes
        on.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        When an option is not one of those above, or the scene is smaller than a window.
    OSError
        When the blocks cannot be kept on disk.
    """
    grid = grid or grids.scene_grid(shape, stride)
    if grid.stride != stride:
        raise ValueError(f"the grid has a stride of {grid.stride}, not {stride}")
    choices.check_choice("METHOD", method, ("windows", "dense", "pixels"))
    choices.check_choice("PROBABILITY_TYPE", probability_type, PROBABILITY_TYPES)
    blocks = map_blocks.blocks_of(grid, block_size, method)
    work = {
        "settings": settings,
        "grid": asdict(grid),
        "shape": list(shape),
        "blocks": [len(blocks), *blocks[0]],
        "method": [method, {"dense": margin, "windows": batch_size}.get(method)],
        "mirror_nodata": mirror_nodata,
        "inside": None if inside is None else zlib.crc32(np.packbits(inside).tobytes()),
        "probability": [min_probability, probability_type, all_probabilities, class_count],
    }
    if doubt:
        work["doubt"] = [set_threshold]
    if absent:
        work["absent"] = sorted(absent)
    doubts = len(doubt_bands.names(set_threshold)) if doubt else 0
    layout = _layout(grid, class_count, probability_type, all_probabilities, doubts)
    engine = settings.get("engine", "").partition(" ")[0]
    key = saved_blocks.key_of(work)
    saved = saved_blocks.SavedBlocks(Path(work_folder), key, layout, engine)
    todo = [index for index, block in enumerate(blocks) if not saved.is_done(index, block)]
    if saved.goes_on and len(todo) < len(blocks):
        left = "" if seconds is None else engines.duration(seconds * len(todo) / len(blocks))
        print(
            f"going on: {len(blocks) - len(todo)} of {len(blocks)} blocks were done by an earlier "
            f"run, {len(todo)} are left{left and f', in about {left}'}",
            flush=True,
        )

    def read_numbered(index: int) -> tuple[int, map_blocks.BlockData]:
        if method == "pixels":
            image = pixel_blocks.block_shape(grid, block_size)
            return index, pixel_blocks.read_block(read, shape, grid, blocks[index], image, inside)
        if method == "dense":
            size = blocks[0].rows, blocks[0].columns
            return index, map_blocks.read_block(
                read, shape, grid, blocks[index], size, margin, inside, mirror_nodata
            )
        return index, map_blocks.read_block(
            read, shape, grid, blocks[index], None, 0, inside, mirror_nodata
        )

    moved = classified = 0
    with (
        _progress(grid.cells, blocks, todo, method) as progress,
        contextlib.closing(block_classes.ahead(map(read_numbered, todo))) as coming,
    ):
        for index, data in coming:
            if method == "pixels" and data.chosen.any():
                probabilities = pixel_blocks.classify(data, predict, grid, blocks[index])
            else:
                probabilities = _classify_block(
                    data, predict, method, grid, batch_size, margin, progress.update
                )
            if absent and len(probabilities):
                moved += int(np.isin(probabilities.argmax(axis=1), absent).sum())
                classified += len(probabilities)
                probabilities = absent_classes.leave_out(probabilities, absent)
            values = _values(
                probabilities,
                data.chosen,
                class_count,
                min_probability,
                layout,
                set_threshold,
                absent,
            )
            saved.save(index, blocks[index], values)
            reported = len(probabilities) if method == "windows" else 0
            progress.update(data.chosen.size - reported)
    arrays = saved.arrays
    return Result(
        arrays["labels"],
        arrays["probability"],
        arrays.get("all_probabilities"),
        arrays.get("doubt"),
        moved / classified if classified else None,
    )


def _layout(
    grid: grids.Grid,
    class_count: int,
    probability_type: str,
    all_probabilities: bool,
    doubts: int,
) -> dict[str, tuple[tuple[int, ...], str, float]]:
    nodata = map_values.NODATA if probability_type == "uint8" else map_values.NODATA_PROBABILITY
    layout: dict[str, tuple[tuple[int, ...], str, float]] = {
        "labels": (grid.shape, "uint8", map_values.NODATA),
        "probability": (grid.shape, probability_type, nodata),
    }
    if all_probabilities:
        layout["all_probabilities"] = ((class_count, *grid.shape), probability_type, nodata)
    if doubts:
        layout["doubt"] = ((doubts, *grid.shape), probability_type, nodata)
    return layout


def _progress(
    cells: int, blocks: list[map_blocks.Block], todo: list[int], method: str
) -> watching.Bar:
    left = sum(blocks[index].rows * blocks[index].columns for index in todo)
    return watching.bar(
        total=cells,
        initial=cells - left,
        unit=" pixels" if method == "pixels" else " windows",
        unit_scale=method == "pixels",
        desc="classify",
        smoothing=0.1,
        mininterval=0.5,
    )


def _classify_block(
    data: map_blocks.BlockData,
    predict: engines.Predict,
    method: str,
    grid: grids.Grid,
    batch_size: int,
    margin: int,
    report: Callable[[int], Any],
) -> np.ndarray:
    if not data.chosen.any():
        return np.empty((0, 0), np.float32)
    if method == "dense":
        return block_classes.classify_densely(data, predict, grid.stride, margin)
    return block_classes.classify_windows(
        data, predict, grid.stride, batch_size, report, grid.window
    )


def _values(
    probabilities: np.ndarray,
    chosen: np.ndarray,
    class_count: int,
    min_probability: float,
    layout: dict[str, tuple[tuple[int, ...], str, float]],
    set_threshold: float | None,
    absent: Sequence[int],
) -> dict[str, np.ndarray]:
    """Values of a block's arrays from the probabilities of its chosen cells."""
    values = {
        name: np.full((*shape[:-2], *chosen.shape), nodata, dtype)
        for name, (shape, dtype, nodata) in layout.items()
    }
    if not len(probabilities):
        return values
    if probabilities.shape[1] != class_count:
        raise ValueError(
            f"the network gives {probabilities.shape[1]} probabilities, but there are "
            f"{class_count} classes"
        )
    best = probabilities.max(axis=1)
    labels = probabilities.argmax(axis=1).astype(np.uint8)
    labels[best < min_probability] = class_count
    values["labels"][chosen] = labels
    values["probability"][chosen] = _as_type(best, layout["probability"][1])
    if "all_probabilities" in values:
        values["all_probabilities"][:, chosen] = _as_type(probabilities.T, layout["probability"][1])
    if "doubt" in values:
        dtype = layout["probability"][1]
        present = np.delete(probabilities, list(absent), axis=1)
        values["doubt"][:, chosen] = doubt_bands.bands(present, dtype, set_threshold)
    return values


def _as_type(probabilities: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "uint8":
        return np.rint(probabilities * 100).astype(np.uint8)
    return probabilities.astype(dtype)
