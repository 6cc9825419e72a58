"""The patches that an export is calibrated on and compared on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landuse import sensors
from landuse.patches import class_folders, single_patches

LEAST = 16  # patches


def find(folder: str | None, record: Mapping[str, Any], most: int) -> list[Path]:
    """Choose patches from class folders, spread evenly over all of them.

    Parameters
    ----------
    folder : str or None
        With a folder for each class; None: the validation part of the split that the model was
        trained on, where its record says.
    record : mapping
        Of the model.
    most : int

    Raises
    ------
    OSError
        When there is no such folder.
    ValueError
        When it has too few patches.
    """
    if most < LEAST:
        raise ValueError(f"PATCHES must be {LEAST} or more, not {most}")
    if folder is None:
        folder = _folder_of(record)
    images = [path for paths in class_folders.find_images(folder, 1).values() for path in paths]
    if len(images) < LEAST:
        raise ValueError(
            f"{folder} has {len(images)} patches; to compare an export, {LEAST} or more are needed"
        )
    places = np.linspace(0, len(images) - 1, min(most, len(images))).round().astype(int)
    return [images[place] for place in places]


def _folder_of(record: Mapping[str, Any]) -> str:
    split = (record.get("settings") or {}).get("PATH_TO_SPLIT_DATASETS")
    folder = Path(str(split)) / "validation"
    if split and folder.is_dir():
        return str(folder)
    bands = "RGB" if record["units"] == "rgb8" else "MS"
    raise FileNotFoundError(
        "PATH_TO_PATCHES: name a folder of patches to compare the export on, with a folder for "
        f"each class; the split of the model ({split or 'not known'}) is not here. Scripts 00 and "
        f"01 make one: data/sample/split_{bands}/validation"
    )


def read(paths: Sequence[Path], record: dict[str, Any]) -> NDArray:
    """Read patches in the bands and units of a model.

    Returns
    -------
    ndarray of shape (N, 64, 64, bands), float32
    """
    patches = [single_patches.read_for_model(path, record) for path in paths]
    for path, patch in zip(paths, patches, strict=True):
        if patch.shape[:2] != (sensors.PATCH_SIZE, sensors.PATCH_SIZE):
            raise ValueError(f"{path} has {patch.shape[:2]} px, and a patch has 64x64")
    return np.stack(patches)


def as_images(patches: NDArray, side: int) -> NDArray:
    """Lay patches side by side to square images of `side` px, as many as there are.

    Returns
    -------
    ndarray of shape (M, side, side, bands)
    """
    across = -(-side // sensors.PATCH_SIZE)
    if across == 1:
        return patches
    whole = len(patches) // across**2
    if not whole:
        raise ValueError(
            f"an image of {side} px is made of {across**2} patches, and there are {len(patches)}: "
            "give a smaller IMAGE_SIZE or more patches"
        )
    size, bands = sensors.PATCH_SIZE, patches.shape[-1]
    tiles = patches[: whole * across**2].reshape(whole, across, across, size, size, bands)
    images = tiles.transpose(0, 1, 3, 2, 4, 5).reshape(whole, across * size, across * size, bands)
    return images[:, :side, :side]
