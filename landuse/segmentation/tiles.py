"""Tiles of labelled scenes as batches: drawn at random to train, side by side to validate."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from landuse.patches import augmentation, patch_batches
from landuse.segmentation import labelled_scenes
from landuse.training import parallel

NO_LABEL = labelled_scenes.NO_LABEL
PLACES_PER_CLASS = 20_000  # remembered in each scene, to draw tiles around


class Tile(NamedTuple):
    """Where a tile lies."""

    scene: int
    row: int
    column: int


class Places:
    """Pixels to draw tiles around, by their class.

    Parameters
    ----------
    scenes : sequence of LabelledScene
    class_count : int
    even : float
        Share of the tiles that are drawn around every class alike; the others are drawn around
        classes as often as these are found.
    """

    def __init__(
        self, scenes: Sequence[labelled_scenes.LabelledScene], class_count: int, even: float
    ) -> None:
        rng = np.random.default_rng(0)
        counts = np.zeros((len(scenes), class_count), np.int64)
        self.places: dict[tuple[int, int], np.ndarray] = {}
        for number, scene in enumerate(scenes):
            labels = scene.labels_of("train")
            for index in range(class_count):
                found = np.flatnonzero(labels == index)
                counts[number, index] = len(found)
                if len(found) > PLACES_PER_CLASS:
                    found = rng.choice(found, PLACES_PER_CLASS, replace=False)
                places = np.unravel_index(found, labels.shape)
                self.places[number, index] = np.stack(places, -1).astype(np.int32)
        self.counts = counts.sum(0)
        present = self.counts > 0
        share = self.counts / max(self.counts.sum(), 1)
        self.of_classes = even * present / max(present.sum(), 1) + (1 - even) * share
        self.of_scenes = counts / np.maximum(self.counts, 1)

    def draw(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """Draw a pixel: scene, row, column."""
        index = int(rng.choice(len(self.of_classes), p=self.of_classes))
        scene = int(rng.choice(len(self.of_scenes), p=self.of_scenes[:, index]))
        row, column = self.places[scene, index][rng.integers(len(self.places[scene, index]))]
        return scene, int(row), int(column)


def class_weights(counts: np.ndarray, power: float) -> np.ndarray:
    """Weight of each class in the loss: one over its share to a power, 1 on average over pixels.

    Parameters
    ----------
    counts : ndarray of shape (classes,)
        Pixels of each class.
    power : float
        0: all pixels weigh the same; 1: all classes do.

    Returns
    -------
    ndarray of shape (classes,), float32
        0 for classes without a pixel.
    """
    known = counts > 0
    weights = np.where(known, 1 / np.maximum(counts, 1) ** float(power), 0)
    return (weights * counts.sum() / max((weights * counts).sum(), 1e-30)).astype(np.float32)


class TileBatches(patch_batches.PatchBatches):
    """Batches of tiles with the classes of their pixels, and the weight of each pixel.

    Parameters
    ----------
    scenes : sequence of LabelledScene
    part : str
        Labels of other parts weigh nothing.
    weights : ndarray of shape (classes,), float32
        Of a pixel of each class.
    tile_size : int, px
    batch_size : int
        Tiles.
    tiles : sequence of Tile, or int
        Which ones; or how many to draw in an epoch.
    places : Places, optional
        To draw from.
    symmetries : bool
        Turn and mirror drawn tiles.
    changes : mapping
        Of light and air, as `augmentation.augment_patches` takes them.
    seed, ahead : int
        As in `patch_batches`.
    """

    def __init__(
        self,
        scenes: Sequence[labelled_scenes.LabelledScene],
        part: str,
        weights: np.ndarray,
        tile_size: int,
        batch_size: int,
        tiles: Sequence[Tile] | int,
        *,
        places: Places | None = None,
        symmetries: bool = False,
        changes: Mapping[str, Any] | None = None,
        seed: int = 0,
        ahead: int = 0,
    ) -> None:
        self.scenes, self.part, self.places = scenes, part, places
        self.weights = np.append(weights, np.zeros(256 - len(weights), np.float32))
        self.classes = np.eye(len(weights), dtype=np.float32)
        self.tile_size, self.symmetries = tile_size, symmetries
        self.tiles = None if isinstance(tiles, int) else tiles
        count = tiles if isinstance(tiles, int) else len(tiles)
        super().__init__(
            patches=None,
            labels=np.zeros(count, np.float32),  # only their number counts
            sample_weights=None,
            batch_size=batch_size,
            changes=changes or {},
            histogram_matching=0,
            mixup=0,
            mosaic=1,
            seed=seed,
            shuffle=False,
            ahead=ahead,
        )

    def _draw_tile(self, rng: np.random.Generator) -> Tile:
        assert self.places is not None
        number, row, column = self.places.draw(rng)
        rows, columns = self.scenes[number].labels.shape
        first_row, first_column = (
            int(np.clip(place - rng.integers(self.tile_size), 0, side - self.tile_size))
            for place, side in ((row, rows), (column, columns))
        )
        return Tile(number, first_row, first_column)

    def _batch(self, epoch: int, index: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng((self.seed, epoch, index))
        last = min((index + 1) * self.batch_size, len(self.labels) - self.left_out)
        numbers = range(index * self.batch_size, last)
        own = self._own(len(numbers))
        tiles = [self.tiles[i] if self.tiles else self._draw_tile(rng) for i in numbers][own]
        pixels = np.stack([self._pixels(tile) for tile in tiles])
        labels = np.stack([self._labels(tile) for tile in tiles])
        if self.symmetries:
            drawn = [(int(rng.integers(4)), int(rng.integers(2))) for _ in numbers][own]
            for number, (turns, mirrored) in enumerate(drawn):
                for arrays in (pixels, labels):
                    turned = np.rot90(arrays[number], turns)
                    arrays[number] = turned[::-1].copy() if mirrored else turned.copy()
        if any(self.changes.values()):
            draws = augmentation.Draws(rng, len(numbers), own)
            pixels = augmentation.augment_patches(pixels, draws, **self.changes)
        known = np.where(labels == NO_LABEL, 0, labels)
        return pixels, self.classes[known], self.weights[labels]

    def _pixels(self, tile: Tile) -> np.ndarray:
        rows = slice(tile.row, tile.row + self.tile_size)
        columns = slice(tile.column, tile.column + self.tile_size)
        return np.array(self.scenes[tile.scene].pixels[rows, columns])

    def _labels(self, tile: Tile) -> np.ndarray:
        size = self.tile_size
        return self.scenes[tile.scene].labels_of(self.part, tile.row, tile.column, size, size)


@functools.cache
def _dataset_class() -> Any:
    import keras

    class TileDataset(TileBatches, keras.utils.PyDataset):
        """`TileBatches` as Keras takes them."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            keras.utils.PyDataset.__init__(self, workers=1)
            TileBatches.__init__(self, *arguments, **options)

    return TileDataset


def dataset(
    scenes: Sequence[labelled_scenes.LabelledScene], part: str, *arguments: Any, **options: Any
) -> Any:
    """Give `TileBatches` as Keras takes them, shared out among the devices."""
    batches = _dataset_class()(scenes, part, *arguments, **options)
    if part == "train":
        return parallel.share_out(batches)
    return parallel.share_out_part(batches, part, "tiles")


def tiles_of_part(
    scenes: Sequence[labelled_scenes.LabelledScene], part: str, tile_size: int
) -> list[Tile]:
    """List tiles side by side that hold labels of a part; the last ones of a scene overlap."""
    found = []
    for number, scene in enumerate(scenes):
        rows, columns = scene.labels.shape
        for row in _starts(rows, tile_size):
            for column in _starts(columns, tile_size):
                labels = scene.labels_of(part, row, column, tile_size, tile_size)
                if (labels != NO_LABEL).any():
                    found.append(Tile(number, row, column))
    return found


def _starts(side: int, tile_size: int) -> list[int]:
    return sorted({min(first, side - tile_size) for first in range(0, side, tile_size)})
