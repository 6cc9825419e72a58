"""Script 11: train a network that gives every pixel of a scene a class of its own.

The scripts 02 to 05 learn what fills a window of 64x64 px; here labels are needed for each pixel,
and a road becomes a line. An encoder, one of the networks of those scripts, is followed by a
decoder (DeepLab v3+): a pyramid sees what lies around, and finer features sharpen the borders.

Reads    PATH_TO_SCENES: scenes of any kind that script 06 reads
         PATH_TO_LABELS: for each a raster of classes, or polygons with a class (GeoPackage,
         GeoJSON, shapefile; Urban Atlas with --class-table urban_atlas)
         PATH_TO_TEST_SCENES and _LABELS: other places to measure with, if there are any
Writes   a run folder with model.keras (the best model; script 06 maps with it), history.csv,
         settings.json, logs/, and report.md, report.json and pictures: intersection over union,
         boundaries, maps beside their labels
Run      python 11_train_segmentation.py
         python 06_classify_image.py --path-to-model runs/11_train_segmentation_ResNet9/model.keras
Takes    for 24 epochs of the sample's three scenes 3.7 minutes of processor time (ResNet9)
Reaches  96.7 % right pixels and a mIoU of 91.9 % in the blocks that were kept back; on the scene of
         step 6, another place, 90.2 % and 79.7 %

Each scene is cut into square blocks, and whole blocks are kept back to validate with: nothing is
learned from their labels. Stopped at any moment, it goes on after its last finished epoch when it
is started again.
"""

from typing import Literal

from landuse import command_line

# Paths
PATH_TO_SCENES: list[str] = [  # to learn from
    "data/sample/pixel_maps/scene_1.tif",
    "data/sample/pixel_maps/scene_2.tif",
    "data/sample/pixel_maps/scene_3.tif",
]
PATH_TO_LABELS: list[str] = [  # one for each scene, in the same order, or one for all
    "data/sample/pixel_maps/scene_1_truth.tif",
    "data/sample/pixel_maps/scene_2_truth.tif",
    "data/sample/pixel_maps/scene_3_truth.tif",
]
PATH_TO_TEST_SCENES: list[str] = []  # other places, to measure with
PATH_TO_TEST_LABELS: list[str] = []  # their labels
PATH_TO_RUN = "runs/11_train_segmentation_{network}"  # what is written goes there

# Labels
CLASS_TABLE: str | None = None  # CSV reference,class; urban_atlas comes along; None: as they are
CLASS_ATTRIBUTE: str | None = None  # of polygons; None: class, label, code ...
IGNORE: list[str] = []  # classes of the labels that are not learned

# Split
BLOCK_SIZE = 128  # px, side of the blocks that are dealt to training, validation and test
FRACTION_VALIDATION = 0.2  # share of the blocks
FRACTION_TEST = 0.0  # share of the blocks; of no use with PATH_TO_TEST_SCENES

# Network
NETWORK = "ResNet9"  # the encoder: or VGG16, DenseNet201, ResNet50, many of keras.applications
WEIGHTS: str | None = None  # model.keras of 02 to 05, eurosat_rgb, imagenet, .h5; None: none
BANDS: str | list[str] = "ALL"  # RGB, SWIR, CI, ALL, L2A (without B10), or band names
UNITS: Literal["DN", "rgb8"] = "DN"  # rgb8: scenes that are pictures of 8 bits (with BANDS RGB)
SKIP_STRIDE = 2  # px between the finer features that sharpen borders; 4: as the paper, faster
DECODER_WIDTH = 64  # channels of pyramid and decoder; the paper takes 256
ATROUS_RATES = [1, 2, 3]  # the pyramid looks so far, in steps of 16 px
DROPOUT = 0.1  # share of the decoder's channels that is dropped while training

# Tiles
TILE_SIZE = 96  # px, a multiple of 16
TILES = 200  # drawn in each epoch
EVEN_CLASSES = 0.5  # share of the tiles drawn around each class alike, not as often as it is found
CLASS_WEIGHTS = 0.5  # 0: each pixel weighs the same in the loss; 1: each class does

# Augmentation
SYMMETRIES = True  # the eight symmetries of the square, which lose nothing
BRIGHTNESS_RANGE = 0.1  # 0.1: up to 10 % darker or brighter
CONTRAST_RANGE = 0.0  # 0.1: up to 10 % less or more contrast
BAND_GAIN_RANGE = 0.05  # 0.06: each band up to 6 % darker or brighter, as air and season do
HAZE_RANGE = 0.0  # 0.04: up to 4 % of white more or less light, as haze adds
BLUR = 0.0  # 0.5: half of the tiles resampled to a coarser grid and back, as many scenes were

# Training
BATCH_SIZE = 8  # tiles per step
EPOCHS_TOP = 0  # first so many in which the encoder is frozen; for one that has learned elsewhere
EPOCHS = 24  # passes of TILES
LEARNING_RATE: float | None = None  # highest rate; None: what suits network and optimizer
PATIENCE = 20  # stop after so many epochs without a better mIoU

