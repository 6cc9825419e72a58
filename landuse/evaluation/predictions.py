"""What a model answers to patches, alone or among neighbours in mosaics."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from landuse import sensors
from landuse.patches import patch_batches

if TYPE_CHECKING:
    import keras


def mosaic_of(record: Mapping[str, Any]) -> int:
    """Give K for a model that was trained on mosaics of K x K patches, 1 for others.

    Parameters
    ----------
    record : mapping
        Of the model.
    """
    if not record.get("dense"):
        return 1
    settings = record.get("settings", {})  # where older models say it
    return int(record.get("mosaic") or settings.get("MOSAIC", 1))


def predict(
    model: "keras.Model", patches: Any, batch_size: int, mosaic: int = 1, units: str | None = None
) -> np.ndarray:
    """Give the class probabilities of patches, in their order.

    Parameters
    ----------
    model : keras.Model
        Raw pixel values to class probabilities.
    patches : array of shape (N, 64, 64, bands), uint8 or uint16
        May be mapped from a file; read batch by batch.
    batch_size : int
        Patches per call of the network, at most; with mosaics, the next multiple of their patches.
    mosaic : int
        K: among neighbours, in mosaics of K x K patches. 1: each by itself.
    units : {"DN", "rgb8"}, optional
        What the model takes: DN are scaled to "rgb8" for it. None: the pixels as they are.

    Returns
    -------
    ndarray of shape (N, classes), float32
    """
    from landuse.networks import dense

    form = dense.mosaic_model(model) if mosaic > 1 else model
    order = patch_batches.order_of(len(patches), mosaic)
    mosaics = -(-min(batch_size, len(order)) // mosaic**2)
    size = mosaics * mosaic**2
    probabilities = np.empty((len(order), model.output_shape[-1]), np.float32)
    for first in tqdm(range(0, len(order), size), desc="classifying", unit="batch", leave=False):
        chosen = order[first : first + size]
        # Batches of one size: another would compile the network anew.
        full = np.concatenate([chosen, np.resize(order, size - len(chosen))])
        pixels = np.asarray(patches[full])
        if units == "rgb8" and pixels.dtype != np.uint8:
            pixels = sensors.scale_to_rgb8(pixels)
        if mosaic > 1:
            pixels = patch_batches.arrange_mosaics(pixels, mosaic)
        answers = np.asarray(form.predict_on_batch(pixels.astype(np.float32)), np.float32)
        probabilities[chosen] = answers.reshape(size, -1)[: len(chosen)]
    return probabilities
