"""Intervals of sums and ratios over strata that stay honest where errors are rare.

A stratum of which 30 points show no error may still be wrong in a tenth of its area. The interval
of each stratum's share is the exact one (Clopper and Pearson 1934); those of a sum are put together
from them by the method of variance estimates recovery (Zou, Huang and Zhang 2009, Computational
Statistics and Data Analysis 53, 1080-1085), and those of a ratio by asking
for which ratios a sum may be 0, as Fieller did.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

LEVEL = 0.95


@dataclass(frozen=True)
class Shares:
    """The share of points in each stratum that something is true for, with its interval.

    Attributes
    ----------
    value, low, high : ndarray of shape (strata,)
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def only_in(self, strata: np.ndarray | None) -> "Shares":
        """Return the shares where it is known that some strata have none of it; None: unknown."""
        if strata is None:
            return self
        return replace(self, high=np.where(strata, self.high, self.value))


def shares(found: np.ndarray, drawn: np.ndarray, left: np.ndarray | float = 1.0) -> Shares:
    """Give the share in each stratum and its exact interval.

    Parameters
    ----------
    found, drawn : ndarray of shape (strata,), int
        Points that something is true for, and all.
    left : ndarray of shape (strata,) or float
        Share of each stratum's cells that was not drawn: what is looked at completely is known.

    Returns
    -------
    Shares
    """
    from scipy import stats

    value = found / drawn
    # A finite stratum is known as well as an endless one from which more points were drawn.
    points = drawn / np.maximum(left, 1e-12)
    hits, misses = value * points, (1 - value) * points
    tail = (1 - LEVEL) / 2
    low = np.where(found > 0, stats.beta.ppf(tail, np.maximum(hits, 1e-9), misses + 1), 0.0)
    high = np.where(found < drawn, stats.beta.isf(tail, hits + 1, np.maximum(misses, 1e-9)), 1.0)
    known = np.asarray(left) <= 0
    return Shares(value, np.where(known, value, low), np.where(known, value, high))


def of_sum(weights: np.ndarray, parts: Shares) -> tuple[float, float]:
    """Give the interval of a weighted sum of shares.

    Parameters
    ----------
    weights : ndarray of shape (strata,)
        Share of each stratum in the whole.
    parts : Shares

    Returns
    -------
    tuple of two floats
    """
    value = weights @ parts.value
    below = np.sqrt(np.sum((weights * (parts.value - parts.low)) ** 2))
    above = np.sqrt(np.sum((weights * (parts.high - parts.value)) ** 2))
    return float(max(value - below, 0.0)), float(min(value + above, 1.0))


def of_part(weights: np.ndarray, parts: Shares, others: Shares) -> tuple[float, float]:
    """Give the interval of the part of a whole, part / (part + other).

    Parameters
    ----------
    weights : ndarray of shape (strata,)
    parts, others : Shares
        Of the part, and of the rest of the whole; no point is in both.

    Returns
    -------
    tuple of two floats
    """
    part, other = weights @ parts.value, weights @ others.value
    value = part / (part + other)
    correlation = _correlation(parts.value, others.value)

    def lowest(ratio: float) -> float:
        """Lower end of (1 - ratio) part - ratio other, which is 0 at the true ratio."""
        one = (1 - ratio) * (parts.value - parts.low)
        two = ratio * (others.high - others.value)
        return (1 - ratio) * part - ratio * other - _joined(weights, one, two, correlation)

    def highest(ratio: float) -> float:
        one = (1 - ratio) * (parts.high - parts.value)
        two = ratio * (others.value - others.low)
        return (1 - ratio) * part - ratio * other + _joined(weights, one, two, correlation)

    low = _root(lowest, 0.0, value) if lowest(0.0) > 0 else 0.0
    high = _root(highest, value, 1.0) if highest(1.0) < 0 else 1.0
    return low, high


def _correlation(parts: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Correlate part and minus other in each stratum: what is the one is not the other."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt(parts * others / ((1 - parts) * (1 - others)))
    return np.where(np.isclose(parts + others, 1), 1.0, np.nan_to_num(found))


def _joined(weights: np.ndarray, one: np.ndarray, two: np.ndarray, both: np.ndarray) -> float:
    return float(np.sqrt(np.sum(weights**2 * (one**2 + two**2 + 2 * both * one * two))))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Find where a function is 0; at an end where it is 0 already, that end."""
    from scipy import optimize

    if function(low) * function(high) >= 0:
        return low if abs(function(low)) < abs(function(high)) else high
    return float(optimize.brentq(function, low, high))
