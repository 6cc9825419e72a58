"""Doubt as bands of a map: entropy, margin, and how many classes the right one may be among."""

import numpy as np

from landuse import map_values
from landuse.evaluation import prediction_sets


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Give the entropy of distributions, as a share of its largest, that of equal probabilities.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)

    Returns
    -------
    ndarray of shape (N,), float32
        0 where one class has all, 1 where all have the same.
    """
    values = np.asarray(probabilities, np.float64)
    if values.shape[1] < 2:
        return np.zeros(len(values), np.float32)
    terms = np.where(values > 0, values * np.log(np.where(values > 0, values, 1)), 0)
    return (-terms.sum(axis=1) / np.log(values.shape[1])).clip(0, 1).astype(np.float32)


def margin(probabilities: np.ndarray) -> np.ndarray:
    """Give by how much the most probable class leads the second: (N,), float32, 0..1."""
    values = np.asarray(probabilities, np.float32)
    if values.shape[1] < 2:
        return np.ones(len(values), np.float32)
    second, best = np.partition(values, -2, axis=1)[:, -2:].T
    return best - second


def names(set_threshold: float | None) -> list[str]:
    """Name the bands; without a threshold there are no sets."""
    sets = [] if set_threshold is None else [map_values.SET_SIZE]
    return [map_values.ENTROPY, map_values.MARGIN, *sets]


def bands(probabilities: np.ndarray, dtype: str, set_threshold: float | None) -> np.ndarray:
    """Compute the bands of cells.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
    dtype : {"uint8", "float32"}
        Entropy and margin in percent, rounded, or 0..1.
    set_threshold : float or None
        As `prediction_sets.threshold_of` gives it.

    Returns
    -------
    ndarray of shape (bands, N), of that type
        In the order of `names`; the last one counts classes.
    """
    shares = np.stack([entropy(probabilities), margin(probabilities)])
    found = map_values.to_percent(shares) if dtype == "uint8" else shares
    if set_threshold is None:
        return found
    sizes = prediction_sets.sets(probabilities, set_threshold).sum(axis=1)
    return np.concatenate([found, sizes[np.newaxis].astype(dtype)])
