"""How well answers agree with the truth: scores, their intervals, calibration, confusions.

Intervals hold 95 % of what chance does to images drawn independently; neighbouring patches are not
independent, so true uncertainty is somewhat larger.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

CONFIDENCE_LEVEL = 0.95
RESAMPLES = 2000  # of the bootstrap; its interval ends move by less than their own width / 20
CALIBRATION_BINS = 15

CONFUSED_PAIRS = 6  # rows of the picture of confusions
EXAMPLES_PER_PAIR = 6  # its columns

Interval = dict[str, float | None]  # "value", "low", "high"


def wilson_interval(successes: int, trials: int, level: float = CONFIDENCE_LEVEL) -> Interval:
    """Give a proportion with its score interval (Wilson 1927, doi:10.2307/2276774).

    Parameters
    ----------
    successes, trials : int
        How many of how many; no trials give None three times.
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    dict
        "value", "low" and "high", each from 0 to 1 or None.
    """
    from scipy.stats import binomtest

    if trials == 0:
        return {"value": None, "low": None, "high": None}
    interval = binomtest(successes, trials).proportion_ci(level, method="wilson")
    low, high = float(interval.low), float(interval.high)
    return {"value": successes / trials, "low": low, "high": high}


def calibration(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = CALIBRATION_BINS
) -> dict[str, Any]:
    """Compare how sure a model is with how often it is right (Guo et al. 2017, arXiv 1706.04599).

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
        Class probabilities.
    labels : ndarray of shape (N,), int
        True classes.
    bins : int
        Bins of equal width over the highest probability of each image, open below.

    Returns
    -------
    dict
        "expected_calibration_error", "mean_probability" (of the class chosen) and per bin "low",
        "high", "images", "mean_probability" and "accuracy" (None in empty bins).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    images = np.bincount(index, minlength=bins)
    sure = np.bincount(index, weights=confidence, minlength=bins)
    correct = np.bincount(index, weights=right, minlength=bins)
    rows = [
        {
            "low": number / bins,
            "high": (number + 1) / bins,
            "images": int(count),
            "mean_probability": float(sure[number] / count) if count else None,
            "accuracy": float(correct[number] / count) if count else None,
        }
        for number, count in enumerate(images)
    ]
    error = float(np.abs(sure - correct).sum() / len(labels))
    return {
        "expected_calibration_error": error,
        "mean_probability": float(confidence.mean()),
        "bins": rows,
    }


