"""By how much two scenes differ in brightness, and where their pixels changed least."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SAMPLE = 200_000  # pixels that the transformation is fitted to
ITERATIONS = 50
ENOUGH = 1e-3  # change of the correlations at which the iteration stops


class BandDifference(NamedTuple):
    """How one band differs between two scenes."""

    band: str
    before: float  # median
    after: float
    correlation: float  # of the pixels, -1..1

    @property
    def percent(self) -> float:
        """By how much the median rose."""
        return 100 * (self.after / self.before - 1) if self.before else 0.0


def band_differences(
    before: np.ndarray, after: np.ndarray, valid: np.ndarray, band_names: Sequence[str]
) -> list[BandDifference]:
    """Compare two scenes band by band.

    Parameters
    ----------
    before, after : ndarray of shape (rows, columns, bands)
        In one unit, on one grid.
    valid : ndarray of shape (rows, columns), bool
        Where both have data.
    band_names : sequence of str
    """
    differences = []
    for number, name in enumerate(band_names):
        one, other = (scene[valid, number].astype(np.float64) for scene in (before, after))
        spread = one.std() * other.std()
        covariance = np.mean((one - one.mean()) * (other - other.mean()))
        correlation = float(covariance / spread) if spread else 0.0
        differences.append(
            BandDifference(name, float(np.median(one)), float(np.median(other)), correlation)
        )
    return differences


def changed_pixels(
    before: np.ndarray, after: np.ndarray, valid: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Say how much each pixel changed, beyond what all of them did.

    Iteratively reweighted multivariate alteration detection (IR-MAD; Nielsen 2007,
    doi:10.1109/TIP.2006.888195): canonical correlation finds the combinations of bands in which
    the dates agree best, pixels that agree weigh more in the next round, and what is left of the
    difference, divided by its standard deviation where nothing changed, is squared and added up.
    Light, haze and a sensor's gain and offset are linear, and drop out.

    Parameters
    ----------
    before, after : ndarray of shape (rows, columns, bands)
    valid : ndarray of shape (rows, columns), bool
        Where both have data.
    seed : int
        Of the pixels that are drawn for the fit.

    Returns
    -------
    ndarray of shape (rows, columns), float32
        A chi-squared variable with as many degrees of freedom as there are bands, where nothing
        changed; more where something did; NaN where there is no data.
    """
    bands = before.shape[2]
    distance = np.full(valid.shape, np.nan, np.float32)
    if valid.sum() <= 2 * bands:
        return distance
    one, other = (scene[valid].astype(np.float64) for scene in (before, after))
    drawn = np.random.default_rng(seed).permutation(len(one))[:SAMPLE]
    fit = _fit(one[drawn], other[drawn])
    distance[valid] = _distances(one, other, *fit)
    return distance


def _fit(
    one: np.ndarray, other: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find means, combinations of bands and the variances of their differences."""
    from scipy import stats

    weights = np.ones(len(one))
    before = np.zeros(one.shape[1])
    for _ in range(ITERATIONS):
        means, axes, correlations = _canonical(one, other, weights / weights.sum())
        variances = np.maximum(2 * (1 - correlations), 1e-6)
        distances = _distances(one, other, *means, *axes, variances)
        weights = np.maximum(stats.chi2.sf(distances, one.shape[1]), 1e-9)
        if np.abs(correlations - before).max() < ENOUGH:
            break
        before = correlations
    return *means, *axes, variances


def _canonical(
    one: np.ndarray, other: np.ndarray, weights: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Weighted canonical correlation; the combinations have a variance of 1."""
    from scipy import linalg

    means = weights @ one, weights @ other
    first, second = one - means[0], other - means[1]
    own, its = (_regular((part.T * weights) @ part) for part in (first, second))
    cross = (first.T * weights) @ second
    squares, axes = linalg.eigh(cross @ np.linalg.solve(its, cross.T), own)
    correlations = np.sqrt(np.clip(squares, 1e-12, 1 - 1e-9))
    return means, (axes, np.linalg.solve(its, cross.T @ axes) / correlations), correlations


def _regular(covariance: np.ndarray) -> np.ndarray:
    """Keep a covariance from being singular, as where a band is constant."""
    return covariance + 1e-6 * max(float(np.trace(covariance)), 1e-6) * np.eye(len(covariance))


def _distances(
    one: np.ndarray,
    other: np.ndarray,
    mean_one: np.ndarray,
    mean_other: np.ndarray,
    axes_one: np.ndarray,
    axes_other: np.ndarray,
    variances: np.ndarray,
) -> np.ndarray:
    differences = (one - mean_one) @ axes_one - (other - mean_other) @ axes_other
    return np.square(differences) @ (1 / variances)
