r"""Does it help to begin with a network of RGB pictures? Cross-validated on few 13-band patches.

Each way trains on all folds but one, by the recipe of its step, and is measured on the one left
out, until each patch has been left out once:

    from scratch              script 05 (as until 29 November 2026): all weights at random
    mix, random               script 04, but the 1x1 convolution from 13 to 3 bands starts at random
    mix                       script 04: it starts as the selection of red, green and blue
    first convolution, random script 04 alternative, but the first convolution starts at random
    first convolution         script 04 alternative: RGB kernels kept, the others from their mean

Nothing is chosen by the patches left out: the weights of the last epoch count. The network of
PATH_TO_MODEL must not have seen the RGB versions of these patches. A network is built and traced
once per way, its weights and its optimizer are set back for each fold. Written down at once, a
way that is done is not done again by a second call.

PATH_TO_MODEL may be weights of ImageNet too; NETWORK then says of which network. Their new top
begins at random and needs more passes than one that is kept.

Run (about half an hour on two cores):
    python benchmarks/transfer.py --path-to-patches data/EuroSAT_MS --path-to-model rgb.keras
    python benchmarks/transfer.py --path-to-patches data/EuroSAT_MS --path-to-model imagenet \
        --network MobileNetV2 --input-size 96 --epochs-top 30 --epochs 20 \
        --path-to-result benchmarks/transfer_imagenet.json
"""

import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from landuse import command_line, files

PATH_TO_PATCHES = "data/EuroSAT_MS"  # class folders of 13-band patches
PATH_TO_MODEL = "runs/03_train_rgb_from_scratch_DenseNet201/model.keras"  # an RGB model, or
# weights of ImageNet: imagenet, or an official file (.h5)
NETWORK: str | None = None  # that the weights are of; None: the one of the model
INPUT_SIZE: int | None = None  # px; as in step 04; None: as the model had them, else 64
PATH_TO_RESULT = "benchmarks/transfer.json"  # accuracies, per way and fold
WAYS = ["mix", "mix, random", "first convolution", "first convolution, random", "from scratch"]
FOLDS = 3  # parts that the patches are cut into
BATCH_SIZE = 16  # images per step
EPOCHS_TOP = 3  # passes with the network frozen (from scratch: with all of it)
EPOCHS = 10  # passes with all but its first block
LEARNING_RATE_TOP = 1e-3  # highest rate of the first
LEARNING_RATE = 1e-4  # highest rate of the second
SEED = 42  # of folds, weights and order


def main() -> None:
    """Train by each way, on each fold; print the table."""
    from landuse.networks import precisions, transfer

    network = transfer.network_of(NETWORK, PATH_TO_MODEL, EPOCHS)
    precisions.set_precision("auto")
    folds = read_folds()
    print(f"{network}, {FOLDS} folds, {EPOCHS_TOP} + {EPOCHS} epochs")
    result = files.read_json(PATH_TO_RESULT) if Path(PATH_TO_RESULT).exists() else {}
    for way in WAYS:
        if way not in result:
            result[way] = accuracies(way, network, folds)
            files.write_json(PATH_TO_RESULT, result)
    print_table(result)


def read_folds() -> list:
    """Read the patches and cut them into folds, each with its share of every class."""
    from sklearn.model_selection import StratifiedKFold

    import image_functions
    from landuse.patches import class_folders
    from landuse.training import training_data

    images = class_folders.find_images(PATH_TO_PATCHES)
    paths = [path for members in images.values() for path in members]
    patches = np.stack([image_functions.read_patch(path) for path in paths])
    labels = np.array([list(images).index(path.parent.name) for path in paths])
    names = list(image_functions.BANDS_MS)
    cuts = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(patches, labels)
    folds = []
    for train, test in cuts:
        parts = [training_data.Part(patches[one], labels[one], []) for one in (train, test)]
        statistics = image_functions.pooled_statistics(parts[0].patches, names)
        folds.append(training_data.Data(*parts, list(images), names, "DN", statistics))
    return folds


def accuracies(way: str, network: str, folds: list) -> list[float]:
    """Give the accuracy after the training on each fold."""
    model, phases = prepare(way, network, folds[0])
    weights = model.get_weights()
    found = []
    for number, data in enumerate(folds):
        started = time.perf_counter()
        model.set_weights(weights)
        train(phases, data)
        answers = model.predict(data.validation.patches, BATCH_SIZE, verbose=0)
        found.append(float(np.mean(answers.argmax(axis=1) == data.validation.labels)))
        seconds = time.perf_counter() - started
        print(f"{way}, fold {number + 1}: {100 * found[-1]:.1f} %, {seconds:.0f} s", flush=True)
    return found


