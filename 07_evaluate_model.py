"""Script 07: measure how well a trained model classifies a folder of labelled patches.

Nothing is trained. Right are the classes of the folders, which must be classes of the model. One
that was trained on mosaics at the end is measured in mosaics, as in its own report.

Reads    PATH_TO_MODEL: a model.keras that a training script wrote, or eurosat_rgb, the one that
         comes with these scripts; it knows its bands and classes, and the split it was trained on
         PATH_TO_IMAGES: a folder with a folder for each class, as the parts of a split have it
Writes   PATH_TO_REPORT (by default beside the model, as evaluation_validation/ or so, and for
         eurosat_rgb in runs/eurosat_rgb/):
         report.md and report.json: accuracy, balanced accuracy, F1, kappa, precision and recall
         of each class with 95 % intervals, and the calibration error;
         confusion_matrix.png, reliability.png, worst_confusions.png
         model.html beside the model: its card, classes with example patches, confusions,
         calibration, and where these were measured
         Of a model of script 10, which gives several labels: report.md and report.json with F1 and
         average precision, and together.png; PATH_TO_IMAGES is then a folder of BigEarthNet
Run      python 07_evaluate_model.py
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse import command_line, files
from landuse.networks import model_files, shipped
from landuse.patches import class_folders, patch_cache, split_marker

if TYPE_CHECKING:
    from landuse.evaluation.measured_images import MeasuredImages

# Paths
PATH_TO_MODEL: str | None = None  # model.keras, or eurosat_rgb; None: newest of runs/, or that
PATH_TO_IMAGES: str | None = None  # folder with a folder for each class; None: the test part of the
# model's own split, or the validation part where there is none
PATH_TO_REPORT: str | None = None  # folder for the report; None: beside the model, by its part
MODEL_PAGE = True  # also write model.html beside the model: a page on it, for other people
SKIP_BAD_PATCHES = False  # leave damaged images out instead of stopping

CALIBRATE = False  # write the thresholds of prediction sets, found by these images, into the model

# What the report says
PART: str | None = None  # what the images are, "test" say; None: the name of their folder

# Computing
BATCH_SIZE = 64  # images per call of the network
SEED = 0  # of the bootstrap that gives the intervals of F1 and kappa


def main() -> None:
    """Classify the images, compare with their folders, write the report."""
    if BATCH_SIZE < 1:
        raise ValueError(f"BATCH_SIZE must be 1 or more, not {BATCH_SIZE}")
    path_to_model = shipped.find_model(PATH_TO_MODEL)
    record = model_files.read_record(path_to_model)
    model_files.check_is_of_patches(
        record, path_to_model, "how right it is stands in the report beside it"
    )

    if model_files.has_several_labels(record):
        measure_several_labels(path_to_model, record)
        return

    from landuse.evaluation import (
        measured_images,
        model_pages,
        prediction_sets,
        predictions,
        reports,
        verdicts,
    )

    measured = measured_images.find(record, path_to_model, PATH_TO_IMAGES, PART)
    images = class_folders.find_images(measured.folder, least_classes=1)
    check_classes(images, record["class_names"], measured.folder, path_to_model)
    print(f"model: {path_to_model}\nimages: {measured.describe()}", flush=True)
    part = measured.part
    if CALIBRATE and (measured.learned or part == "training"):
        raise ValueError(
            "CALIBRATE needs images that the model did not learn from, as those of the validation "
            f"part; {measured.folder} are training images"
        )
    if CALIBRATE and shipped.is_shipped(path_to_model):
        raise ValueError(
            f"CALIBRATE writes into the model, and {path_to_model} comes with these scripts: copy "
            "it and name the copy (PATH_TO_MODEL)"
        )
    beside = shipped.folder_beside(path_to_model)
    folder = reports.make_folder(PATH_TO_REPORT or beside / f"evaluation_{measured.name}")
    page = beside / "model.html"
    if MODEL_PAGE:
        files.check_can_write(page)
    with files.lock(folder, "writing the report"):
        everything = [image for members in images.values() for image in members]
        patches, paths = patch_cache.open_good_patches(
            everything,
            record["band_names"],
            skip_bad=SKIP_BAD_PATCHES,
            order=split_marker.order_of(measured.folder.parent),
        )
        check_units(patches, record, measured.folder, path_to_model)

        model, _ = model_files.load(path_to_model)
        mosaic = predictions.mosaic_of(record)
        probabilities = predictions.predict(model, patches, BATCH_SIZE, mosaic, record["units"])
        labels = np.array([record["class_names"].index(path.parent.name) for path in paths])
        conformal = record.get("conformal")
        if CALIBRATE:
            conformal = prediction_sets.calibrate(probabilities, labels, part)
        report = reports.write_report(
            folder,
            probabilities,
            labels,
            record["class_names"],
            files=paths,
            part=part,
            patches=patches,
            band_names=record["band_names"],
            title=f"{record['network']} ({path_to_model}) on {measured.folder}"
            + among_others(mosaic),
            note=note_of(measured, record["network"]),
            yardstick=measure_yardstick(path_to_model, patches, labels, record["class_names"]),
            seed=SEED,
            conformal=conformal,
            condition=measured.condition,
            learned=measured.learned,
        )
        if CALIBRATE:
            # so that maps can have prediction sets, and script 06 their size as a band
            model_files.save(model, {**record, "conformal": conformal}, path_to_model)
        if MODEL_PAGE:
            where = "/".join(measured.folder.parts[-2:])  # not where it lies on this machine
            model_pages.write_model_page(page, record, report, patches, labels, where)
    print_summary(report)
    print("\n".join(verdicts.lines_of(report["verdict"])))
    if MODEL_PAGE:
        print(f"page on the model: {page}")
    print(f"report: {folder / 'report.md'}")


def measure_several_labels(path_to_model: Path, record: dict[str, Any]) -> None:
    """Measure a model that gives several labels, and write its report."""
    from landuse.evaluation import reports
    from landuse.multilabel import label_evaluation

    if CALIBRATE:
        raise ValueError(
            "CALIBRATE is for models of one class; those of several labels have thresholds, which "
            "script 10 finds on the validation part"
        )
    measured = label_evaluation.find(record, path_to_model, PATH_TO_IMAGES, PART)
    print(f"model: {path_to_model}\npatches: {measured.describe()}", flush=True)
    data = label_evaluation.read_data(measured, record, SKIP_BAD_PATCHES)
    name = measured.name(measured.part or data.measured)
    folder = reports.make_folder(PATH_TO_REPORT or path_to_model.parent / f"evaluation_{name}")
    with files.lock(folder, "writing the report"):
        label_evaluation.write_report(folder, measured, data, path_to_model, BATCH_SIZE)


def check_classes(
    images: Mapping[str, Sequence[Path]],
    class_names: Sequence[str],
    folder: Path,
    path_to_model: Path,
) -> None:
    """Raise a ValueError when there are images of classes that the model does not know."""
    unknown = [name for name in images if name not in class_names]
    if unknown:
        raise ValueError(
            f"{folder} has folders that are no classes of {path_to_model}: "
            f"{', '.join(unknown)}; the model knows {', '.join(class_names)}"
        )


def check_units(
    patches: np.ndarray, record: Mapping[str, Any], folder: Path, path_to_model: Path
) -> None:
    """Raise a ValueError when the model needs DN and the patches have 8 bits."""
    if record["units"] == "DN" and patches.dtype == np.uint8:
        raise ValueError(
            f"{folder} holds images of 8 bits, but {path_to_model} was trained on DN "
            f"(uint16) of {len(record['band_names'])} bands; give it multispectral patches"
        )


def note_of(measured: "MeasuredImages", network: str) -> str | None:
    """Say what the images mean for the figures; None: what their part alone says."""
    from landuse.evaluation import reports

    if measured.note is None:
        return reports.note_of(measured.part, network)
    return f"{measured.note[0].upper()}{measured.note[1:]}."


def measure_yardstick(
    path_to_model: Path, patches: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> dict[str, float | None] | None:
    """Measure the linear classifier that training left beside the model, if it did."""
    path = path_to_model.parent / "yardstick.keras"
    if path_to_model.name == path.name or not path.is_file():
        return None
    from landuse.training import yardsticks

    record = model_files.read_record(path)
    if record["class_names"] != list(class_names):
        return None
    return yardsticks.accuracy(path, patches, labels, record["units"])


def among_others(mosaic: int) -> str:
    """Say that patches were classified among others, as the model was trained at the end."""
    return f" in mosaics of {mosaic} x {mosaic} patches" if mosaic > 1 else ""


def print_summary(report: Mapping[str, Any]) -> None:
    """Print the most important figures."""
    print(f"{report['images']:,} images of the {report['part']} part")
    for name, title in (
        ("accuracy", "accuracy"),
        ("balanced_accuracy", "balanced accuracy"),
        ("macro_f1", "macro F1"),
    ):
        print(f"  {title:18} {100 * report[name]['value']:6.2f} %")
    if report["yardstick"]:
        print(f"  {'yardstick':18} {100 * report['yardstick']['value']:6.2f} % accuracy")
    error = report["calibration"]["expected_calibration_error"]
    print(f"  {'calibration error':18} {100 * error:6.2f} %")


if __name__ == "__main__":
    command_line.run(main, globals())
