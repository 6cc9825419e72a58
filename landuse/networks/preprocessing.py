"""What the first layers of the networks do to pixels, on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landuse.networks import catalogue


def preprocessing_image_rgb(image: ArrayLike, network: str = "VGG16") -> NDArray[np.float32]:
    """Prepare an RGB image as the ImageNet weights of a network expect it.

    What the first layers of a model with pretrained weights do, by the same numbers (`expected`
    in the catalogue of networks); a model does it itself, so it is given raw pixel values.

    Parameters
    ----------
    image : array_like of shape (..., 3), red, green, blue in 0..255
    network : str
        A name of the catalogue.

    Returns
    -------
    ndarray of shape (..., 3), float32
        For VGG16 and ResNet50 blue, green, red less the mean of ImageNet, not scaled; for
        DenseNet201 red, green, blue in 0..1, standardised by ImageNet's mean and spread.
    """
    expected = catalogue.network(network).expected
    standardised = preprocessing_image_ms(image, expected.mean, expected.std)
    return standardised[..., list(expected.channels)]


def preprocessing_image_ms(
    image: ArrayLike, mean: ArrayLike, std: ArrayLike
) -> NDArray[np.float32]:
    """Standardise an image by the mean and standard deviation of each band.

    What the first layer of a model trained from scratch does.

    Parameters
    ----------
    image : array_like of shape (..., bands), DN
    mean, std : array_like of shape (bands,), DN

    Returns
    -------
    ndarray of shape (..., bands), float32
    """
    pixels: Any = np.asarray(image, np.float32)
    # NumPy is slow along an axis as short as the bands, so a row of pixels becomes one axis.
    rows = pixels.reshape(*pixels.shape[:-2], -1)
    mean, std = (
        np.broadcast_to(np.asarray(values, np.float32), pixels.shape[-2:]).ravel()
        for values in (mean, std)
    )
    standardised = rows - mean
    standardised /= std
    return standardised.reshape(pixels.shape)
