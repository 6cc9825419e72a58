"""Patches a second that reach the training: one by one with scikit-image, and our batches.

Both flip at random and rotate by any angle with reflection at the border, on the same real
patches, in the same run and on the same cores. The yardstick reads each file, flips, rotates and
normalises it, one after the other in one thread. Ours takes the patches from the cache, as every
epoch does; the model normalises, and a column of its own says what it costs to do that here too.
The two take turns, and the best round of each counts, so that other load disturbs least. A second
table counts processor time in place of the clock, for a machine that is busy otherwise: ours in
the seconds that all of its threads take, times the cores.

Run (about a minute, after the patches are decoded):
    python benchmarks/input_pipeline.py --path-to-rgb data/EuroSAT_RGB --path-to-ms data/EuroSAT_MS
"""

import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import numpy as np

import image_functions
from landuse import command_line, sensors
from landuse.patches import class_folders, patch_cache

PATH_TO_RGB = "data/EuroSAT_RGB"  # folder with a folder for each class
PATH_TO_MS = "data/EuroSAT_MS"  # folder with a folder for each class
PATH_TO_CACHE: str | None = None  # folder for the decoded patches; None: beside the patches
CORES = 2  # processor cores that both may use
ROUNDS = 7  # turns of each, the best counts
YARDSTICK_PATCHES = 300  # patches a turn
OUR_PATCHES = 6400  # patches a turn
BATCH_SIZE = 64
ROTATION_RANGE = 180  # degrees


def main() -> None:
    """Measure both kinds of patches and print the table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    cores = image_functions.usable_cores()
    print(f"{cores} cores, best of {ROUNDS} rounds, patches a second")
    rates = {"RGB": measure(PATH_TO_RGB), "13 bands": measure(PATH_TO_MS)}
    print_table("by the clock", {name: clock for name, (clock, _) in rates.items()})
    busy = {name: processor * (1, cores, cores) for name, (_, processor) in rates.items()}
    print_table("by processor time", busy)


def print_table(title, rates):
    print(f"{title:20}{'yardstick':>12}{'ours':>12}{'ratio':>8}{'and normalised':>16}{'ratio':>8}")
    for name, (yardstick, ours, normalised) in rates.items():
        print(
            f"{name:20}{yardstick:12,.0f}{ours:12,.0f}{ours / yardstick:8.1f}"
            f"{normalised:16,.0f}{normalised / yardstick:8.1f}"
        )


def measure(folder):
    """Best rates of the yardstick, ours and ours normalised: by the clock, by processor time."""
    images = class_folders.find_images(folder)
    files = [file for members in images.values() for file in members]
    labels = [index for index, members in enumerate(images.values()) for _ in members]
    patches = patch_cache.open_patches(files, cache=PATH_TO_CACHE)
    values = image_functions.pooled_statistics(
        patches[:2000], sensors.band_names_of(patches.shape[-1])
    )
    dataset = image_functions.simple_image_generator(
        patches,
        labels=labels,
        batch_size=BATCH_SIZE,
        rotation_range=ROTATION_RANGE,
        horizontal_flip=True,
        vertical_flip=True,
    )
    mean, std = np.array(values["mean"]), np.array(values["std"])
    chosen = np.random.default_rng(0).permutation(len(files))[:YARDSTICK_PATCHES]
    rounds = [
        (
            one_by_one([files[index] for index in chosen], mean, std),
            in_batches(dataset, None),
            in_batches(dataset, (mean, std)),
        )
        for _ in range(ROUNDS)
    ]
    return np.max(rounds, axis=0).T


def one_by_one(files, mean, std):
    from skimage.io import imread
    from skimage.transform import rotate

    rng = np.random.default_rng(0)
    clock, processor = time.perf_counter(), time.process_time()
    for file in files:
        image = imread(file)
        if rng.random() < 0.5:
            image = np.fliplr(image)
        if rng.random() < 0.5:
            image = np.flipud(image)
        angle = rng.uniform(-ROTATION_RANGE, ROTATION_RANGE)
        image = rotate(image, angle, mode="symmetric", preserve_range=True)
        image = (image - mean) / std
    return rates_of(len(files), clock, processor)


def in_batches(dataset, normalisation):
    """Rate of our batches, over as many epochs as it takes."""
    count = 0
    clock, processor = time.perf_counter(), time.process_time()
    while count < OUR_PATCHES:
        for index in range(len(dataset)):
            patches, _ = dataset[index]
            if normalisation is not None:
                image_functions.preprocessing_image_ms(patches, *normalisation)
            count += len(patches)
            if count >= OUR_PATCHES:
                break
        dataset.on_epoch_end()
    return rates_of(count, clock, processor)


def rates_of(count, clock, processor):
    return count / (time.perf_counter() - clock), count / (time.process_time() - processor)


if __name__ == "__main__":
    command_line.run(main, globals())
