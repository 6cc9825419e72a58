"""At which level patches were processed: above the air (L1C) or at the ground (L2A), if known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

LEVELS = ("L1C", "L2A")
ONLY_IN_L1C = "B10"  # the cirrus band, which Level-2A products do not have

# The folders and names of the published EuroSAT, whose patches are of Level-1C.
EUROSAT_CLASSES = (
    "AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture",
    "PermanentCrop", "Residential", "River", "SeaLake",
)  # fmt: skip
_OF_EUROSAT = re.compile(rf"(?P<name>{'|'.join(EUROSAT_CLASSES)})_\d+\.jpg")
_IN_NAME = re.compile(r"(?<![A-Za-z0-9])(?:MSI)?L(?P<level>1C|2A)(?![A-Za-z0-9])")


def level_of(paths: Sequence[Path], bands: Sequence[str]) -> str | None:
    """Return the level of patches, where their bands or their names tell it.

    Parameters
    ----------
    paths : sequence of Path
    bands : sequence of str
        That the files have.

    Returns
    -------
    {"L1C", "L2A"} or None
        None where nothing tells, or the names contradict each other or the bands.
    """
    told = {f"L{match['level']}" for path in paths for match in _IN_NAME.finditer(path.name)}
    if ONLY_IN_L1C in bands or _are_of_eurosat(paths):
        told.add("L1C")
    return told.pop() if len(told) == 1 else None


def _are_of_eurosat(paths: Sequence[Path]) -> bool:
    """Tell whether these are pictures of the published EuroSAT, by the names of all of them."""
    found = [_OF_EUROSAT.fullmatch(path.name) for path in paths]
    return bool(found) and all(
        match is not None and match["name"] == path.parent.name
        for match, path in zip(found, paths, strict=True)
    )
