"""Accuracy of a map and areas of its classes, estimated from a stratified random sample.

The estimators are those of Stehman (2014, International Journal of Remote Sensing 35,
doi:10.1080/01431161.2014.930207), which take strata of any kind. Where the strata are the classes
of the map itself, they are those of Olofsson et al. (2014, Remote Sensing of Environment 148,
doi:10.1016/j.rse.2014.02.015), and with one stratum those of a simple random sample.

Their standard errors make narrow intervals where errors are rare: of a stratum in which none was
drawn they take for certain that there is none. So intervals here do not come from them, but from
those of the share in each stratum (`intervals`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landuse.evaluation import intervals

Z = 1.96  # standard errors on either side that hold 95 %, as the literature rounds it
LEAST_IN_STRATUM = 2  # of one point alone nobody knows how much it may be off


@dataclass(frozen=True)
class Estimate:
    """A number and how far it may be off.

    Attributes
    ----------
    value : float
        NaN where there is nothing to estimate it from.
    standard_error : float
    low, high : float
        The interval that holds 95 %.
    """

    value: float
    standard_error: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval that the standard error gives, as the literature prints it."""
        return Z * self.standard_error

    def times(self, factor: float) -> "Estimate":
        """Return the estimate in another unit, by a factor above 0."""
        return Estimate(
            self.value * factor,
            self.standard_error * factor,
            self.low * factor,
            self.high * factor,
        )


@dataclass(frozen=True)
class MapEstimates:
    """What a sample says of a map.

    Attributes
    ----------
    counts : ndarray of shape (map classes, reference classes), int
        Points.
    proportions : ndarray of the same shape, float
        Estimated share of the area.
    overall : Estimate
        Share of the area whose class is right.
    users, producers : list of Estimate
        Of each class: how much of what the map calls so is so, and how much of what is so the
        map calls so.
    areas : list of Estimate
        Share of the area that each class truly covers.
    mapped : ndarray of shape (classes,), float
        Share of the area that the map gives to each class, as the sample has it.
    covered : Estimate
        Share of the area sampled that the map covers; the shares above are of that part.
    """

    counts: np.ndarray
    proportions: np.ndarray
    overall: Estimate
    users: list[Estimate]
    producers: list[Estimate]
    areas: list[Estimate]
    mapped: np.ndarray
    covered: Estimate


def estimate_map(
    strata: np.ndarray,
    map_classes: np.ndarray,
    reference_classes: np.ndarray,
    stratum_sizes: Sequence[float] | np.ndarray,
    classes: int,
    finite_population: bool = True,
    judged: np.ndarray | None = None,
    domain: np.ndarray | None = None,
) -> MapEstimates:
    """Estimate accuracy and areas from labelled points.

    Parameters
    ----------
    strata, map_classes, reference_classes : ndarray of shape (points,), int
        Stratum that each point was drawn in, class of the map, and true class.
    stratum_sizes : sequence of float, shape (strata,)
        Cells of each stratum. Every stratum needs `LEAST_IN_STRATUM` points.
    classes : int
        Number of classes.
    finite_population : bool
        Whether a stratum whose cells were all looked at is known for sure (Stehman 2014);
        Olofsson et al. (2014) leave that out.
    judged : ndarray of shape (points,), bool, optional
        Points that overall accuracy is about; where the map gives no class there is no judgement.
    domain : ndarray of shape (points,), bool, optional
        Points that the map covers, where the sample was drawn for a larger one. Classes of the
        others do not matter; shares are those of the domain.

    Returns
    -------
    MapEstimates

    Raises
    ------
    ValueError
        If a stratum has too few points, or numbers are out of range.
    """
    sizes = np.asarray(stratum_sizes, dtype=np.float64)
    _check(strata, map_classes, reference_classes, sizes, classes)
    sample = _Sample(np.asarray(strata), sizes, finite_population)
    inside = np.ones(len(strata), bool) if domain is None else np.asarray(domain, bool)
    asked = inside if judged is None else inside & judged
    is_mapped = [inside & (map_classes == number) for number in range(classes)]
    is_true = [inside & (reference_classes == number) for number in range(classes)]
    right = inside & (map_classes == reference_classes)
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (map_classes[inside], reference_classes[inside]), 1)

    def share(values: np.ndarray) -> Estimate:
        return sample.mean(values) if inside.all() else sample.ratio(values, inside)

    # where a class of the map can occur at all: strata that are classes of the map hold one only
    has = [sample.strata_with(mapped) for mapped in is_mapped]
    has_other = [sample.strata_with(inside & ~mapped) for mapped in is_mapped]

    return MapEstimates(
        counts=counts,
        proportions=np.array([[share(m & t).value for t in is_true] for m in is_mapped]),
        overall=share(right) if asked is inside else sample.ratio(right & asked, asked),
        users=[
            sample.ratio(right & mapped, mapped, parts_in=here, others_in=here)
            for mapped, here in zip(is_mapped, has, strict=True)
        ],
        producers=[
            sample.ratio(right & true, true, parts_in=here, others_in=elsewhere)
            for true, here, elsewhere in zip(is_true, has, has_other, strict=True)
        ],
        areas=[share(true) for true in is_true],
        mapped=np.array([share(mapped).value for mapped in is_mapped]),
        covered=sample.mean(inside),
    )


