"""How close a map window by window comes to the bare network, in images a second.

The bare network predicts the same batch of windows again and again. The map gathers its windows
from a made scene of SIZE x SIZE pixels, pads its edges, goes through blocks and saves them. Both
use the same compiled function and take turns, and the best round of each counts; processor
seconds are given too, because other load disturbs them less than the clock.

Run (a minute or two, most of it for building the network):
    python benchmarks/window_by_window.py
    python benchmarks/window_by_window.py --network VGG16 --precision bfloat16 --engine openvino
"""

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from landuse import command_line
from landuse.mapping import grids, whole_scene
from landuse.networks import engines

NETWORK = "DenseNet201"  # or VGG16, ResNet50
BANDS = 13  # of the scene
SIZE = 192  # pixels, rows and columns of the scene
STRIDE = 8  # pixels from one window to the next
BATCH_SIZE = 64  # windows in one call of the network
BLOCK_SIZE = 1024  # pixels, side of a block
ENGINE = "keras"  # or openvino
PRECISION = "float32"  # or bfloat16
ROUNDS = 3  # turns of each, the best counts


def main() -> None:
    """Measure both in turns and print the share."""
    model = make_model()
    shape = (BATCH_SIZE, 64, 64, BANDS)
    predict = engines.make_predict(model, shape, ENGINE, PRECISION)
    rng = np.random.default_rng(0)
    scene = rng.integers(1, 4000, (SIZE, SIZE, BANDS), dtype=np.uint16)
    batch = np.stack([scene[:64, :64]] * BATCH_SIZE)
    predict(batch)
    calls = -(-grids.scene_grid((SIZE, SIZE), STRIDE).cells // BATCH_SIZE)
    bare, whole = [], []
    for _ in range(ROUNDS):
        bare.append(timed(lambda: [predict(batch) for _ in range(calls)]))
        whole.append(timed(lambda: make_map(scene, predict, model.output_shape[-1])))
    report(np.min(bare, axis=0) / (calls * BATCH_SIZE), np.min(whole, axis=0))


def make_model():
    """Build a network on standardised pixels with random weights."""
    import keras

    from landuse.networks import bases

    base = bases.base_network(NETWORK, bands=BANDS, weights=None)
    pixels = keras.Input((64, 64, BANDS), name="pixels")
    scaled = keras.layers.Rescaling(1 / 2000, -1.0, dtype="float32")(pixels)
    features = keras.layers.GlobalAveragePooling2D()(base(scaled))
    top = keras.layers.Dense(10, activation="softmax", dtype="float32")
    return keras.Model(pixels, top(features))


def timed(action) -> tuple[float, float]:
    """Give the seconds of an action by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - clock, time.process_time() - processor


def make_map(scene, predict, class_count: int) -> None:
    """Classify the scene from nothing."""

    def read(row, column, rows, columns):
        pixels = scene[row : row + rows, column : column + columns]
        return pixels, pixels.all(axis=2)

    with tempfile.TemporaryDirectory() as folder:
        whole_scene.classify_scene(
            read,
            scene.shape[:2],
            predict,
            STRIDE,
            class_count,
            Path(folder) / "map.partial",
            {},
            batch_size=BATCH_SIZE,
            block_size=BLOCK_SIZE,
        )


def report(bare: np.ndarray, whole: np.ndarray) -> None:
    """Print images a second of both, by the clock and per second of the processor."""
    windows = grids.scene_grid((SIZE, SIZE), STRIDE).cells
    print(f"{NETWORK}, {BANDS} bands, {ENGINE}, {PRECISION}, {windows} windows of {SIZE}x{SIZE} px")
    for name, i in (("by the clock", 0), ("per processor second", 1)):
        network, scene = 1 / bare[i], windows / whole[i]
        print(
            f"{name:22} bare network {network:8.1f} images/s, map {scene:8.1f} images/s: "
            f"{100 * scene / network:5.1f} %"
        )


if __name__ == "__main__":
    command_line.run(main, globals())
