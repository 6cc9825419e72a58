"""How the made sample is told from real data."""

from __future__ import annotations

import os
from pathlib import Path

SAMPLE_MARKER = "sample.json"  # beside the parts of the built-in, made sample
SAMPLE_PARTS = (
    "EuroSAT_MS",
    "EuroSAT_RGB",
    "scene.tif",
    "scene_truth.tif",
    "scene_later.tif",
    "scene_later_truth.tif",
    "scene_pixel_truth.tif",
    "pixel_maps",
)


def is_of_sample(path: str | os.PathLike[str]) -> bool:
    """Tell whether a data set or a scene is a part of the built-in sample.

    Parameters
    ----------
    path : folder of a data set, or a scene
    """
    real = Path(os.path.realpath(path))
    if real.parent.name == "pixel_maps":
        real = real.parent
    return real.name in SAMPLE_PARTS and (real.parent / SAMPLE_MARKER).is_file()
