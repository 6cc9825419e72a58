"""Script 03: train a network on RGB patches, from the first weight on.

Reads    the split that script 01 made: train/ and validation/, one folder per class, JPEGs
         (of multispectral GeoTIFFs, red, green and blue are used);
         its statistics.json, if statistics.py made one, else the patches are measured
Writes   a run folder with model.keras (the best model), history.csv, settings.json and logs/;
         report.md, report.json and pictures: how well it does on the test part, or without
         one on the validation part
Run      python 03_train_rgb_from_scratch.py --network VGG16 --epochs 6
Takes    for 17,000 patches 17 minutes of one core (ResNet9, 16 epochs, every fourth
         validated), 40 (DenseNet201, 8 epochs) or 59 (VGG16, 6 epochs)
Reaches  97.7 % (ResNet9), 95.6 % (DenseNet201) and 95.4 % (VGG16) of EuroSAT's validation images;
         in the talk, which took 77 and 120 longer epochs, 97.5 % (DenseNet201) and 97.2 % (VGG16)

Stopped at any moment, it goes on after its last finished epoch when it is started again.
"""

from typing import Literal

from landuse import command_line
from landuse.patches import split_folders

# Paths
PATH_TO_SPLIT_DATASETS = "data/sample/split_RGB"  # made by script 01
PATH_TO_RUN = "runs/03_train_rgb_from_scratch_{network}"  # what is written goes there

# Network
NETWORK = "ResNet9"  # or VGG16, DenseNet201, ResNet50, many of keras.applications: slower
DROPOUT = 0.0  # share of the features that is dropped while training

# Augmentation
ROTATION_RANGE = 0.0  # degrees to either side; the borders are mirrored
HORIZONTAL_FLIP = False  # left and right change places
VERTICAL_FLIP = False  # top and bottom change places
SYMMETRIES = True  # the eight symmetries of the square, which lose nothing
BRIGHTNESS_RANGE = 0.0  # 0.1: up to 10 % darker or brighter
CONTRAST_RANGE = 0.0  # 0.1: up to 10 % less or more contrast
BAND_GAIN_RANGE = 0.0  # 0.06: each band up to 6 % darker or brighter, as air and season do
HAZE_RANGE = 0.0  # 0.04: up to 4 % of white more or less light, as haze adds
BLUR = 0.0  # 0.5: half of the images resampled to a coarser grid and back, as many scenes were
ZOOM_RANGE = 0.0  # 0.25: a quarter of the images up to 25 % larger or smaller
HISTOGRAM_MATCHING = 0.0  # 0.5: half of the images take the colours of others of their class
MIXUP = 0.0  # 0.2: blend pairs of images and of labels

# Training
BATCH_SIZE: int | None = None  # images per step; None: 64, of few patches a quarter at most
EPOCHS = 16  # passes over the training images
PICTURE_SIZES: list[int] | None = None  # px; 32 32 48 64: small ones first, in half of the
# epochs; None: what suits the network
LEARNING_RATE: float | None = None  # highest rate; None: what suits network and optimizer
VALIDATE_EVERY = 1  # epochs; 4: the others cost less, and only those validated can be the best
PATIENCE = 20  # stop after so many epochs without a better validation accuracy

# Dense maps: many times faster, but only with a network that learned to see patches among others
MOSAIC_EPOCHS = 0  # 10: so many more passes at the end, on mosaics of patches
MOSAIC = 8  # patches along the side of a mosaic (BATCH_SIZE: a multiple of its square)
LEARNING_RATE_MOSAICS: float | None = None  # highest rate there; None: a third of LEARNING_RATE,
# or all of it with EPOCHS = 0

# Rarely changed
OPTIMIZER: str | None = None  # Muon, AdamW or SGD (with momentum); None: what suits the network
SCHEDULE = "one_cycle"  # or cosine, constant
WARMUP_EPOCHS = 1.0  # the rate rises over these; one_cycle: over three tenths of all
WEIGHT_DECAY = 0.05  # not on biases and normalisations
CLIP_NORM = 1.0  # longer gradients are shortened; 0: none is
LABEL_SMOOTHING = 0.1  # 0.1: ask for 0.9 + 0.1 / classes instead of 1
CLASS_WEIGHTS = False  # let the images of rare classes weigh more
EMA = False  # validate and save a moving average of the weights
CALIBRATE = True  # divide the logits by what makes the probabilities right on validation images
LAND_SHARES: list[str] | None = None  # AnnualCrop=9 PermanentCrop=1: so common are these where maps
# will be made, one to the other; None: as among the patches
VIEWS = 1  # 2, 4, 8: the finished model takes the mean of mirrored patches: surer, slower
SKIP_BAD_PATCHES = False  # leave damaged images out instead of stopping
PRECISION = "auto"  # float32, mixed_bfloat16, mixed_float16; auto: the fastest that is safe here
DEVICES: int | Literal["all"] = 1  # GPUs of each machine that share each batch, or all
NODES = 1  # machines, each with a process of this script (JAX only): docs/scale.md
WORKERS = 1  # threads that prepare the images
SEED = 42  # of weights, order and augmentation


