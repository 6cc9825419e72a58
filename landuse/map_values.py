"""What the numbers of a map mean: class index, percent, nodata."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NODATA = 255
NODATA_PROBABILITY = -1.0
ENTROPY = "entropy"  # bands of doubt: as a share of the largest
MARGIN = "margin"  # by which the label leads
SET_SIZE = "classes in the prediction set"
UNCERTAIN = "uncertain"  # the extra class of windows whose best class is not probable enough


def check_labels(labels: np.ndarray, class_names: Sequence[str]) -> None:
    """Raise ValueError unless `labels` is a uint8 map of these classes.

    Parameters
    ----------
    labels : ndarray of shape (rows, columns), uint8
        Class index, or NODATA.
    class_names : sequence of str
        At most 254 different names.
    """
    if len(class_names) >= NODATA or len(set(class_names)) != len(class_names):
        raise ValueError(
            f"a map needs at most {NODATA - 1} class names, all different; got {len(class_names)}: "
            f"{', '.join(class_names)}"
        )
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise ValueError(
            f"labels must be uint8 of shape (rows, columns), got {labels.dtype} {labels.shape}"
        )
    counts = label_sums(labels, None)
    unknown = [value for value in np.flatnonzero(counts[:NODATA]) if value >= len(class_names)]
    if unknown:
        raise ValueError(
            f"labels must be 0..{len(class_names) - 1} or {NODATA} (nodata), one for each of the "
            f"{len(class_names)} class names; found {unknown[0]}"
        )


def label_sums(labels: np.ndarray, weights: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """Return the number of pixels of each value 0..255, weighted by row and column if wished."""
    sums = np.zeros(256, dtype=np.float64)
    for row, values in enumerate(labels):  # row by row: bincount makes 8 bytes of each pixel
        if weights is None:
            sums += np.bincount(values, minlength=256)
        else:
            sums += weights[0][row] * np.bincount(values, weights=weights[1], minlength=256)
    return sums


def to_percent(probability: np.ndarray) -> np.ndarray:
    """Return probabilities 0..1 (negative or NaN: nodata) as uint8 percent, nodata 255.

    Parameters
    ----------
    probability : ndarray, float or uint8
        uint8 is taken for percent already and returned as it is.
    """
    if probability.dtype == np.uint8:
        return probability
    valid = probability >= 0  # False for NaN, too
    percent = np.rint(np.where(valid, probability, 0) * np.float32(100)).clip(0, 100)
    return np.where(valid, percent, NODATA).astype(np.uint8)