def prepare(way: str, network: str, data) -> tuple:
    """Build the network of a way, and the phases of its training, traced."""
    import keras

    from landuse.networks import catalogue, transfer

    keras.backend.clear_session()
    keras.utils.set_random_seed(SEED)
    model = build(way, network, data)
    if way == "from scratch":
        rate = catalogue.network(network).learning_rate
        return model, [phase(model, data, rate, EPOCHS_TOP + EPOCHS)]
    base = model.get_layer(network)
    base.trainable = False
    top = phase(model, data, LEARNING_RATE_TOP, EPOCHS_TOP)
    transfer.unfreeze_all_but_first_block(base)
    if way.startswith("first convolution"):
        transfer.unfreeze_first_convolution(base)
    return model, [top, phase(model, data, LEARNING_RATE, EPOCHS)]


def train(phases: list, data) -> None:
    """Train on a fold, one phase after the other."""
    for trained, epochs, mosaic in phases:
        set_back(trained.optimizer)
        trained.fit(augmented(data, mosaic), epochs=epochs, shuffle=False, verbose=0)


def build(way: str, network: str, data):
    """Build the network as the step of this way does."""
    import keras

    from landuse.networks import bases, pixel_layers, tops, transfer

    pixels = keras.Input((64, 64, len(data.band_names)), name="pixels")
    if way == "from scratch":
        base = bases.base_network(network, bands=len(data.band_names), weights=None)
        bases.adapt_batch_normalization(base, data.steps(BATCH_SIZE))
        pictures = pixel_layers.standardisation(data.statistics)(pixels)
        features = base(pixel_layers.enlarge(pictures, INPUT_SIZE or 64))
        return keras.Model(pixels, tops.new_top(features, network, data.class_names, 0.2))
    learned = transfer.learned_network(network, PATH_TO_MODEL)
    if way.startswith("first convolution"):
        learned = transfer.widen_first_convolution(learned, data.band_names, data.statistics)
    pictures = pixel_layers.to_units(pixels, data.units, learned.units)
    if way.startswith("mix"):
        pictures = pixel_layers.mix_bands(pictures, data.band_names, learned.band_names)
    features = learned.features(pixel_layers.enlarge(pictures, INPUT_SIZE or learned.input_size))
    model = keras.Model(pixels, tops.new_top(features, network, data.class_names, 0.2))
    transfer.keep_top(model, learned, data.class_names)
    if way == "mix, random":
        at_random(next(layer for layer in model.layers if layer.name.startswith("mix_")))
    if way == "first convolution, random":
        convolutions = (x for x in learned.base.layers if isinstance(x, keras.layers.Conv2D))
        at_random(next(convolutions))
    return model


def at_random(convolution) -> None:
    """Set the kernel of a convolution to what a new one would start from."""
    import keras

    kernel = convolution.kernel
    kernel.assign(keras.initializers.GlorotUniform(seed=SEED)(kernel.shape))


def phase(model, data, rate: float, epochs: int, mosaic: int = 1) -> tuple:
    """Make the form of a model that learns what is not frozen now, and trace it.

    It shares its layers with the model. What is frozen counts while it is traced; later changes
    do not touch it.

    Returns
    -------
    tuple of (keras.Model, int, int)
        That form, its epochs, and the patches along the side of its mosaics.
    """
    import keras

    from landuse.networks import dense
    from landuse.training import optimizers

    trained = dense.mosaic_model(model) if mosaic > 1 else keras.Model(model.input, model.output)
    recipe = optimizers.Recipe(  # that of the scripts 04; of 05 until 29 November 2026
        "AdamW", "cosine", 1.0, 0.02, 1.0, average_weights=False, steps=data.steps(BATCH_SIZE)
    )
    trained.compile(recipe.make(rate, epochs), "categorical_crossentropy")
    weights = model.get_weights()
    started = time.perf_counter()
    trained.fit(augmented(data, mosaic), steps_per_epoch=1, shuffle=False, verbose=0)
    print(f"first step: {time.perf_counter() - started:.0f} s", flush=True)
    model.set_weights(weights)
    return trained, epochs, mosaic


def augmented(data, mosaic: int = 1):
    """Give the batches of the training part of a fold."""
    batches = data.training_batches(BATCH_SIZE, symmetries=True, seed=SEED)
    return batches.in_mosaics(mosaic) if mosaic > 1 else batches


def set_back(optimizer) -> None:
    """Let an optimizer forget its steps."""
    for variable in optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))


def print_table(result: dict) -> None:
    """Print mean and spread of each way."""
    print("| way | mean | of the folds |\n|---|---:|---|")
    for way, values in result.items():
        each = ", ".join(f"{100 * value:.1f}" for value in values)
        print(f"| {way} | {100 * np.mean(values):.1f} % | {each} |")


if __name__ == "__main__":
    command_line.run(main, globals())
