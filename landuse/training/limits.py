"""What can be trained with at all, known before any work."""

from collections.abc import Mapping
from typing import Any

from landuse import choices, sensors
from landuse.networks import precisions

OPTIMIZERS = ("AdamW", "SGD")
SCHEDULES = ("cosine", "one_cycle", "constant")

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
    choices.check_choice("OPTIMIZER", given.get("OPTIMIZER"), OPTIMIZERS)
    choices.check_choice("SCHEDULE", given.get("SCHEDULE"), SCHEDULES)
    choices.check_choice("PRECISION", given.get("PRECISION"), precisions.TRAINING_PRECISIONS)
    if "BANDS" in given:
        sensors.chosen_bands(given["BANDS"])
    if given.get("MOSAIC_EPOCHS") and given["BATCH_SIZE"] % given["MOSAIC"] ** 2:
        raise ValueError(
            f"BATCH_SIZE = {given['BATCH_SIZE']} is no multiple of the {given['MOSAIC'] ** 2} "
            f"images of a mosaic (MOSAIC = {given['MOSAIC']})"
        )
