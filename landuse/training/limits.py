"""What can be trained with at all, known before any work."""

import math
from collections.abc import Mapping
from typing import Any

from landuse import choices, sensors
from landuse.networks import precisions
from landuse.patches import augmentation
from landuse.training import growing

OPTIMIZERS = ("AdamW", "Muon", "SGD")
VIEWS = (1, 2, 4, 8)  # of each patch, by a finished model
INPUT_SIZES = (64, 96, 128, 160, 192, 224)  # all networks halve five times, or less
SCHEDULES = ("cosine", "one_cycle", "constant")

_LEAST = {
    "BATCH_SIZE": 1,
    "EPOCHS": 0,
    "EPOCHS_TOP": 0,
    "PATIENCE": 1,
    "VALIDATE_EVERY": 1,
    "MOSAIC": 2,
    "MOSAIC_EPOCHS": 0,
    "WORKERS": 1,
    "NODES": 1,
    "SEED": 0,
    "WARMUP_EPOCHS": 0,
    "WEIGHT_DECAY": 0,
    "CLIP_NORM": 0,
}
_BELOW = {
    "DROPOUT": 1.0,
    "LABEL_SMOOTHING": 1.0,
    **{name.upper(): below for name, below in augmentation.BELOW.items()},
}
_RATES = ("LEARNING_RATE", "LEARNING_RATE_TOP", "LEARNING_RATE_MOSAICS")
_CHOICES = {
    "OPTIMIZER": OPTIMIZERS,
    "SCHEDULE": SCHEDULES,
    "PRECISION": precisions.TRAINING_PRECISIONS,
}


def check_settings(settings: Mapping[str, Any], patch_size: int = sensors.PATCH_SIZE) -> None:
    """Raise a ValueError, before any work, for constants that nothing can be trained with.

    Parameters
    ----------
    settings : mapping
        Constants of a training script by their names; those that are missing are not checked.
    patch_size : int
        Pixels along a side of the patches.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    for name, least in _LEAST.items():
        if given.get(name, least) < least:
            raise ValueError(f"{name} must be {least} or more, not {given[name]}")
    names = [name for name in ("EPOCHS_TOP", "EPOCHS") if name in settings]
    epochs = {name: given.get(name, 1) for name in names}  # None stands for some
    if epochs and not any([*epochs.values(), given.get("MOSAIC_EPOCHS")]):
        raise ValueError(f"nothing would be trained: {' and '.join(epochs)} must not be 0")
    for name, below in _BELOW.items():
        if not 0 <= given.get(name, 0) < below:
            wanted = "0 or more" if below == math.inf else f"0 or more and below {below:g}"
            wanted = "from 0 to 1" if 1 < below < 2 else wanted  # 1 itself may be
            raise ValueError(f"{name} must be {wanted}, not {given[name]}")
    for name in _RATES:
        if given.get(name, 1) <= 0:
            raise ValueError(f"{name} must be above 0, not {given[name]}")
    for name, known in _CHOICES.items():
        if name in given:
            choices.check_choice(name, given[name], known)
    size = given.get("INPUT_SIZE", sensors.PATCH_SIZE)
    if size not in INPUT_SIZES:
        sizes = ", ".join(map(str, INPUT_SIZES))
        raise ValueError(f"INPUT_SIZE must be one of {sizes} pixels, not {size}")
    if given.get("MOSAIC_EPOCHS") and size != sensors.PATCH_SIZE:
        raise ValueError(
            f"MOSAIC_EPOCHS = {given['MOSAIC_EPOCHS']}: there are no mosaics of enlarged patches. "
            "Set INPUT_SIZE = 64, or MOSAIC_EPOCHS = 0"
        )
    _check_use(given)
    for name in ("DEVICES", "NODES"):
        if given.get("MOSAIC_EPOCHS") and given.get(name, 1) != 1:
            raise ValueError(
                f"MOSAIC_EPOCHS = {given['MOSAIC_EPOCHS']}: mosaics are not shared out among "
                f"devices. Set {name} = 1, or MOSAIC_EPOCHS = 0"
            )
    if "PICTURE_SIZES" in given:
        growing.check_sizes(given["PICTURE_SIZES"], patch_size)
    if "BANDS" in given:
        sensors.chosen_bands(given["BANDS"])
    batch = given.get("BATCH_SIZE", 64)  # what None usually stands for
    if given.get("MOSAIC_EPOCHS") and batch % given["MOSAIC"] ** 2:
        raise ValueError(
            f"BATCH_SIZE = {batch} is no multiple of the {given['MOSAIC'] ** 2} "
            f"images of a mosaic (MOSAIC = {given['MOSAIC']})"
        )


def _check_use(given: Mapping[str, Any]) -> None:
    """Raise a ValueError for views that a finished model cannot have."""
    count, size = given.get("VIEWS", 1), given.get("SIZE_IN_USE")
    if count not in VIEWS:
        raise ValueError(f"VIEWS must be one of {', '.join(map(str, VIEWS))}, not {count}")
    check_size_in_use(size, given.get("INPUT_SIZE", sensors.PATCH_SIZE))
    if given.get("MOSAIC_EPOCHS") and (count > 1 or size):
        raise ValueError(
            f"MOSAIC_EPOCHS = {given['MOSAIC_EPOCHS']}: a model of several views or of enlarged "
            "patches has no dense form. Set VIEWS = 1 and no SIZE_IN_USE, or MOSAIC_EPOCHS = 0"
        )


def check_size_in_use(size: int | None, trained_at: int) -> None:
    """Raise a ValueError for pictures in use that are smaller than those of the training.

    Parameters
    ----------
    size : int or None
        Pixels along a side, SIZE_IN_USE.
    trained_at : int
        INPUT_SIZE, or where that is None, the pixels that WEIGHTS were trained at.
    """
    if size is not None and (size % 16 or not trained_at <= size <= INPUT_SIZES[-1]):
        raise ValueError(
            f"SIZE_IN_USE = {size}: expected a multiple of 16 px from INPUT_SIZE = {trained_at} "
            f"to {INPUT_SIZES[-1]}"
        )
