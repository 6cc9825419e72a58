"""Windows a second of each engine and precision that script 06 can use, and the labels they change.

The network is called as script 06 calls it: with batches of windows, and where it is a model for
dense maps with a block of a scene, here a mosaic of patches. All engines and precisions have the
same weights and take turns, and the best round of each counts. Ratios and differences are to Keras
in float32 on the same backend. OpenVINO and onnxruntime ("onnx", in float32 only) are measured
under TensorFlow only: they take what Keras exports from it. Of a dense block, all windows inside
it are counted.

Without PATH_TO_MODEL, weights are random, and without PATH_TO_PATCHES pixels are: that tells how
fast an engine is, but labels mean something with a trained model and real patches only.

Run (some minutes a network on two cores):
    python benchmarks/engines.py
    python benchmarks/engines.py --path-to-model model.keras --path-to-patches data/EuroSAT_RGB
    KERAS_BACKEND=jax python benchmarks/engines.py --networks VGG16
"""

import math
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import measuring
import numpy as np

from landuse import command_line

# Paths
PATH_TO_MODEL: str | None = None  # a trained model; None: networks with random weights
PATH_TO_PATCHES: str | None = None  # folder with a folder for each class; None: made ones

# Network
NETWORKS = ["VGG16", "DenseNet201"]  # and ResNet50; without PATH_TO_MODEL
BANDS = 3  # or 13; without PATH_TO_MODEL
ENGINES = ["keras", "openvino", "onnx"]  # or some of them
PRECISIONS = ["float32", "bfloat16"]  # or one of them

# Work
METHODS = ["windows", "dense"]  # or one of them
PATCHES = 1024  # at most, whose labels are compared
BATCH_SIZE = 64  # windows in one call
SIZE = 1024  # pixels, side of a dense block
STRIDE = 8  # pixels from one window of it to the next; 8, 16 or 32
CALLS = 4  # of the network with a batch, in a turn
ROUNDS = 3  # turns of each, the best counts


def main() -> None:
    """Measure each network with each method and print the table."""
    print(f"{measuring.machine()}; batches of {BATCH_SIZE}, best of {ROUNDS} rounds\n")
    measuring.print_header(
        "network, method",
        "engine",
        "precision",
        "windows a second",
        "ratio",
        "the same in processor time",
        "labels that differ",
        text=3,
    )
    for name, model, record in models():
        patches = patches_for(model, record)
        for method in METHODS:
            if method == "windows" or record.get("dense", True):
                print_rows_of(f"{name}, {method}", model, method, patches)


def models():
    """Yield name, model and record of each network, one after the other."""
    if PATH_TO_MODEL is None:
        for name in NETWORKS:
            yield name, measuring.random_classifier(name, BANDS), {}
        return
    from landuse.networks import model_files

    model, record = model_files.load(PATH_TO_MODEL)
    yield record["network"], model, record


def patches_for(model, record):
    """Read or make patches with the bands of a model, whole batches of them."""
    if PATH_TO_PATCHES is None:
        return measuring.made_patches(max(1, PATCHES // BATCH_SIZE) * BATCH_SIZE, BANDS)
    if not record:
        raise ValueError("--path-to-patches needs --path-to-model: it knows classes and bands")
    names = record["class_names"], record["band_names"]
    patches, _ = measuring.read_patches(PATH_TO_PATCHES, PATCHES, *names)
    if len(patches) < BATCH_SIZE:
        raise ValueError(f"{PATH_TO_PATCHES} has {len(patches)} patches, less than a batch")
    return patches[: len(patches) // BATCH_SIZE * BATCH_SIZE]


def print_rows_of(title, model, method, patches):
    inputs = mosaics_of(patches) if method == "dense" else batches_of(patches)
    predicts = predict_functions(model, method, inputs[0].shape)
    labels = {
        kind: np.concatenate([predict(pixels).argmax(axis=-1).ravel() for pixels in inputs])
        for kind, predict in predicts.items()
    }
    calls = 1 if method == "dense" else CALLS
    actions = {
        kind: lambda predict=predict: [predict(inputs[0]) for _ in range(calls)]
        for kind, predict in predicts.items()
    }
    seconds = measuring.take_turns(actions, ROUNDS)
    windows = calls * labels["keras", "float32"].size / len(inputs)
    for kind in predicts:
        ratios = seconds["keras", "float32"] / seconds[kind]
        differ = (labels[kind] != labels["keras", "float32"]).mean()
        measuring.print_row(
            title,
            *kind,
            f"{windows / seconds[kind][0]:,.0f}",
            *(f"{ratio:.2f}" for ratio in ratios),
            f"{100 * differ:.2f} % of {labels[kind].size:,}",
        )


def predict_functions(model, method, shape):
    """Make the function of each engine and precision; Keras in float32 comes first, always."""
    from landuse import devices
    from landuse.networks import engines

    known = [engine for engine in ENGINES if engine == "keras" or devices.backend() == "tensorflow"]
    kinds = [("keras", "float32")]
    kinds += [
        (engine, precision)
        for engine in known
        for precision in PRECISIONS
        if (engine, precision) != ("onnx", "bfloat16")
    ]
    stride = STRIDE if method == "dense" else None
    return {
        kind: engines.make_predict(model, shape, *kind, dense_stride=stride)
        for kind in dict.fromkeys(kinds)
    }


def batches_of(patches):
    return patches.reshape(-1, BATCH_SIZE, *patches.shape[1:]).astype(np.float32)


def mosaics_of(patches):
    """Lay patches out as blocks of SIZE x SIZE pixels, or one smaller block of all patches."""
    side = min(SIZE // 64, math.isqrt(len(patches)))
    count = len(patches) // side**2
    grid = patches[: count * side**2].reshape(count, 1, side, side, *patches.shape[1:])
    size = side * 64
    return grid.swapaxes(3, 4).reshape(count, 1, size, size, -1).astype(np.float32)


if __name__ == "__main__":
    command_line.run(main, globals())
