"""Everything about a training run that is not the lesson: data, rates, precision, resuming.

A run lives in a folder of its own. After every epoch it holds a whole state (weights, optimizer,
best score, patience, history), so a run that was killed at any moment goes on from its last
finished epoch when it is started again.
"""

import contextlib
import hashlib
import importlib.util
import json
import math
import platform
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

import image_functions
from landuse import datasets, dense, devices, files, fusing, model_files

ops = keras.ops

MONITOR = "val_accuracy"
AUGMENTATION = (
    "rotation_range",
    "horizontal_flip",
    "vertical_flip",
    "symmetries",
    "brightness_range",
    "contrast_range",
    "mixup",
)
OPTIMIZERS = ("AdamW", "SGD")
SCHEDULES = ("cosine", "one_cycle", "constant")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
FREE_SETTINGS = ("WORKERS", "PATH_TO_RUN")  # they change nothing about the result
_STATE = "state.npz"
_SETTINGS = "settings.json"


# --- data -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """The images of one part of a split.

    Parameters
    ----------
    patches : array of shape (N, rows, columns, bands), uint8 or uint16
    labels : ndarray of shape (N,), int64
    files : list of Path
    """

    patches: Any
    labels: np.ndarray
    files: list[Path]


@dataclass(frozen=True)
class Data:
    """What is trained on and measured with.

    Parameters
    ----------
    train, validation : Part
    class_names, band_names : list of str
    units : str
        "DN" or "rgb8".
    statistics : dict
        Of the pixels of the training part, per band.
    test : Part, optional
        Images that nothing is decided by.
    built_in_sample : bool
        Whether the images are the made ones of the built-in sample.
    """

    train: Part
    validation: Part
    class_names: list[str]
    band_names: list[str]
    units: str
    statistics: dict
    test: Part | None = None
    built_in_sample: bool = False

    def steps(self, batch_size: int) -> int:
        """Count the steps of one pass over the training images."""
        return math.ceil(len(self.train.labels) / batch_size)

    def one_hot_labels(self, part: str) -> np.ndarray:
        """Give the labels of a part, of shape (N, classes), float32."""
        return np.eye(len(self.class_names), dtype="float32")[getattr(self, part).labels]

    def class_weights(self) -> np.ndarray:
        """Weight of each training image such that all classes weigh the same; float32."""
        return class_weights(self.train.labels, len(self.class_names))

    def batches(self, part: str, batch_size: int, mosaic: int = 1) -> Any:
        """Batches of a part, without augmentation, always in the order of `order_of`."""
        images = getattr(self, part)
        order = order_of(len(images.labels), mosaic)
        patches: Any = images.patches if mosaic == 1 else _Reordered(images.patches, order)
        return image_functions.simple_image_generator(
            patches,
            labels=self.one_hot_labels(part)[order],
            batch_size=batch_size,
            mosaic=mosaic,
            shuffle=False,
        )


def order_of(count: int, mosaic: int) -> np.ndarray:
    """Order in which images are measured: that of their files, or one drawn for mosaics.

    Files come class by class. A mosaic of one class would tell the network more about each of its
    patches than it can know.

    Parameters
    ----------
    count : int
        Images.
    mosaic : int
        1, or K for mosaics of K x K images.

    Returns
    -------
    ndarray of shape (count,), int64
    """
    return np.arange(count) if mosaic == 1 else np.random.default_rng(0).permutation(count)


class _Reordered:
    """Patches in another order, read when they are asked for."""

    def __init__(self, patches: Any, order: np.ndarray) -> None:
        self.patches = patches
        self.order = order
        self.shape = patches.shape

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, indices: Any) -> Any:
        return self.patches[self.order[indices]]


def augmented_batches(data: Data, settings: Mapping[str, Any], mosaic: int = 1) -> Any:
    """Make the batches to train with, by the constants of a script.

    Parameters
    ----------
    data : Data
    settings : mapping
        The constants of the script by their names: BATCH_SIZE, those of the augmentation,
        CLASS_WEIGHTS, SEED, WORKERS.
    mosaic : int
        K: laid out as mosaics of K x K images. 1: not.

    Returns
    -------
    keras.utils.PyDataset
        See `image_functions.simple_image_generator`.
    """
    names = ("batch_size", *AUGMENTATION, "seed", "workers")
    return image_functions.simple_image_generator(
        data.train.patches,
        labels=data.one_hot_labels("train"),
        sample_weights=data.class_weights() if settings["CLASS_WEIGHTS"] else None,
        mosaic=mosaic,
        **{name: settings[name.upper()] for name in names},
    )


def read_data(
    path_to_split: str, bands: str | Sequence[str], batch_size: int, skip_bad: bool = False
) -> Data:
    """Open the parts of a split and take the statistics of its training part.

    Parameters
    ----------
    path_to_split : str
        Folder that step 01 made.
    bands : str or sequence of str
        A name of `image_functions.BAND_COMBINATIONS`, or band names.
    batch_size : int
    skip_bad : bool
        Leave bad patches out instead of stopping.

    Raises
    ------
    ValueError
        If there are fewer images than a batch, or a part has classes that train/ lacks.
    """
    band_names = _band_names(bands)
    train, class_names = _read_part(path_to_split, "train", band_names, skip_bad)
    validation, _ = _read_part(path_to_split, "validation", band_names, skip_bad)
    _say_what_is_missing(validation.labels, class_names)
    has_test = any((Path(path_to_split) / "test").glob("*/*"))
    test = _read_part(path_to_split, "test", band_names, skip_bad)[0] if has_test else None
    _check_batch_size(batch_size, len(train.labels), path_to_split)
    statistics = _statistics(path_to_split, train.patches, band_names)
    units = statistics["units"]
    if units == "DN" and band_names == list(image_functions.BANDS_RGB):
        used = ", ".join(band_names)
        print(f"note: {path_to_split} has multispectral patches; only {used} of them are used")
    sample = datasets.is_split_of_sample(path_to_split)
    return Data(train, validation, class_names, band_names, units, statistics, test, sample)


def _read_part(
    path_to_split: str, part: str, band_names: Sequence[str], skip_bad: bool
) -> tuple[Part, list[str]]:
    patches, labels, class_names, names = datasets.load_part(
        path_to_split, part, band_names, skip_bad=skip_bad
    )
    return Part(patches, labels, list(names)), list(class_names)


def _say_what_is_missing(labels: np.ndarray, class_names: Sequence[str]) -> None:
    missing = [name for index, name in enumerate(class_names) if index not in labels]
    if missing:
        print(f"no validation images of {', '.join(missing)}: their accuracy will not be known")


def _check_batch_size(batch_size: int, count: int, path_to_split: str) -> None:
    if batch_size < 1:
        raise ValueError(f"BATCH_SIZE must be 1 or more, not {batch_size}")
    if count < batch_size:
        raise ValueError(
            f"BATCH_SIZE = {batch_size}, but {path_to_split} has only {count} images to train "
            f"with: set BATCH_SIZE to {count} or less ({max(1, count // 4)} is a good choice)"
        )


def _statistics(path_to_split: str, patches: Any, band_names: Sequence[str]) -> dict:
    """Give what statistics.py found, where it fits these patches; else measure them."""
    path = Path(path_to_split) / "statistics.json"
    if path.is_file():
        stored = files.read_json(path)
        fault = _fault_of_statistics(stored, patches, band_names)
        if not fault:
            print(f"statistics of the training images: {path}")
            return _select_bands(stored, band_names)
        print(f"{path} does not fit the training images ({fault}); measuring them")
    return image_functions.pooled_statistics(patches, band_names)


def _fault_of_statistics(stored: Any, patches: Any, band_names: Sequence[str]) -> str:
    """Say why stored statistics are not those of these patches; "" if they are."""
    if not isinstance(stored, dict) or not {"band_names", "units", "count", "mean"} <= set(stored):
        return "it holds something else"
    lacking = [name for name in band_names if name not in stored["band_names"]]
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    units = "rgb8" if patches.dtype == np.uint8 else "DN"
    if stored["units"] != units:
        return f"it is in {stored['units']}, they are in {units}"
    pixels = math.prod(patches.shape[:3])
    return "" if stored["count"] == pixels else f"of {stored['count']} pixels, they have {pixels}"


def _select_bands(statistics: Any, band_names: Sequence[str]) -> Any:
    """Pick bands from all the lists, those inside of dicts too."""
    order = statistics["band_names"]
    positions = [order.index(name) for name in band_names]

    def select(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: select(member) for name, member in value.items()}
        return [value[position] for position in positions] if isinstance(value, list) else value

    return select(statistics)


def _check_band_names(bands: Sequence[str]) -> None:
    unknown = [name for name in bands if name not in image_functions.BANDS_MS]
    if unknown or not bands:
        raise ValueError(
            f"BANDS = {list(bands)}: {', '.join(unknown) or 'nothing'} is no band of Sentinel-2, "
            f"which has {', '.join(image_functions.BANDS_MS)}"
        )
    twice = [name for name in image_functions.BANDS_MS if list(bands).count(name) > 1]
    if twice:
        raise ValueError(f"BANDS names {', '.join(twice)} twice")


def _band_names(bands: str | Sequence[str]) -> list[str]:
    if not isinstance(bands, str):
        _check_band_names(bands)
        return list(bands)
    if bands in image_functions.BAND_COMBINATIONS:
        return list(image_functions.BAND_COMBINATIONS[bands])
    if bands in image_functions.BANDS_MS:
        return [bands]
    raise ValueError(
        f"BANDS = {bands!r}: expected one of {', '.join(image_functions.BAND_COMBINATIONS)} or a "
        f"list of band names ({', '.join(image_functions.BANDS_MS)})"
    )


def class_weights(labels: np.ndarray, class_count: int) -> np.ndarray:
    """Weight of each image such that all classes weigh the same, with a mean of 1.

    Parameters
    ----------
    labels : ndarray of shape (N,), int
    class_count : int

    Returns
    -------
    ndarray of shape (N,), float32
    """
    counts = np.bincount(labels, minlength=class_count)
    return (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype("float32")


# --- device and precision -------------------------------------------------------------------


def set_precision(precision: str) -> str:
    """Set the arithmetic of all layers that do not insist on float32, and return its name.

    Parameters
    ----------
    precision : str
        "float32", "mixed_bfloat16", "mixed_float16", or "auto": bfloat16 where the processor or
        the GPU computes with it, float16 on older GPUs, else float32.
    """
    check_choice("PRECISION", precision, PRECISIONS)
    chosen = _best_precision() if precision == "auto" else precision
    keras.config.set_dtype_policy(chosen)
    return chosen


def _best_precision() -> str:
    if devices.is_fast_in_bfloat16():
        return "mixed_bfloat16"
    return "mixed_float16" if devices.gpus() else "float32"


def device() -> str:
    """Say what the training runs on, for people to read."""
    gpus = devices.gpus()
    where = f"{len(gpus)} GPU" if gpus else f"{platform.machine()} processor"
    return f"{where}, {devices.backend()}, {keras.config.dtype_policy().name}"


# --- learning rates and optimizers ----------------------------------------------------------


@keras.saving.register_keras_serializable("landuse")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that warms up in a straight line and then falls, or stays.

    Parameters
    ----------
    kind : str
        "cosine": falls to a hundredth along half a cosine; "one_cycle": the same, but warms up
        over the first 30 % of the steps and falls to a ten-thousandth; "constant": stays.
    peak : float
        The highest rate.
    steps, warmup_steps : int
        Steps altogether, and those to warm up in.
    """

    def __init__(self, kind: str, peak: float, steps: int, warmup_steps: int) -> None:
        check_choice("SCHEDULE", kind, SCHEDULES)
        self.kind = kind
        self.peak = peak
        self.steps = steps
        self.warmup_steps = int(0.3 * steps) if kind == "one_cycle" else warmup_steps

    def __call__(self, step: Any) -> Any:
        """Rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        rising = (step + 1.0) / float(self.warmup_steps + 1)
        rest = max(self.steps - self.warmup_steps, 1)
        progress = ops.clip((step - self.warmup_steps) / float(rest), 0.0, 1.0)
        end = {"cosine": 1e-2, "one_cycle": 1e-4, "constant": 1.0}[self.kind]
        falling = end + (1.0 - end) * 0.5 * (1.0 + ops.cos(math.pi * progress))
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict:
        """Give what makes the same schedule again."""
        return {
            "kind": self.kind,
            "peak": self.peak,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
        }


def mosaic_form(model: keras.Model, settings: Mapping[str, Any]) -> keras.Model | None:
    """Give the form of a classifier that takes mosaics, if it is to be trained on them.

    Both share their layers, so training the one trains the other. Made before the training begins,
    it tells at once whether this network can become dense.

    Parameters
    ----------
    model : keras.Model
        A patch classifier.
    settings : mapping
        MOSAIC_EPOCHS.

    Returns
    -------
    keras.Model or None
        None without MOSAIC_EPOCHS.
    """
    return dense.mosaic_model(model) if settings["MOSAIC_EPOCHS"] else None


def make_optimizer(
    name: str,
    learning_rate: keras.optimizers.schedules.LearningRateSchedule | float,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    average_weights: bool = False,
) -> keras.optimizers.Optimizer:
    """Make an optimizer that leaves biases and normalisations out of the weight decay.

    Parameters
    ----------
    name : str
        "AdamW", or "SGD" with Nesterov momentum 0.9.
    learning_rate : schedule or float
    weight_decay : float
        Share of a weight that is taken off per step and unit of learning rate.
    clip_norm : float, optional
        Longer gradients (over all weights) are scaled down to this length.
    average_weights : bool
        Also keep an exponential moving average of the weights over about 1000 steps.
    """
    check_choice("OPTIMIZER", name, OPTIMIZERS)
    options: dict[str, Any] = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay or None,
        "global_clipnorm": clip_norm or None,
        "use_ema": average_weights,
        "ema_momentum": 0.999,
    }
    if name == "AdamW":
        options["weight_decay"] = weight_decay
        optimizer = keras.optimizers.AdamW(**options)
    else:
        optimizer = keras.optimizers.SGD(momentum=0.9, nesterov=True, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def scheduled_optimizer(
    settings: Mapping[str, Any], learning_rate: float, epochs: int, steps: int
) -> keras.optimizers.Optimizer:
    """Make an optimizer with its schedule, by the constants of a script.

    Parameters
    ----------
    settings : mapping
        OPTIMIZER, SCHEDULE, WARMUP_EPOCHS, WEIGHT_DECAY, CLIP_NORM and EMA.
    learning_rate : float
        The highest rate.
    epochs, steps : int
        Epochs that the schedule spans, and steps of each.
    """
    warmup_steps = int(settings["WARMUP_EPOCHS"] * steps)
    return make_optimizer(
        settings["OPTIMIZER"],
        Schedule(settings["SCHEDULE"], learning_rate, epochs * steps, warmup_steps),
        settings["WEIGHT_DECAY"],
        settings["CLIP_NORM"],
        settings["EMA"],
    )


def make_variables(model: keras.Model) -> None:
    """Make the variables of a compiled model's optimizer and metrics, before its first step.

    Left to itself, Keras makes them while TensorFlow traces that step, which then is traced twice:
    with DenseNet201 and its 604 variables, that is over half a minute.
    """
    model.optimizer.build(model.trainable_variables)
    nothing = np.zeros([size or 1 for size in model.output_shape], np.float32)
    model.compute_metrics(None, nothing, nothing)
    model.reset_metrics()


def predict(
    model: keras.Model, data: Data, part: str, batch_size: int, mosaic: int = 1
) -> np.ndarray:
    """Give the class probabilities of the images of a part, in the order of its files.

    Parameters
    ----------
    model : keras.Model
        A patch classifier.
    data : Data
    part : str
    batch_size : int
    mosaic : int
        K: among neighbours, in mosaics of K x K images. 1: each by itself.

    Returns
    -------
    ndarray of shape (N, classes), float32
    """
    batches = data.batches(part, batch_size, mosaic)
    form = dense.mosaic_model(model) if mosaic > 1 else model
    answers = form.predict(batches, verbose=0)
    order = order_of(len(getattr(data, part).labels), mosaic)
    probabilities = np.empty((len(order), len(data.class_names)), np.float32)
    probabilities[order] = answers.reshape(-1, len(data.class_names))[: len(order)]
    return probabilities


# --- the run folder -------------------------------------------------------------------------


@dataclass
class State:
    """What a run has to remember beside its weights; JSON in the state file."""

    phase: str = ""
    phase_epoch: int = 0
    phases_done: list[str] = field(default_factory=list)
    best: float = -math.inf
    best_epoch: int = 0
    waited: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    images: str = ""
    finished: bool = False


class Run:
    """A run folder: what was set, how far it came, its best model.

    Use `open_run`, which also locks the folder.

    Parameters
    ----------
    folder : Path
    settings : dict
        The constants of the script, and whatever else decides on the result.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        self.record: dict[str, Any] = {}
        self.state, self._arrays = _read_state(folder / _STATE)

    @property
    def model_path(self) -> Path:
        """The best model so far."""
        return self.folder / "model.keras"

    def is_finished(self) -> bool:
        """Tell whether everything is done already, and say so on the screen."""
        if self.state.finished:
            print(
                f"this run is finished: {100 * self.state.best:.2f} % validation accuracy in epoch "
                f"{self.state.best_epoch}; for another one, give another PATH_TO_RUN\n"
                f"model: {self.model_path}"
            )
        return self.state.finished

    def describe(self, data: Data, network: str, weights: str | None = None) -> None:
        """Note what the saved model has to tell about itself, and say what is ahead.

        Raises
        ------
        ValueError
            If this run was started with other images.
        """
        images = _images_digest(data)
        if self.state.images not in ("", images):
            raise ValueError(
                f"{self.folder} holds a run with other images: the split has changed since. Give "
                "another PATH_TO_RUN"
            )
        self.state.images = images
        self.record = {
            "class_names": data.class_names,
            "band_names": data.band_names,
            "units": data.units,
            "patch_size": image_functions.PATCH_SIZE,
            "statistics": data.statistics,
            "network": network,
            "weights": _without_absolute_paths({"weights": weights})["weights"],
            "dense": False,
            "processing_level": "L1C",
            "built_in_sample": data.built_in_sample,
            "settings": _without_absolute_paths(self.settings),
            "versions": _versions(),
            "results": {},
        }
        print(
            f"{network}, {len(data.band_names)} bands, {len(data.class_names)} classes; "
            f"{len(data.train.labels)} images to train, {len(data.validation.labels)} to validate; "
            f"{device()}"
        )

    def fit(
        self,
        phase: str,
        model: keras.Model,
        train: Any,
        validation: Any,
        epochs: int,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        keep: keras.Model | None = None,
    ) -> None:
        """Train a compiled model as `model.fit` does, from where an earlier start left off.

        Parameters
        ----------
        phase : str
            Name of this part of the run; what was done in an earlier start is not done again.
        model : keras.Model
            Compiled. Its weights are replaced by those of the state, if there is one.
        train, validation : keras.utils.PyDataset
        epochs : int
            Epochs of this phase.
        callbacks : sequence of keras.callbacks.Callback
            Those of this module share what is remembered in the state.
        keep : keras.Model, optional
            The model to save, if another one than `model`, that shares its layers.
        """
        if phase in self.state.phases_done:
            self._restore(model, with_optimizer=False)
            return
        if self.state.phase == phase:
            self._restore(model, with_optimizer=True)
            print(f"going on after epoch {self.state.phase_epoch} of {epochs}")
        else:
            self.state.phase, self.state.phase_epoch, self.state.waited = phase, 0, 0
        train.epoch = len(self.state.history)
        print(
            f"{phase}: {epochs} epochs of {len(train)} steps; a large network takes minutes "
            "until its first step"
        )
        if self.state.phase_epoch < epochs:
            saver = SaveState(self, keep or model, epochs)
            fusing.fuse_batch_normalization(model)
            make_variables(model)
            model.fit(
                train,
                validation_data=validation,
                epochs=epochs,
                initial_epoch=self.state.phase_epoch,
                callbacks=[StopAtNaN(self), *_averaging(model), *callbacks, saver],
                shuffle=False,
                verbose=1,
            )
        if phase not in self.state.phases_done:
            self.state.phases_done.append(phase)

    def fit_mosaics(
        self,
        mosaics: keras.Model,
        model: keras.Model,
        data: Data,
        learning_rate: float,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        """Train on mosaics of patches: the last phase, that makes a model fit for dense maps.

        A patch alone has nothing around it but padding with zeros. In a scene it has neighbours,
        and what the deeper layers see at its edge is something they never met. In a mosaic other
        patches are the neighbours. The best model of this phase replaces that of earlier ones.

        Parameters
        ----------
        mosaics, model : keras.Model
            The form to train (see `mosaic_form`), and the patch classifier to save.
        data : Data
        learning_rate : float
            The highest rate.
        callbacks : sequence of keras.callbacks.Callback
        """
        name, settings = "mosaics", self.settings
        across, batch_size = settings["MOSAIC"], settings["BATCH_SIZE"]
        epochs = settings["MOSAIC_EPOCHS"]
        if name not in (self.state.phase, *self.state.phases_done):
            self.state.best, self.state.best_epoch = -math.inf, 0
        self.record["dense"] = True
        mosaics.compile(
            scheduled_optimizer(settings, learning_rate, epochs, data.steps(batch_size)),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings["LABEL_SMOOTHING"]),
            metrics=["accuracy"],
        )
        train = augmented_batches(data, settings, across)
        validation = data.batches("validation", batch_size, across)
        self.fit(name, mosaics, train, validation, epochs, callbacks, keep=model)

    def _restore(self, model: keras.Model, with_optimizer: bool) -> None:
        if not self._arrays:
            return
        _assign(model.variables, self._arrays, "model")
        if with_optimizer:
            model.optimizer.build(model.trainable_variables)
            _assign(model.optimizer.variables, self._arrays, "optimizer")
            self._arrays = {}

    def _write_state(self, model: keras.Model) -> None:
        arrays = {f"model_{i}": np.asarray(v) for i, v in enumerate(model.variables)}
        arrays |= {f"optimizer_{i}": np.asarray(v) for i, v in enumerate(model.optimizer.variables)}
        _write_state(self.folder / _STATE, self.state, arrays)
        _write_history(self.folder / "history.csv", self.state.history)

    def save_model(self, model: keras.Model) -> None:
        """Save a model as the best one of this run."""
        results = {
            "validation_accuracy": self.state.best,
            "epochs": len(self.state.history),
            "best_epoch": self.state.best_epoch,
        }
        model_files.save(model, {**self.record, "results": results}, self.model_path)

    def finish(
        self,
        data: Data | None = None,
        batch_size: int = 64,
        write_report: Callable[..., dict[str, Any]] | None = None,
    ) -> None:
        """Measure the best model, mark the run as finished and say where the model is.

        Parameters
        ----------
        data : Data, optional
            Without it nothing is measured.
        batch_size : int
        write_report : callable, optional
            `reports.write_report`, or another that takes the same.
        """
        if data is not None and write_report is not None:
            self._measure(data, batch_size, write_report)
        self.state.finished = True
        _write_state(self.folder / _STATE, self.state, {})
        print(
            f"best validation accuracy {100 * self.state.best:.2f} % in epoch "
            f"{self.state.best_epoch} of {len(self.state.history)}"
        )
        if data is not None and write_report is not None:
            print(f"report: {self.folder / 'report.md'}")
        print(f"model: {self.model_path}")

    def _measure(
        self, data: Data, batch_size: int, write_report: Callable[..., dict[str, Any]]
    ) -> None:
        """Write the report on the test part, or the validation part, and note its figures."""
        part = "validation" if data.test is None else "test"
        images = getattr(data, part)
        print(f"measuring the best model on {len(images.labels)} images of the {part} part ...")
        model, record = model_files.load(self.model_path)
        mosaic = self.settings["MOSAIC"] if record["dense"] else 1
        probabilities = predict(model, data, part, batch_size, mosaic)
        among = f" in mosaics of {mosaic} x {mosaic} patches" if mosaic > 1 else ""
        report = write_report(
            self.folder,
            probabilities,
            images.labels,
            data.class_names,
            history=self.state.history,
            files=images.files,
            part=part,
            patches=images.patches,
            band_names=data.band_names,
            title=f"{record['network']}{among}, {len(data.train.labels):,} training images",
        )
        record["results"] |= _figures(report)
        share = np.bincount(images.labels).max() / len(images.labels)
        record["results"]["most_frequent_class"] = float(share)
        if mosaic > 1:
            alone = predict(model, data, part, batch_size).argmax(axis=1) == images.labels
            record["results"]["accuracy_patch_by_patch"] = float(alone.mean())
        model_files.save(model, record, self.model_path)
        print(f"{part} accuracy {100 * report['accuracy']['value']:.2f} %{among}")
        if doubt := model_files.doubt(record):
            print(f"warning: {doubt}")