# Rarely changed
OPTIMIZER = "AdamW"  # or Muon (from scratch: fewer epochs), SGD (with momentum)
SCHEDULE = "cosine"  # or one_cycle, constant
WARMUP_EPOCHS = 1.0  # the rate rises to its highest over these
WEIGHT_DECAY = 0.02  # not on biases and normalisations
CLIP_NORM = 1.0  # longer gradients are shortened; 0: none is
LABEL_SMOOTHING = 0.0  # 0.1: ask for 0.9 + 0.1 / classes instead of 1
PRECISION = "auto"  # float32, mixed_bfloat16, mixed_float16; auto: the fastest that is safe here
DEVICES: int | Literal["all"] = 1  # GPUs of each machine that share each batch, or all
NODES = 1  # machines, each with a process of this script (JAX only): docs/scale.md
WORKERS = 1  # tiles are prepared so many batches ahead
SEED = 42  # of weights, blocks, tiles and augmentation


def main() -> None:
    """Train an encoder and a decoder on labelled pixels."""
    from landuse.segmentation import pixel_checks

    pixel_checks.check_settings(command_line.constants(globals()))
    places = pixel_checks.check_paths(PATH_TO_SCENES, PATH_TO_LABELS)
    test_places = pixel_checks.check_paths(PATH_TO_TEST_SCENES, PATH_TO_TEST_LABELS, "TEST_")
    import keras

    from landuse.networks import bases, pixel_networks, pixel_starts
    from landuse.segmentation import pixel_data, pixel_runs, tiles
    from landuse.training import optimizers, runs

    rate = LEARNING_RATE or optimizers.suiting_rate(NETWORK, OPTIMIZER)
    settings = command_line.constants(globals())
    with runs.start(
        PATH_TO_RUN, NETWORK, settings, seed=SEED, precision=PRECISION, devices=DEVICES, nodes=NODES
    ) as run:
        if run.is_finished():
            return
        data = pixel_data.read_data(
            places,
            test_places,
            run.folder / "cache",
            bands=BANDS,
            units=UNITS,
            class_table=CLASS_TABLE,
            class_attribute=CLASS_ATTRIBUTE,
            ignore=IGNORE,
            block_size=BLOCK_SIZE,
            tile_size=TILE_SIZE,
            fraction_validation=FRACTION_VALIDATION,
            fraction_test=FRACTION_TEST,
            even_classes=EVEN_CLASSES,
            seed=SEED,
        )
        pixel_runs.describe(run, data, NETWORK, WEIGHTS, TILE_SIZE)
        steps = data.steps(TILES, BATCH_SIZE)

        # 1. The encoder: a network without its top, new or with what it learned elsewhere
        learned = pixel_starts.start(NETWORK, WEIGHTS, data.band_names, data.units, data.statistics)

        # 2. The decoder: a pyramid around it, finer features beside, and a class for every pixel
        network = pixel_networks.pixel_network(
            learned.base,
            skip_stride=SKIP_STRIDE,
            width=DECODER_WIDTH,
            rates=ATROUS_RATES,
            dropout=DROPOUT,
        )
        bases.adapt_batch_normalization(network, steps)
        pixels = keras.Input((None, None, len(data.band_names)), name="pixels")
        features = network(learned.before(pixels))
        model = keras.Model(
            pixels, pixel_networks.pixel_top(features, data.class_names, SKIP_STRIDE)
        )

        # 3. Tiles, drawn at random and augmented to train, side by side to validate
        train = tiles.dataset(
            data.scenes,
            "train",
            tiles.class_weights(data.places.counts, CLASS_WEIGHTS),
            TILE_SIZE,
            BATCH_SIZE,
            TILES,
            places=data.places,
            symmetries=SYMMETRIES,
            changes={
                "brightness_range": BRIGHTNESS_RANGE,
                "contrast_range": CONTRAST_RANGE,
                "band_gain_range": BAND_GAIN_RANGE,
                "haze_range": HAZE_RANGE,
                "blur": BLUR,
            },
            seed=SEED,
            ahead=WORKERS,
        )
        validation = tiles.dataset(
            data.scenes,
            "validation",
            tiles.class_weights(data.places.counts, 0.0),
            TILE_SIZE,
            BATCH_SIZE,
            tiles.tiles_of_part(data.scenes, "validation", TILE_SIZE),
        )

        # 4. Callbacks: keep the best model, stop early, watch
        callbacks = [run.keep_best(), run.stop_early(PATIENCE), *run.tensorboard()]
        recipe = optimizers.Recipe(
            OPTIMIZER, SCHEDULE, WARMUP_EPOCHS, WEIGHT_DECAY, CLIP_NORM, False, steps
        )
        loss = keras.losses.CategoricalCrossentropy(
            label_smoothing=LABEL_SMOOTHING, reduction="mean_with_sample_weight"
        )

        def compile_model(epochs: int) -> None:
            metrics = [
                keras.metrics.CategoricalAccuracy(name="accuracy"),
                keras.metrics.OneHotMeanIoU(
                    len(data.class_names), name="mean_iou", dtype="float32"
                ),
            ]
            model.compile(recipe.make(rate, epochs), loss, weighted_metrics=metrics)

        # 5. and 6. Freeze the encoder, and fit what is new
        encoder = pixel_networks.layers_of(network, learned.base)
        for layer in encoder:
            layer.trainable = not EPOCHS_TOP
        if EPOCHS_TOP:
            compile_model(EPOCHS_TOP)
            run.fit("decoder", model, train, validation, EPOCHS_TOP, callbacks)

        # 7. and 8. Unfreeze it, and fit all
        for layer in encoder:
            layer.trainable = True
        if EPOCHS:
            compile_model(EPOCHS)
            run.fit("all", model, train, validation, EPOCHS, callbacks)

        pixel_runs.measure(run, data)
        run.finish()
        pixel_data.remove_cache(run.folder / "cache")


if __name__ == "__main__":
    command_line.run(main, globals())
