"""The table of bad input: one row, one mistake that people make, and the answer they get.

The paths are those of `bad_input_world`, in which every row runs. Nothing that is there may
change; `may_appear` names what a row may add (patterns, relative to that folder).
"""

import shlex
from dataclasses import dataclass

GET = "00_get_data.py"
SPLIT = "01_split_data_to_train_and_validation.py"
STATISTICS = "statistics.py"
TUNE_RGB = "02_train_rgb_finetuning.py"
TRAIN_RGB = "03_train_rgb_from_scratch.py"
TUNE_MS = "04_train_ms_finetuning.py"
WIDEN = "04_train_ms_finetuning_alternative.py"
TAUGHT = "04_train_ms_from_teachers.py"
TRAIN_MS = "05_train_ms_from_scratch.py"
MAP = "06_classify_image.py"
MOSAIC = "06_mosaic_maps.py"
EVALUATE = "07_evaluate_model.py"
CHECK = "08_check_map.py"
BASELINE = "03_train_baseline.py"
CUT = "00_cut_patches.py"
CHOOSE = "10_choose_windows.py"
COMPARE = "09_compare_maps.py"
EXPORT = "12_export_model.py"

CACHE = "*/.cache*"
LOCKS = "*.lock"


@dataclass(frozen=True)
class Row:
    """A command line and its answer."""

    script: str
    wrong: str
    command: str
    message: str
    may_appear: tuple[str, ...] = ()
    process: bool = False  # in a process of its own, as a user would

    @property
    def words(self) -> list[str]:
        """Flags and values."""
        return shlex.split(self.command)


def _get(wrong, command, message, may_appear=(), process=False):
    return Row(GET, wrong, command, message, may_appear, process)


def _split(wrong, command, message, images="images", process=False):
    given = f"--path-to-all-images {images} --path-to-split-datasets new " if images else ""
    return Row(SPLIT, wrong, given + command, message, (), process)


def _cut(wrong, command, message, labels="labels/good.csv", process=False):
    given = f"--path-to-image scenes/scene.tif --path-to-labels {labels} --path-to-patches new "
    return Row(CUT, wrong, given + command, message, (), process)


def _choose(wrong, command, message, label_map="maps/map_label.tif", process=False):
    given = f"--path-to-map {label_map} --path-to-image scenes/scene.tif "
    return Row(CHOOSE, wrong, given + command, message, (), process)


def _statistics(wrong, split, message, may_appear=(), process=False):
    command = f"--path-to-split-datasets {split}"
    return Row(STATISTICS, wrong, command, message, may_appear, process)


def _train(script, wrong, command, message, split=None, may_appear=(), process=False):
    split = split or ("split_rgb" if "rgb" in script else "split_ms")
    given = f"--path-to-split-datasets {split} --path-to-run run --network MobileNet "
    given += "--batch-size 2 --precision float32 "
    given += "" if script in (TRAIN_RGB, TRAIN_MS) else "--epochs 0 --weights None "
    return Row(script, wrong, given + command, message, may_appear, process)


def _map(wrong, command, message, may_appear=(), process=False):
    given = "--path-to-image scenes/scene.tif --path-to-model models/model.keras "
    given += "--path-to-label-image out/label.tif --path-to-prob-image out/probability.tif "
    return Row(MAP, wrong, given + command, message, may_appear, process)


def _mosaic(wrong, command, message, may_appear=(), process=False):
    given = "--path-to-maps dated/early_label.tif dated/late_label.tif "
    given += "--path-to-mosaic out/mosaic_label.tif "
    return Row(MOSAIC, wrong, given + command, message, may_appear, process)


def _evaluate(wrong, command, message, may_appear=(), process=False):
    given = "--path-to-images split_ms/validation --path-to-model models/model.keras "
    given += "--path-to-report report "
    return Row(EVALUATE, wrong, given + command, message, may_appear, process)


def _check(wrong, command, message, may_appear=(), process=False):
    given = "--path-to-map maps/map_label.tif --path-to-image scenes/scene.tif "
    return Row(CHECK, wrong, given + command, message, may_appear, process)


def _compare(wrong, command, message, may_appear=(), process=False):
    given = "--path-to-before dated/early_label.tif --path-to-after dated/late_label.tif "
    given += "--path-to-change out/change.tif --path-to-label-image out/{product}_label.tif "
    return Row(COMPARE, wrong, given + command, message, (*may_appear, LOCKS), process)


def _export(wrong, command, message, may_appear=(), process=False):
    given = "--path-to-model models/model.keras --path-to-patches images "
    given += "--path-to-export out/model.onnx "
    return Row(EXPORT, wrong, given + command, message, may_appear, process)


