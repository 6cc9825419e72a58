"""Which cells of a map are looked at: random samples whose probabilities are known (arrays only).

Sizes follow Cochran (1977, equation 5.25) as Olofsson et al. (2014, section 5.1) use it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landuse.evaluation import area_estimates

Z = area_estimates.Z

LEAST_SIZE = 2  # of a sample in a stratum, so that its spread can be told


@dataclass(frozen=True)
class DrawnSample:
    """Cells that were drawn, in an order that is random too.

    Whoever labels only the first of them has labelled a random sample as well.

    Attributes
    ----------
    rows, columns : ndarray of shape (points,), int
    strata : ndarray of shape (points,), int
        Stratum of each.
    probabilities : ndarray of shape (points,), float
        Of being drawn (inclusion probability).
    """

    rows: np.ndarray
    columns: np.ndarray
    strata: np.ndarray
    probabilities: np.ndarray


def size_for_half_width(
    sizes: np.ndarray, half_width: float, expected_accuracy: float | Sequence[float]
) -> int:
    """Give how many points it takes to know overall accuracy that well, shared by area.

    Parameters
    ----------
    sizes : ndarray of shape (strata,)
        Cells of each stratum.
    half_width : float
        Of the 95 % interval, 0..1.
    expected_accuracy : float or sequence of float
        Accuracy to be expected, in each stratum.

    Returns
    -------
    int
        At most all cells.
    """
    total = float(sizes.sum())
    accuracy = np.broadcast_to(np.asarray(expected_accuracy, np.float64), sizes.shape)
    spread = np.sqrt(accuracy * (1 - accuracy))
    shares = sizes / total
    endless = float(shares @ spread) ** 2
    wanted = (half_width / Z) ** 2
    # the second term: cells are finite in number, and each is drawn once
    return int(min(total, np.ceil(endless / (wanted + float(shares @ spread**2) / total))))


def allocate(sizes: np.ndarray, total: int, floor: int) -> np.ndarray:
    """Share points among strata: by area, but no stratum gets fewer than the floor.

    Parameters
    ----------
    sizes : ndarray of shape (strata,), int
        Cells of each stratum.
    total : int
        Points. Where the floors of rare classes take more, there are more.
    floor : int

    Returns
    -------
    ndarray of shape (strata,), int
        At most all cells of a stratum.
    """
    sizes = np.asarray(sizes, dtype=np.int64)
    least = np.minimum(np.maximum(floor, LEAST_SIZE), sizes)
    points = least.copy()
    rest = min(int(total), int(sizes.sum())) - int(points.sum())
    while rest > 0:
        # by area among those that would get more than they have, largest remainder first
        open_ = points < sizes
        goal = np.where(open_, total * sizes / sizes.sum(), 0)
        wish = np.maximum(goal - points, 0)
        wish = wish if wish.sum() > 0 else np.where(open_, sizes - points, 0)
        share = rest * wish / wish.sum()
        more = np.minimum(np.floor(share).astype(np.int64), sizes - points)
        if not more.any():
            more[np.argmax(np.where(open_, share, -1))] = 1
        points += more
        rest -= int(more.sum())
    return points


def expected_half_width(
    sizes: np.ndarray, points: np.ndarray, expected_accuracy: float | Sequence[float]
) -> float:
    """Give half of the 95 % interval of overall accuracy to expect of a sample."""
    used = sizes > 0
    accuracy = np.broadcast_to(np.asarray(expected_accuracy, np.float64), sizes.shape)[used]
    cells, drawn = sizes[used].astype(np.float64), points[used]
    variances = (1 - drawn / cells) * accuracy * (1 - accuracy) / drawn
    return float(Z * np.sqrt((cells / cells.sum()) ** 2 @ variances))


def points_for_half_width(
    sizes: np.ndarray, half_width: float, expected_accuracy: float, floor: int
) -> np.ndarray:
    """Share as many points among strata as it takes to know overall accuracy that well.

    Points that the floor gives to rare classes say little of the whole, so that it takes more
    than `size_for_half_width` has.

    Returns
    -------
    ndarray of shape (strata,), int
    """
    size = size_for_half_width(sizes, half_width, expected_accuracy)
    while True:
        points = allocate(sizes, size, floor)
        found = expected_half_width(sizes, points, expected_accuracy)
        if found <= half_width or points.sum() >= sizes.sum():
            return points
        size = max(size + 1, int(size * 1.01))


def draw(strata: np.ndarray, points: Sequence[int] | np.ndarray, seed: int) -> DrawnSample:
    """Draw cells from each stratum at random, none twice.

    Parameters
    ----------
    strata : ndarray of shape (rows, columns), int
        Number of the stratum, negative where no cell may be drawn.
    points : sequence of int
        How many from each.
    seed : int
        The same seed draws the same cells.

    Returns
    -------
    DrawnSample
    """
    rng = np.random.default_rng(seed)
    flat = strata.ravel()
    chosen, probabilities = [], []
    for number, count in enumerate(points):
        cells = np.flatnonzero(flat == number)
        chosen.append(rng.choice(cells, int(count), replace=False))
        probabilities.append(np.full(int(count), count / max(len(cells), 1)))
    drawn, chances = np.concatenate(chosen), np.concatenate(probabilities)
    order = rng.permutation(len(drawn))
    drawn = drawn[order]
    rows, columns = np.unravel_index(drawn, strata.shape)
    return DrawnSample(rows, columns, flat[drawn].astype(np.int64), chances[order])