def main() -> None:
    """Train a new network on RGB patches."""
    split_folders.check_split(PATH_TO_SPLIT_DATASETS)
    import keras

    from landuse.evaluation import reports
    from landuse.networks import bases, dense, pixel_layers, priors, tops
    from landuse.training import growing, optimizers, runs, training_data

    optimizer, sizes, rate = optimizers.what_suits(NETWORK, OPTIMIZER, PICTURE_SIZES, LEARNING_RATE)
    settings = command_line.constants(globals())
    settings |= {"OPTIMIZER": optimizer, "PICTURE_SIZES": sizes, "LEARNING_RATE": rate}
    with runs.start(
        PATH_TO_RUN, NETWORK, settings, seed=SEED, precision=PRECISION, devices=DEVICES, nodes=NODES
    ) as run:
        if run.is_finished():
            return
        data = training_data.read_data(PATH_TO_SPLIT_DATASETS, "RGB", BATCH_SIZE, SKIP_BAD_PATCHES)
        run.describe(data, NETWORK)
        print(f"by {optimizer}, rate {rate:g} at most, pictures of {', '.join(map(str, sizes))} px")
        shares = priors.land_shares(LAND_SHARES, data.class_names)

        # 1. The network without its top, with random weights
        base = bases.base_network(NETWORK, bands=len(data.band_names), weights=None)
        bases.adapt_batch_normalization(base, data.steps(BATCH_SIZE))

        # 2. A new top; before the network, pixels are standardised
        pixels = keras.Input((64, 64, len(data.band_names)), name="pixels")
        features = base(pixel_layers.standardisation(data.statistics)(pixels))
        model = keras.Model(pixels, tops.new_top(features, NETWORK, data.class_names, DROPOUT))
        mosaics = dense.mosaic_model(model) if MOSAIC_EPOCHS else None  # if it can be made

        # 3. Augmentation, of the training images only
        train = data.training_batches(
            BATCH_SIZE,
            rotation_range=ROTATION_RANGE,
            horizontal_flip=HORIZONTAL_FLIP,
            vertical_flip=VERTICAL_FLIP,
            symmetries=SYMMETRIES,
            brightness_range=BRIGHTNESS_RANGE,
            contrast_range=CONTRAST_RANGE,
            band_gain_range=BAND_GAIN_RANGE,
            haze_range=HAZE_RANGE,
            blur=BLUR,
            zoom_range=ZOOM_RANGE,
            histogram_matching=HISTOGRAM_MATCHING,
            mixup=MIXUP,
            class_weights=CLASS_WEIGHTS,
            seed=SEED,
            workers=WORKERS,
        )
        validation = data.batches("validation", BATCH_SIZE)

        # 4. Callbacks: keep the best model, stop early, watch
        callbacks = [run.keep_best(), run.stop_early(PATIENCE), *run.tensorboard()]

        # 5. and 7. Nothing is frozen: all weights are new, and learn together from the start
        # 6. and 8. Fit
        recipe = optimizers.Recipe(
            optimizer, SCHEDULE, WARMUP_EPOCHS, WEIGHT_DECAY, CLIP_NORM, EMA, data.steps(BATCH_SIZE)
        )
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING)
        learner = growing.learner(model, sizes)
        learner.compile(recipe.make(rate, EPOCHS), loss, metrics=["accuracy"])
        options = {"keep": model, "sizes": sizes, "validate_every": VALIDATE_EVERY}
        run.fit("from scratch", learner, train, validation, EPOCHS, callbacks, **options)

        if mosaics:
            # Beyond these steps, for dense maps: see patches among neighbours
            mosaic_rate = LEARNING_RATE_MOSAICS or (rate / 3 if EPOCHS else rate)
            steps = len(train.in_mosaics(MOSAIC))
            mosaic_optimizer = recipe.make(mosaic_rate, MOSAIC_EPOCHS, steps)
            mosaics.compile(mosaic_optimizer, loss, metrics=["accuracy"])
            run.fit_mosaics(MOSAIC, mosaics, model, train, data, MOSAIC_EPOCHS, callbacks)
        run.look_again(VIEWS)
        run.finish(data, BATCH_SIZE, reports.write_report, CALIBRATE, shares)


if __name__ == "__main__":
    command_line.run(main, globals())
