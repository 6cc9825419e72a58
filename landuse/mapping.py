"""From a scene to the class of every cell of a map: grid, windows, blocks.

The map lies on a grid of cells. With a stride of n pixels, cell (i, j) stands for the window of
64x64 px of the scene's rows ``i*n + n//2 - 32`` to ``i*n + n//2 + 31`` and the same columns: it is
centred on pixel ``(i*n + n//2, j*n + n//2)``. There are ``ceil(rows / n) x ceil(columns / n)``
cells, the last of which may reach past the scene. Beyond its edges the scene is continued by
reflection (numpy's "symmetric").

The scene is worked through in blocks of cells: the next one is read while this one is classified,
and finished ones are kept on disk, so that a run that was killed goes on where it was. Everything
here takes and returns arrays; how pixels are read and where maps are written is for others.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from image_functions import PATCH_SIZE
from landuse.engines import Predict, check_option

Read = Callable[[int, int, int, int], tuple[np.ndarray, np.ndarray]]

HALF_WINDOW = PATCH_SIZE // 2
NODATA_LABEL = 255
NODATA_PERCENT = 255  # of a probability as uint8
NODATA_PROBABILITY = -1.0  # of a probability as float32
METHODS = ("windows", "dense", "auto")
DENSE_STRIDES = (8, 16, 32)
PROBABILITY_TYPES = ("uint8", "float32")
BLOCK_SIZE = 1024  # px
# The margins of dense blocks are classified for nothing: by count 41 % of the pixels of a tile
# at 1024 px, 29 % at 1536 px, 21 % at 2048 px. Larger blocks need more memory: a tile of 13 bands
# took 3.9 GiB in all at 1536 px, 5.3 GiB at 2048 px (DenseNet201, bfloat16).
DENSE_BLOCK_SIZE = 1536  # px
MOST_WINDOWS_IN_A_BLOCK = 16_384  # what a killed run may lose: minutes, not hours, at stride 1
STRIP_ROWS = 512  # px, read at once for a picture
DENSE_MARGIN = 64  # px of real neighbours around the windows of a block of the dense network

# What the dense network costs per pixel of scene, as a multiple of separate patches side by side
# (VGG16: 37 TMAC for a tile in patches, 57, 40 and 38 dense at strides of 8, 16 and 32 px).
DENSE_COSTS = {8: 57 / 37, 16: 40 / 37, 32: 38 / 37}


# ---------------------------------------------------------------------------------- the grid


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
    """

    stride: int
    row: int
    column: int
    rows: int
    columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return self.rows, self.columns

    @property
    def cells(self) -> int:
        """Number of cells, and so of windows."""
        return self.rows * self.columns


def scene_grid(shape: tuple[int, int], stride: int) -> Grid:
    """Give the grid that covers a whole scene.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the scene, at least 64 each.
    stride : int
        Side of a cell in pixels, 1 or more.

    Raises
    ------
    ValueError
        When the scene is smaller than a window or the stride is no positive whole number.
    """
    if min(shape) < PATCH_SIZE:
        raise ValueError(
            f"the scene has {shape[0]}x{shape[1]} px (rows x columns), but a window needs "
            f"{PATCH_SIZE}x{PATCH_SIZE}: choose a larger part of the scene"
        )
    if stride != int(stride) or stride < 1:
        raise ValueError(f"STRIDE must be a whole number of pixels from 1 up, not {stride}")
    return Grid(stride, 0, 0, math.ceil(shape[0] / stride), math.ceil(shape[1] / stride))


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
    return Grid(grid.stride, rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0])


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


def window_starts(first: int, count: int, stride: int) -> np.ndarray:
    """Give the first row of the windows of `count` cells from cell `first` on (or columns)."""
    return (first + np.arange(count)) * stride + stride // 2 - HALF_WINDOW


