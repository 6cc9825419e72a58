"""Step 5: train a network on multispectral patches, from the first weight on.

Reads    the split that step 01 made: train/ and validation/, one folder per class, GeoTIFFs;
         its statistics.json, if statistics.py made one, else the patches are measured
Writes   a run folder with model.keras (the best model), history.csv, settings.json and logs/;
         report.md, report.json and pictures: how well it does on the test part, or without
         one on the validation part
Run      python 05_train_ms_from_scratch.py --network VGG16 --epochs 30

Stopped at any moment, it goes on after its last finished epoch when it is started again.
"""

from landuse import command_line
from landuse.patches import split_folders

# Paths
PATH_TO_SPLIT_DATASETS = "data/sample/split_MS"  # made by step 01
PATH_TO_RUN = "runs/05_train_ms_from_scratch_{network}"  # what is written goes there
SKIP_BAD_PATCHES = False  # leave damaged images out instead of stopping

# Network
NETWORK = "DenseNet201"  # or VGG16, ResNet50, any network of keras.applications for 64x64 pixels
BANDS: str | list[str] = "ALL"  # RGB, SWIR, CI, ALL, L2A (without B10), or band names
DROPOUT = 0.2  # share of the features that is dropped while training

# Augmentation
ROTATION_RANGE = 0.0  # degrees to either side; the borders are mirrored
HORIZONTAL_FLIP = False  # left and right change places
VERTICAL_FLIP = False  # top and bottom change places
SYMMETRIES = True  # the eight symmetries of the square, which lose nothing
BRIGHTNESS_RANGE = 0.0  # 0.1: up to 10 % darker or brighter
CONTRAST_RANGE = 0.0  # 0.1: up to 10 % less or more contrast
MIXUP = 0.0  # 0.2: blend pairs of images and of labels

# Optimisation
BATCH_SIZE = 64  # images per step
EPOCHS = 30  # passes over the training images
LEARNING_RATE: float | None = None  # highest rate; None: what suits the network
OPTIMIZER = "AdamW"  # or SGD (with momentum; about 100 times the rate of AdamW)
SCHEDULE = "cosine"  # or one_cycle, constant
WARMUP_EPOCHS = 1.0  # the rate rises to its highest over these
WEIGHT_DECAY = 0.02  # not on biases and normalisations
CLIP_NORM = 1.0  # longer gradients are shortened; 0: none is
LABEL_SMOOTHING = 0.0  # 0.1: ask for 0.9 + 0.1 / classes instead of 1
CLASS_WEIGHTS = False  # let the images of rare classes weigh more
EMA = False  # validate and save a moving average of the weights
PATIENCE = 20  # stop after so many epochs without a better validation accuracy

# Dense maps: many times faster, but only with a network that learned to see patches among others
MOSAIC_EPOCHS = 0  # 10: so many more passes at the end, on mosaics of patches
MOSAIC = 8  # patches along the side of a mosaic (BATCH_SIZE: a multiple of its square)

# Machine
PRECISION = "auto"  # float32, mixed_bfloat16, mixed_float16; auto: the fastest that is safe here
WORKERS = 1  # threads that prepare the images
SEED = 42  # of weights, order and augmentation


def main() -> None:
    """Train a new network on multispectral patches."""
    split_folders.check_split(PATH_TO_SPLIT_DATASETS)
    import keras

    from landuse.evaluation import reports
    from landuse.networks import bases, catalogue, pixel_layers, precisions, tops
    from landuse.training import optimizers, run_callbacks, runs, training_data

    keras.utils.set_random_seed(SEED)
    settings = command_line.constants(globals())
    rate = LEARNING_RATE or catalogue.network(NETWORK).learning_rate
    with runs.open_run(PATH_TO_RUN.replace("{network}", NETWORK), settings) as run:
        if run.is_finished():
            return
        precisions.set_precision(PRECISION)
        data = training_data.read_data(PATH_TO_SPLIT_DATASETS, BANDS, BATCH_SIZE, SKIP_BAD_PATCHES)
        run.describe(data, NETWORK)

        # Step 1: the network without its top, with random weights
        base = bases.base_network(NETWORK, bands=len(data.band_names), weights=None)
        bases.adapt_batch_normalization(base, data.steps(BATCH_SIZE))

        # Step 2: standardised pixels in, a new top on it
        pixels = keras.Input((64, 64, len(data.band_names)), name="pixels")
        features = base(pixel_layers.standardisation(data.statistics)(pixels))
        model = keras.Model(pixels, tops.new_top(features, NETWORK, data.class_names, DROPOUT))

        # Step 3: augmentation, for the training images only
        train = training_data.augmented_batches(data, settings)
        validation = data.batches("validation", BATCH_SIZE)

        # Step 4: callbacks
        callbacks = [run_callbacks.StopEarly(run, PATIENCE), *run_callbacks.tensorboard(run)]
        mosaics = runs.mosaic_form(model, settings)

        # Steps 5 to 8: nothing is frozen, all weights learn together from the start
        model.compile(
            optimizers.scheduled_optimizer(settings, rate, EPOCHS, data.steps(BATCH_SIZE)),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING),
            metrics=["accuracy"],
        )
        run.fit("from scratch", model, train, validation, EPOCHS, callbacks)

        if mosaics:
            # One more step: see patches among neighbours, for dense maps
            run.fit_mosaics(mosaics, model, data, rate / 3 if EPOCHS else rate, callbacks)
        run.finish(data, BATCH_SIZE, reports.write_report)


if __name__ == "__main__":
    command_line.run(main, globals())
