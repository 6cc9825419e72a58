"""Script 04, from teachers: a network of many bands learns what others say of your scenes.

Labelled patches are few, and scenes are many. Finished models (the teachers) say what windows of
scenes show that nobody labelled; a student with more bands than they have learns from their
answers and from the labelled patches together. It begins as the network of WEIGHTS, behind a 1x1
convolution that mixes the bands and starts as the selection of red, green and blue.

Reads    the split that script 01 made: train/ and validation/, one folder per class, GeoTIFFs;
         PATH_TO_SCENES: scenes of any kind that script 06 reads, without labels;
         TEACHERS and WEIGHTS: models that a training script wrote, or that come along
Writes   a run folder with model.keras (the best model), history.csv, settings.json and logs/;
         report.md, report.json and pictures: how well it does on the test part, or without
         one on the validation part
Run      python 04_train_ms_from_teachers.py --path-to-scenes products
Takes    9 minutes for 4 passes over 162 patches and 2,000 windows (MobileNetV2 at 96 px, two busy
         cores)
Reaches  96.3 % of 54 patches of EuroSAT left out (41 of the 42 that its teacher had not seen
         in true colours either); 81.2 % of 186 windows of the scenes' own places,
         where its teacher (eurosat_rgb as it was) was right in 82.3 %; more in docs/own_classes.md

Stopped at any moment, it goes on after its last finished epoch when it is started again.
"""

from typing import Literal

from landuse import command_line
from landuse.patches import split_folders
from landuse.scenes import scene_lists

# Paths
PATH_TO_SPLIT_DATASETS = "data/sample/split_MS"  # made by script 01
PATH_TO_SCENES: str | list[str] = "data/sample/scene.tif"  # without labels; as in script 06
PATH_TO_RUN = "runs/04_train_ms_from_teachers_{network}"  # what is written goes there

# Teachers
TEACHERS = ["eurosat_rgb"]  # models, or the names of those that come along
WINDOWS = 2000  # cut from the scenes at random; 13 bands of one take 106 kB of memory
LABELLED_SHARE = 0.33  # of the images of a pass that labelled patches make up

# Network
WEIGHTS = "eurosat_rgb"  # to begin with: a model.keras, eurosat_rgb or imagenet
NETWORK: str | None = None  # None: that of WEIGHTS, for imagenet DenseNet201
BANDS: str | list[str] = "ALL"  # RGB, SWIR, CI, ALL, L2A (without B10), or band names
INPUT_SIZE: int | None = None  # px; 96: patches are enlarged in the model, as ImageNet's networks
# like them; None: as WEIGHTS had them, else 64
DROPOUT = 0.2  # share of the features that is dropped while training

# Augmentation
ROTATION_RANGE = 0.0  # degrees to either side; the borders are mirrored
HORIZONTAL_FLIP = False  # left and right change places
VERTICAL_FLIP = False  # top and bottom change places
SYMMETRIES = True  # the eight symmetries of the square, which lose nothing
BRIGHTNESS_RANGE = 0.2  # 0.1: up to 10 % darker or brighter
CONTRAST_RANGE = 0.2  # 0.1: up to 10 % less or more contrast
BAND_GAIN_RANGE = 0.09  # 0.06: each band up to 6 % darker or brighter, as air and season do
HAZE_RANGE = 0.06  # 0.04: up to 4 % of white more or less light, as haze adds
BLUR = 0.5  # 0.5: half of the images resampled to a coarser grid and back, as many scenes were
ZOOM_RANGE = 0.25  # 0.25: a quarter of the images up to 25 % larger or smaller
HISTOGRAM_MATCHING = 0.0  # 0.5: half of the images take the colours of others of their class
MIXUP = 0.0  # 0.2: blend pairs of images and of labels

# Training
BATCH_SIZE = 64  # images per step
EPOCHS = 4  # passes over windows and patches
LEARNING_RATE = 3e-4  # highest rate, low enough to keep what was learned
PATIENCE = 10  # stop after so many epochs without a better validation accuracy

# Rarely changed
OPTIMIZER = "AdamW"  # or Muon (from scratch: fewer epochs), SGD (100 times the rate of AdamW)
SCHEDULE = "cosine"  # or one_cycle, constant
WARMUP_EPOCHS = 0.5  # the rate rises to its highest over these
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
    """Train a student on labelled patches and on what teachers say of scenes."""
    split_folders.check_split(PATH_TO_SPLIT_DATASETS)
    import keras

    from landuse.evaluation import reports
    from landuse.networks import pixel_layers, priors, tops, transfer
    from landuse.training import limits, optimizers, runs, teachers, training_data

    network = transfer.network_of(NETWORK, WEIGHTS, EPOCHS)
    settings = command_line.constants(globals())
    with runs.start(
        PATH_TO_RUN, network, settings, seed=SEED, precision=PRECISION, devices=DEVICES, nodes=NODES
    ) as run:
        if run.is_finished():
            return
        least = 1  # of labelled patches: windows fill the batches
        data = training_data.read_data(PATH_TO_SPLIT_DATASETS, BANDS, least, SKIP_BAD_PATCHES)
        run.describe(data, network, WEIGHTS)
        shares = priors.land_shares(LAND_SHARES, data.class_names)

        # Before the talk's steps: windows of the scenes, and what the teachers say of them
        with run.one_device():
            taught = teachers.teach(
                scene_lists.expand(PATH_TO_SCENES, "PATH_TO_SCENES"),
                TEACHERS,
                data,
                windows=WINDOWS,
                labelled_share=LABELLED_SHARE,
                batch_size=BATCH_SIZE,
                seed=SEED,
            )

        # 1. The network without its top, with what it learned on other images
        learned = transfer.learned_network(network, WEIGHTS)
        input_size = INPUT_SIZE or learned.input_size
        limits.check_size_in_use(SIZE_IN_USE, input_size)

        # 2. A new top, or that of WEIGHTS if it has the same classes; before the network, the bands
        # are mixed to those that it knows
        pixels = keras.Input((64, 64, len(data.band_names)), name="pixels")
        pictures = pixel_layers.to_units(pixels, data.units, learned.units)
        pictures = pixel_layers.mix_bands(pictures, data.band_names, learned.band_names)
        features = learned.features(pixel_layers.enlarge(pictures, input_size))
        model = keras.Model(pixels, tops.new_top(features, network, data.class_names, DROPOUT))
        transfer.keep_top(model, learned, data.class_names)

        # 3. Augmentation: of a changed window, the student says what the teachers said before
        train = data.training_batches(
            BATCH_SIZE,
            taught=taught,
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

        # 5. to 7. Freeze the first block only: the top knows something already
        transfer.unfreeze_all_but_first_block(learned.base)

        # 8. Fit
        recipe = optimizers.Recipe(
            OPTIMIZER, SCHEDULE, WARMUP_EPOCHS, WEIGHT_DECAY, CLIP_NORM, EMA, len(train)
        )
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING)
        model.compile(recipe.make(LEARNING_RATE, EPOCHS), loss, metrics=["accuracy"])
        run.fit("student", model, train, validation, EPOCHS, callbacks)
        run.look_again(VIEWS, SIZE_IN_USE)
        run.finish(data, BATCH_SIZE, reports.write_report, CALIBRATE, shares)


if __name__ == "__main__":
    command_line.run(main, globals())