def _check(
    strata: np.ndarray,
    map_classes: np.ndarray,
    reference_classes: np.ndarray,
    sizes: np.ndarray,
    classes: int,
) -> None:
    if not len(strata) == len(map_classes) == len(reference_classes):
        raise ValueError("strata, map classes and reference classes need one number per point")
    for name, values, end in (
        ("strata", strata, len(sizes)),
        ("map classes", map_classes, classes),
        ("reference classes", reference_classes, classes),
    ):
        if len(values) and not 0 <= values.min() <= values.max() < end:
            raise ValueError(f"{name} must be 0..{end - 1}, got {values.min()}..{values.max()}")
    drawn = np.bincount(strata, minlength=len(sizes))
    if (drawn < LEAST_IN_STRATUM).any() or not len(sizes):
        raise ValueError(
            f"every stratum needs {LEAST_IN_STRATUM} labelled points or more; points by stratum: "
            f"{drawn.tolist()}"
        )
    if (sizes < drawn).any():
        raise ValueError("a stratum has more points than cells")


class _Sample:
    """Means and ratios over a stratified random sample, with their standard errors."""

    def __init__(self, strata: np.ndarray, sizes: np.ndarray, finite_population: bool) -> None:
        self._members = [np.flatnonzero(strata == number) for number in range(len(sizes))]
        self._shares = sizes / sizes.sum()
        self._drawn = np.array([len(members) for members in self._members])
        self._left = 1 - self._drawn / sizes if finite_population else np.ones(len(sizes))
        # of the variance within each stratum
        self._factors = self._shares**2 * self._left / self._drawn

    def strata_with(self, values: np.ndarray) -> np.ndarray:
        """Tell in which strata a value is true for any point."""
        return np.array([values[members].any() for members in self._members])

    def _shares_within(self, values: np.ndarray) -> intervals.Shares:
        return intervals.shares(
            np.array([values[members].sum() for members in self._members]), self._drawn, self._left
        )

    def _mean(self, values: np.ndarray) -> float:
        means = [values[members].mean() for members in self._members]
        return float(self._shares @ means)

    def _variance(self, values: np.ndarray) -> float:
        within = [values[members].var(ddof=1) for members in self._members]
        return float(self._factors @ within)

    def mean(self, values: np.ndarray) -> Estimate:
        """Estimate a mean over all cells (Stehman 2014, equations 2, 3 and 25)."""
        error = float(np.sqrt(self._variance(values.astype(np.float64))))
        low, high = intervals.of_sum(self._shares, self._shares_within(values))
        return Estimate(self._mean(values), error, low, high)

    def ratio(
        self,
        parts: np.ndarray,
        wholes: np.ndarray,
        parts_in: np.ndarray | None = None,
        others_in: np.ndarray | None = None,
    ) -> Estimate:
        """Estimate which part of a whole is so (Stehman 2014, equations 27 and 28).

        `parts_in` and `others_in` tell in which strata the part and the rest of the whole can be;
        None: in all.
        """
        whole = self._mean(wholes)
        if whole == 0:
            return Estimate(np.nan, np.nan, np.nan, np.nan)
        value = self._mean(parts) / whole
        error = np.sqrt(self._variance(parts - value * wholes)) / whole
        low, high = intervals.of_part(
            self._shares,
            self._shares_within(parts).only_in(parts_in),
            self._shares_within(wholes & ~parts).only_in(others_in),
        )
        return Estimate(value, float(error), low, high)
