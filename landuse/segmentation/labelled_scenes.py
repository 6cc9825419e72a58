"""Scenes with a label for each pixel: decoded once, and dealt in blocks to the parts."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from landuse import files
from landuse.scenes import scene_reader
from landuse.segmentation import label_grids

NO_LABEL = label_grids.NO_LABEL
PARTS = ("train", "validation", "test")
ROWS_AT_ONCE = 512
DRAWS = 200  # of which the one is taken whose parts hold the classes most alike


@dataclass(frozen=True)
class LabelledScene:
    """A scene in memory, or mapped from a file, and what its pixels are.

    Attributes
    ----------
    name : str
    pixels : ndarray of shape (rows, columns, bands), uint8 or uint16
    labels : ndarray of shape (rows, columns), uint8
        Class index; `NO_LABEL` where there is none, and where pixels are nodata.
    parts : ndarray of shape (block rows, block columns), uint8
        Index into PARTS of each square block.
    block_size : int
        Side of a block in pixels.
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray
    parts: np.ndarray
    block_size: int

    def labels_of(
        self, part: str, row: int = 0, column: int = 0, rows: int = 0, columns: int = 0
    ) -> np.ndarray:
        """Return the labels of a window (by default all) that lie in blocks of one part."""
        window = (
            slice(row, row + rows if rows else None),
            slice(column, column + columns if columns else None),
        )
        labels = self.labels[window]
        blocks = (
            (np.arange(first, first + count) // self.block_size)
            for first, count in zip((row, column), labels.shape, strict=True)
        )
        inside = self.parts[np.ix_(*blocks)] == PARTS.index(part)
        return np.where(inside, labels, NO_LABEL).astype(np.uint8)


def decode(scene: scene_reader.Scene, folder: Path) -> np.ndarray:
    """Read all pixels of a scene into a file of a folder, once, and map it into memory.

    Parameters
    ----------
    scene : Scene
    folder : Path

    Returns
    -------
    ndarray of shape (rows, columns, bands), uint8 or uint16
        Pixels without data in one of the bands are 0 in all of them.
    """
    path = folder / f"{_identity(scene)}.npy"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        shape = (scene.rows, scene.columns, len(scene.band_names))
        with files.atomic_path(path) as temporary:
            array = np.lib.format.open_memmap(temporary, "w+", scene.dtype, shape)
            strips = range(0, scene.rows, ROWS_AT_ONCE)
            for row in tqdm(strips, desc=f"read {scene.name}", unit="strip", disable=None):
                rows = min(ROWS_AT_ONCE, scene.rows - row)
                pixels, valid = scene.read(row, 0, rows, scene.columns)
                array[row : row + rows] = np.where(valid[..., None], pixels, 0)
            array.flush()
            del array
    return np.load(path, mmap_mode="r")


def _identity(scene: scene_reader.Scene) -> str:
    stats = [(str(path), path.stat()) for path in scene.files()]
    state = [
        [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats],
        [*scene.band_names, scene.units, scene.masks_clouds, scene.product],
    ]
    return hashlib.sha256(json.dumps(state, default=str).encode()).hexdigest()[:16]


def without_nodata(labels: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return labels without those of pixels that have no data."""
    cleared = labels.copy()
    for row in range(0, len(labels), ROWS_AT_ONCE):
        part = slice(row, row + ROWS_AT_ONCE)
        cleared[part][~pixels[part].any(axis=2)] = NO_LABEL
    return cleared


def draw_parts(
    labels: Sequence[np.ndarray],
    class_count: int,
    block_size: int,
    fraction_validation: float,
    fraction_test: float,
    seed: int,
) -> list[np.ndarray]:
    """Deal square blocks of scenes to the parts, so that each part holds the classes alike.

    Of many random deals the one is taken in which the share of a class in validation and test
    differs least from its share in all blocks, relative to that, on average over the classes.

    Parameters
    ----------
    labels : sequence of ndarray of shape (rows, columns), uint8
        Of each scene.
    class_count : int
    block_size : int
        px
    fraction_validation, fraction_test : float
        Shares of the blocks that have a label.
    seed : int

    Returns
    -------
    list of ndarray of shape (block rows, block columns), uint8
        Index into PARTS.

    Raises
    ------
    ValueError
        When there are too few blocks for that.
    """
    counts = [block_counts(grid, class_count, block_size) for grid in labels]
    flat = np.concatenate([grid.reshape(-1, class_count) for grid in counts])
    usable = np.flatnonzero(flat.sum(1))
    sizes = [
        max(1, round(share * len(usable))) if share else 0
        for share in (fraction_validation, fraction_test)
    ]
    if len(usable) - sum(sizes) < 1:
        raise ValueError(
            f"the labels lie in {len(usable)} blocks of {block_size} px, too few for "
            f"{sum(sizes)} to validate and test and others to train: choose a smaller BLOCK_SIZE"
        )
    rng = np.random.default_rng(seed)
    best, dealt = np.inf, np.zeros(len(flat), np.uint8)
    for _ in range(DRAWS):
        order = rng.permutation(usable)
        deal = np.zeros(len(flat), np.uint8)
        deal[order[: sizes[0]]] = 1
        deal[order[sizes[0] : sum(sizes)]] = 2
        unlike = _unlikeness(flat, deal, [number for number in (1, 2) if sizes[number - 1]])
        if unlike < best:
            best, dealt = unlike, deal
    ends = np.cumsum([grid.shape[0] * grid.shape[1] for grid in counts])
    return [
        part.reshape(grid.shape[:2])
        for part, grid in zip(np.split(dealt, ends[:-1]), counts, strict=True)
    ]


def block_counts(labels: np.ndarray, class_count: int, block_size: int) -> np.ndarray:
    """Count the pixels of each class in each block: (block rows, block columns, classes)."""
    shape = [-(-side // block_size) for side in labels.shape]
    counts = np.zeros((*shape, class_count), np.int64)
    for row, column in np.ndindex(*shape):
        block = labels[
            row * block_size : (row + 1) * block_size,
            column * block_size : (column + 1) * block_size,
        ]
        counts[row, column] = np.bincount(block.ravel(), minlength=256)[:class_count]
    return counts


def _unlikeness(counts: np.ndarray, deal: np.ndarray, parts: Iterable[int]) -> float:
    whole = counts.sum(0) / counts.sum()
    known = whole > 0
    unlike = 0.0
    for part in parts:
        held = counts[deal == part].sum(0)
        share = held / max(held.sum(), 1)
        unlike += float(np.mean(np.minimum(np.abs(share - whole)[known] / whole[known], 2)))
    return unlike
