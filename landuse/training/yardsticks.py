"""A linear classifier on fixed measurements: the yardstick that a network has to beat.

It learns from the same training images in seconds, so what a network gains over it is known for
every split. The one of a split is kept beside its decoded patches and used again.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from landuse import files
from landuse.evaluation import measures, predictions
from landuse.networks import catalogue, measurements, model_files
from landuse.patches import file_contents
from landuse.training import linear_classifiers, training_data

FILE = "yardstick.keras"  # in the run folder of a network
VERSION = 1  # of measurements and choice: another one is not used again
FOR_LEVELS = 300  # training images that the levels of the ratios are taken from
BATCH_SIZE = 64
SEED = 0


def train(
    data: training_data.Data, seed: int = SEED
) -> tuple[keras.Model, linear_classifiers.LinearClassifier]:
    """Measure the training images and fit the classifier.

    Parameters
    ----------
    data : Data
        Only its training part is used.
    seed : int
        Of the cross-validation that chooses the regularisation.

    Returns
    -------
    model : keras.Model
        Raw pixels (batch, 64, 64, bands) to class probabilities.
    classifier : LinearClassifier
    """
    patches = data.train.patches
    some = np.unique(np.linspace(0, len(patches) - 1, FOR_LEVELS).astype(int))
    pairs = measurements.band_pairs(data.band_names)
    levels = measurements.ratio_levels(np.asarray(patches[some]), data.units, pairs)
    measuring = measurements.measuring_model(data.units, pairs, levels, len(data.band_names))
    measuring.compile(jit_compile="auto")
    measured = predictions.predict(measuring, patches, BATCH_SIZE)
    classifier = linear_classifiers.fit(measured, data.train.labels, len(data.class_names), seed)
    model = measurements.with_linear_top(measuring, classifier.weights, classifier.biases)
    model.compile(jit_compile="auto")
    return model, classifier


def record_of(
    record: Mapping[str, Any], classifier: linear_classifiers.LinearClassifier
) -> dict[str, Any]:
    """Give the record of the yardstick, from that of a run on the same images.

    Its dense form is exact, so that it may always be used.
    """
    results = {
        "classifier": classifier.name,
        "cross_validated_accuracy": classifier.expected_accuracy,
        **record.get("results", {}),
    }
    own = {"network": catalogue.BASELINE, "weights": None, "dense": True, "mosaic": 1}
    return {**record, **own, "results": results}


def beside(run_folder: str | Path, data: training_data.Data, record: Mapping[str, Any]) -> Path:
    """Put the yardstick for the images of a run into its folder, trained or from the split.

    Parameters
    ----------
    run_folder : str or Path
    data : Data
    record : mapping
        Of the run's model.

    Returns
    -------
    Path
        The model file.
    """
    kept = _cache(data)
    target = Path(run_folder) / FILE
    if not _is_good(kept):
        print("training the yardstick, a linear classifier on fixed measurements ...")
        model, classifier = train(data)
        model_files.save(
            model, {**record_of({**record, "results": {}}, classifier), "settings": {}}, kept
        )
    with files.atomic_path(target) as temporary:
        shutil.copyfile(kept, temporary)
    return target


def _cache(data: training_data.Data) -> Path:
    """Name the file that keeps the yardstick of a split, by its images, classes and bands."""
    images = data.train.files
    split = images[0].parents[2]
    contents = file_contents.digest(images)
    text = json.dumps([VERSION, data.class_names, data.band_names, data.units, contents])
    folder = split / ".cache"
    folder.mkdir(exist_ok=True)
    return folder / f"yardstick-{hashlib.sha256(text.encode()).hexdigest()[:16]}.keras"


def _is_good(path: Path) -> bool:
    try:
        return bool(model_files.read_record(path))
    except (OSError, ValueError):
        return False


def accuracy(path: str | Path, patches: Any, labels: np.ndarray, units: str) -> measures.Interval:
    """Measure a yardstick on images.

    Parameters
    ----------
    path : str or Path
        Its model file.
    patches : array of shape (N, 64, 64, bands), uint8 or uint16
    labels : ndarray of shape (N,), int
    units : {"DN", "rgb8"}
        What it takes.

    Returns
    -------
    dict
        "value", "low", "high": the share that is right, with its 95 % interval.
    """
    model, _ = model_files.load(path)
    answers = predictions.predict(model, patches, BATCH_SIZE, units=units).argmax(axis=1)
    return measures.wilson_interval(int(np.sum(answers == labels)), len(labels))
