"""Saved models: a `.keras` file that also says what it was trained on and how.

The record is JSON in one more member of the zip file, so that model and record cannot be parted.
"""

import json
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landuse import files, quick_starts
from landuse.networks import foreign_models

if TYPE_CHECKING:
    import keras

RECORD_MEMBER = "landuse.json"
RECORD_FORMAT = 1
_KERAS_MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
_LARGEST_RECORD = 64 << 20  # bytes; ours have some ten thousand
SEVERAL_LABELS = "labels"  # the task of a model that gives a patch several
_MOST_CLASSES = 254  # labels are uint8, 255 is nodata, and "uncertain" may come to the classes
_KINDS = {
    "class_names": list,
    "band_names": list,
    "units": str,
    "patch_size": int,
    "statistics": dict,
    "network": str,
}


def save(model: "keras.Model", record: dict[str, Any], path: str | Path) -> None:
    """Write a model and its record as one file, whole or not at all.

    Parameters
    ----------
    model : keras.Model
        Its optimizer is not written: it would treble the file, and custom schedules would keep
        it from being loaded.
    record : dict
        What `read_record` gives back; see the fields there.
    path : str or Path
        File to write or replace; it must end in `.keras`.

    Raises
    ------
    ValueError
        If the record misses something or the ending is another.
    OSError
        If the file cannot be written.
    """
    import keras

    if Path(path).suffix != ".keras":
        raise ValueError(f"{path}: the name of a model file must end in .keras")
    record = {"format": RECORD_FORMAT, **record}
    _check_record(record, path)
    bare = keras.Model(model.input, model.output, name=model.name)
    with files.atomic_path(path) as temporary:
        bare.save(temporary)
        with zipfile.ZipFile(temporary, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(RECORD_MEMBER, json.dumps(record, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def load(path: str | Path) -> tuple["keras.Model", dict[str, Any]]:
    """Read a model that `save` wrote; code inside a file is never run.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    model : keras.Model
        Ready to predict, not to train; (batch, rows, columns, bands) raw pixel values to
        probabilities.
    record : dict
        See `read_record`.

    Raises
    ------
    ValueError
        If the file is truncated, is not one of ours, or holds code (a Lambda layer).
    OSError
        If it is not there or cannot be read.
    """
    record = read_record(path)
    _check_whole(path)
    import keras

    from landuse.networks import measurements, pixel_layers, views  # noqa: F401  known before

    try:
        with quick_starts.no_collecting():
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        written = foreign_models.version_of_keras(path)
        if foreign_models.is_later(written, keras.__version__):
            raise ValueError(
                f"{path} was written by Keras {written}, and here is Keras {keras.__version__}, "
                "which cannot read it: pip install --upgrade keras, or train the model here"
            ) from error
        raise ValueError(f"{path} cannot be loaded as a model: {reason}") from error
    _check_shapes(model, record, path)
    # Left uncompiled, Keras predicts with XLA on TensorFlow even without a GPU, and a first call
    # of DenseNet201 then takes minutes.
    model.compile(jit_compile="auto")
    return model, record


def _check_whole(path: str | Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path} is damaged ({error}): copy or train it again") from error
    if broken:
        raise ValueError(f"{path} is damaged (in {broken}): copy or train it again")


def _check_shapes(model: "keras.Model", record: dict[str, Any], path: str | Path) -> None:
    bands, classes = len(record["band_names"]), len(record["class_names"])
    shapes = [tuple(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    if len(shapes) != 2 or shapes[0][-1] != bands or shapes[1][-1] != classes:
        raise ValueError(
            f"{path}: its record tells of {bands} bands and {classes} classes, but the model has "
            f"inputs and outputs of the shapes {shapes}"
        )


def read_record(path: str | Path) -> dict[str, Any]:
    """Read what a model was trained on, without loading Keras or the model.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict
        With "format", "class_names" (in the order of the probabilities), "band_names" (in the
        order of the input), "units" ("DN", or "rgb8" for 1..255), "patch_size" (pixels),
        "statistics" (of the training data), "network", "weights" (their origin, None for
        random), "dense" (whether trained for dense maps), "task" ("pixels" for a model that
        classifies pixels, "labels" for one that gives patches several labels; others have
        none), "thresholds" (of several labels, from which on each counts), "processing_level",
        "built_in_sample" (whether the training data were that; older models do not say),
        "run" (name of the run folder) and "split" (see `split_identity.identity`; older models
        have neither),
        "conformal" (thresholds of prediction sets, see `prediction_sets`; older models have none),
        "settings", "versions", "results".

    Raises
    ------
    ValueError
        If the file is not one of our models.
    OSError
        If it is not there or cannot be read.
    """
    foreign_models.check_kind(path)
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"there is no model {path}; a training script (02 to 05) makes one, in its run folder"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            missing = [name for name in _KERAS_MEMBERS if name not in archive.namelist()]
            if missing:
                raise ValueError(f"{path} is not a Keras model: it has no {', '.join(missing)}")
            record = _read_member(archive, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(
            f"{path} is not a whole .keras file ({error}): it was cut short or is something else"
        ) from error
    _check_record(record, path)
    return record


def is_of_pixels(record: dict[str, Any]) -> bool:
    """Tell whether a model classifies pixels (script 11), not patches."""
    return record.get("task") == "pixels"


def has_several_labels(record: dict[str, Any]) -> bool:
    """Tell whether a model gives a patch several labels (script 10), not one class."""
    return record.get("task") == SEVERAL_LABELS


def check_gives_one_class(record: dict[str, Any], path: str | Path, instead: str) -> None:
    """Raise a ValueError for a model that gives several labels, where one class is needed.

    Parameters
    ----------
    record : dict
    path : str or Path
        Of the model.
    instead : str
        What to do.
    """
    if has_several_labels(record):
        raise ValueError(
            f"{path} gives a patch several labels (script 10), and here one class is needed: "
            f"{instead}"
        )


def check_is_of_patches(record: dict[str, Any], path: str | Path, instead: str) -> None:
    """Raise a ValueError for a model that classifies pixels, where one of patches is needed.

    Parameters
    ----------
    record : dict
    path : str or Path
        Of the model.
    instead : str
        What to do.
    """
    if is_of_pixels(record):
        raise ValueError(
            f"{path} classifies pixels (script 11), and here a model of patches is needed: "
            f"{instead}"
        )


def _read_member(archive: zipfile.ZipFile, path: str | Path) -> Any:
    if RECORD_MEMBER not in archive.namelist():
        raise ValueError(
            f"{path} is a Keras model, but not one of ours: it has no record of its classes and "
            "bands. Train one with the scripts 02 to 05"
        )
    if archive.getinfo(RECORD_MEMBER).file_size > _LARGEST_RECORD:
        raise ValueError(f"{path}: its record is too large to be one of ours")
    try:
        return json.loads(archive.read(RECORD_MEMBER))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: its record is not JSON ({error})") from error


def _check_names(names: list[Any], whose: str, most: int) -> None:
    if not 1 <= len(names) <= most or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{whose} are not 1 to {most} names: {str(names)[:100]}")
    if len(set(names)) < len(names):
        raise ValueError(f"{whose} name one twice: {str(names)[:100]}")


def _check_record(record: Any, path: str | Path) -> None:
    if not isinstance(record, dict) or record.get("format") != RECORD_FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise ValueError(
            f"{path}: its record has the format {found!r}, this version knows {RECORD_FORMAT}"
        )
    for name, kind in _KINDS.items():
        if not isinstance(record.get(name), kind):
            raise ValueError(f"{path}: its record has no {name!r} ({kind.__name__} expected)")
    _check_names(record["class_names"], f"{path}: its record's class_names", _MOST_CLASSES)
    _check_names(record["band_names"], f"{path}: its record's band_names", _MOST_CLASSES)
    if record["units"] not in ("DN", "rgb8"):
        raise ValueError(f"{path}: its record has units {record['units']!r}, not 'DN' or 'rgb8'")
