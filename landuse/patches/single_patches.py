"""Single patches of 64x64 px: telling them from scenes, and their pixels as a model wants them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landuse import sensors
from landuse.patches import image_files, patch_cache
from landuse.rasters import reading


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


def read_for_model(
    image: Path, record: dict[str, Any], order: Sequence[str] | None = None
) -> np.ndarray:
    """Read a patch in the bands and units of a model.

    Parameters
    ----------
    image : Path
        With named bands, or of 3 bands, taken as red, green, blue, or of 13 in EuroSAT's order;
        of others when there are as many as the model has bands.
    record : dict
        Of the model: "band_names" and "units" are used.
    order : sequence of str, optional
        BAND_NAMES: the bands in the order of the file, in place of what it says itself.

    Returns
    -------
    ndarray of shape (64, 64, bands), float32

    Raises
    ------
    ValueError
        When the patch has not what the model needs.
    """
    patch = image_files.read_named(image, order)
    names, units = record["band_names"], record["units"]
    own_units = "rgb8" if patch.pixels.dtype == np.uint8 else "DN"
    colours = sensors.sensor_of(names).true_colour
    if own_units == "rgb8" and (units == "DN" or not set(names) <= set(colours)):
        raise ValueError(
            f"{image} has {patch.pixels.shape[2]} bands of {patch.pixels.dtype}, but the model "
            f"needs {', '.join(names)} in {units}"
        )
    positions = patch_cache.band_positions(patch, names, image)
    pixels = patch.pixels if positions is None else patch.pixels[..., positions]
    if own_units == "DN" and units == "rgb8":
        pixels = sensors.scale_to_rgb8(pixels)
    return pixels.astype(np.float32)
