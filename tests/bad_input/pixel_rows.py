"""Rows of bad input for script 11, and for models that classify pixels."""

from bad_input_rows import CHECK, EVALUATE, MAP, Row

PIXELS = "11_train_segmentation.py"
RUN_FOLDER = ("run", "run/*")
LOCKED = ("out", "out/*")


def _pixels(wrong, command, message, may_appear=(), process=False):
    given = "--path-to-scenes scenes/scene.tif --path-to-labels maps/map_label.tif "
    given += "--path-to-run run --block-size 16 --tile-size 32 --batch-size 2 --precision float32 "
    return Row(PIXELS, wrong, given + command, message, may_appear, process)


ROWS = [
    _pixels("no such scene", "--path-to-scenes no.tif", "PATH_TO_SCENES: no.tif does not exist"),
    _pixels("no such labels", "--path-to-labels no.tif", "PATH_TO_LABELS: no.tif does not exist"),
    _pixels(
        "labels for some scenes only",
        "--path-to-scenes scenes/scene.tif scenes/second.tif products/scene.tif "
        "--path-to-labels maps/map_label.tif maps/map_label.tif",
        "PATH_TO_LABELS names 2 files for 3 scenes",
    ),
    _pixels(
        "a scene twice", "--path-to-scenes scenes/scene.tif scenes/scene.tif", "names a scene twice"
    ),
    _pixels("GPUs that are not there", "--devices 64", "DEVICES = 64, but Keras on"),
    _pixels("processes on TensorFlow", "--nodes 2", "set KERAS_BACKEND=jax"),
    _pixels(
        "places to test with without labels",
        "--path-to-test-scenes scenes/second.tif",
        "PATH_TO_TEST_LABELS names 0 files for 1 scenes",
    ),
    _pixels("tile of no whole steps", "--tile-size 100", "TILE_SIZE must be a multiple of 16 px"),
    _pixels("skip that is none", "--skip-stride 3", "SKIP_STRIDE = 3: expected 2 or 4"),
    _pixels(
        "nothing left to train with",
        "--fraction-validation 0.6 --fraction-test 0.4",
        "both together below 1, not 0.6 and 0.4",
    ),
    _pixels(
        "tile larger than the scene",
        "--tile-size 128",
        "scene.tif: has 80x90 px, too few for tiles of 128 px",
        RUN_FOLDER,
    ),
    _pixels(
        "one block only",
        "--block-size 128",
        "the labels lie in 1 blocks of 128 px, too few",
        RUN_FOLDER,
    ),
    _pixels(
        "labels elsewhere",
        "--path-to-labels maps/far_classes.tif",
        "far_classes.tif: gives no pixel of the scene a class",
        RUN_FOLDER,
    ),
    _pixels(
        "reflectance as labels",
        "--path-to-labels scenes/second.tif",
        "one band of whole numbers that mean classes",
        RUN_FOLDER,
    ),
    _pixels(
        "points as labels",
        "--path-to-labels maps/volcanoes.csv",
        "holds points; every pixel needs a class",
        RUN_FOLDER,
    ),
    _pixels(
        "class to ignore that there is not",
        "--ignore Vulcano",
        "IGNORE names Vulcano; the labels have",
        RUN_FOLDER,
    ),
    _pixels(
        "table without the classes",
        "--class-table maps/table.csv",
        "which CLASS_TABLE does not name",
        RUN_FOLDER,
    ),
    _pixels(
        "picture for bands that it lacks",
        "--path-to-scenes scenes/photo.tif",
        "is an 8-bit RGB image",
        RUN_FOLDER,
    ),
    _pixels(
        "network that there is not", "--network ResNet10", "NETWORK = 'ResNet10'", process=True
    ),
    _pixels("weights of pixels", "--weights models/pixels.keras", "classifies pixels", RUN_FOLDER),
    Row(
        EVALUATE,
        "model of pixels",
        "--path-to-images split_ms/validation --path-to-model models/pixels.keras",
        "classifies pixels (script 11)",
    ),
    Row(
        MAP,
        "window by window by a model of pixels",
        "--path-to-image scenes/scene.tif --path-to-model models/pixels.keras --method windows "
        "--path-to-label-image out/label.tif --path-to-prob-image out/probability.tif",
        "this one classifies pixels",
        LOCKED,
    ),
    Row(
        CHECK,
        "map of pixels by windows",
        "--path-to-map maps/pixels_label.tif --path-to-image scenes/scene.tif",
        "gives each pixel a class of its own (script 11), not each window: set UNIT = 'cell'",
    ),
]