def _figures(report: Mapping[str, Any]) -> dict[str, Any]:
    names = ("part", "images", "accuracy", "balanced_accuracy", "macro_f1", "kappa")
    error = report["calibration"]["expected_calibration_error"]
    return {name: report[name] for name in names} | {"expected_calibration_error": error}


def _images_digest(data: Data) -> str:
    digest = hashlib.sha256()
    for part in (data.train, data.validation):
        digest.update("\n".join(Path(file).name for file in part.files).encode() + b"\n\n")
    return digest.hexdigest()[:16]


_LEAST = {
    "BATCH_SIZE": 1,
    "EPOCHS": 0,
    "EPOCHS_TOP": 0,
    "PATIENCE": 1,
    "MOSAIC": 2,
    "MOSAIC_EPOCHS": 0,
    "WORKERS": 1,
    "SEED": 0,
    "WARMUP_EPOCHS": 0,
    "WEIGHT_DECAY": 0,
    "CLIP_NORM": 0,
    "ROTATION_RANGE": 0,
    "MIXUP": 0,
}
_SHARES = ("DROPOUT", "LABEL_SMOOTHING", "BRIGHTNESS_RANGE", "CONTRAST_RANGE")
_RATES = ("LEARNING_RATE", "LEARNING_RATE_TOP")


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise a ValueError, before any work, for constants that nothing can be trained with.

    Parameters
    ----------
    settings : mapping
        Constants of a training script by their names; those that are missing are not checked.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    for name, least in _LEAST.items():
        if given.get(name, least) < least:
            raise ValueError(f"{name} must be {least} or more, not {given[name]}")
    epochs = {name: given[name] for name in ("EPOCHS_TOP", "EPOCHS") if name in given}
    if epochs and not any([*epochs.values(), given.get("MOSAIC_EPOCHS")]):
        raise ValueError(f"nothing would be trained: {' and '.join(epochs)} must not be 0")
    for name in _SHARES:
        if not 0 <= given.get(name, 0) < 1:
            raise ValueError(f"{name} must be 0 or more and below 1, not {given[name]}")
    for name in _RATES:
        if given.get(name, 1) <= 0:
            raise ValueError(f"{name} must be above 0, not {given[name]}")
    check_choice("OPTIMIZER", given.get("OPTIMIZER"), OPTIMIZERS)
    check_choice("SCHEDULE", given.get("SCHEDULE"), SCHEDULES)
    check_choice("PRECISION", given.get("PRECISION"), PRECISIONS)
    if "BANDS" in given:
        _band_names(given["BANDS"])
    if given.get("MOSAIC_EPOCHS") and given["BATCH_SIZE"] % given["MOSAIC"] ** 2:
        raise ValueError(
            f"BATCH_SIZE = {given['BATCH_SIZE']} is no multiple of the {given['MOSAIC'] ** 2} "
            f"images of a mosaic (MOSAIC = {given['MOSAIC']})"
        )


