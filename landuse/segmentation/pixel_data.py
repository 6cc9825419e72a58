"""What a network of pixels is trained on and measured with: scenes opened, labelled and split."""

import contextlib
import hashlib
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landuse import sensors
from landuse.patches import band_statistics, processing_levels
from landuse.sample import sample_marker
from landuse.scenes import opening, scene_reader
from landuse.segmentation import label_grids, labelled_scenes, tiles
from landuse.training import parallel, processes

NO_LABEL = labelled_scenes.NO_LABEL


@dataclass(frozen=True)
class PixelData:
    """What is trained on and measured with.

    Attributes
    ----------
    scenes : list of LabelledScene
        To learn from and to validate with, perhaps also to test with.
    others : list of LabelledScene
        Other places, of which everything is the test part; perhaps none.
    class_names, band_names : list of str
    units : {"DN", "rgb8"}
    statistics : dict
        Of the pixels of the blocks to train with, per band.
    places : Places
        To draw tiles around.
    level : {"L1C", "L2A"} or None
        Of the scenes, where they or their bands tell it.
    built_in_sample : bool
    """

    scenes: list[labelled_scenes.LabelledScene]
    others: list[labelled_scenes.LabelledScene]
    class_names: list[str]
    band_names: list[str]
    units: str
    statistics: dict[str, Any]
    places: tiles.Places
    level: str | None
    built_in_sample: bool

    @property
    def measured(self) -> tuple[str, str, list[labelled_scenes.LabelledScene]]:
        """What the report is about: in words, which part, and of which scenes."""
        if self.others:
            return "other places", "test", self.others
        test = labelled_scenes.PARTS.index("test")
        if any((scene.parts == test).any() for scene in self.scenes):
            return "test blocks", "test", self.scenes
        return "validation", "validation", self.scenes

    def digest(self) -> str:
        """Tell these labels and pixels from others."""
        digest = hashlib.sha256("\n".join(self.class_names).encode())
        for scene in (*self.scenes, *self.others):
            digest.update(scene.labels.tobytes() + scene.parts.tobytes())
            digest.update(np.ascontiguousarray(scene.pixels[::61, ::61]).tobytes())
        return digest.hexdigest()[:16]

    def steps(self, tile_count: int, batch_size: int) -> int:
        """Count the steps of an epoch."""
        return math.ceil((tile_count - tile_count % parallel.count()) / batch_size)


