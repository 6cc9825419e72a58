"""How close training comes to the bare network: images a second of a step, and of `fit`.

The bare step is `train_on_batch` with the same batch in memory, or `fit` on that batch where Keras
is faster so: no images are prepared. Against it stands `fit` as the training scripts call it, with
their batches: shuffled, augmented, prepared in threads. The three take turns, and the best round
of each counts. What `fit` does once an epoch (starting, validating, saving) is left out. On a
machine that is busy otherwise, look at processor time; there the work of preparing images counts
even where a core would have been free for it.

The time to the first step is that of a new network: from making the optimizer's variables and the
call of `fit` to the end of its first step, in which Keras traces and compiles. The patches are
made, and nothing has to be downloaded.

Run (some minutes a network on two cores; fewer STEPS or ROUNDS take less):
    python benchmarks/training_step.py
    KERAS_BACKEND=jax python benchmarks/training_step.py --networks VGG16
"""

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import measuring
import numpy as np

from landuse import command_line

# Network
NETWORKS = ["VGG16", "DenseNet201"]  # and ResNet50
PRECISIONS = ["float32", "mixed_bfloat16"]  # and mixed_float16, for older GPUs
BANDS = 3  # or 13

# Augmentation, as in the training scripts
ROTATION_RANGE = 180.0  # degrees to either side
HORIZONTAL_FLIP = True  # left and right change places
VERTICAL_FLIP = True  # top and bottom change places
SYMMETRIES = False  # the eight symmetries of the square
BRIGHTNESS_RANGE = 0.0  # 0.1: up to 10 % darker or brighter
CONTRAST_RANGE = 0.0  # 0.1: up to 10 % less or more contrast
HISTOGRAM_MATCHING = 0.0  # 0.5: half of the images take the colours of others of their class
MIXUP = 0.0  # 0.2: blend pairs of images and of labels

# Training
BATCH_SIZE = 64  # images per step
OPTIMIZER = "AdamW"  # or Muon, SGD
SCHEDULE = "cosine"  # or one_cycle, constant
WARMUP_EPOCHS = 1.0  # the rate rises to its highest over these
WEIGHT_DECAY = 0.02  # not on biases and normalisations
CLIP_NORM = 1.0  # longer gradients are shortened
CLASS_WEIGHTS = False  # let the images of rare classes weigh more
EMA = False  # keep a moving average of the weights
WORKERS = 1  # threads that prepare the images
MOSAIC = 1  # K: train on mosaics of K x K images
FUSED = True  # False: batch normalisation as Keras computes it
VARIABLES_AHEAD = True  # False: Keras makes those of the optimizer when it traces the first step
SEED = 42  # of weights, order and augmentation

# Measurement
STEPS = 10  # that are timed in a turn
STEPS_BEFORE = 2  # of fit that are not: its threads start
ROUNDS = 3  # turns of each, the best counts


def main() -> None:
    """Measure each network in each precision and print the table."""
    print(f"{measuring.machine()}; {BANDS} bands, batches of {BATCH_SIZE}, best of {ROUNDS} rounds")
    print("Images a second:\n")
    measuring.print_header(
        "network, precision",
        "step in memory",
        "fit in memory",
        "fit with our batches",
        "share of the bare step",
        "the same in processor time",
        "time to first step, s",
    )
    for name in NETWORKS:
        for precision in PRECISIONS:
            print_row_of(name, precision)


def print_row_of(name, precision):
    seconds, first = measure(name, precision)
    rates = {kind: STEPS * BATCH_SIZE / of_turn for kind, of_turn in seconds.items()}
    shares = rates["fit"] / np.maximum(rates["step"], rates["fit in memory"])
    measuring.print_row(
        f"{name}, {precision}",
        *(f"{rates[kind][0]:.1f}" for kind in ("step", "fit in memory", "fit")),
        *(f"{100 * share:.1f} %" for share in shares),
        f"{first:.0f}",
    )