def check_choice(name: str, value: Any, known: Sequence[str]) -> None:
    """Raise a ValueError when a constant has a value that is not known; None is no value."""
    if value is not None and value not in known:
        listed = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
        raise ValueError(f"{name} = {value!r}: expected {listed}")


@contextlib.contextmanager
def open_run(folder: str | Path, settings: dict[str, Any]) -> Iterator[Run]:
    """Open a run folder, new or one to go on with, for this process alone.

    Parameters
    ----------
    folder : str or Path
    settings : dict
        What the run depends on; it must be JSON.

    Raises
    ------
    ValueError
        If the folder holds a run with other settings, or something else.
    OSError
        If another process is using it.
    """
    check_settings(settings)
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"PATH_TO_RUN = {folder} is a file; give the name of a folder")
    folder.mkdir(parents=True, exist_ok=True)
    with files.lock(folder, "training in"):
        _compare_settings(folder, settings)
        yield Run(folder, settings)


def _compare_settings(folder: Path, settings: dict[str, Any]) -> None:
    path = folder / _SETTINGS
    new = json.loads(json.dumps(settings))
    if not path.exists() and any(not name.name.startswith(".") for name in folder.iterdir()):
        raise ValueError(f"{folder} holds other files: give an empty or a new PATH_TO_RUN")
    if not (folder / _STATE).exists():
        files.write_json(path, new)
        return
    old = files.read_json(path)
    names = [name for name in {**old, **new} if name not in FREE_SETTINGS]
    differ = [
        f"{name} was {old.get(name)!r}, is {new.get(name)!r}"
        for name in names
        if old.get(name) != new.get(name)
    ]
    if differ:
        raise ValueError(
            f"{folder} holds a run with other settings: {'; '.join(differ)}. Give another "
            "PATH_TO_RUN, or the old settings to go on with it"
        )


