"""Sets of classes that hold the right one as often as wished: split conformal prediction.

On images that the network did not learn from, how improbable it found the right class tells from
which probability on a class must be in the set. The set of a new image then holds its right class
with the wished frequency, whatever the network, as long as new images are like those: drawn from
one population. Other places, seasons and sensors are none of that, and there the sets hold the
right class less often. Sadinle, Lei and Wasserman 2019, doi:10.1080/01621459.2017.1395341;
Angelopoulos and Bates 2023, doi:10.1561/2200000101.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

SCORE = "1 - probability of the right class"
COVERAGES = tuple(round(0.01 * percent, 2) for percent in range(50, 100))
TOLD = (0.8, 0.9, 0.95, 0.99)  # coverages that reports tell of


def threshold(probabilities: np.ndarray, labels: np.ndarray, coverage: float) -> float:
    """Find from which probability on a class must be in the set.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
        Of images that the network did not learn from.
    labels : ndarray of shape (N,), int
        Their right classes.
    coverage : float
        Share of the sets that shall hold the right class, above 0 and below 1.

    Returns
    -------
    float
        0..1. 0, all classes, where there are too few images to promise the coverage.
    """
    right = np.sort(np.asarray(probabilities)[np.arange(len(labels)), labels])
    rank = int(np.ceil((len(right) + 1) * coverage - 1e-9))
    if rank > len(right):
        return 0.0
    return float(right[len(right) - rank])


def calibrate(probabilities: np.ndarray, labels: np.ndarray, part: str) -> dict[str, Any]:
    """Give what a model's record keeps, so that maps can have sets of any coverage.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
    labels : ndarray of shape (N,), int
    part : str
        What the images are: "validation".

    Returns
    -------
    dict
        "score", "part", "images", and "thresholds": coverage ("0.95") to probability.
    """
    return {
        "score": SCORE,
        "part": part,
        "images": len(labels),
        "thresholds": {
            f"{coverage:.2f}": threshold(probabilities, labels, coverage) for coverage in COVERAGES
        },
    }


def threshold_of(record: Mapping[str, Any], coverage: float) -> float | None:
    """Look the threshold of a coverage up in a model's record; None: it has none.

    Raises
    ------
    ValueError
        When the coverage is none of those in the record.
    """
    conformal = record.get("conformal")
    if not isinstance(conformal, Mapping) or not isinstance(conformal.get("thresholds"), Mapping):
        return None
    found = conformal["thresholds"].get(f"{coverage:.2f}")
    if found is None or abs(coverage - round(coverage, 2)) > 1e-9:
        known = sorted(conformal["thresholds"])
        raise ValueError(
            f"COVERAGE must be one of {known[0]}, {known[1]}, ... {known[-1]}, not {coverage}"
        )
    return float(found)


def sets(probabilities: np.ndarray, from_probability: float) -> np.ndarray:
    """Say which classes are in the set of each image: the label, and all that are as probable.

    Parameters
    ----------
    probabilities : ndarray of shape (..., classes)
    from_probability : float
        As `threshold` gives it.

    Returns
    -------
    ndarray of the same shape, bool
        One class at least.
    """
    probabilities = np.asarray(probabilities)
    best = np.arange(probabilities.shape[-1]) == probabilities.argmax(axis=-1)[..., None]
    return (probabilities >= from_probability) | best


def measure(
    probabilities: np.ndarray, labels: np.ndarray, from_probability: float
) -> dict[str, Any]:
    """Measure how often sets hold the right class, and how large they are.

    Returns
    -------
    dict
        "covered" (number of images), "images", "mean_size", "share_of_one".
    """
    chosen = sets(probabilities, from_probability)
    sizes = chosen.sum(axis=-1)
    return {
        "covered": int(chosen[np.arange(len(labels)), labels].sum()),
        "images": len(labels),
        "mean_size": float(sizes.mean()),
        "share_of_one": float((sizes == 1).mean()),
    }


def measure_by_halves(
    probabilities: np.ndarray, labels: np.ndarray, coverage: float, seed: int = 0
) -> dict[str, Any]:
    """Measure on the images themselves: thresholds of one half, coverage of the other, and back."""
    order = np.random.default_rng(seed).permutation(len(labels))
    halves = order[::2], order[1::2]
    found = []
    for own, other in (halves, halves[::-1]):
        if not len(own) or not len(other):
            continue
        value = threshold(probabilities[own], labels[own], coverage)
        found.append(measure(probabilities[other], labels[other], value))
    images = sum(each["images"] for each in found)
    return {
        "covered": sum(each["covered"] for each in found),
        "images": images,
        "mean_size": sum(each["mean_size"] * each["images"] for each in found) / max(images, 1),
        "share_of_one": sum(each["share_of_one"] * each["images"] for each in found)
        / max(images, 1),
    }


def tell(
    probabilities: np.ndarray, labels: np.ndarray, conformal: Mapping[str, Any], part: str
) -> dict[str, Any]:
    """Give the measured coverages for a report.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
    labels : ndarray of shape (N,), int
    conformal : mapping
        What `calibrate` gave.
    part : str
        What the images are; where the thresholds come from this part, they are measured by halves.

    Returns
    -------
    dict
        "by_halves" (bool), "calibrated_on" (part), and for each of `TOLD` what `measure` gives.
    """
    by_halves = part == conformal["part"]
    measured = {}
    for coverage in TOLD:
        if by_halves:
            measured[f"{coverage:.2f}"] = measure_by_halves(probabilities, labels, coverage)
            continue
        value = float(conformal["thresholds"][f"{coverage:.2f}"])
        measured[f"{coverage:.2f}"] = measure(probabilities, labels, value)
    return {"by_halves": by_halves, "calibrated_on": conformal["part"], "coverage": measured}