def measure(name, precision):
    """Best seconds of STEPS steps of each kind, by clock and processor; seconds to a first step."""
    import keras

    from landuse.networks import precisions

    keras.utils.set_random_seed(SEED)
    precisions.set_precision(precision)
    data = made_data()
    batches = data.training_batches(
        BATCH_SIZE,
        rotation_range=ROTATION_RANGE,
        horizontal_flip=HORIZONTAL_FLIP,
        vertical_flip=VERTICAL_FLIP,
        symmetries=SYMMETRIES,
        brightness_range=BRIGHTNESS_RANGE,
        contrast_range=CONTRAST_RANGE,
        histogram_matching=HISTOGRAM_MATCHING,
        mixup=MIXUP,
        class_weights=CLASS_WEIGHTS,
        mosaic=MOSAIC,
        seed=SEED,
        workers=WORKERS,
    )
    batch = batches[0]
    in_memory = repeated(batch)
    model = make_model(name, data)
    first = first_step(model, batches)
    model.train_on_batch(*batch)
    turns = {
        "step": lambda: steps_one_by_one(model, batch),
        "fit in memory": lambda: steps_of_fit(model, in_memory),
        "fit": lambda: steps_of_fit(model, batches),
    }
    rounds = [{kind: turn() for kind, turn in turns.items()} for _ in range(ROUNDS)]
    return {kind: np.min([turn[kind] for turn in rounds], axis=0) for kind in turns}, first


def made_data():
    """Make as many patches as the steps of a turn need."""
    from landuse.training import training_data

    count = (STEPS_BEFORE + STEPS) * BATCH_SIZE
    labels = np.arange(count) % len(measuring.CLASS_NAMES)
    part = training_data.Part(measuring.made_patches(count, BANDS), labels, [])
    bands = [f"band {number}" for number in range(BANDS)]
    return training_data.Data(part, part, measuring.CLASS_NAMES, bands, "DN", {})


def make_model(name, data):
    """Build and compile the network that a script trains from scratch."""
    from landuse.networks import catalogue, dense, fusing
    from landuse.training import optimizers

    model = measuring.random_classifier(name, BANDS)
    if FUSED:
        fusing.fuse_batch_normalization(model)
    model = dense.mosaic_model(model) if MOSAIC > 1 else model
    recipe = optimizers.Recipe(
        OPTIMIZER, SCHEDULE, WARMUP_EPOCHS, WEIGHT_DECAY, CLIP_NORM, EMA, data.steps(BATCH_SIZE)
    )
    model.compile(
        recipe.make(catalogue.network(name).learning_rate, epochs=100),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def repeated(batch):
    """Make a data set whose batches are all the same one."""
    import keras

    class Repeated(keras.utils.PyDataset):
        def __len__(self):
            return STEPS_BEFORE + STEPS

        def __getitem__(self, index):
            return batch

    return Repeated()


def first_step(model, batches):
    from landuse.training import optimizers

    times = step_times()
    start = time.perf_counter()
    if VARIABLES_AHEAD:
        optimizers.make_variables(model)
    model.fit(batches, steps_per_epoch=1, shuffle=False, callbacks=[times], verbose=0)
    return times.clock[0] - start


def steps_one_by_one(model, batch):
    clock, processor = time.perf_counter(), time.process_time()
    for _ in range(STEPS):
        model.train_on_batch(*batch)
    return time.perf_counter() - clock, time.process_time() - processor


def steps_of_fit(model, batches):
    """Seconds of the last STEPS steps of an epoch."""
    times = step_times()
    model.fit(batches, shuffle=False, callbacks=[times], verbose=0)
    first = STEPS_BEFORE - 1
    return times.clock[-1] - times.clock[first], times.processor[-1] - times.processor[first]


def step_times():
    """Make a callback that notes when each step ended."""
    import keras

    class StepTimes(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.clock, self.processor = [], []

        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])  # as the training looks at it: some backends are not done before
            self.clock.append(time.perf_counter())
            self.processor.append(time.process_time())

    return StepTimes()


if __name__ == "__main__":
    command_line.run(main, globals())
