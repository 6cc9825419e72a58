"""What the hardware allows: the share of its peak that networks reach.

The peak is that of a large matrix product or of one large convolution, whichever is faster, in the
same run and the same precision: processors with units for bfloat16 multiply matrices faster than
memory brings them, and convolutions use each value more often. The multiplications of a network
are those of its convolutions and dense layers, the zeros around its maps included; a
multiplication and its addition are two operations. A training step counts three times the way
forward: two more for the gradients of maps and weights. What BatchNormalization, activations and
poolings cost is not counted, so networks with many of them stay further below. Libraries that
convolve with fewer multiplications (Winograd) may come out above.

`per window` tells what a dense map saves: all windows inside the block are counted.

Run (some minutes a network on two cores):
    python benchmarks/peak.py
    KERAS_BACKEND=jax python benchmarks/peak.py --networks VGG16
"""

import math
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import measuring
import numpy as np

from landuse import command_line

# Network
NETWORKS = ["VGG16", "DenseNet201"]  # and ResNet50
PRECISIONS = ["float32", "bfloat16"]  # or one of them
BANDS = 3  # or 13

# Work
MATRIX_SIZE = 4096  # rows and columns of the matrices
MAP_SIZE = 128  # rows and columns of the map that is convolved, with 512 channels
BATCH_SIZE = 64  # windows in one call, images of a training step
SIZE = 1024  # pixels, side of a dense block
STRIDE = 8  # pixels from one window of it to the next; 8, 16 or 32
TRAINING = True  # measure the training step too
FUSED = True  # False: batch normalisation in training as Keras computes it
ROUNDS = 3  # turns of each, the best counts

_CHANNELS = 512  # of the map that is convolved


def main() -> None:
    """Measure each network in each precision and print the table."""
    print(f"{measuring.machine()}; {BANDS} bands, best of {ROUNDS} rounds\n")
    measuring.print_header(
        "what",
        "precision",
        "multiplications per window, million",
        "operations a second, billion",
        "share of the peak",
        "the same in processor time",
        text=2,
    )
    for name in NETWORKS:
        for precision in PRECISIONS:
            print_rows_of(name, precision)


def print_rows_of(name, precision):
    actions, counts, windows = {}, {}, {}
    for yardstick in (matrix_product, convolution):
        kind = yardstick.__name__.replace("_", " ")
        actions[kind], counts[kind] = yardstick(precision)
        actions[kind]()
    yardsticks = list(actions)
    for part in (patch_path, dense_path, *([training_step] if TRAINING else [])):
        kind = f"{name}, {part.__name__.replace('_', ' ')}"
        actions[kind], counts[kind], windows[kind] = part(name, precision)
        actions[kind]()
    seconds = measuring.take_turns(actions, ROUNDS)
    rates = {kind: 2 * counts[kind] / seconds[kind] for kind in actions}
    peak = np.max([rates[kind] for kind in yardsticks], axis=0)
    for kind in actions:
        shares = rates[kind] / peak
        measuring.print_row(
            kind,
            precision,
            f"{counts[kind] / windows[kind] / 1e6:,.1f}" if kind in windows else "",
            f"{rates[kind][0] / 1e9:,.0f}",
            *(f"{100 * share:.0f} %" for share in shares),
        )


def matrix_product(precision):
    """Prepare the product of two matrices: what to call, its multiplications."""
    from keras import ops

    rng = np.random.default_rng(0)
    values = rng.standard_normal((2, MATRIX_SIZE, MATRIX_SIZE), np.float32)
    one, other = (ops.cast(matrix, precision) for matrix in values)

    def multiply():
        return ops.convert_to_numpy(ops.cast(ops.matmul(one, other)[0, 0], "float32"))

    return multiply, MATRIX_SIZE**3


