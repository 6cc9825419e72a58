"""Rows of bad input for script 10 on BigEarthNet, and for models that give several labels."""

from bad_input_rows import EVALUATE, EXPORT, MAP, Row

LABELS = "10_train_multilabel.py"
RUN_FOLDER = ("run", "run/*")
KEPT = (*RUN_FOLDER, "ben/*/.cache", "ben/*/.cache/*")
LOCKED = ("out", "out/*")


def _labels(wrong, command, message, may_appear=(), process=False):
    given = "--path-to-patches ben/v1 --path-to-run run --bands RGB --precision float32 "
    return Row(LABELS, wrong, given + command, message, may_appear, process)


ROWS = [
    _labels("no such folder", "--path-to-patches no", "PATH_TO_PATCHES: no is no folder"),
    _labels("20 classes", "--classes 20", "CLASSES = 20: expected 43 or 19"),
    _labels("a split that there is not", "--split random", "--split"),
    _labels("less than no made patches", "--made -1", "MADE must be 0 or more, not -1"),
    _labels(
        "made patches among others",
        "--made 5",
        "ben/v1 is there and holds no made patches",
    ),
    _labels(
        "nothing left to train with",
        "--fraction-validation 0.6 --fraction-test 0.4",
        "both together below 1, not 0.6 and 0.4",
    ),
    _labels("no patches wanted", "--fraction-patches 0", "FRACTION_PATCHES must be above 0"),
    _labels("GPUs that are not there", "--devices 64", "DEVICES = 64, but Keras on"),
    _labels("made by several", "--made 5 --nodes 2", "by a call with NODES = 1, for all processes"),
    _labels("processes on TensorFlow", "--nodes 2", "set KERAS_BACKEND=jax"),
    _labels("weights above 1", "--class-weights 2", "CLASS_WEIGHTS must lie between 0 and 1"),
    _labels(
        "pictures larger than patches",
        "--picture-sizes 64 128",
        "from 32 px to 120 px",
        RUN_FOLDER,
    ),
    _labels("band of other levels", "--bands ALL", "and have no B10", RUN_FOLDER),
    _labels(
        "folder of other images",
        "--path-to-patches images",
        "images holds neither folders of patches (BigEarthNet v1",
        RUN_FOLDER,
    ),
    _labels("no lists", "", "SPLIT = 'published' needs lists of the parts", RUN_FOLDER),
    _labels(
        "lists that are not there",
        "--path-to-lists no",
        "PATH_TO_LISTS: no is no folder",
        RUN_FOLDER,
    ),
    _labels(
        "metadata that are none",
        "--path-to-metadata letter.txt",
        "letter.txt: cannot be read as Parquet",
        RUN_FOLDER,
    ),
    _labels("countries of v1", "--split country", "SPLIT = 'country': the countries", KEPT),
    _labels("one tile", "--split tile", "the patches are of 1 (T33UUP), and 3 parts", KEPT),
    _labels(
        "a class that there is not",
        "--path-to-patches ben/volcano --split tile",
        "'Volcano' is no class of BigEarthNet",
        KEPT,
    ),
    _labels(
        "a patch without labels",
        "--path-to-patches ben/unlabelled --split tile",
        "is missing; it tells the classes of the patch",
        KEPT,
    ),
    _labels(
        "a damaged band",
        "--path-to-patches ben/cut --split tile --fraction-test 0",
        "1 of 2 patches cannot be used",
        KEPT,
    ),
    _labels(
        "tiles without metadata",
        "--path-to-patches ben/v2",
        "there is no metadata.parquet in or beside ben/v2",
        RUN_FOLDER,
    ),
    _labels(
        "43 classes of v2",
        "--path-to-patches ben/v2 --classes 43",
        "BigEarthNet v2 tells 19 classes",
        RUN_FOLDER,
    ),
    _labels("network that there is not", "--network ResNet10", "NETWORK = 'ResNet10'"),
    _labels(
        "a network of which nobody knows the first block",
        "--network ResNet101 --weights imagenet",
        "it is not known where the first block of ResNet101 ends",
    ),
    Row(
        EVALUATE,
        "several labels without their patches",
        "--path-to-model models/labels.keras",
        "name a folder of BigEarthNet by PATH_TO_IMAGES",
    ),
    Row(
        EVALUATE,
        "a part of several labels that there is not",
        "--path-to-model models/labels.keras --path-to-images ben/v1 --part all",
        "PART = 'all': expected 'train', 'validation' or 'test'",
    ),
    Row(
        EVALUATE,
        "several labels to calibrate",
        "--path-to-model models/labels.keras --path-to-images ben/v1 --calibrate",
        "CALIBRATE is for models of one class",
    ),
    Row(
        MAP,
        "polygons of several labels",
        "--path-to-image scenes/scene.tif --path-to-model models/labels.keras --polygons "
        "--path-to-label-image out/label.tif --path-to-prob-image out/probability.tif",
        "POLYGONS = True needs one class for each cell",
        LOCKED,
    ),
    Row(
        MAP,
        "scene smaller than a window of several labels",
        "--path-to-image scenes/scene.tif --path-to-model models/labels.keras "
        "--path-to-label-image out/label.tif --path-to-prob-image out/probability.tif",
        "but a window needs 120x120",
        LOCKED,
    ),
    Row(
        EXPORT,
        "a model of several labels",
        "--path-to-model models/labels.keras",
        "gives a patch several labels (script 10)",
    ),
]