def _without_absolute_paths(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        name: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for name, value in settings.items()
    }


def _versions() -> dict[str, str]:
    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": keras.__version__,
        backend: str(importlib.import_module(backend).__version__),
    }


def _write_state(path: Path, state: State, arrays: dict[str, np.ndarray]) -> None:
    text = np.array(json.dumps(vars(state)))
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, state=text, **arrays)


def _read_state(path: Path) -> tuple[State, dict[str, np.ndarray]]:
    if not path.exists():
        return State(), {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        return State(**json.loads(str(arrays.pop("state")))), arrays
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is damaged ({error}): remove it to start this run anew"
        ) from error


def _assign(variables: Sequence[Any], arrays: dict[str, np.ndarray], kind: str) -> None:
    stored = [arrays[f"{kind}_{i}"] for i in range(sum(k.startswith(kind) for k in arrays))]
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in stored]:
        raise ValueError(
            f"the state of this run does not fit the {kind} any more (another version?): "
            "give another PATH_TO_RUN"
        )
    for variable, array in zip(variables, stored, strict=True):
        variable.assign(array)


def _write_history(path: Path, history: list[dict[str, Any]]) -> None:
    if not history:
        return
    names = list(history[0])
    lines = [",".join(names)] + [",".join(str(row[name]) for name in names) for row in history]
    with files.atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