def convolution(precision):
    """Prepare a convolution of 3 x 3 over a large map: what to call, its multiplications."""
    import keras

    layer = keras.layers.Conv2D(_CHANNELS, 3, padding="same", dtype=precision)
    pixels = keras.Input((MAP_SIZE, MAP_SIZE, _CHANNELS), batch_size=1, dtype=precision)
    model = keras.Model(pixels, layer(pixels)[:, :1, :1, :1])
    model.compile(jit_compile="auto")
    shape = (1, MAP_SIZE, MAP_SIZE, _CHANNELS)
    values = np.random.default_rng(0).standard_normal(shape, np.float32)
    maps = keras.ops.cast(values, precision)

    count = (3 * MAP_SIZE * _CHANNELS) ** 2
    return lambda: model.predict_on_batch(maps), count


def patch_path(name, precision):
    """Prepare a call with a batch: what to call, its multiplications, its windows."""
    from landuse.networks import engines

    model = measuring.random_classifier(name, BANDS)
    batch = measuring.made_patches(BATCH_SIZE, BANDS).astype(np.float32)
    predict = engines.make_predict(model, batch.shape, "keras", precision)
    return lambda: predict(batch), multiplications(model, batch.shape), BATCH_SIZE


def dense_path(name, precision):
    """Prepare a call with a dense block: what to call, its multiplications, its windows."""
    from landuse.networks import dense, engines

    model = measuring.random_classifier(name, BANDS)
    shape = (1, SIZE, SIZE, BANDS)
    block = np.random.default_rng(0).integers(1, 255, shape).astype(np.float32)
    predict = engines.make_predict(model, shape, "keras", precision, dense_stride=STRIDE)
    count = multiplications(dense.dense_network(model, STRIDE), shape)
    return lambda: predict(block), count, ((SIZE - 64) // STRIDE + 1) ** 2


def training_step(name, precision):
    """Prepare a training step: what to call, its multiplications, its images."""
    import keras

    from landuse.networks import fusing, precisions
    from landuse.training import optimizers

    before = keras.config.dtype_policy()
    precisions.set_precision("float32" if precision == "float32" else f"mixed_{precision}")
    model = measuring.random_classifier(name, BANDS)
    keras.config.set_dtype_policy(before)
    if FUSED:
        fusing.fuse_batch_normalization(model)
    optimizer = optimizers.make_optimizer("AdamW", 1e-4, weight_decay=0.02, clip_norm=1.0)
    model.compile(optimizer, loss="categorical_crossentropy")
    batch = measuring.made_patches(BATCH_SIZE, BANDS)
    labels = np.eye(10, dtype="float32")[np.arange(BATCH_SIZE) % 10]
    count = 3 * multiplications(model, batch.shape)
    return lambda: model.train_on_batch(batch, labels), count, BATCH_SIZE


def multiplications(model, shape):
    """Count the multiplications of convolutions and dense layers.

    Parameters
    ----------
    model : keras.Model
        Functional; networks nested in it are counted too.
    shape : tuple of int
        Of its input, (batch, rows, columns, bands).

    Returns
    -------
    int
    """
    import keras

    counts = []

    def call(layer, *args, **kwargs):
        if isinstance(layer, keras.Model):
            counts.append(multiplications(layer, args[0].shape))
            return layer(*args, **kwargs)
        outputs = layer(*args, **kwargs)
        counts.append(_multiplications_of(layer, outputs))
        return outputs

    pixels = keras.Input(batch_shape=tuple(shape))
    keras.models.clone_model(
        model, input_tensors=pixels, clone_function=lambda layer: layer, call_function=call
    )
    return sum(counts)


def _multiplications_of(layer, outputs):
    from keras import layers

    counted = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense)
    if not isinstance(layer, counted):
        return 0
    # Every weight but the biases takes part once in every position of the output.
    kernels = [weight for weight in layer.weights if len(weight.shape) > 1]
    return math.prod(outputs.shape[:-1]) * sum(math.prod(kernel.shape) for kernel in kernels)


if __name__ == "__main__":
    command_line.run(main, globals())
