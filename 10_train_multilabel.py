"""Script 10: train a network that gives a patch several labels, on BigEarthNet.

A patch of BigEarthNet shows 1.2 km, and several of 19 (or 43) classes are in it. Each class gets a
probability of its own (a sigmoid, not a softmax), and a threshold of its own, from which on it
counts as a label.

Reads    PATH_TO_PATCHES: BigEarthNet-S2, v1 (a folder for each patch, labels as JSON) or v2
         (folders by tile, and metadata.parquet)
         the weights to begin with, if any: of ImageNet, or of a model that a training script wrote
Writes   a run folder with model.keras (the best model; script 06 maps the probability of each
         class with it), history.csv, settings.json, logs/, and report.md, report.json and
         pictures: F1 of all and of each class, average precision, which classes come together
         PATH_TO_STORE: the patches, decoded once (346 kB each with 12 bands, 86 kB with RGB)
Run      python 10_train_multilabel.py
         python 10_train_multilabel.py --made 500 --path-to-patches data/made_bigearthnet
         --path-to-run runs/made_labels --epochs 20 --batch-size 16
Takes    for those 500 made patches 3.1 minutes of processor time, with making and packing them
Reaches  on four made scenes that were kept back a micro F1 of 90.7 % and a macro F1 of 91.5 %,
         where the same labels for all patches reach 42.5 % and 39.2 %

Stopped at any moment, it goes on after its last finished epoch when it is started again; so does
the decoding of the patches.
"""

from typing import Literal

from landuse import command_line

# Paths
PATH_TO_PATCHES = "data/BigEarthNet-S2"  # v1: folders of patches; v2: folders of tiles
PATH_TO_METADATA: str | None = None  # metadata.parquet of v2; None: in or beside the patches
PATH_TO_LISTS: str | None = None  # v1: folder with train.csv, val.csv, test.csv
PATH_TO_STORE: str | None = None  # decoded patches go there; None: .cache in PATH_TO_PATCHES
PATH_TO_RUN = "runs/10_train_multilabel_{network}"  # what is written goes there
MADE = 0  # 500: first make so many patches of a made landscape there, to try this script with

# Patches
CLASSES = 19  # or 43, which v1 knows
SPLIT: Literal["published", "tile", "country"] = "published"  # or whole tiles, countries are dealt
FRACTION_VALIDATION = 0.2  # share of the patches, where tiles or countries are dealt
FRACTION_TEST = 0.2  # likewise
LEAVE_OUT_SNOW_AND_CLOUDS = True  # as is recommended
FRACTION_PATCHES = 1.0  # 0.1: a tenth of each part, to try things with
SKIP_BAD_PATCHES = False  # leave damaged patches out instead of stopping

# Network
NETWORK = "ResNet9"  # or ResNet50, DenseNet201, VGG16, many of keras.applications
WEIGHTS: str | None = None  # imagenet, .h5, eurosat_rgb, model.keras of 02 to 05 or of this script;
# its first convolution is widened to further bands, as in script 04's alternative; None: none
BANDS: str | list[str] = "L2A"  # all 12, RGB, SWIR, CI, or band names
DROPOUT = 0.2  # share of the features that is dropped while training
PICTURE_SIZES: list[int] = [120]  # 64 96 120: pictures grow while it learns, which costs less

# Augmentation
SYMMETRIES = True  # the eight symmetries of the square, which lose nothing
BRIGHTNESS_RANGE = 0.0  # 0.1: up to 10 % darker or brighter
CONTRAST_RANGE = 0.0  # 0.1: up to 10 % less or more contrast
BAND_GAIN_RANGE = 0.0  # 0.06: each band up to 6 % darker or brighter, as air and season do
HAZE_RANGE = 0.0  # 0.04: up to 4 % of white more or less light, as haze adds
ZOOM_RANGE = 0.0  # 0.25: a quarter of the patches up to 25 % larger or smaller
MIXUP = 0.2  # blend pairs of patches and of labels; 0: do not

# Loss
CLASS_WEIGHTS = 0.0  # 0: yes weighs like no; 1: the rarer a class, the more its yes weighs
FOCUS = 0.0  # 2: focal loss, in which what is nearly right weighs little

# Training
BATCH_SIZE = 64  # patches per step
EPOCHS_TOP = 0  # first so many in which only the new top learns; for WEIGHTS
EPOCHS = 30  # passes over the training patches
LEARNING_RATE: float | None = None  # highest rate; None: what suits network and optimizer
PATIENCE = 10  # end after so many epochs without a better average precision

# Rarely changed
OPTIMIZER = "AdamW"  # or Muon (from scratch: fewer epochs), SGD (with momentum)
SCHEDULE = "one_cycle"  # or cosine, constant
WARMUP_EPOCHS = 3.0  # the rate rises to its highest over these
WEIGHT_DECAY = 0.02  # not on biases and normalisations
CLIP_NORM = 1.0  # longer gradients are shortened; 0: none is
LABEL_SMOOTHING = 0.0  # 0.1: ask for 0.95 and 0.05 instead of 1 and 0
EMA = False  # validate and save a moving average of the weights
PRECISION = "auto"  # float32, mixed_bfloat16, mixed_float16; auto: the fastest that is safe here
DEVICES: int | Literal["all"] = 1  # GPUs of each machine that share each batch, or all
NODES = 1  # machines, each with a process of this script (JAX only): docs/scale.md
WORKERS = 2  # batches that are prepared ahead
SEED = 42  # of weights, parts, order and augmentation


