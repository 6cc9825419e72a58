"""What is cheap to check before scenes are opened and Keras is loaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from landuse import choices

STEP = 16  # px, of the deepest features


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise a ValueError for constants that no network of pixels can be trained with."""
    choices.check_choice("UNITS", settings["UNITS"], ("DN", "rgb8"))
    choices.check_choice("SKIP_STRIDE", settings["SKIP_STRIDE"], (2, 4))
    for name in ("BLOCK_SIZE", "DECODER_WIDTH", "TILES"):
        if settings[name] < 1:
            raise ValueError(f"{name} must be 1 or more, not {settings[name]}")
    size = settings["TILE_SIZE"]
    if size < 2 * STEP or size % STEP:
        raise ValueError(
            f"TILE_SIZE must be a multiple of {STEP} px from {2 * STEP} on, not {size}"
        )
    for name in ("EVEN_CLASSES", "CLASS_WEIGHTS"):
        if not 0 <= settings[name] <= 1:
            raise ValueError(f"{name} must lie between 0 and 1, not {settings[name]}")
    validation, test = settings["FRACTION_VALIDATION"], settings["FRACTION_TEST"]
    if validation <= 0 or test < 0 or validation + test >= 1:
        raise ValueError(
            "FRACTION_VALIDATION must be above 0, FRACTION_TEST 0 or more, and both together "
            f"below 1, not {validation} and {test}"
        )
    rates = settings["ATROUS_RATES"]
    if not rates or min(rates) < 1 or len(set(rates)) < len(rates):
        raise ValueError(f"ATROUS_RATES must be different numbers from 1 on, not {rates}")
    if settings["UNITS"] == "rgb8" and settings["BANDS"] != "RGB":
        raise ValueError("UNITS = 'rgb8' is of pictures with three bands: set BANDS = 'RGB'")


def check_paths(
    scenes: Sequence[str], labels: Sequence[str], which: str = ""
) -> list[tuple[str, str]]:
    """Return scenes with their labels; a ValueError when they are not as many, or missing.

    Parameters
    ----------
    scenes, labels : sequence of str
        One file of labels may serve all scenes.
    which : str
        "TEST_" for the constants of the places to test with.
    """
    names = f"PATH_TO_{which}SCENES", f"PATH_TO_{which}LABELS"
    if not scenes and not which:
        raise ValueError(f"{names[0]} is empty: name scenes to learn from")
    if len(labels) not in (1, len(scenes)) or (labels and not scenes):
        raise ValueError(
            f"{names[1]} names {len(labels)} files for {len(scenes)} scenes: give one for each, in "
            "the same order, or one that holds them all"
        )
    if len(set(scenes)) < len(scenes):
        raise ValueError(f"{names[0]} names a scene twice")
    for name, paths in zip(names, (scenes, labels), strict=True):
        for path in paths:
            if not Path(path).exists():
                hint = " (script 00 makes the sample)" if "sample" in Path(path).parts else ""
                raise FileNotFoundError(f"{name}: {path} does not exist{hint}")
    given = list(labels) * len(scenes) if len(labels) == 1 else list(labels)
    return list(zip(scenes, given, strict=True))
