"""Single patches of 64x64 px: telling them from scenes, and their pixels as a model wants them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landuse import sensors
from landuse.patches import image_files
from landuse.rasters import reading

if TYPE_CHECKING:
    pass


def are_patches(images: Sequence[Path]) -> bool:
    """Tell whether images are patches of 64x64 px.

    Raises
    ------
    ValueError
        When some are and others are not.
    """
    found = [image for image in images if is_patch(image)]
    if found and len(found) < len(images):
        other = next(image for image in images if image not in found)
        raise ValueError(
            f"PATH_TO_IMAGE mixes patches and scenes: {found[0]} has 64x64 px, {other} does not; "
            f"classify them in two calls"
        )
    return bool(found)


def is_patch(image: Path) -> bool:
    """Tell whether an image is a file of exactly 64x64 px."""
    if not image.is_file() or image.suffix.lower() not in image_files.IMAGE_SUFFIXES:
        return False
    info = reading.read_info(image)
    return (info.rows, info.columns) == (sensors.PATCH_SIZE, sensors.PATCH_SIZE)


def read_for_model(image: Path, record: dict[str, Any]) -> np.ndarray:
    """Read a patch in the bands and units of a model.

    Parameters
    ----------
    image : Path
        Of 3 bands, taken as red, green, blue, or of 13 in EuroSAT's order; of others when there
        are as many as the model has bands.
    record : dict
        Of the model: "band_names" and "units" are used.

    Returns
    -------
    ndarray of shape (64, 64, bands), float32

    Raises
    ------
    ValueError
        When the patch has not what the model needs.
    """
    patch = image_files.read_patch(image)
    names, units = record["band_names"], record["units"]
    known = {3: sensors.BANDS_RGB, 13: sensors.BANDS_MS}
    own_names = list(known.get(patch.shape[2], ()))
    own_units = "rgb8" if patch.dtype == np.uint8 else "DN"
    if patch.shape[2] == len(names) and set(names) != set(own_names) and own_units == "DN":
        own_names = list(names)
    if not set(names) <= set(own_names) or (own_units == "rgb8" and units == "DN"):
        raise ValueError(
            f"{image} has {patch.shape[2]} bands of {patch.dtype}, but the model needs "
            f"{', '.join(names)} in {units}"
        )
    patch = patch[..., [own_names.index(name) for name in names]]
    if own_units == "DN" and units == "rgb8":
        patch = sensors.scale_to_rgb8(patch)
    return patch.astype(np.float32)