def _bootstrap_scores(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Give the scores of confusion matrices of shape (resamples, classes, classes)."""
    hits = np.diagonal(matrices, axis1=1, axis2=2).astype(np.float64)
    true, predicted = matrices.sum(axis=2), matrices.sum(axis=1)
    total = matrices.sum(axis=(1, 2))
    chance = (true * predicted).sum(axis=1) / total**2
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = 2 * hits / (true + predicted)
        kappa = (hits.sum(axis=1) / total - chance) / (1 - chance)
        recall = hits / true
    return {
        "f1": f1,
        "macro_f1": _mean_of_known(f1),
        "kappa": kappa,
        "balanced_accuracy": _mean_of_known(recall),
    }


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    return np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def bootstrap_intervals(
    matrix: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Give percentile intervals of the scores of a confusion matrix.

    Drawing N images with replacement and counting them is drawing N times from the cells of the
    matrix, so no image is touched again.

    Parameters
    ----------
    matrix : ndarray of shape (classes, classes), int
        Images by true (row) and predicted (column) class.
    resamples : int
        How many times to draw.
    seed : int
        The same seed gives the same intervals.

    Returns
    -------
    dict
        Lower and upper ends of "f1" (per class), "macro_f1", "kappa" and "balanced_accuracy";
        NaN where a score is defined in no resample.
    """
    rng = np.random.default_rng(seed)
    total = int(matrix.sum())
    draws = rng.multinomial(total, matrix.ravel() / total, size=resamples)
    scores = _bootstrap_scores(draws.reshape(resamples, *matrix.shape))
    return {name: _percentile_ends(values) for name, values in scores.items()}


def _percentile_ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tail = (1 - CONFIDENCE_LEVEL) / 2
    columns = values.reshape(len(values), -1)
    ends = np.full((2, columns.shape[1]), np.nan)
    for number, column in enumerate(columns.T):
        known = column[np.isfinite(column)]
        if known.size:
            ends[:, number] = np.quantile(known, (tail, 1 - tail))
    return ends[0].reshape(values.shape[1:]), ends[1].reshape(values.shape[1:])


def _interval(value: Any, low: Any, high: Any) -> Interval:
    known = [float(end) if np.isfinite(end) else None for end in (value, low, high)]
    return dict(zip(("value", "low", "high"), known, strict=True))


def _check_inputs(
    probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> None:
    expected = (len(labels), len(class_names))
    if labels.ndim != 1 or probabilities.shape != expected:
        raise ValueError(
            f"A report needs probabilities of shape (images, classes) = {expected} for "
            f"{len(labels)} labels and {len(class_names)} class names; they have the shape "
            f"{probabilities.shape}, the labels {labels.shape}."
        )
    if len(labels) == 0:
        raise ValueError("A report needs at least one labelled image; there is none.")
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise ValueError(
            f"The labels go from {labels.min()} to {labels.max()}, but there are "
            f"{len(class_names)} classes (0 to {len(class_names) - 1})."
        )
    broken = int((~np.isfinite(probabilities).all(axis=1)).sum())
    if broken:
        raise ValueError(
            f"The probabilities of {broken} of {len(labels)} images are not finite: the model is "
            f"broken (a NaN loss in training?) or its input is."
        )


def measure(
    probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Measure how well class probabilities agree with true classes.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
        Class probabilities; the class of the highest is the one predicted.
    labels : ndarray of shape (N,), int
        True classes.
    class_names : sequence of str
        Their names.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        "images"; "accuracy", "balanced_accuracy", "macro_f1" and "kappa", each with "value",
        "low" and "high"; "per_class": name -> "images", "predicted", "precision", "recall", "f1"
        (None where undefined); "confusion_matrix" (rows true, columns predicted); "calibration".
        Averages are over the classes that occur: among the labels for balanced accuracy, among
        labels or predictions for macro F1.

    Raises
    ------
    ValueError
        When shapes do not fit, labels are out of range or probabilities are not finite.
    """
    from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score, recall_score

    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    _check_inputs(probabilities, labels, class_names)
    predicted = probabilities.argmax(axis=1)
    indices = np.arange(len(class_names))
    matrix = confusion_matrix(labels, predicted, labels=indices)
    f1 = f1_score(labels, predicted, labels=indices, average=None, zero_division=np.nan)
    f1[(matrix.sum(axis=0) + matrix.sum(axis=1)) == 0] = np.nan
    present = np.unique(labels)
    scores = {
        "balanced_accuracy": recall_score(labels, predicted, labels=present, average="macro"),
        "macro_f1": np.nanmean(f1),
        # One class on both sides: agreement beyond chance is not defined.
        "kappa": cohen_kappa_score(labels, predicted) if (matrix > 0).sum() > 1 else np.nan,
    }
    ends = bootstrap_intervals(matrix, seed=seed)
    return {
        "images": len(labels),
        "accuracy": wilson_interval(int(np.trace(matrix)), len(labels)),
        **{name: _interval(value, *ends[name]) for name, value in scores.items()},
        "per_class": _per_class(matrix, f1, ends["f1"], class_names),
        "confusion_matrix": matrix.tolist(),
        "calibration": calibration(probabilities, labels),
    }


def _per_class(
    matrix: np.ndarray,
    f1: np.ndarray,
    f1_ends: tuple[np.ndarray, np.ndarray],
    class_names: Sequence[str],
) -> dict[str, dict[str, Any]]:
    true, predicted, hits = matrix.sum(axis=1), matrix.sum(axis=0), np.diag(matrix)
    return {
        name: {
            "images": int(true[index]),
            "predicted": int(predicted[index]),
            "precision": wilson_interval(int(hits[index]), int(predicted[index])),
            "recall": wilson_interval(int(hits[index]), int(true[index])),
            "f1": _interval(f1[index], f1_ends[0][index], f1_ends[1][index]),
        }
        for index, name in enumerate(class_names)
    }


def confused_pairs(matrix: np.ndarray, count: int = CONFUSED_PAIRS) -> list[tuple[int, int, int]]:
    """Give the most frequent confusions.

    Parameters
    ----------
    matrix : ndarray of shape (classes, classes), int
        Images by true (row) and predicted (column) class.
    count : int
        At most so many pairs.

    Returns
    -------
    list of (true class, predicted class, images)
        Most frequent first, ties in the order of the classes.
    """
    wrong = np.array(matrix) * (1 - np.eye(len(matrix), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(order, wrong.shape)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column, int(wrong[row, column])) for row, column in pairs if wrong[row, column]]


def worst_confusions(
    probabilities: np.ndarray, labels: np.ndarray
) -> list[tuple[int, int, int, list[int]]]:
    """Give the most frequent confusions with the images of which the model was surest.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
        Class probabilities.
    labels : ndarray of shape (N,), int
        True classes.

    Returns
    -------
    list of (true class, predicted class, number of images, image indices)
        At most `CONFUSED_PAIRS` pairs of at most `EXAMPLES_PER_PAIR` images.
    """
    predicted = probabilities.argmax(axis=1)
    classes = probabilities.shape[1]
    matrix = np.bincount(labels * classes + predicted, minlength=classes**2)
    groups = []
    for true, taken_for, count in confused_pairs(matrix.reshape(classes, classes)):
        images = np.flatnonzero((labels == true) & (predicted == taken_for))
        surest = images[np.argsort(-probabilities[images, taken_for], kind="stable")]
        groups.append((true, taken_for, count, surest[:EXAMPLES_PER_PAIR].tolist()))
    return groups