ROWS = [
    # ---- 00
    _get(
        "unknown data set",
        "--dataset EuroSAT",
        "--dataset expects sample, EuroSAT_RGB, EuroSAT_MS or",
    ),
    _get("misspelt flag", "--datset sample", "unknown flag --datset: did you mean --dataset?"),
    _get("value without a flag", "sample", "unexpected 'sample': every value follows its flag"),
    _get("no patches", "--sample-patches-per-class 0", "must be at least 1", ("data*",)),
    _get("half a patch", "--sample-patches-per-class 0.5", "expects a whole number, got '0.5'"),
    _get("tiny scene", "--sample-scene-size 64", "must be at least 640"),
    _get("negative seed", "--seed -1", "seed is -1; it must be at least 0"),
    _get("data below a file", "--path-to-data letter.txt/data", "letter.txt", process=True),
    _get(
        "a folder of others",
        "--path-to-data data_of_others",
        "scene.tif is there and was not made as a part",
    ),
    _get(
        "archive is an error page",
        "--dataset EuroSAT_RGB --path-to-data data_wrong_zip",
        "EuroSAT_RGB.zip is broken or another file: it has 13 bytes, expected 94,658,721",
    ),
    _get(
        "data set with classes missing",
        "--dataset EuroSAT_RGB --path-to-data data_incomplete",
        "is not the whole EuroSAT",
    ),
    _get(
        "no network",
        "--dataset EuroSAT_RGB --path-to-data empty --retries 0",
        "download that file with a browser, put it at",
    ),
    # ---- 10
    _choose("no map", "", "nowhere.tif", "nowhere.tif", process=True),
    _choose("no window", "--windows 0", "WINDOWS must be 1 or more"),
    _choose("no probabilities", "", "maps/map_probability.tif does not exist; script 06 writes it"),
    _choose(
        "probabilities of another map",
        "--path-to-prob-image scenes/scene.tif",
        "has 80x90 cells, maps/map_label.tif has 10x11",
    ),
    _choose(
        "known windows that are none",
        "--path-to-prob-image maps/map_label.tif --path-to-known empty",
        "is no folder that script 00_cut_patches made",
    ),
    _choose("a map without classes", "", "names no classes", "maps/nameless.tif"),
    # ---- 00, own classes
    _cut("no labels", "", "labels/none.gpkg does not exist", "labels/none.gpkg", process=True),
    _cut(
        "polygons outside the scene", "", "none of the 2 labelled features lies", "labels/far.gpkg"
    ),
    _cut(
        "x and y the wrong way round",
        "--labels-crs EPSG:32632",
        "and x before y?",
        "labels/turned.csv",
    ),
    _cut(
        "degrees without a reference system",
        "",
        "says no coordinate reference system; name it",
        "labels/degrees.shp",
    ),
    _cut(
        "degrees said to be metres",
        "--labels-crs EPSG:32632",
        "none of the 2 labelled features lies on scenes/scene.tif",
        "labels/degrees.shp",
    ),
    _cut("one class", "", "fewer than two classes (Forest)", "labels/one_class.csv"),
    _cut("one class on the scene", "", "patches of Forest only", "labels/one_here.csv"),
    _cut("two spellings", "", "one class in two spellings", "labels/spellings.csv"),
    _cut(
        "overlapping with different classes",
        "",
        "patches of no class only",
        "labels/overlapping.gpkg",
    ),
    _cut(
        "polygons smaller than a window",
        "--least-cover 0.9",
        "patches of no class only",
        "labels/small.gpkg",
    ),
    _cut(
        "scenes of different bands",
        "--path-to-image scenes/scene.tif scenes/named_four.tif",
        "scenes of different bands: scenes/scene.tif has B01",
    ),
    _cut(
        "a band that is not there",
        "--bands B02 B8A --path-to-image scenes/named_four.tif",
        "has no band B8A; it has B02, B03, B04, B08",
    ),
    _cut("a picture", "--path-to-image scenes/photo.tif", 'or set FORMAT = "jpg"'),
    _cut(
        "a scene without a place", "--path-to-image scenes/pisa.png --format jpg", "no georeference"
    ),
    _cut("a patch for a scene", "--path-to-image scenes/patch.tif", "is a patch of 64x64"),
    _cut("all nodata", "--path-to-image scenes/nodata.tif --least-distance 1", "of no class only"),
    _cut("no such attribute", "--class-attribute kind", "has no attribute 'kind'"),
    _cut("broken file of labels", "", "cannot be read as a vector file", "maps/broken.gpkg"),
    _cut("damaged labels of a page", "", "the saved labels are damaged", "maps/labels.json"),
    _cut("a folder of others", "--path-to-patches run_of_others", "was not made by this script"),
    _cut("a file for a folder", "--path-to-patches letter.txt", "is a file"),
    _cut("a folder that is not there", "--path-to-patches a/b/new", "a/b"),
    # ---- 01
    _split(
        "misspelt folder",
        "--path-to-all-images image --path-to-split-datasets new",
        "there is no folder image; did you mean images",
        images="",
        process=True,
    ),
    _split("missing folder", "", "there is no folder nowhere/at_all", images="nowhere/at_all"),
    _split("empty folder", "", "empty holds no images", images="empty"),
    _split("classes without images", "", "holds no images", images="empty_classes"),
    _split("one class", "", "the images of only one class, Forest", images="one_class"),
    _split("images directly in it", "", "has images directly in it", images="flat"),
    _split("a file for a folder", "", "letter.txt is a file", images="letter.txt"),
    _split("nothing to validate", "--fraction-validation 0", "FRACTION_VALIDATION = 0.0: expected"),
    _split("nothing to train", "--fraction-validation 1", "FRACTION_VALIDATION = 1.0: expected"),
    _split("percent for a share", "--fraction-validation 30", "FRACTION_VALIDATION = 30.0"),
    _split("negative share", "--fraction-test -0.1", "FRACTION_TEST = -0.1: expected"),
    _split("no number", "--fraction-test nan", "--fraction-test expects a number, got 'nan'"),
    _split("decimal comma", "--fraction-validation 0,3", "expects a number, got '0,3'"),
    _split("shares above 1", "--fraction-test 0.8", "leave nothing to train on"),
    _split("unknown kind of split", "--split east", "expects random, geographic or places"),
    _split(
        "places of patches without a place",
        "--split places",
        "has no georeference",
        images="photos",
    ),
    _split("all patches in one place", "--split places", "all patches lie in one place"),
    _split("no size of blocks", "--split places --block-size 0", "BLOCK_SIZE must be above 0"),
    _split(
        "an attribute without a table",
        "--split places --place-attribute village",
        "PLACE_ATTRIBUTE = 'village' is no column of patches.csv",
    ),
    _split("flag without a value", "--seed", "--seed needs a value: a whole number"),
    _split("flag with one dash", "--seed 1 -split random", "flags have two dashes"),
    _split(
        "lists that are not there",
        "--split geographic --path-to-split-lists nowhere",
        "PATH_TO_SPLIT_LISTS: there is no folder nowhere",
    ),
    _split(
        "name in two lists",
        "--split geographic --path-to-split-lists lists/overlapping",
        "Forest_1 stands in the lists for train and validation",
    ),
    _split(
        "list missing",
        "--split geographic --path-to-split-lists lists/no_val",
        "no list of names ending in val.txt",
    ),
    _split(
        "list twice",
        "--split geographic --path-to-split-lists lists/twice",
        "has two lists for train; the second is b-train.txt",
    ),
    _split(
        "list is no text",
        "--split geographic --path-to-split-lists lists/binary",
        "a-train.txt is not a text file of image names",
    ),
    _split(
        "lists of other images",
        "--split geographic --path-to-split-lists lists/of_others",
        "no image in images is named in the train list",
    ),
    _split(
        "no georeference", "--split geographic", "needs georeferenced GeoTIFFs", images="photos"
    ),
    _split("split inside the source", "--path-to-split-datasets images/new", "one contains the"),
    _split("split around the source", "--path-to-split-datasets .", "one contains the other"),
    _split("split is the source", "--path-to-split-datasets images/../images", "one contains"),
    _split("no folder for the split", "--path-to-split-datasets a/b", "does not exist"),
    _split("split below a file", "--path-to-split-datasets letter.txt/b", "is a file, not"),
    _split("split is a file", "--path-to-split-datasets letter.txt", "letter.txt"),
    _split(
        "deleting what others made",
        "--path-to-split-datasets photos --delete-old-path-to-split-datasets",
        "photos was not made by this script",
    ),
    _split(
        "deleting what others put in",
        "--path-to-split-datasets split_with_a_letter --delete-old-path-to-split-datasets",
        "holds what this script did not make (letter.txt) and is not deleted",
    ),
    _split(
        "other settings into a split",
        "--path-to-split-datasets split_ms --seed 7",
        "holds a split with other settings: ",
    ),
    # ---- statistics
    _statistics("missing split", "nowhere", "there is no folder nowhere; split the", process=True),
    _statistics("no split", "not_a_split", "there is no folder not_a_split/train"),
    _statistics("truncated patch", "split_ms_cut", "1 of 8 patches cannot be used: ", (CACHE,)),
    _statistics("other size", "split_other_size", "is 65x64 px, expected 64x64", (CACHE,)),
    _statistics("other bands", "split_other_bands", "has 4 bands of uint16, expected 13", (CACHE,)),
    _statistics(
        "folder in the way",
        "split_statistics_in_the_way",
        "cannot write the file split_statistics_in_the_way/statistics.json: there is a folder",
        (CACHE,),
    ),
    Row(
        STATISTICS,
        "all patches truncated",
        "--path-to-split-datasets split_all_cut --skip-bad-patches",
        "none of 8 patches can be used",
        (CACHE,),
    ),
    # ---- 02 to 05
    *(
        _train(script, "missing split", "", "there is no folder nowhere; split", "nowhere")
        for script in (TUNE_RGB, TRAIN_RGB, TUNE_MS, WIDEN)
    ),
    _train(TRAIN_MS, "missing split", "", "there is no folder nowhere", "nowhere", process=True),
    _train(TRAIN_MS, "no split", "", "no folder not_a_split/train", "not_a_split"),
    _train(TRAIN_MS, "no validation part", "", "no_validation/validation", "split_no_validation"),
    _train(TRAIN_RGB, "GPUs that are not there", "--devices 64", "DEVICES = 64, but Keras on"),
    _train(TRAIN_MS, "no devices", "--devices 0", "DEVICES must be 1 or more"),
    _train(TRAIN_RGB, "no processes", "--nodes 0", "NODES must be 1 or more, not 0"),
    _train(TRAIN_MS, "processes on TensorFlow", "--nodes 2", "on JAX only, and Keras is on tensor"),
    _train(TRAIN_RGB, "devices in words", "--devices two", "--devices expects a whole number or"),
    _train(TRAIN_RGB, "no such network", "--network VGG99", "Fully supported: VGG16, DenseNet201"),
    _train(TRAIN_RGB, "network for larger images", "--network Xception", "no such network for"),
    _train(TUNE_RGB, "no such network", "--network vgg16", "Did you mean VGG16?"),
    *(
        Row(
            TAUGHT,
            wrong,
            f"--path-to-split-datasets {split} --path-to-run run {command}",
            message,
            (CACHE,),
        )
        for wrong, split, command, message in (
            ("missing split", "nowhere", "", "there is no folder nowhere; split"),
            ("no such teacher", "split_ms", "--teachers no.keras", "no.keras"),
        )
    ),
    _train(TRAIN_RGB, "share of no class", "--land-shares Mars=1", "classes are", None, (CACHE,)),
    _train(TRAIN_MS, "three views", "--views 3", "VIEWS must be one of 1, 2, 4, 8, not 3"),
    _train(TUNE_RGB, "smaller in use", "--size-in-use 48", "SIZE_IN_USE = 48: expected a multiple"),
    _train(
        TUNE_RGB,
        "smaller in use than learned",
        "--weights eurosat_rgb --network MobileNetV2 --size-in-use 80",
        "SIZE_IN_USE = 80: expected a multiple of 16 px from INPUT_SIZE = 96",
    ),
    _train(
        TUNE_RGB,
        "fine-tuning what has no first block",
        "--epochs 2 --network MobileNetV3Small",
        "not known where the first block of MobileNetV3Small ends",
    ),
    _train(TRAIN_MS, "no such bands", "--bands NDVI", "BANDS = 'NDVI': expected one of RGB, SWIR"),
    _train(TRAIN_MS, "no such band", "--bands B02 B13", "B13"),
    _train(TRAIN_MS, "band twice", "--bands B02 B02", "B02 twice"),
    _train(TRAIN_MS, "no such optimizer", "--optimizer Adadelta", "expected 'AdamW', 'Muon' or"),
    _train(TRAIN_MS, "no such schedule", "--schedule linear", "SCHEDULE = 'linear': expected"),
    _train(TRAIN_MS, "no such precision", "--precision half", "PRECISION = 'half': expected"),
    _train(TRAIN_MS, "no epochs", "--epochs 0", "nothing would be trained: EPOCHS must not"),
    _train(TUNE_MS, "negative epochs", "--epochs-top -1", "EPOCHS_TOP must be 0 or more, not -1"),
    _train(WIDEN, "no epochs at all", "--epochs-top 0", "EPOCHS_TOP and EPOCHS must not be 0"),
    _train(TRAIN_MS, "no batch", "--batch-size 0", "BATCH_SIZE must be 1 or more, not 0"),
    _train(TRAIN_MS, "no patience", "--patience 0", "PATIENCE must be 1 or more, not 0"),
    _train(TRAIN_RGB, "no validation", "--validate-every 0", "VALIDATE_EVERY must be 1 or more"),
    _train(TUNE_RGB, "no validation", "--validate-every 0", "VALIDATE_EVERY must be 1 or more"),
    _train(TUNE_RGB, "more than all", "--histogram-matching 1.5", "must be from 0 to 1, not 1.5"),
    _train(TRAIN_MS, "dropout in percent", "--dropout 20", "DROPOUT must be"),
    _train(TRAIN_MS, "rate of 0", "--learning-rate 0", "LEARNING_RATE must be above 0"),
    _train(TRAIN_RGB, "rate of 0", "--learning-rate 0", "LEARNING_RATE must be above 0"),
    _train(TRAIN_MS, "smoothing in percent", "--label-smoothing 10", "LABEL_SMOOTHING must be"),
    _train(TRAIN_MS, "mosaic of 9 patches", "--mosaic-epochs 1 --mosaic 3", "multiple of"),
    _train(
        TRAIN_MS,
        "larger batch than images",
        "--batch-size 64",
        "BATCH_SIZE = 64, but split_ms has only 8 images to train with: set BATCH_SIZE to 8",
        may_appear=("run*", CACHE),
    ),
    _train(
        TRAIN_MS,
        "truncated TIFF",
        "",
        "cannot be read as an image (the file is truncated)",
        "split_ms_cut",
        may_appear=("run*", CACHE),
    ),
    _train(
        TRAIN_RGB,
        "truncated JPEG",
        "",
        "1 of 8 patches cannot be used: split_rgb_cut/train/River/",
        "split_rgb_cut",
        may_appear=("run*", CACHE),
    ),
    _train(
        TRAIN_MS,
        "photos for 13 bands",
        "",
        "is an 8-bit image of red, green and blue, expected B01, B02",
        "split_rgb",
        may_appear=("run*", CACHE),
    ),
    _train(
        TRAIN_MS,
        "photos for infrared bands",
        "--bands SWIR",
        "is an 8-bit image of red, green and blue, expected B12, B8A, B04: give multispectral",
        "split_rgb",
        may_appear=("run*", CACHE),
    ),
    _train(
        TRAIN_MS,
        "class without training",
        "",
        "has classes that split_other_class/train lacks: Volcano",
        "split_other_class",
        may_appear=("run*", CACHE),
    ),
    _train(TRAIN_MS, "run is a file", "--path-to-run letter.txt", "letter.txt is a file"),
    _train(TRAIN_MS, "run below a file", "--path-to-run letter.txt/run", "letter.txt"),
    _train(TRAIN_MS, "run folder of others", "--path-to-run run_of_others", "holds other files"),
    _train(
        TRAIN_MS,
        "run with other settings",
        "--path-to-run damaged_run",
        "holds a run with other settings: ",
    ),
    _train(TUNE_RGB, "weights not there", "--weights no.h5", "no.h5", may_appear=("run*",)),
    _train(
        TUNE_RGB, "weights no HDF5", "--weights models/weights.h5", "weights.h5", None, ("run*",)
    ),
    _train(
        TUNE_MS,
        "model not there",
        "--weights models/no.keras",
        "there is no model models/no.keras",
        may_appear=("run*",),
    ),
    _train(
        WIDEN,
        "model of another network",
        "--network VGG16 --weights models/model.keras",
        "is a model of MobileNet, not of VGG16",
        may_appear=("run*",),
    ),
    # ---- 06
    _map("scene not there", "--path-to-image no.tif", "no.tif does not exist", process=True),
    _map("model not there", "--path-to-model no.keras", "there is no model no.keras"),
    _map("model is a folder", "--path-to-model models/folder.keras", "is a folder, not a"),
    _map("model is a text", "--path-to-model models/text.keras", "is not a whole .keras file"),
    _map("truncated model", "--path-to-model models/cut.keras", "is not a whole .keras file"),
    _map("foreign model", "--path-to-model models/foreign.keras", "but not one of ours"),
    _map("newer model", "--path-to-model models/newer.keras", "its record has the format 9"),
    _map("no classes", "--path-to-model models/no_classes.keras", "has no 'class_names'"),
    _map("unknown units", "--path-to-model models/units.keras", "units 'reflectance'"),
    _map("no weights", "--path-to-model models/no_weights.keras", "has no model.weights.h5"),
    _map("stride of 0", "--stride 0", "STRIDE must be 1 or more, not 0"),
    _map("no batch", "--batch-size 0", "BATCH_SIZE must be 1 or more"),
    _map("percent for a share", "--min-probability 50", "must lie between 0 and 1, not 50"),
    _map("class of no model", "--absent-classes Vineyard", "'Vineyard' is no class of the model"),
    _map("unknown method", "--method fast", "--method expects auto, windows or dense"),
    _map("unknown type", "--probability-type uint16", "expects uint8 or float32"),
    _map("dense without training", "--method dense", "METHOD = 'dense' is not possible"),
    _map(
        "dense at another stride",
        "--method dense --stride 4 --path-to-model models/dense.keras",
        "it works at strides of 8, 16, 32 px, not 4",
    ),
    _map(
        "unknown engine",
        "--engine torch",
        "--engine expects auto, keras, openvino or onnx, got 'torch'",
    ),
    _map("unknown precision", "--precision half", "--precision expects auto, float32 or bfloat16"),
    _map("same output twice", "--path-to-prob-image out/label.tif", "cannot both be written"),
    _map("picture for a map", "--path-to-label-image out/a.png", "must end in .tif, not 'a.png'"),
    _map("no folder", "--path-to-label-image no/a.tif", "does not exist; make it first"),
    _map("below a file", "--path-to-prob-image letter.txt/a.tif", "letter.txt is a file"),
    _map("output is a folder", "--path-to-label-image out/taken.tif", "there is a folder of that"),
    _map(
        "list with a missing file",
        "--path-to-image scenes/list.txt",
        "scenes/list.txt, line 3: missing.tif or scenes/missing.tif does not exist",
    ),
    _map("pattern of nothing", "--path-to-image no/*.zip", "nothing fits the pattern no/*.zip"),
    _map("no address", "--scheduler 10.0.0.1", "expected None, 'local', or the address of a Dask"),
    _map("no workers", "--scheduler local --workers 0", "WORKERS must be 1 or more, not 0"),
    _map(
        "cluster that does not answer",
        "--scheduler tcp://127.0.0.1:9",
        "SCHEDULER: nothing answers at tcp://127.0.0.1:9",
        process=True,
    ),
    _map("scene twice", "--path-to-image scenes/scene.tif scenes/scene.tif", "an image twice"),
    _map(
        "two scenes, one map",
        "--path-to-image scenes/scene.tif scenes/second.tif",
        "PATH_TO_LABEL_IMAGE must contain {product} for several scenes",
    ),
    _map(
        "patches and scenes",
        "--path-to-image scenes/scene.tif scenes/patch.tif",
        "mixes patches and scenes",
    ),
    _map(
        "map over the scene",
        "--path-to-label-image scenes/scene.tif",
        "the map would be written over scenes/scene.tif, which it is made from",
    ),
    _map(
        "probabilities over the scene",
        "--path-to-prob-image scenes/../scenes/scene.tif",
        "the map would be written over scenes/../scenes/scene.tif",
    ),
    _map(
        "picture of the map over the scene",
        "--path-to-image scenes/pisa.png --path-to-label-image scenes/pisa_label.tif "
        "--path-to-model models/rgb.keras",
        "the map would be written over scenes/pisa.png",
    ),
    _map(
        "polygons over the area",
        "--bounds scenes/area_of_mine.gpkg --path-to-label-image scenes/area_of_mine_label.tif",
        "the map would be written over scenes/area_of_mine.gpkg",
    ),
    _map(
        "same output by another name",
        "--path-to-label-image out/{product}.tif --path-to-prob-image out/scene.tif",
        "labels and probabilities cannot both be written to out/scene.tif",
    ),
    _map(
        "scenes of one name",
        "--path-to-image products/scene.tif scenes/scene.tif --strict --path-to-label-image "
        "out/{product}_l.tif --path-to-prob-image out/{product}_p.tif",
        "2 of 2 scenes could not be mapped, see above",
    ),
    _map(
        "classes that are no names",
        "--path-to-model models/numbers.keras",
        "its record's class_names are not 1 to 254 names: [1, 2]",
    ),
    _map(
        "band twice in a model",
        "--path-to-model models/band_twice.keras",
        "its record's band_names name one twice",
    ),
    _map(
        "damaged statistics in a model",
        "--path-to-model models/no_percentiles.keras",
        "the model's record has damaged statistics of its training data (KeyError('0.1'))",
    ),
    _map("scene under 64 px", "--path-to-image scenes/small.tif", "63x200 pixels, a scene has at"),
    _map("four bands", "--path-to-image scenes/four.tif", "has 4 bands without names"),
    _map("TCI", "--path-to-image scenes/T32TPP_TCI.tif", "is a true colour image (TCI)"),
    _map("8-bit photo", "--path-to-image scenes/photo.tif", "is an 8-bit RGB image"),
    _map("truncated GeoTIFF", "--path-to-image scenes/cut.tif", "cut.tif", process=True),
    _map("noise", "--path-to-image scenes/noise.tif", "cannot be read as an image"),
    _map("nothing in it", "--path-to-image scenes/zero.tif", "cannot be read as an image"),
    _map("web service in disguise", "--path-to-image scenes/web.tif", "cannot be read as an image"),
    _map("VRT with entities", "--path-to-image scenes/entities.vrt", "is no valid VRT"),
    _map("text", "--path-to-image letter.txt", "letter.txt, line 1: dear does not exist"),
    _map("folder without bands", "--path-to-image images", "is no Sentinel-2 product"),
    _map("scene unlike the training data", "--path-to-image scenes/bright.tif --strict", "STRICT"),
    _map("no nodata left", "--path-to-image scenes/nodata.tif --strict", "no valid pixel"),
    _map("clouds without a mask", "--mask-clouds", "has no cloud mask"),
    _map("offset in words", "--radiometric-offset none", "--radiometric-offset expects"),
    _map("bounds elsewhere", "--bounds 0 0 10 10", "lie outside the scene"),
    _map("bounds exchanged", "--bounds 9 9 0 0", "with left < right and bottom < top"),
    _map("three bounds", "--bounds 1,2,3", "1,2,3"),
    _map("area without polygons", "--bounds scenes/area.geojson", "area.geojson"),
    _map("area elsewhere", "--bounds scenes/far.geojson", "outside the scene"),
    _map("area is no vector file", "--bounds scenes/noise.tif", "noise.tif"),
    _map("area not there", "--bounds no.geojson", "no.geojson"),
    _map("band missing", "--path-to-image products/missing", "the file of band B05 is missing"),
    _map("truncated JP2", "--path-to-image products/jp2_cut", "_B03.jp2: is truncated"),
    _map("product without images", "--path-to-image products/no_granule", "has no GRANULE folder"),
    _map("XML with entities", "--path-to-image products/bomb", "is no valid product metadata"),
    _map("offset that is no number", "--path-to-image products/bad_offset", "the offset of B01 is"),
    _map("L2A for 13 bands", "--path-to-image products/l2a", "Level-2A products have no band B10"),
    _map("several granules", "--path-to-image products/old", "choose one with --granule"),
    _map("no such granule", "--path-to-image products/old --granule 33U", "has no granule '33U'"),
    _map("zip of photos", "--path-to-image products/photos.zip", "without a Sentinel-2 product"),
    _map("truncated zip", "--path-to-image products/cut.zip", "is no complete zip"),
    _map("bands of two zones", "--path-to-image products/two_zones", "warp one to the other"),
    _map(
        "8-bit patch for 13 bands",
        "--path-to-image photos/Forest/Forest_1.jpg",
        "has 3 bands of uint8, but the model needs B01, B02",
    ),
    _map(
        "single band",
        "--path-to-image products/two_zones/T32TPP_20180211T102141_B03.tif",
        "is a single band",
    ),
    # ---- 06, many maps
    _mosaic("no such maps", "--path-to-maps no/*.tif", "PATH_TO_MAPS: nothing fits the pattern"),
    _mosaic("map not there", "--path-to-maps no.tif", "PATH_TO_MAPS: no.tif is no file"),
    _mosaic(
        "a map twice",
        "--path-to-maps dated/early_label.tif dated/early_label.tif",
        "PATH_TO_MAPS names a map twice",
    ),
    _mosaic("scene for a map", "--path-to-maps scenes/scene.tif", "is no label map of script 06"),
    _mosaic("damaged map", "--path-to-maps dated/cut_label.tif", "cut_label.tif"),
    _mosaic(
        "no probabilities",
        "--path-to-maps dated/early_label.tif dated/alone_label.tif",
        "its probabilities are missing (dated/alone_probability.tif)",
    ),
    _mosaic(
        "other classes",
        "--path-to-maps dated/early_label.tif dated/other_classes_label.tif",
        "only maps of the same classes in the same order become one",
    ),
    _mosaic(
        "two reference systems",
        "--path-to-maps dated/early_label.tif dated/degrees_label.tif",
        "choose one reference system for all, such as EPSG:3035",
        process=True,
    ),
    _mosaic("no such system", "--mosaic-crs EPSG:99999", "is no coordinate reference system"),
    _map("web address", "--path-to-image s3://a/b.tif", "or set REMOTE = True to have it read"),
    _map("ftp", "--path-to-image ftp://a/b.tif --remote", "ftp:// cannot be read from"),
    _map(
        "address with a key", "--path-to-image https://a/b.tif?k=1 --remote", "with a key, a pass"
    ),
    _map("nobody there", "--path-to-image http://127.0.0.1:9/b.tif --remote", "cannot be reached"),
    _mosaic("system of the web", "--mosaic-crs http://a.b/c", "is a web address"),
    _mosaic("no cells", "--cell 0", "CELL must be above 0, not 0"),
    _mosaic("cells of a grain", "--cell 0.001", "choose larger cells than 0.001"),
    _mosaic("in the place of a map", "--path-to-mosaic dated/stride_label.tif", "is no mosaic"),
    _mosaic("no folder for it", "--path-to-mosaic no/a_label.tif", "does not exist; make it first"),
    _mosaic("no labels", "--path-to-maps dated/nodata_label.tif", "has a label", ("out", "out/*")),
    # ---- 07
    _evaluate("model not there", "--path-to-model no.keras", "there is no model", process=True),
    _evaluate("misspelt folder", "--path-to-images split_ms/validatoin", "did you mean split_ms/"),
    _evaluate("images directly in it", "--path-to-images flat", "images directly in it"),
    _evaluate("empty folder", "--path-to-images empty", "empty holds no images"),
    _evaluate(
        "other classes",
        "--path-to-model models/other_classes.keras",
        "has folders that are no classes of models/other_classes.keras: Forest, River",
    ),
    _evaluate("no batch", "--batch-size 0", "BATCH_SIZE must be 1 or more"),
    _evaluate("report is a file", "--path-to-report letter.txt", "letter.txt"),
    _evaluate("report below a file", "--path-to-report letter.txt/x", "letter.txt"),
    _evaluate(
        "photos for a model of DN",
        "--path-to-images split_rgb/validation",
        "is an 8-bit image of red, green and blue, expected B01, B02",
        (CACHE,),
    ),
    _evaluate("truncated patch", "--path-to-images split_ms_cut/train", "1 of 8 patches", (CACHE,)),
    # ---- 08
    _check("no such map", "--path-to-map no.tif", "no.tif does not exist", process=True),
    _check(
        "map is a scene", "--path-to-map scenes/scene.tif", "is no label map: one band of uint8"
    ),
    _check("map without class names", "--path-to-map maps/nameless.tif", "names no classes"),
    _check("map is truncated", "--path-to-map scenes/cut.tif", "scenes/cut.tif"),
    _check("map is all nodata", "--path-to-map maps/empty_label.tif", "is all nodata"),
    _check("scene not there", "--path-to-image no.tif", "PATH_TO_IMAGE: no.tif does not exist"),
    _check("scene of another place", "--path-to-image maps/far.tif", "lie outside the scene far"),
    _check("interval of 200 %", "--half-width 2", "HALF_WIDTH must lie between 0 and 1, not 2.0"),
    _check("one point a class", "--floor 1", "FLOOR must be 2 or more, not 1"),
    _check("unknown design", "--design systematic", "--design expects stratified or random"),
    _check("folder is a file", "--path-to-check letter.txt", "letter.txt"),
    _check(
        "another sample is there",
        "--path-to-check maps/drawn",
        "maps/drawn/design.json: another sample was drawn there",
    ),
    _check("reference not there", "--reference no.csv", "REFERENCE: no.csv does not exist"),
    _check("reference is the map", "--reference maps/map_label.tif", "REFERENCE is the map itself"),
    _check("reference is a text", "--reference letter.txt", "needs the columns longitude and"),
    _check(
        "classes that do not match",
        "--reference maps/volcanoes.csv",
        "maps/volcanoes.csv has names that are no class: 'Volcano' (2); the classes are Forest",
    ),
    _check(
        "table of other classes",
        "--reference maps/volcanoes.csv --class-table maps/table.csv",
        "the table of classes names Ice; the classes are Forest, River",
    ),
    _check(
        "table without a header",
        "--reference maps/volcanoes.csv --class-table maps/volcanoes.csv",
        "needs the columns reference and class",
    ),
    _check(
        "points outside the map", "--reference maps/outside.csv", "none of its 2 points lies on"
    ),
    _check("coordinates exchanged", "--reference maps/turned.csv", "with x and y exchanged"),
    _check("a coordinate is missing", "--reference maps/hole.csv", "line 3: x and y say no place"),
    _check(
        "no such attribute",
        "--reference maps/outside.csv --class-attribute landcover",
        "has no attribute 'landcover'; it has class",
    ),
    _check("no labelled feature", "--reference scenes/area.geojson", "which attribute holds"),
    _check("raster elsewhere", "--reference maps/far_classes.tif", "does not lie on the map"),
    _check("raster of reflectance", "--reference scenes/scene.tif", "one band of whole numbers"),
    _check("damaged GeoPackage", "--reference maps/broken.gpkg", "cannot be read as a vector file"),
    _check(
        "damaged extract of OSM", "--reference maps/broken.osm.pbf", "cannot be read as OpenStr"
    ),
    _check("damaged labels", "--reference maps/labels.json", "the saved labels are damaged"),
    _check("web address as reference", "--reference maps/web.vrt", "is no valid VRT"),
    Row(
        BASELINE, "missing split", "--path-to-split-datasets nowhere", "there is no folder nowhere"
    ),
    Row(
        BASELINE,
        "no validation part",
        "--path-to-split-datasets split_no_validation --path-to-run run",
        "no_validation/validation",
    ),
    # ---- 09
    _compare(
        "no such map", "--path-to-before no_label.tif", "PATH_TO_BEFORE: no_label.tif does not"
    ),
    _compare(
        "one map twice", "--path-to-after dated/early_label.tif", "a comparison needs two dates"
    ),
    _compare(
        "one date twice",
        "--path-to-after dated/again_label.tif",
        "both show early of 2017-08-01 10:00: there is nothing to compare",
    ),
    _compare(
        "later date first",
        "--path-to-before dated/late_label.tif --path-to-after dated/early_label.tif",
        "let PATH_TO_BEFORE and PATH_TO_AFTER change places",
    ),
    _compare(
        "classes that do not match",
        "--path-to-after dated/other_classes_label.tif",
        "only dated/early_label.tif has River; only dated/other_classes_label.tif has Desert",
    ),
    _compare(
        "another coordinate system",
        "--path-to-after dated/degrees_label.tif",
        "is in WGS 84 / UTM zone 32N, dated/degrees_label.tif in WGS 84: warp one scene",
    ),
    _compare(
        "another stride", "--path-to-after dated/stride_label.tif", "has cells of 80 x 80, dat"
    ),
    _compare("another place", "--path-to-after dated/far_label.tif", "have no cell in common"),
    _compare(
        "probability of the label only",
        "--path-to-after dated/label_only_label.tif",
        "has no probability of Forest, River: make the map again with script 06 and ALL_PROBAB",
    ),
    _compare(
        "no probabilities",
        "--path-to-after dated/alone_label.tif",
        "dated/alone_probability.tif: no such file, and dated/alone_label.tif needs the",
    ),
    _compare(
        "probabilities of another map",
        "--path-to-after dated/other_grid_label.tif",
        "lies on another grid than dated/other_grid_label.tif",
    ),
    _compare(
        "map is truncated",
        "--path-to-after dated/cut_label.tif",
        "dated/cut_label.tif: is damaged or truncated",
    ),
    _compare(
        "probabilities are truncated",
        "--path-to-after dated/cut_values_label.tif",
        "dated/cut_values_probability.tif: is damaged or truncated",
    ),
    _compare(
        "settings are damaged",
        "--path-to-after dated/settings_label.tif",
        "settings_settings.json is not valid JSON",
    ),
    _compare(
        "map is all nodata", "--path-to-after dated/nodata_label.tif", "no cell has data in both"
    ),
    _compare(
        "map of change", "--path-to-after dated/change.tif", "is a map of change; name a label"
    ),
    _compare("no georeference", "--path-to-after dated/nowhere_label.tif", "has no georeference"),
    _compare(
        "map is a text", "--path-to-after letter.txt", "letter.txt: cannot be read as an image"
    ),
    _compare(
        "a patch for a scene", "--path-to-after scenes/patch.tif", "is a patch of 64x64 pixels"
    ),
    _compare(
        "scene without a model",
        "--path-to-after scenes/scene.tif --path-to-model no.keras",
        "there is no model no.keras",
    ),
    _compare(
        "scene of another place",
        "--path-to-after maps/far.tif --path-to-model models/rgb.keras",
        "has cells of 80 x 80, maps/far.tif of 640 x 640",
    ),
    _compare(
        "model of other classes",
        "--path-to-after scenes/scene.tif --path-to-model models/other_classes.keras",
        "only scenes/scene.tif has Ice, Sand",
    ),
    _compare(
        "share in percent", "--most-false 25", "MOST_FALSE must lie between 0 and 1, not 25.0"
    ),
    _compare("probability in percent", "--threshold 90", "THRESHOLD must be above 0 and at most 1"),
    _compare("area below 0", "--min-area -1", "MIN_AREA must be 0 or more hectares, not -1.0"),
    _compare("no stable cells", "--stable-share 0", "STABLE_SHARE must lie between 0 and 1, not 0"),
    _compare(
        "group of nothing", "--groups fields", "GROUPS: 'fields' is no group; write name=Class"
    ),
    _compare("class in two groups", "--groups a=River b=River", "River is in two groups, a and b"),
    _compare("misspelt class", "--groups a=Rivr,Forest", "no class 'Rivr'; did you mean River?"),
    _compare(
        "one stable map",
        "--path-to-stable dated/early_label.tif",
        "PATH_TO_STABLE needs two label maps of one place",
    ),
    _compare(
        "stable map missing",
        "--path-to-stable dated/early_label.tif no.tif",
        "PATH_TO_STABLE: no.tif does not exist",
    ),
    _compare(
        "stable maps of another stride",
        "--path-to-stable dated/early_label.tif dated/stride_label.tif",
        "dated/stride_label.tif of 160 x 160",
    ),
    _compare(
        "no such scene", "--path-to-scene-before no.tif", "PATH_TO_SCENE_BEFORE: no.tif does not"
    ),
    _compare(
        "one scene for both dates",
        "--path-to-scene-before scenes/scene.tif --path-to-scene-after scenes/scene.tif",
        "the scenes of both dates are scenes/scene.tif",
    ),
    _compare(
        "scene is truncated",
        "--path-to-scene-before scenes/cut.tif --path-to-scene-after scenes/scene.tif",
        "scenes/cut.tif: cannot be read (damaged or truncated)",
    ),
    _compare(
        "change is no TIFF", "--path-to-change out/change.png", "PATH_TO_CHANGE must end in .tif"
    ),
    _compare(
        "change over a map", "--path-to-change dated/late_label.tif", "would be written over", ()
    ),
    _compare(
        "change is a folder", "--path-to-change out/taken.tif", "cannot write the file out/taken"
    ),
    _compare(
        "unknown flag", "--path-to-later dated/late_label.tif", "unknown flag --path-to-later"
    ),
    # ---- 12
    _export(
        "no such model", "--path-to-model no.keras", "there is no model no.keras", process=True
    ),
    _export("model of others", "--path-to-model models/foreign.keras", "but not one of ours"),
    _export("model is truncated", "--path-to-model models/cut.keras", "is not a whole .keras file"),
    _export(
        "unknown format", "--format tensorflowjs", "expects onnx, litert, openvino, saved_model"
    ),
    _export(
        "precision that it does not have",
        "--format saved_model --precision int8",
        "is made with PRECISION = 'float32', not 'int8'",
    ),
    _export("no batch", "--batch 0", "BATCH must be 1 or more, or None for a free one, not 0"),
    _export("odd stride", "--dense-stride 10", "DENSE_STRIDE = 10: expected 8, 16 or 32"),
    _export("size without a stride", "--image-size 512", "IMAGE_SIZE is for the dense form"),
    _export(
        "odd size", "--dense-stride 8 --image-size 500", "a multiple of 64 px, 512 say, not 500"
    ),
    _export(
        "ending of another format",
        "--path-to-export out/model.tflite",
        "PATH_TO_EXPORT must end in .onnx for FORMAT = 'onnx'",
    ),
    _export(
        "folder not there", "--path-to-export nowhere/m.onnx", "nowhere does not exist; make it"
    ),
    _export("no such patches", "--path-to-patches nowhere", "there is no folder nowhere"),
    _export(
        "too few patches", "--path-to-patches one_class", "has 6 patches; to compare an export"
    ),
    _export("few patches wanted", "--patches 4", "PATCHES must be 16 or more, not 4"),
    _export(
        "patches not known",
        "--path-to-patches None",
        "PATH_TO_PATCHES: name a folder of patches to compare the export on",
    ),
    _export(
        "no runtime for the page",
        "--format browser --path-to-export out/page --path-to-web-runtime empty",
        "PATH_TO_WEB_RUNTIME: empty has no ort.wasm.bundle.min.mjs",
    ),
    _export(
        "page over a folder of others",
        "--format browser --path-to-export run_of_others",
        "run_of_others is there and is no export",
    ),
]