def main() -> None:
    """Train a network on patches with several labels."""
    from landuse.multilabel import label_checks

    label_checks.check_settings(command_line.constants(globals()))
    if MADE:
        from landuse.sample import made_bigearthnet

        made_bigearthnet.write_made_patches(PATH_TO_PATCHES, MADE, SEED)
    label_checks.check_patches(PATH_TO_PATCHES)
    import keras

    from landuse.multilabel import label_data, label_runs
    from landuse.networks import bases, catalogue, label_losses, pixel_starts, tops, transfer
    from landuse.training import growing, optimizers, runs

    catalogue.check_fine_tuning(NETWORK, EPOCHS if WEIGHTS is not None else 0)
    rate = LEARNING_RATE or optimizers.suiting_rate(NETWORK, OPTIMIZER)
    settings = command_line.constants(globals())
    with runs.start(
        PATH_TO_RUN,
        NETWORK,
        settings,
        seed=SEED,
        precision=PRECISION,
        patch_size=label_data.SIDE,
        devices=DEVICES,
        nodes=NODES,
    ) as run:
        if run.is_finished():
            return
        data = label_data.read_data(
            PATH_TO_PATCHES,
            bands=BANDS,
            store=PATH_TO_STORE,
            skip_bad=SKIP_BAD_PATCHES,
            class_count=CLASSES,
            metadata=PATH_TO_METADATA,
            lists=PATH_TO_LISTS,
            split=SPLIT,
            leave_out_snow_and_clouds=LEAVE_OUT_SNOW_AND_CLOUDS,
            fraction_validation=FRACTION_VALIDATION,
            fraction_test=FRACTION_TEST,
            fraction_patches=FRACTION_PATCHES,
            seed=SEED,
        )
        label_runs.describe(run, data, NETWORK, WEIGHTS)

        # 1. The network without its top, new or with what it learned elsewhere
        learned = pixel_starts.start(NETWORK, WEIGHTS, data.band_names, "DN", data.statistics)
        if WEIGHTS is None:
            bases.adapt_batch_normalization(learned.base, data.steps(BATCH_SIZE))

        # 2. A new top: a probability for each class, whatever the others are
        pixels = keras.Input(
            (label_data.SIDE, label_data.SIDE, len(data.band_names)), name="pixels"
        )
        features = learned.base(learned.before(pixels))
        model = keras.Model(
            pixels, tops.new_top(features, NETWORK, data.class_names, DROPOUT, "sigmoid")
        )
        learner = growing.learner(model, PICTURE_SIZES)

        # 3. Batches from the packed patches, augmented to train
        train = data.batches(
            "train",
            BATCH_SIZE,
            shuffle=True,
            symmetries=SYMMETRIES,
            brightness_range=BRIGHTNESS_RANGE,
            contrast_range=CONTRAST_RANGE,
            band_gain_range=BAND_GAIN_RANGE,
            haze_range=HAZE_RANGE,
            zoom_range=ZOOM_RANGE,
            mixup=MIXUP,
            seed=SEED,
            workers=WORKERS,
        )
        validation = data.batches("validation", BATCH_SIZE, shuffle=False, workers=WORKERS)

        # 4. Callbacks: keep the best model, stop early, watch
        callbacks = [run.keep_best(), run.stop_early(PATIENCE), *run.tensorboard()]
        recipe = optimizers.Recipe(
            OPTIMIZER, SCHEDULE, WARMUP_EPOCHS, WEIGHT_DECAY, CLIP_NORM, EMA, data.steps(BATCH_SIZE)
        )
        weights = label_losses.yes_weights(data.shares("train"), CLASS_WEIGHTS)
        loss = label_losses.LabelLoss(weights, FOCUS, LABEL_SMOOTHING)

        def compile_model(epochs: int) -> None:
            precision = keras.metrics.AUC(
                curve="PR",
                multi_label=True,
                num_labels=CLASSES,
                label_weights=(data.shares("validation") > 0).astype(float),
                name="average_precision",
            )
            learner.compile(recipe.make(rate, epochs), loss, metrics=[precision])

        # 5. and 6. Freeze the network, and fit the new top
        learned.base.trainable = not EPOCHS_TOP
        if EPOCHS_TOP:
            compile_model(EPOCHS_TOP)
            run.fit("top", learner, train, validation, EPOCHS_TOP, callbacks, keep=model)

        # 7. and 8. Unfreeze it, of one that has learned only as script 04's alternative; fit all
        learned.base.trainable = True
        if WEIGHTS is not None and EPOCHS:
            transfer.unfreeze_all_but_first_block(learned.base)
            transfer.unfreeze_first_convolution(learned.base)
        if EPOCHS:
            compile_model(EPOCHS)
            run.fit(
                "all",
                learner,
                train,
                validation,
                EPOCHS,
                callbacks,
                keep=model,
                sizes=PICTURE_SIZES,
            )

        label_runs.measure(run, data, BATCH_SIZE)
        run.finish()


if __name__ == "__main__":
    command_line.run(main, globals())
