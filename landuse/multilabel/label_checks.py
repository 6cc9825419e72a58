"""What is cheap to check before patches are listed and Keras is loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landuse import choices
from landuse.multilabel import ben_listing, corine


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise a ValueError for constants that nothing can be trained with on BigEarthNet."""
    corine.class_names(settings["CLASSES"])
    choices.check_choice("SPLIT", settings["SPLIT"], ben_listing.SPLITS)
    if settings["MADE"] < 0:
        raise ValueError(f"MADE must be 0 or more, not {settings['MADE']}")
    if settings["MADE"] and settings["NODES"] > 1:
        raise ValueError(
            f"MADE = {settings['MADE']}: make them by a call with NODES = 1, for all processes"
        )
    validation, test = settings["FRACTION_VALIDATION"], settings["FRACTION_TEST"]
    if validation <= 0 or test < 0 or validation + test >= 1:
        raise ValueError(
            "FRACTION_VALIDATION must be above 0, FRACTION_TEST 0 or more, and both together "
            f"below 1, not {validation} and {test}"
        )
    if not 0 < settings["FRACTION_PATCHES"] <= 1:
        raise ValueError(
            f"FRACTION_PATCHES must be above 0 and 1 at most, not {settings['FRACTION_PATCHES']}"
        )
    if not 0 <= settings["CLASS_WEIGHTS"] <= 1:
        raise ValueError(f"CLASS_WEIGHTS must lie between 0 and 1, not {settings['CLASS_WEIGHTS']}")
    if settings["FOCUS"] < 0:
        raise ValueError(f"FOCUS must be 0 or more, not {settings['FOCUS']}")


def check_patches(folder: str) -> None:
    """Raise a FileNotFoundError where there are no patches, and say how to get some."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(
            f"PATH_TO_PATCHES: {folder} is no folder. BigEarthNet-S2 comes from "
            "https://bigearth.net; MADE = 500 makes patches to try with"
        )
