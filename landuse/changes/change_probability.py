"""How probable a change is, from what two maps say of the same cells."""

import numpy as np


def normalised(probabilities: np.ndarray) -> np.ndarray:
    """Make the probabilities of each cell add up to 1, which rounding to percent undid.

    Parameters
    ----------
    probabilities : ndarray of shape (classes, rows, columns)
        Percent or 0..1. A cell of which one is NaN or negative, or all are 0, has no data.

    Returns
    -------
    ndarray of the same shape, float32
        NaN where there is no data.
    """
    values = np.asarray(probabilities, np.float32)
    sums = values.sum(axis=0)
    valid = (values >= 0).all(axis=0) & (sums > 0)
    return np.where(valid, values / np.where(valid, sums, 1), np.float32(np.nan))


def probability_of_change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Give the probability that two classes, drawn as the two maps say, differ.

    1 - sum of p_before(c) p_after(c): 0 where both are sure of one class, 1 where they are sure of
    different ones, and in between where either is unsure. It takes the maps at their word and
    knows nothing of how rare change is; `stable_places.choose_threshold` does.

    Parameters
    ----------
    before, after : ndarray of shape (classes, rows, columns), float
        Probabilities that add up to 1; NaN: no data.

    Returns
    -------
    ndarray of shape (rows, columns), float32
        0..1; NaN where one of both has no data.
    """
    return np.clip(1 - np.einsum("crk,crk->rk", before, after), 0, 1).astype(np.float32)
