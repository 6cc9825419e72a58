"""What a folder of patches that script 00_cut_patches made says of itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landuse import files

FILE = "patches.json"  # beside the folders of the classes
_MADE_BY = "00_cut_patches"


def write(folder: Path, about: Mapping[str, Any], levels: list[str], built_in_sample: bool) -> None:
    """Write the marker of a folder.

    Parameters
    ----------
    folder : Path
    about : mapping
        What the patches depend on.
    levels : list of str
        Processing levels of the scenes: L1C, L2A.
    built_in_sample : bool
        Whether all scenes are of the made landscape.
    """
    marker = {"made_by": _MADE_BY, "format": 1, "about": dict(about)}
    files.write_json(
        folder / FILE, {**marker, "levels": levels, "built_in_sample": built_in_sample}
    )


def read(folder: str | Path) -> dict[str, Any] | None:
    """Read the marker of a folder, None where this script did not make it."""
    try:
        marker = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and marker.get("made_by") == _MADE_BY else None
