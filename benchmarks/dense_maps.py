"""How many times faster a dense map is than window by window, with the same engine and precision.

Both networks have the same (random) weights and see the same made image of SIZE x SIZE pixels.
The dense network answers for all windows at STRIDE inside it in one call. The patch path is timed
on one batch and counted for as many windows. The two take turns, and the best round of each
counts; processor seconds are given too, because other load disturbs them less than the clock.
`per cell` counts the answers that lie inside, `in the mass` as many as SIZE^2 / STRIDE^2: what a
scene comes to whose blocks are so large that their edges do not count.

Run (a few minutes, most of them for building the networks):
    python benchmarks/dense_maps.py
    python benchmarks/dense_maps.py --networks VGG16 --bands 13 --size 768 --precision bfloat16
"""

import functools
import os
import resource
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import measuring
import numpy as np

from landuse import command_line

NETWORKS = ["DenseNet201", "VGG16"]  # and ResNet50
BANDS = [3, 13]  # of the image; each is measured
DENSE_LAYERS = True  # False: without those that VGG16 has between pooling and probabilities
SIZE = 512  # pixels, rows and columns of the image
STRIDE = 8  # pixels from one window to the next; 8, 16 or 32
ENGINE = "keras"  # or openvino
PRECISION = "float32"  # or bfloat16
BATCH_SIZE = 64  # windows in one call of the patch path
ROUNDS = 5  # turns of each, the best counts


def main() -> None:
    """Measure each network and print the table."""
    print(f"{SIZE} x {SIZE} px, stride {STRIDE}, {ENGINE}, {PRECISION}, best of {ROUNDS} rounds")
    print(
        f"{'network':12}{'bands':>6}{'dense, s':>10}{'patches, s':>12}{'per cell':>10}"
        f"{'in the mass':>13}{'the same in processor time':>28}{'largest memory, GB':>20}"
    )
    for name in NETWORKS:
        for bands in BANDS:
            print(row_of(name, bands), flush=True)


def row_of(name, bands):
    dense, patches = measure(name, bands)
    windows = ((SIZE - 64) // STRIDE + 1) ** 2
    clock, processor = patches / BATCH_SIZE / dense
    mass = SIZE**2 / STRIDE**2
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"{name:12}{bands:6}{dense[0]:10.2f}{patches[0] / BATCH_SIZE * windows:12.1f}"
        f"{clock * windows:10.1f}{clock * mass:13.1f}"
        f"{processor * windows:17.1f} {processor * mass:10.1f}{memory:20.1f}"
    )


def measure(name, bands):
    """Seconds by the clock and of the processors: of the image, and of a batch of patches."""
    from landuse.networks import engines

    model = measuring.random_classifier(name, bands, DENSE_LAYERS)
    shapes = {"dense": (1, SIZE, SIZE, bands), "patches": (BATCH_SIZE, 64, 64, bands)}
    rng = np.random.default_rng(0)
    actions = {}
    for kind, shape in shapes.items():
        stride = STRIDE if kind == "dense" else None
        predict = engines.make_predict(model, shape, ENGINE, PRECISION, dense_stride=stride)
        pixels = rng.integers(1, 255 if bands == 3 else 4000, shape).astype(np.float32)
        actions[kind] = functools.partial(predict, pixels)
        actions[kind]()
    return measuring.take_turns(actions, ROUNDS).values()


if __name__ == "__main__":
    command_line.run(main, globals())
