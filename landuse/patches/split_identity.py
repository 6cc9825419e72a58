"""What tells a split from others, so that a model can remember which one it learned from."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from landuse.patches import class_folders, part_names, split_marker


def identity(path_to_split: str | os.PathLike[str]) -> dict[str, str]:
    """Tell a split from others, whoever made it.

    Parameters
    ----------
    path_to_split : folder with a folder for each part

    Returns
    -------
    dict
        "name" (of the folder), "kind" ("random", "geographic", "places", "lists", or "" where
        script 01 did not make it) and "fingerprint", which two splits share only if each part of
        one has the classes and the file names of the other.
    """
    folder = Path(path_to_split)
    names = {
        part: [
            f"{name}/{image.name}"
            for name, images in class_folders.find_images(places[0], least_classes=1).items()
            for image in images
        ]
        for part, places in part_names.parts_in(folder).items()
        if any(places[0].glob("*/*"))
    }
    settings = (split_marker.read(folder) or {}).get("settings", {})
    kind = "lists" if settings.get("PATH_TO_SPLIT_LISTS") else str(settings.get("SPLIT", ""))
    text = json.dumps(names, sort_keys=True)
    return {
        "name": folder.resolve().name,
        "kind": kind,
        "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
    }