# --- callbacks ------------------------------------------------------------------------------


class StopAtNaN(keras.callbacks.Callback):
    """Stop as soon as the loss is no number any more; the best model is kept."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: D102
        if math.isfinite(float((logs or {}).get("loss", 0.0))):
            return
        kept = self.run.model_path
        good = f"the last good model is {kept}" if kept.exists() else "no model was kept yet"
        raise ValueError(
            f"the loss became NaN or infinite in epoch {self.epoch + 1}, step {batch + 1}; {good}. "
            "Try a lower LEARNING_RATE, more WARMUP_EPOCHS or PRECISION = 'float32', in another "
            "PATH_TO_RUN"
        )


class SaveState(keras.callbacks.Callback):
    """Write history, best model and state after each epoch; `Run.fit` adds it as the last one."""

    def __init__(self, run: Run, keep: keras.Model, epochs: int) -> None:
        super().__init__()
        self.run = run
        self.keep = keep
        self.epochs = epochs
        self.started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        state = self.run.state
        values = {name: float(value) for name, value in (logs or {}).items()}
        state.history.append(
            {
                "epoch": len(state.history) + 1,
                "phase": state.phase,
                **values,
                "learning_rate": float(ops.convert_to_numpy(self.model.optimizer.learning_rate)),
                "seconds": round(time.monotonic() - self.started, 1),
            }
        )
        state.phase_epoch = epoch + 1
        if values[MONITOR] > state.best:
            state.best, state.best_epoch = values[MONITOR], len(state.history)
            with averaged_weights(self.model):
                self.run.save_model(self.keep)
        if self.model.stop_training or epoch + 1 == self.epochs:
            state.phases_done.append(state.phase)
        self.run._write_state(self.model)


class StopEarly(keras.callbacks.Callback):
    """Stop when the validation accuracy has not risen for some epochs.

    Parameters
    ----------
    run : Run
        Remembers the best accuracy and how long ago it was, over restarts too.
    patience : int
        Epochs to wait.
    """

    def __init__(self, run: Run, patience: int) -> None:
        super().__init__()
        self.run = run
        self.patience = patience

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        state = self.run.state
        better = (logs or {})[MONITOR] > state.best
        state.waited = 0 if better else state.waited + 1
        if state.waited >= self.patience:
            print(f"\nno better for {self.patience} epochs: stopped")
            self.model.stop_training = True


def tensorboard(run: Run) -> list[keras.callbacks.Callback]:
    """Make the TensorBoard callback where TensorBoard is installed."""
    if importlib.util.find_spec("tensorboard") is None or keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(run.folder / "logs", write_graph=False)]


class AverageForValidation(keras.callbacks.Callback):
    """Validate with the moving average of the weights, train on with the weights themselves."""

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: D102
        self.swap = averaged_weights(self.model)
        self.swap.__enter__()

    def on_test_end(self, logs: Any = None) -> None:  # noqa: D102
        self.swap.__exit__(None, None, None)


def _averaging(model: keras.Model) -> list[keras.callbacks.Callback]:
    return [AverageForValidation()] if _keeps_average(model) else []


def _keeps_average(model: keras.Model) -> bool:
    # float16 wraps the optimizer into one that scales the loss
    return getattr(model.optimizer, "inner_optimizer", model.optimizer).use_ema


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Put the moving average of the weights into a model, if its optimizer keeps one."""
    if not _keeps_average(model):
        yield
        return
    weights = [np.array(ops.convert_to_numpy(v)) for v in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    for variable in model.trainable_variables:
        # JAX gave both the same memory, and frees that of the weights when it validates.
        variable.assign(np.array(ops.convert_to_numpy(variable)))
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, weights, strict=True):
            variable.assign(value)
