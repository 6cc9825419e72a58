"""A training run whose model classifies pixels: what its model says of itself, and its report."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from landuse import devices, sensors
from landuse.mapping import grids, map_blocks, pixel_blocks
from landuse.networks import engines, model_files
from landuse.outputs import map_layers
from landuse.segmentation import labelled_scenes, pixel_data, pixel_measures, pixel_reports
from landuse.training import processes, run_folders

if TYPE_CHECKING:
    import keras

    from landuse.training import runs

MONITOR = "val_mean_iou"
BLOCK_SIZE = 512  # px, of scenes that are measured


def describe(
    run: "runs.Run",
    data: pixel_data.PixelData,
    network: str,
    weights: str | None,
    tile_size: int,
) -> None:
    """Note what the saved model has to tell about itself, and say what is ahead.

    Raises
    ------
    ValueError
        If this run was started with other labels or pixels.
    """
    digest = data.digest()
    if run.state.images not in ("", digest):
        raise ValueError(
            f"{run.folder} holds a run with other pixels or labels: they have changed since. Give "
            "another PATH_TO_RUN"
        )
    processes.agree("the labels", digest)
    run.state.images = digest
    run.monitor = MONITOR
    run.record = {
        "task": "pixels",
        "class_names": data.class_names,
        "band_names": data.band_names,
        "units": data.units,
        "patch_size": tile_size,
        "statistics": data.statistics,
        "network": network,
        "weights": run_folders.without_absolute_paths({"weights": weights})["weights"],
        "dense": False,
        "mosaic": None,
        "processing_level": data.level,
        "built_in_sample": data.built_in_sample,
        "run": run.folder.resolve().name,
        "settings": run_folders.without_absolute_paths(run.settings),
        "versions": run_folders.versions(),
        "results": {},
    }
    shares = data.places.counts / data.places.counts.sum()
    print(
        f"{network}, {len(data.band_names)} bands, {len(data.class_names)} classes, "
        f"{data.places.counts.sum():,} labelled pixels to train with; {devices.describe()}"
    )
    print(
        "  "
        + ", ".join(
            f"{name} {100 * share:.1f} %"
            for name, share in zip(data.class_names, shares, strict=True)
        )
    )


def map_scene(model: "keras.Model", scene: labelled_scenes.LabelledScene) -> np.ndarray:
    """Give the class of every pixel of a scene, as script 06 would; uint8, `NO_LABEL` is nodata."""
    shape = scene.labels.shape
    grid = grids.scene_grid(shape, 1)
    size = pixel_blocks.block_shape(grid, BLOCK_SIZE)
    predict = engines.make_predict(model, (1, *size, scene.pixels.shape[2]))

    def read(row: int, column: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        pixels = np.array(scene.pixels[row : row + rows, column : column + columns])
        return pixels, np.asarray(pixels.any(axis=2))

    found = np.full(shape, labelled_scenes.NO_LABEL, np.uint8)
    blocks = map_blocks.blocks_of(grid, BLOCK_SIZE, "pixels")
    for block in tqdm(blocks, desc=f"map {scene.name}", unit="block", disable=None):
        block_data = pixel_blocks.read_block(read, shape, grid, block, size)
        if block_data.chosen.any():
            probabilities = pixel_blocks.classify(block_data, predict, grid, block)
            found[block.cells][block_data.chosen] = probabilities.argmax(axis=1)
    return found


def measure(run: "runs.Run", data: pixel_data.PixelData) -> None:
    """Measure the best model on what it did not learn from, and write the report."""
    run.sharing.close()  # from here on, one device of one process answers
    if not processes.is_first():
        return
    what, part, scenes = data.measured
    print(f"measuring the best model, {what} ...")
    model, record = model_files.load(run.model_path)
    figures, shown = compare(
        [map_scene(model, scene) for scene in scenes], scenes, part, data.class_names, data
    )
    figures["part"] = what
    pixel_reports.write_report(
        run.folder,
        figures,
        data.class_names,
        shown,
        run.state.history,
        f"{record['network']}, a class for every pixel",
    )
    record["results"] |= results_of(figures)
    model_files.save(model, record, run.model_path)
    print(
        f"{what}: mIoU {100 * figures['mean_iou']['value']:.1f} %, "
        f"{100 * figures['accuracy']['value']:.1f} % of the pixels right"
    )
    print(f"report: {run.folder / 'report.md'}")


def results_of(figures: dict[str, Any]) -> dict[str, Any]:
    """Return what the record of a model keeps of its report."""
    names = ("part", "pixels", "blocks", "accuracy", "mean_iou", "boundary_f1")
    rates = ("precision", "recall", "iou")
    return {name: figures[name] for name in names} | {
        "most_frequent_class": max(row["pixels"] for row in figures["per_class"].values())
        / figures["pixels"],
        "per_class": {
            name: {rate: {"value": row[rate]} for rate in rates}
            for name, row in figures["per_class"].items()
        },
    }


def compare(
    maps: Sequence[np.ndarray],
    scenes: Sequence[labelled_scenes.LabelledScene],
    part: str,
    class_names: Sequence[str],
    data: pixel_data.PixelData,
) -> tuple[dict[str, Any], list[pixel_reports.Shown]]:
    """Compare maps with the labels of one part, and give figures and pictures."""
    count = len(class_names)
    matrices, boundaries, shown = [], np.zeros((count, 4), np.int64), []
    for found, scene in zip(maps, scenes, strict=True):
        truth = scene.labels_of(part)
        if (truth == labelled_scenes.NO_LABEL).all():
            continue
        matrices.append(pixel_measures.block_confusions(truth, found, count, scene.block_size))
        boundaries += pixel_measures.boundary_counts(truth, found, count)
        shown.append(pixel_reports.Shown(scene.name, _picture(scene, data), truth, found))
    return pixel_measures.measure(np.concatenate(matrices), boundaries, class_names), shown


def _picture(scene: labelled_scenes.LabelledScene, data: pixel_data.PixelData) -> np.ndarray:
    """Give a scene in natural colour, or of its first bands where it has no red, green, blue."""
    names = data.band_names
    rgb = [names.index(band) for band in sensors.BANDS_RGB if band in names]
    bands = rgb if len(rgb) == 3 else [min(i, len(names) - 1) for i in range(3)]
    return map_layers.natural_colour(np.asarray(scene.pixels)[..., bands], data.units)
