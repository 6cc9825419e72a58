"""Script 02: fine-tune a network that learned on other pictures, on RGB patches.

Reads    the split that script 01 made: train/ and validation/, one folder per class, JPEGs
         (of multispectral GeoTIFFs, red, green and blue are used);
         the weights to begin with: of ImageNet, or of a model that a training script wrote
Writes   a run folder with model.keras (the best model), history.csv, settings.json and logs/;
         report.md, report.json and pictures: how well it does on the test part, or without
         one on the validation part
Run      python 02_train_rgb_finetuning.py --network VGG16 --weights imagenet
Takes    for an epoch at most what it takes in script 03
Reaches  in the talk, from ImageNet, 97.7 % (VGG16) and 97.2 % (DenseNet201) of EuroSAT's
         validation images

Stopped at any moment, it goes on after its last finished epoch when it is started again.
"""

from typing import Literal

from landuse import command_line
from landuse.patches import split_folders

# Paths
PATH_TO_SPLIT_DATASETS = "data/sample/split_RGB"  # made by script 01
PATH_TO_RUN = "runs/02_train_rgb_finetuning_{network}"  # what is written goes there

# Network
NETWORK: str | None = None  # VGG16, ResNet50, ResNet9, MobileNet, with EPOCHS = 0 any of
# keras.applications; None: the network of WEIGHTS, for imagenet DenseNet201
WEIGHTS: str | None = "imagenet"  # or a file (.h5, model.keras), eurosat_rgb, or None
INPUT_SIZE: int | None = None  # px; 96: patches are enlarged in the model, as ImageNet's networks
# like them; None: as WEIGHTS had them, else 64
DROPOUT = 0.2  # share of the features that is dropped while training

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
EPOCHS_TOP: int | None = None  # passes over the training images in which only the new top learns;
# None: 5, of few patches as many as make 320 steps
EPOCHS = 20  # passes in which all but the first block of the network learns; 0: none
LEARNING_RATE_TOP = 1e-3  # highest rate of the first phase
LEARNING_RATE = 1e-4  # highest rate of the second, low enough to keep what was learned
VALIDATE_EVERY = 1  # epochs of the second; 3: only each third can be the best, and the last
PATIENCE = 10  # end a phase after so many epochs without a better validation accuracy

# Dense maps: many times faster, but only with a network that learned to see patches among others
MOSAIC_EPOCHS = 0  # 10: so many more passes at the end, on mosaics of patches
MOSAIC = 8  # patches along the side of a mosaic (BATCH_SIZE: a multiple of its square)

# Rarely changed
OPTIMIZER = "AdamW"  # or Muon (from scratch: fewer epochs), SGD (100 times the rate of AdamW)
SCHEDULE = "cosine"  # or one_cycle, constant
WARMUP_EPOCHS = 1.0  # in each phase, the rate rises to its highest over these
WEIGHT_DECAY = 0.02  # not on biases and normalisations
CLIP_NORM = 1.0  # longer gradients are shortened; 0: none is
LABEL_SMOOTHING = 0.0  # 0.1: ask for 0.9 + 0.1 / classes instead of 1
CLASS_WEIGHTS = False  # let the images of rare classes weigh more
EMA = False  # validate and save a moving average of the weights
CALIBRATE = True  # divide the logits by what makes the probabilities right on validation images
LAND_SHARES: list[str] | None = None  # AnnualCrop=9 PermanentCrop=1: so common are these where maps
# will be made, one to the other; None: as among the patches
VIEWS = 1  # 2, 4, 8: the finished model takes the mean of mirrored patches: surer, slower
SIZE_IN_USE: int | None = None  # px; 112 for INPUT_SIZE = 96: it enlarges patches further
SKIP_BAD_PATCHES = False  # leave damaged images out instead of stopping
PRECISION = "auto"  # float32, mixed_bfloat16, mixed_float16; auto: the fastest that is safe here
DEVICES: int | Literal["all"] = 1  # GPUs of each machine that share each batch, or all
NODES = 1  # machines, each with a process of this script (JAX only): docs/scale.md
WORKERS = 1  # threads that prepare the images
SEED = 42  # of weights, order and augmentation


def main() -> None:
    """Fine-tune a network on RGB patches."""
    split_folders.check_split(PATH_TO_SPLIT_DATASETS)
    import keras

    from landuse.evaluation import reports
    from landuse.networks import dense, pixel_layers, priors, tops, transfer
    from landuse.training import limits, optimizers, runs, training_data

    network = transfer.network_of(NETWORK, WEIGHTS, EPOCHS)
    settings = command_line.constants(globals())
    with runs.start(
        PATH_TO_RUN, network, settings, seed=SEED, precision=PRECISION, devices=DEVICES, nodes=NODES
    ) as run:
        if run.is_finished():
            return

        # 1. The network without its top, with what it learned on other images
        learned = transfer.learned_network(network, WEIGHTS)
        input_size = INPUT_SIZE or learned.input_size
        limits.check_size_in_use(SIZE_IN_USE, input_size)
        data = training_data.read_data(PATH_TO_SPLIT_DATASETS, "RGB", BATCH_SIZE, SKIP_BAD_PATCHES)
        run.describe(data, network, WEIGHTS)
        shares = priors.land_shares(LAND_SHARES, data.class_names)
        pixel_layers.check_bands(data.band_names, learned.band_names, same=True)

        # 2. A new top; before the network, pixels come to be as it knows them
        pixels = keras.Input((64, 64, len(data.band_names)), name="pixels")
        pictures = pixel_layers.to_units(pixels, data.units, learned.units)
        features = learned.features(pixel_layers.enlarge(pictures, input_size))
        model = keras.Model(pixels, tops.new_top(features, network, data.class_names, DROPOUT))
        transfer.keep_top(model, learned, data.class_names)
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

        # 5. Freeze the network
        learned.base.trainable = False

        # 6. Fit the new top
        recipe = optimizers.Recipe(
            OPTIMIZER, SCHEDULE, WARMUP_EPOCHS, WEIGHT_DECAY, CLIP_NORM, EMA, data.steps(BATCH_SIZE)
        )
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING)
        model.compile(recipe.make(LEARNING_RATE_TOP, EPOCHS_TOP), loss, metrics=["accuracy"])
        run.fit("top", model, train, validation, EPOCHS_TOP, callbacks)

        if EPOCHS > 0:
            # 7. Unfreeze all but the first block
            transfer.unfreeze_all_but_first_block(learned.base)

            # 8. Fit, slowly
            model.compile(recipe.make(LEARNING_RATE, EPOCHS), loss, metrics=["accuracy"])
            options = {"validate_every": VALIDATE_EVERY}
            run.fit("fine-tuning", model, train, validation, EPOCHS, callbacks, **options)

        if mosaics:
            # Beyond these steps, for dense maps: see patches among neighbours
            steps = len(train.in_mosaics(MOSAIC))
            mosaic_optimizer = recipe.make(LEARNING_RATE, MOSAIC_EPOCHS, steps)
            mosaics.compile(mosaic_optimizer, loss, metrics=["accuracy"])
            run.fit_mosaics(MOSAIC, mosaics, model, train, data, MOSAIC_EPOCHS, callbacks)
        run.look_again(VIEWS, SIZE_IN_USE)
        run.finish(data, BATCH_SIZE, reports.write_report, CALIBRATE, shares)


if __name__ == "__main__":
    command_line.run(main, globals())