def pixels_in_grid(grid: Grid, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Give the scene's own pixels under the map: (row, column, rows, columns), for a picture."""
    row, column = grid.row * grid.stride, grid.column * grid.stride
    rows = min(grid.rows * grid.stride, shape[0] - row)
    columns = min(grid.columns * grid.stride, shape[1] - column)
    return row, column, rows, columns


# ------------------------------------------------------------------------------ blocks of it


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


def blocks_of(grid: Grid, block_size: int = BLOCK_SIZE, method: str = "windows") -> list[Block]:
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
    read: Read,
    shape: tuple[int, int],
    grid: Grid,
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
    wanted_rows = _pixels_of_windows(grid.row + block.row, rows, grid.stride, margin)
    wanted_columns = _pixels_of_windows(grid.column + block.column, columns, grid.stride, margin)
    sources = mirrored(wanted_rows, shape[0]), mirrored(wanted_columns, shape[1])
    row, column = int(sources[0].min()), int(sources[1].min())
    extent = row, column, int(sources[0].max()) + 1 - row, int(sources[1].max()) + 1 - column
    pixels, valid = read(*extent)
    spread = sources[0] - row, sources[1] - column
    windows_valid = _take(valid, spread)[margin:, margin:]
    chosen = _mostly_valid(windows_valid, block, grid.stride)
    chosen &= _valid_centres(valid, (row, column), shape, grid, block)
    if inside is not None:
        chosen &= inside[block.cells]
    if mirror_nodata and chosen.any() and not valid.all():
        pixels = _read_without_nodata(read, extent, shape)
    return BlockData(_take(pixels, spread), chosen)


def _read_without_nodata(
    read: Read, extent: tuple[int, int, int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Read pixels, and the reflection of their neighbours where they are nodata.

    So much more is read around them that what a window gets does not depend on its block: up to
    45 px from its valid centre to nodata in its corner, and as far again to what is reflected.
    """
    first, last, inner = [], [], []
    for start, count, size in zip(extent[:2], extent[2:], shape, strict=True):
        first.append(max(0, start - PATCH_SIZE))
        last.append(min(size, start + count + PATCH_SIZE))
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


def _pixels_of_windows(first: int, count: int, stride: int, margin: int) -> np.ndarray:
    """Rows of the scene that the windows of `count` cells cover, with a margin."""
    start = int(window_starts(first, 1, stride)[0]) - margin
    return start + np.arange((count - 1) * stride + PATCH_SIZE + 2 * margin)


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


def _mostly_valid(valid: np.ndarray, block: Block, stride: int) -> np.ndarray:
    """Cells of which no more than half of the window is nodata."""
    if valid.all():
        return np.ones((block.rows, block.columns), bool)
    sums = np.pad(np.cumsum(np.cumsum(~valid, axis=0, dtype=np.int64), axis=1), ((1, 0), (1, 0)))
    first = slice(None, block.rows * stride, stride), slice(None, block.columns * stride, stride)
    whole = (
        sums[PATCH_SIZE:, PATCH_SIZE:]
        - sums[:-PATCH_SIZE, PATCH_SIZE:]
        - sums[PATCH_SIZE:, :-PATCH_SIZE]
        + sums[:-PATCH_SIZE, :-PATCH_SIZE]
    )
    return whole[first] * 2 <= PATCH_SIZE**2


def _valid_centres(
    valid: np.ndarray, origin: tuple[int, int], shape: tuple[int, int], grid: Grid, block: Block
) -> np.ndarray:
    """Cells whose centre pixel, or the scene's last one before it, is valid."""
    rows = window_starts(grid.row + block.row, block.rows, grid.stride) + HALF_WINDOW
    columns = window_starts(grid.column + block.column, block.columns, grid.stride) + HALF_WINDOW
    rows = np.minimum(rows, shape[0] - 1) - origin[0]
    columns = np.minimum(columns, shape[1] - 1) - origin[1]
    return valid[np.ix_(rows, columns)]


# --------------------------------------------------------------- probabilities of one block


def ahead(items: Iterable[Any]) -> Generator[Any]:
    """Yield the items, each made in a thread while the one before it is in use."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, iterator, end)
            yield item


def window_batches(
    pixels: np.ndarray, chosen: np.ndarray, stride: int, batch_size: int
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the windows of the chosen cells in batches of one size.

    The windows are looked at in place; only the batch is copied. The last batch is filled up with
    zeros, so that a network sees one shape only and is compiled once.

    Parameters
    ----------
    pixels : ndarray of shape (rows, columns, bands)
        The block with its margin of 32 px.
    chosen : ndarray of shape (cell rows, cell columns), bool
        Cells to classify.
    stride : int
        Distance between windows in pixels.
    batch_size : int
        Windows in a batch.

    Yields
    ------
    batch : ndarray of shape (batch_size, 64, 64, bands), dtype of the pixels
    count : int
        How many of them are windows; the rest is filling.
    """
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (PATCH_SIZE, PATCH_SIZE), (0, 1))
    windows = np.moveaxis(windows, 2, -1)[::stride, ::stride]
    rows, columns = np.nonzero(chosen)
    for first in range(0, len(rows), batch_size):
        part = slice(first, first + batch_size)
        batch = windows[rows[part], columns[part]]
        count = len(batch)
        if count < batch_size:
            filling = np.zeros((batch_size - count, *batch.shape[1:]), batch.dtype)
            batch = np.concatenate([batch, filling])
        yield batch, count


def classify_windows(
    data: BlockData,
    predict: Predict,
    stride: int,
    batch_size: int,
    report: Callable[[int], Any] = lambda count: None,
) -> np.ndarray:
    """Give the class probabilities of the chosen cells of a block, window by window.

    Parameters
    ----------
    data : BlockData
        Pixels and cells.
    predict : callable
        (batch_size, 64, 64, bands) pixels -> (batch_size, classes) probabilities.
    stride, batch_size : int
        Distance between windows in pixels, windows in a batch.
    report : callable
        Is told after each batch how many windows are done.

    Returns
    -------
    ndarray of shape (chosen cells, classes), float32
        In the order of ``numpy.nonzero(data.chosen)``.
    """
    parts = []
    with contextlib.closing(
        ahead(window_batches(data.pixels, data.chosen, stride, batch_size))
    ) as batches:
        for batch, count in batches:
            parts.append(np.array(predict(batch)[:count], np.float32))
            report(count)
    return np.concatenate(parts)


def classify_densely(
    data: BlockData, predict: Predict, stride: int, margin: int = DENSE_MARGIN
) -> np.ndarray:
    """Give the class probabilities of the chosen cells of a block by one pass over the whole.

    Parameters
    ----------
    data : BlockData
        Pixels with a margin, and cells.
    predict : callable
        (1, rows, columns, bands) pixels -> (1, cell rows, cell columns, classes), the windows
        starting at rows 0, stride, 2*stride... of the pixels.
    stride, margin : int
        Distance between windows, and margin around them, in pixels.

    Returns
    -------
    ndarray of shape (chosen cells, classes), float32
    """
    cells = np.asarray(predict(data.pixels[np.newaxis])[0], np.float32)
    skipped = margin // stride
    rows, columns = data.chosen.shape
    return cells[skipped : skipped + rows, skipped : skipped + columns][data.chosen]


# -------------------------------------------------------------- finished blocks, kept on disk


class SavedBlocks:
    """Arrays on disk that are filled block by block, and a journal of what is complete.

    A block counts as done when its line in the journal is whole and its checksum fits; the line is
    written after the block has reached the disk. The space is claimed at the start, so that a disk
    that is too small is known before the work.

    Parameters
    ----------
    folder : Path
        Where to keep them; made when missing, and emptied when it was made for another `key`.
    key : str
        Stands for everything that the values depend on.
    layout : dict
        Name -> (shape, data type, value of nodata) of each array; the last two axes are the map's.
    """

    JOURNAL = "journal.txt"

    def __init__(
        self, folder: Path, key: str, layout: dict[str, tuple[tuple[int, ...], str, float]]
    ) -> None:
        self.folder, self.layout = folder, layout
        self._header = f"landuse blocks, format 1, {key}"
        self._refuse_foreign_folder()
        if self._read_journal()[:1] != [self._header]:
            self._start_anew()
        self.arrays = {
            name: np.memmap(folder / f"{name}.raw", dtype, "r+", shape=shape)
            for name, (shape, dtype, _) in layout.items()
        }
        self._checksums = self._checksums_in_journal()

    def _refuse_foreign_folder(self) -> None:
        """Raise a ValueError when there is anything but a journal and arrays of ours."""
        if not self.folder.exists():
            return
        found = {path.name for path in self.folder.iterdir()}
        ours = {self.JOURNAL} | {name for name in found if name.endswith(".raw")}
        lines = self._read_journal()
        if found - ours or (lines and not lines[0].startswith("landuse blocks, ")):
            raise ValueError(
                f"{self.folder}: the unfinished map is kept in this folder, but there is "
                f"something else in it: move it away"
            )

    def _read_journal(self) -> list[str]:
        """Whole lines of the journal; a line cut short by a crash is none."""
        path = self.folder / self.JOURNAL
        if not path.is_file():
            return []
        return path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]

    def _start_anew(self) -> None:
        remove_saved_blocks(self.folder)
        self.folder.mkdir()
        for name, (shape, dtype, nodata) in self.layout.items():
            _make_array(self.folder / f"{name}.raw", shape, dtype, nodata)
        _append_line(self.folder / self.JOURNAL, self._header)

    def _checksums_in_journal(self) -> dict[int, int]:
        lines = [line.split() for line in self._read_journal()[1:]]
        return {int(index): int(checksum) for index, checksum in lines}

    def is_done(self, index: int, block: Block) -> bool:
        """Whether the block of this number is complete."""
        return self._checksums.get(index) == self._checksum(block)

    def _checksum(self, block: Block) -> int:
        checksum = 0
        for array in self.arrays.values():
            checksum = zlib.crc32(array[..., *block.cells].tobytes(), checksum)
        return checksum

    def save(self, index: int, block: Block, values: dict[str, np.ndarray]) -> None:
        """Put a block's values on disk, then its line into the journal."""
        for name, array in self.arrays.items():
            array[..., *block.cells] = values[name]
            array.flush()
        self._checksums[index] = self._checksum(block)
        _append_line(self.folder / self.JOURNAL, f"{index} {self._checksums[index]}")


def _make_array(path: Path, shape: tuple[int, ...], dtype: str, nodata: float) -> None:
    """Write an array full of nodata; a full disk is an OSError here, not a crash later on."""
    row = np.full(shape[-1], nodata, dtype).tobytes()
    with _open_to_keep(path, "wb") as file:
        for _ in range(math.prod(shape[:-1])):
            file.write(row)


def _append_line(path: Path, line: str) -> None:
    with _open_to_keep(path, "ab") as file:
        file.write(f"{line}\n".encode())


@contextlib.contextmanager
def _open_to_keep(path: Path, mode: str) -> Iterator[Any]:
    """Open a file whose content is on disk at the end; errors say where and what to do."""
    try:
        with open(path, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(
            f"the unfinished map cannot be kept in {path.parent}: {error.strerror}; make room "
            f"there and run again"
        ) from error


def remove_saved_blocks(folder: Path) -> None:
    """Remove the folder of an unfinished map, after its end; one that is missing is none."""
    if folder.exists():
        shutil.rmtree(folder)


def key_of(settings: dict[str, Any]) -> str:
    """Give a key (hex) of everything that decides the values of a map.

    Parameters
    ----------
    settings : dict
        JSON-able: constants, hash of the model, identity of the product...
    """
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


# ------------------------------------------------------------------------- the whole scene


class Result(NamedTuple):
    """A map as arrays, on disk in the work folder; copy what must outlive that folder."""

    labels: np.ndarray  # (rows, columns) uint8, nodata 255, "uncertain" is the number of classes
    probability: np.ndarray  # (rows, columns) uint8 percent, nodata 255, or float32, nodata -1
    all_probabilities: np.ndarray | None  # (classes, rows, columns) likewise


def classify_scene(
    read: Read,
    shape: tuple[int, int],
    predict: Predict,
    stride: int,
    class_count: int,
    work_folder: str | os.PathLike[str],
    settings: dict[str, Any],
    *,
    method: str = "windows",
    batch_size: int = 64,
    block_size: int = BLOCK_SIZE,
    margin: int = DENSE_MARGIN,
    grid: Grid | None = None,
    inside: np.ndarray | None = None,
    mirror_nodata: bool = False,
    min_probability: float = 0.0,
    probability_type: str = "uint8",
    all_probabilities: bool = False,
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
        Window by window (batch_size, 64, 64, bands) -> (batch_size, classes); dense (1, rows,
        columns, bands) -> (1, cell rows, cell columns, classes).
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
    method : {"windows", "dense"}
        One network call for batches of windows, or one for a whole block.
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
    min_probability : float
        Cells whose label is less probable become the extra class number `class_count`.
    probability_type : {"uint8", "float32"}
        Percent, rounded, or a number from 0 to 1.
    all_probabilities : bool
        Keep the probabilities of all classes too.

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
    grid = grid or scene_grid(shape, stride)
    if grid.stride != stride:
        raise ValueError(f"the grid has a stride of {grid.stride}, not {stride}")
    check_option("METHOD", method, ("windows", "dense"))
    check_option("PROBABILITY_TYPE", probability_type, PROBABILITY_TYPES)
    blocks = blocks_of(grid, block_size, method)
    work = {
        "settings": settings,
        "grid": asdict(grid),
        "shape": list(shape),
        "blocks": [len(blocks), *blocks[0]],
        "method": [method, margin if method == "dense" else batch_size],
        "mirror_nodata": mirror_nodata,
        "inside": None if inside is None else zlib.crc32(np.packbits(inside).tobytes()),
        "probability": [min_probability, probability_type, all_probabilities, class_count],
    }
    layout = _layout(grid, class_count, probability_type, all_probabilities)
    saved = SavedBlocks(Path(work_folder), key_of(work), layout)
    todo = [index for index, block in enumerate(blocks) if not saved.is_done(index, block)]

    def read_numbered(index: int) -> tuple[int, BlockData]:
        if method == "dense":
            size = blocks[0].rows, blocks[0].columns
            return index, read_block(
                read, shape, grid, blocks[index], size, margin, inside, mirror_nodata
            )
        return index, read_block(read, shape, grid, blocks[index], None, 0, inside, mirror_nodata)

    with (
        _progress(grid.cells, blocks, todo) as progress,
        contextlib.closing(ahead(map(read_numbered, todo))) as coming,
    ):
        for index, data in coming:
            probabilities = _classify_block(
                data, predict, method, stride, batch_size, margin, progress.update
            )
            values = _values(probabilities, data.chosen, class_count, min_probability, layout)
            saved.save(index, blocks[index], values)
            reported = len(probabilities) if method == "windows" else 0
            progress.update(data.chosen.size - reported)
    arrays = saved.arrays
    return Result(arrays["labels"], arrays["probability"], arrays.get("all_probabilities"))


def _layout(
    grid: Grid, class_count: int, probability_type: str, all_probabilities: bool
) -> dict[str, tuple[tuple[int, ...], str, float]]:
    nodata = NODATA_PERCENT if probability_type == "uint8" else NODATA_PROBABILITY
    layout: dict[str, tuple[tuple[int, ...], str, float]] = {
        "labels": (grid.shape, "uint8", NODATA_LABEL),
        "probability": (grid.shape, probability_type, nodata),
    }
    if all_probabilities:
        layout["all_probabilities"] = ((class_count, *grid.shape), probability_type, nodata)
    return layout


def _progress(cells: int, blocks: list[Block], todo: list[int]) -> tqdm:
    left = sum(blocks[index].rows * blocks[index].columns for index in todo)
    return tqdm(
        total=cells,
        initial=cells - left,
        unit=" windows",
        desc="classify",
        smoothing=0.1,
        mininterval=0.5,
    )


def _classify_block(
    data: BlockData,
    predict: Predict,
    method: str,
    stride: int,
    batch_size: int,
    margin: int,
    report: Callable[[int], Any],
) -> np.ndarray:
    if not data.chosen.any():
        return np.empty((0, 0), np.float32)
    if method == "dense":
        return classify_densely(data, predict, stride, margin)
    return classify_windows(data, predict, stride, batch_size, report)


def _values(
    probabilities: np.ndarray,
    chosen: np.ndarray,
    class_count: int,
    min_probability: float,
    layout: dict[str, tuple[tuple[int, ...], str, float]],
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
    return values


def _as_type(probabilities: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "uint8":
        return np.rint(probabilities * 100).astype(np.uint8)
    return probabilities.astype(dtype)


# ------------------------------------------------------------------ window by window, or dense


def choose_method(method: str, record: dict[str, Any], grid: Grid) -> str:
    """Decide between "windows" and "dense"; "auto" takes dense where it is allowed and pays.

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
    check_option("METHOD", method, METHODS)
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


def dense_pays(grid: Grid, margin: int = DENSE_MARGIN) -> bool:
    """Whether one pass over the map's pixels costs less than its windows, one by one."""
    sides = [(count - 1) * grid.stride + PATCH_SIZE + 2 * margin for count in grid.shape]
    return math.prod(sides) * DENSE_COSTS[grid.stride] < grid.cells * PATCH_SIZE**2


def block_size_for(method: str, wanted: int | None = None) -> int:
    """Give the side of blocks in px: what is wanted, or what suits the method."""
    return wanted or (DENSE_BLOCK_SIZE if method == "dense" else BLOCK_SIZE)


def dense_block_shape(grid: Grid, block_size: int, margin: int = DENSE_MARGIN) -> tuple[int, int]:
    """Give rows and columns in pixels of the blocks that the dense network is called with."""
    block = blocks_of(grid, block_size, "dense")[0]
    rows, columns = (
        (count - 1) * grid.stride + PATCH_SIZE + 2 * margin for count in (block.rows, block.columns)
    )
    return rows, columns


# ------------------------------------------------------------------------------ for pictures


def read_thinned(read: Read, window: tuple[int, int, int, int], step: int) -> np.ndarray:
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
