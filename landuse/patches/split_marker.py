"""What script 01 notes beside a split: its settings, and what is known of its images."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landuse.patches import cut_marker, splits
from landuse.sample import sample_marker

FILE = "split.json"
_MADE_BY = "01_split_data_to_train_and_validation"


def names_in(split: splits.Split) -> dict[str, list[str]]:
    """Return the images of each part, as class/name."""
    return {
        part: [f"{name}/{image.name}" for name, images in classes.items() for image in images]
        for part, classes in split.items()
    }


def digest_of(split: splits.Split) -> str:
    """Return what tells a split from one of other images."""
    return hashlib.sha256(json.dumps(names_in(split)).encode()).hexdigest()


def write(folder: Path, split: splits.Split, settings: Mapping[str, Any]) -> None:
    """Write the marker of a split into its folder."""
    sources = _sources(split)
    marker: dict[str, Any] = {
        "made_by": _MADE_BY,
        "format": 1,
        "settings": dict(settings),
        "files": digest_of(split),
        "built_in_sample": all(_is_of_sample(source) for source in sources),
    }
    if levels := sorted({level for source in sources for level in _levels(source)}):
        marker["levels"] = levels
    (folder / FILE).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")


def _sources(split: splits.Split) -> set[Path]:
    """Return the folders of the data sets that a split takes images from."""
    members = (images for classes in split.values() for images in classes.values())
    return {image.parent.parent for images in members for image in images}


def _is_of_sample(source: Path) -> bool:
    """Tell whether a data set is a part of the sample, or was cut from its scene."""
    cut = cut_marker.read(source) or {}
    return sample_marker.is_of_sample(source) or cut.get("built_in_sample") is True


def _levels(source: Path) -> list[str]:
    """Return the levels of the scenes that a data set was cut from, as far as it says them."""
    return list((cut_marker.read(source) or {}).get("levels") or [])


def read(folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read the marker of a split, None where script 01 did not make it."""
    try:
        marker = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and marker.get("made_by") == _MADE_BY else None


def order_of(path_to_split: str | os.PathLike[str]) -> list[str] | None:
    """Return the BAND_NAMES that script 01 was given for a split, None where it was given none."""
    order = (read(path_to_split) or {}).get("settings", {}).get("BAND_NAMES")
    return list(order) if order else None


def is_of_sample(path_to_split: str | os.PathLike[str]) -> bool:
    """Tell whether script 01 made a split from the built-in sample; False where it did not say."""
    return (read(path_to_split) or {}).get("built_in_sample") is True


def level_of(path_to_split: str | os.PathLike[str]) -> str | None:
    """Return the level (L1C or L2A) of the images of a split, as far as script 01 was told it."""
    marker = read(path_to_split) or {}
    levels = marker.get("levels") or []
    told = marker.get("settings", {}).get("PROCESSING_LEVEL")
    if told is None and is_of_sample(path_to_split):
        return "L1C"
    return told or (levels[0] if len(levels) == 1 else None)
