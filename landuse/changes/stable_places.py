"""What maps of an unchanged place differ by, and from where on a difference is a change.

Most differences of two maps are no change: a network that is shown one place twice, in other
light, names some windows otherwise. How many, places that did not change tell. A difference counts
where, at its probability, differences are so much rarer in such places than elsewhere that no more
than the wanted share of them is expected to be false.
"""

from typing import NamedTuple

import numpy as np
from tqdm import tqdm

THRESHOLDS = np.round(np.arange(0.5, 1.0, 0.01), 2)


class Threshold(NamedTuple):
    """From which probability on a difference counts as change."""

    value: float | None  # None: no difference can be told from noise
    false_share: float | None  # 0..1 of the change, expected; None: not known
    stable_cells: int  # that it was learned from
    stable_differing: float | None  # share of them, 0..1, in which the labels differ


def window_means(
    values: np.ndarray,
    geotransform: tuple[float, ...],
    cells: tuple[int, int],
    cell_geotransform: tuple[float, ...],
    window: float,
) -> np.ndarray:
    """Average pixels over the window around each cell of a map.

    Parameters
    ----------
    values : ndarray of shape (rows, columns), float
        NaN: no data.
    geotransform : six floats
        Of `values`, north up.
    cells : tuple of int
        Rows and columns of the map.
    cell_geotransform : six floats
        Of the map.
    window : float
        Side of a window, in units of the map.

    Returns
    -------
    ndarray of shape `cells`, float32
        NaN where a window holds no data.
    """
    from scipy import ndimage

    size = [max(1, round(window / abs(geotransform[k]))) for k in (5, 1)]
    valid = np.isfinite(values)
    sums = ndimage.uniform_filter(
        np.where(valid, values, 0).astype(np.float64), size, mode="nearest"
    )
    counts = ndimage.uniform_filter(valid.astype(np.float64), size, mode="nearest")
    means = np.where(counts > 1e-9, sums / np.maximum(counts, 1e-9), np.nan)
    rows = _positions(
        cells[0], cell_geotransform[3], cell_geotransform[5], geotransform[3::2], len(values)
    )
    columns = _positions(
        cells[1], cell_geotransform[0], cell_geotransform[1], geotransform[0:2], values.shape[1]
    )
    means = np.pad(means, 1, constant_values=np.nan)  # what is outside has no data
    return means[rows[:, None], columns].astype(np.float32)


def _positions(
    count: int, start: float, step: float, place: tuple[float, ...], size: int
) -> np.ndarray:
    """Pixels, counted from 1, in which the centres of cells lie; 0 for those far outside."""
    pixels = np.floor((start + (np.arange(count) + 0.5) * step - place[0]) / place[1]).astype(int)
    beyond = abs(step / place[1]) / 2 + 1  # the last cells of a map may reach past the scene
    there = (pixels >= -beyond) & (pixels < size + beyond)
    return np.where(there, pixels.clip(0, size - 1) + 1, 0)


def calm_cells(distance: np.ndarray, strata: np.ndarray, share: float) -> np.ndarray:
    """Choose the cells of each group of classes whose windows changed least.

    By group, so that fields, which change with the season, are judged by fields.

    Parameters
    ----------
    distance : ndarray of shape (rows, columns), float
        How much the window of a cell changed; NaN: not known.
    strata : ndarray of shape (rows, columns), uint8
        Group of each cell at the first date; 255: no data.
    share : float
        Of the cells of each group, 0..1.

    Returns
    -------
    ndarray of shape (rows, columns), bool
    """
    calm = np.zeros(strata.shape, bool)
    known = np.isfinite(distance)
    for group in np.unique(strata[strata != 255]):
        own = (strata == group) & known
        if own.any():
            calm |= own & (distance <= np.quantile(distance[own], share))
    return calm


def keep_large(changed: np.ndarray, least_cells: int) -> np.ndarray:
    """Drop connected changes (by their sides) of fewer than so many cells.

    Parameters
    ----------
    changed : ndarray of shape (rows, columns), bool
    least_cells : int

    Returns
    -------
    ndarray of the same shape, bool
    """
    from scipy import ndimage

    if least_cells <= 1:
        return changed
    pieces, _ = ndimage.label(changed)
    large = np.bincount(pieces.ravel()) >= least_cells
    large[0] = False
    return large[pieces]


def differing_rates(
    flagged: np.ndarray, stable: np.ndarray, strata: np.ndarray
) -> dict[int, float]:
    """Give the share of stable cells that are flagged, for each group; -1 for all together."""
    rates = {-1: float(flagged[stable].mean()) if stable.any() else 0.0}
    for group in np.unique(strata[stable]):
        own = stable & (strata == group)
        rates[int(group)] = float(flagged[own].mean())
    return rates


class StablePlace(NamedTuple):
    """Two maps of cells that did not change: of another pair, or among those compared."""

    probability: np.ndarray  # (rows, columns) of change
    differing: np.ndarray  # (rows, columns) bool, labels differ by more than their group
    strata: np.ndarray  # (rows, columns) uint8, group at the first date
    chosen: np.ndarray  # (rows, columns) bool, cells taken for unchanged


def choose_threshold(
    probability: np.ndarray,
    differing: np.ndarray,
    strata: np.ndarray,
    stable: StablePlace,
    least_cells: int,
    most_false: float,
    thresholds: np.ndarray = THRESHOLDS,
) -> Threshold:
    """Find the lowest threshold at which few enough changes are expected to be false.

    At each threshold, the share of stable cells that would count as changed is what maps of one
    unchanged place differ by; for each group of classes as often elsewhere, they give the number
    of false ones. One change of the smallest size is added, since that none was met in stable
    places does not mean that none will be.

    Parameters
    ----------
    probability : ndarray of shape (rows, columns), float
        Of change; NaN: no data.
    differing : ndarray of shape (rows, columns), bool
        Where the labels differ by more than their group.
    strata : ndarray of shape (rows, columns), uint8
        Group of each cell at the first date; 255: no data.
    stable : StablePlace
    least_cells : int
        Smaller changes are dropped.
    most_false : float
        Share, 0..1.
    thresholds : ndarray
        To be tried, in rising order.
    """
    cells = {int(group): int((strata == group).sum()) for group in np.unique(strata[strata != 255])}
    met = float(stable.differing[stable.chosen].mean()) if stable.chosen.any() else None
    count = int(stable.chosen.sum())
    best: float | None = None
    for value in tqdm(thresholds, desc="threshold", leave=False, delay=2):
        flagged = keep_large(differing & (probability >= value), least_cells)
        in_stable = flagged
        if stable.probability is not probability:
            in_stable = keep_large(stable.differing & (stable.probability >= value), least_cells)
        found = int(flagged.sum())
        if not found or not count:
            continue
        rates = differing_rates(in_stable, stable.chosen, stable.strata)
        false = sum(rates.get(group, rates[-1]) * number for group, number in cells.items())
        false += least_cells * sum(cells.values()) / count
        share = min(1.0, false / found)
        best = share if best is None else min(best, share)
        if share <= most_false:
            return Threshold(float(value), share, count, met)
    return Threshold(None, best, count, met)
