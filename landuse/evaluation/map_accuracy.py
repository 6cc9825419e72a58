"""How right a map is where the truth of its scene is known pixel by pixel."""

import numpy as np

from landuse import map_values, sensors

_SHARE_FILLED = 0.8  # of a window that its class must cover to count as filled


def accuracy(labels: np.ndarray, truth: np.ndarray, stride: int) -> tuple[float, float]:
    """Compare a label map with the majority class of the truth in the window of each cell.

    Parameters
    ----------
    labels : ndarray of shape (cell rows, cell columns), uint8
        Class index; 255, no label, counts as wrong.
    truth : ndarray of shape (rows, columns), uint8
        Class index, 255 where it is unknown; windows without any truth are left out.
    stride : int, px
        From one cell to the next.

    Returns
    -------
    filled : float
        Share of right labels, 0..1, where one class covers _SHARE_FILLED of the window or more.
    overall : float
        Share of right labels over all windows. Both are NaN where there is nothing to compare.
    """
    majority, share = window_majority(truth, stride)
    if labels.shape != majority.shape:
        raise ValueError(
            f"the label map has {labels.shape} cells, but a scene of {truth.shape} px "
            f"at stride {stride} has {majority.shape}"
        )
    right = labels == majority
    return _mean(right[share >= _SHARE_FILLED]), _mean(right[share > 0])


def _mean(right: np.ndarray) -> float:
    return float(right.mean()) if right.size else float("nan")


def window_majority(truth: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the majority class of the truth in the window of each cell of a map.

    Cell (i, j) of a map at stride n is the window of rows i * n + n // 2 - 32 to + 31, columns
    likewise. Beyond its edges the truth is mirrored, as the scene is when it is classified.

    Parameters
    ----------
    truth : ndarray of shape (rows, columns), uint8
        Class index, 255 where it is unknown.
    stride : int, px
        From one cell to the next.

    Returns
    -------
    majority : ndarray of shape (cell rows, cell columns), uint8
        The class with most pixels; the lower index of two that are equal.
    share : ndarray of shape (cell rows, cell columns), float64
        Share of the window that this class covers, 0..1.
    """
    starts = [np.arange(-(-size // stride)) * stride + stride // 2 for size in truth.shape]
    margins = [
        (sensors.PATCH_SIZE // 2, max(0, start[-1] + sensors.PATCH_SIZE // 2 - size))
        for start, size in zip(starts, truth.shape, strict=True)
    ]
    padded = np.pad(truth, margins, mode="symmetric")
    classes = np.unique(truth[truth != map_values.NODATA])
    if classes.size == 0:
        shape = tuple(len(start) for start in starts)
        return np.full(shape, map_values.NODATA, np.uint8), np.zeros(shape)
    counts = np.stack([_window_sums(padded == index, *starts) for index in classes])
    return classes[counts.argmax(axis=0)], counts.max(axis=0) / sensors.PATCH_SIZE**2


def _window_sums(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    totals = np.pad(mask.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    high, low = totals[rows + sensors.PATCH_SIZE], totals[rows]
    return (high - low)[:, columns + sensors.PATCH_SIZE] - (high - low)[:, columns]
