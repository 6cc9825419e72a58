"""From classes of small pixels to the class of what a map's cell stands for (arrays only).

A cell of a map says what its window is, and a window of 640 m is not what the one pixel in its
middle is. So a reference on small pixels is counted over the window, or over the cell alone.
"""

from collections.abc import Sequence

import numpy as np

NO_CLASS = 255


def shares(fine: np.ndarray, index: int, ratio: int, size: int) -> np.ndarray:
    """Give the share of a class in a square around the middle of each cell.

    Parameters
    ----------
    fine : ndarray of shape (cell rows * ratio + 2 * margin, ...), uint8
        Classes of small pixels, with a margin of `margin_of(ratio, size)` around the cells.
    index : int
        The class.
    ratio : int
        Small pixels on a side of a cell.
    size : int
        Small pixels on a side of the square.

    Returns
    -------
    ndarray of shape (cell rows, cell columns), float32
        0..1.
    """
    margin = margin_of(ratio, size)
    sums = np.zeros((fine.shape[0] + 1, fine.shape[1] + 1), dtype=np.int64)
    np.cumsum(np.cumsum(fine == index, axis=0), axis=1, out=sums[1:, 1:])
    rows, columns = ((length - 2 * margin) // ratio for length in fine.shape)
    first = margin + (ratio - size) // 2
    top = first + ratio * np.arange(rows)[:, None]
    left = first + ratio * np.arange(columns)[None]
    bottom, right = top + size, left + size
    counts = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return (counts / size**2).astype(np.float32)


def margin_of(ratio: int, size: int) -> int:
    """Give how many small pixels a square of `size` reaches past its cell of `ratio`."""
    return max(0, -(-(size - ratio) // 2))


def dominant(fine: np.ndarray, least_shares: Sequence[float], ratio: int, size: int) -> np.ndarray:
    """Give the class of each cell: the first whose share reaches what it takes.

    Parameters
    ----------
    fine, ratio, size
        As in `shares`.
    least_shares : sequence of float
        Of each class, in the order in which they are asked; above 0.5 no two can be reached.

    Returns
    -------
    ndarray of shape (cell rows, cell columns), uint8
        `NO_CLASS` where none reaches its share.
    """
    found: np.ndarray | None = None
    for index, least in enumerate(least_shares):
        share = shares(fine, index, ratio, size)
        if found is None:
            found = np.full(share.shape, NO_CLASS, np.uint8)
        found[(found == NO_CLASS) & (share >= least)] = index
    if found is None:
        raise ValueError("at least one class is needed")
    return found
