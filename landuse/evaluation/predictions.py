"""What a model answers to patches, alone or among neighbours in mosaics."""

from typing import Any

import keras
import numpy as np

from landuse.networks import dense
from landuse.patches import patch_batches


def predict(
    model: keras.Model, data: Any, part: str, batch_size: int, mosaic: int = 1
) -> np.ndarray:
    """Give the class probabilities of the images of a part, in the order of its files.

    Parameters
    ----------
    model : keras.Model
        A patch classifier.
    data : Data
    part : str
    batch_size : int
    mosaic : int
        K: among neighbours, in mosaics of K x K images. 1: each by itself.

    Returns
    -------
    ndarray of shape (N, classes), float32
    """
    batches = data.batches(part, batch_size, mosaic)
    form = dense.mosaic_model(model) if mosaic > 1 else model
    answers = form.predict(batches, verbose=0)
    order = patch_batches.order_of(len(getattr(data, part).labels), mosaic)
    probabilities = np.empty((len(order), len(data.class_names)), np.float32)
    probabilities[order] = answers.reshape(-1, len(data.class_names))[: len(order)]
    return probabilities
