"""What the first layers of the networks do to pixels, on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
_VGG_MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)


def preprocessing_image_rgb(image: ArrayLike, network: str = "VGG16") -> NDArray[np.float32]:
    """Prepare an RGB image as the ImageNet weights of a network expect it.

    The array reference of the first layers of an RGB model with pretrained weights; the
    models do this themselves, so they are given raw pixel values.

    Parameters
    ----------
    image : array_like of shape (..., 3), red, green, blue in 0..255
    network : {"VGG16", "ResNet50", "DenseNet201"}

    Returns
    -------
    ndarray of shape (..., 3), float32
        VGG16 and ResNet50: blue, green, red less the ImageNet mean, not scaled.
        DenseNet201: red, green, blue in 0..1, standardised by ImageNet's mean and spread.
    """
    pixels: Any = np.asarray(image, np.float32)
    if network in ("VGG16", "ResNet50"):
        return pixels[..., ::-1] - _VGG_MEAN_BGR
    if network == "DenseNet201":
        return (pixels / 255 - _IMAGENET_MEAN) / _IMAGENET_STD
    raise ValueError(f"network {network!r}: expected VGG16, ResNet50 or DenseNet201")


def preprocessing_image_ms(
    image: ArrayLike, mean: ArrayLike, std: ArrayLike
) -> NDArray[np.float32]:
    """Standardise an image by the mean and standard deviation of each band.

    The array reference of the first layer of a model trained from scratch.

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