@processes.in_turn()
def read_data(
    pairs: Sequence[tuple[str, str]],
    test_pairs: Sequence[tuple[str, str]],
    cache: Path,
    *,
    bands: str | Sequence[str],
    units: str,
    class_table: str | None,
    class_attribute: str | None,
    ignore: Sequence[str],
    block_size: int,
    tile_size: int,
    fraction_validation: float,
    fraction_test: float,
    even_classes: float,
    seed: int,
) -> PixelData:
    """Open, decode, label and split scenes.

    Parameters
    ----------
    pairs, test_pairs : sequence of (scene, labels)
        Places to learn from, and others to measure with.
    cache : Path
        Folder for decoded pixels.
    bands : str or sequence of str
    units : {"DN", "rgb8"}
    class_table, class_attribute, ignore
        See `label_grids`.
    block_size, fraction_validation, fraction_test, seed
        See `labelled_scenes.draw_parts`; with other places there are no test blocks.
    tile_size : int
        That must fit into every scene.
    even_classes : float
        See `tiles.Places`.

    Raises
    ------
    OSError, ValueError
    """
    band_names = sensors.chosen_bands(bands)
    table = label_grids.read_table(class_table)
    levels: set[str | None] = set()

    def read(scene_path: str, label_path: str) -> tuple[str, np.ndarray, label_grids.LabelGrid]:
        with contextlib.closing(opening.open_scene(scene_path, band_names, units)) as scene:
            _check_size(scene, tile_size, scene_path)
            grid = label_grids.Grid(scene.geotransform, scene.crs, scene.rows, scene.columns)
            found = label_grids.read_labels(label_path, grid, table, class_attribute)
            pixels = labelled_scenes.decode(scene, cache)
            levels.add(scene.level)
            for message in (*scene.messages, *found.messages):
                print(f"  {message}")
            cleared = label_grids.LabelGrid(
                labelled_scenes.without_nodata(found.values, pixels), found.names, []
            )
            return scene.name, pixels, cleared

    found = [read(*pair) for pair in pairs]
    labels, class_names = label_grids.merge_classes([grid for _, _, grid in found], ignore)
    parts = labelled_scenes.draw_parts(
        labels,
        len(class_names),
        block_size,
        fraction_validation,
        0.0 if test_pairs else fraction_test,
        seed,
    )
    scenes = [
        labelled_scenes.LabelledScene(name, pixels, grid, part, block_size)
        for (name, pixels, _), grid, part in zip(found, labels, parts, strict=True)
    ]
    others = []
    for name, pixels, grid in [read(*pair) for pair in test_pairs]:
        known = label_grids.on_classes(grid, class_names)
        if (known == NO_LABEL).all():
            raise ValueError(
                f"PATH_TO_TEST_LABELS: {name} has no pixel of {', '.join(class_names)}"
            )
        shape = [-(-side // block_size) for side in known.shape]
        test = np.full(shape, labelled_scenes.PARTS.index("test"), np.uint8)
        others.append(labelled_scenes.LabelledScene(name, pixels, known, test, block_size))
    places = tiles.Places(scenes, len(class_names), even_classes)
    built_in_sample = any(sample_marker.is_of_sample(scene) for scene, _ in pairs)
    _say_what_is_missing(scenes, places, class_names)
    return PixelData(
        scenes,
        others,
        class_names,
        list(band_names),
        units,
        _statistics(scenes, band_names),
        places,
        "L1C" if built_in_sample else _level(levels, band_names),
        built_in_sample,
    )


def _level(levels: set[str | None], band_names: Sequence[str]) -> str | None:
    """Return the level of the scenes; of scenes that do not say it, what their bands tell."""
    told = levels - {None}
    if not told:
        return processing_levels.level_of([], band_names)
    return told.pop() if len(levels) == 1 else None


def _check_size(scene: scene_reader.Scene, tile_size: int, path: str) -> None:
    if min(scene.rows, scene.columns) < tile_size:
        raise ValueError(
            f"{path}: has {scene.rows}x{scene.columns} px, too few for tiles of {tile_size} px: "
            "choose a smaller TILE_SIZE"
        )


def _say_what_is_missing(
    scenes: Sequence[labelled_scenes.LabelledScene],
    places: tiles.Places,
    class_names: Sequence[str],
) -> None:
    unseen = [name for name, count in zip(class_names, places.counts, strict=True) if not count]
    if unseen:
        raise ValueError(
            f"no block to train with holds a pixel of {', '.join(unseen)}: choose a smaller "
            "BLOCK_SIZE or another SEED, or leave the class out by IGNORE"
        )
    validation = np.zeros(len(class_names), np.int64)
    for scene in scenes:
        labels = scene.labels_of("validation").ravel()
        validation += np.bincount(labels, minlength=256)[: len(class_names)]
    missing = [name for name, count in zip(class_names, validation, strict=True) if not count]
    if missing:
        print(f"no block to validate with holds {', '.join(missing)}")


def _statistics(
    scenes: Sequence[labelled_scenes.LabelledScene], band_names: Sequence[str]
) -> dict[str, Any]:
    """Take the statistics of all pixels with data in the blocks to train with."""

    def blocks() -> Any:
        for scene in scenes:
            size = scene.block_size
            for row, column in np.argwhere(scene.parts == labelled_scenes.PARTS.index("train")):
                block = scene.pixels[
                    row * size : (row + 1) * size, column * size : (column + 1) * size
                ]
                valid = block[block.any(axis=2)]
                if len(valid):
                    yield np.ascontiguousarray(valid)[np.newaxis]

    return band_statistics.pooled_statistics(blocks(), band_names)


def remove_cache(folder: Path) -> None:
    """Remove the decoded pixels when a run is over; of several processes, the first one does."""
    if processes.is_first():
        shutil.rmtree(folder, ignore_errors=True)
