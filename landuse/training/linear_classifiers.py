"""Regularised linear classifiers, chosen and calibrated by cross-validation (scikit-learn)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FOLDS = 5  # fewer where a class has fewer images
MOST_FOR_CHOICE = 3000  # images that the regularisation is chosen with; all are fitted
SHRINKAGES = (0.02, 0.05, 0.1, 0.2, 0.4)  # of the covariance, in linear discriminant analysis
STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # C of logistic regression, the inverse of its penalty
HOPELESS = -30.0  # logit of a class that a fold did not train on


@dataclass(frozen=True)
class LinearClassifier:
    """Weights for measurements as they are: the standardisation is folded in.

    Attributes
    ----------
    weights : ndarray of shape (measurements, classes)
    biases : ndarray of shape (classes,)
    name : str
        What it is, with its regularisation.
    expected_accuracy : float or None
        Cross-validated within the training images; None where there are too few.
    """

    weights: np.ndarray
    biases: np.ndarray
    name: str
    expected_accuracy: float | None

    def logits(self, measured: np.ndarray) -> np.ndarray:
        """Give the logarithms of probabilities but for a constant, shape (N, classes)."""
        return measured @ self.weights + self.biases


def fit(measured: np.ndarray, labels: np.ndarray, class_count: int, seed: int) -> LinearClassifier:
    """Fit a linear classifier, whose kind and strength cross-validation chooses.

    The candidates are linear discriminant analysis with a shrunken covariance, which is strong
    with few images, and logistic regression with an L2 penalty, which is with many. Chosen is the
    one whose answers to left-out images have the highest likelihood after calibration by a
    temperature (Guo et al. 2017, https://arxiv.org/abs/1706.04599); that temperature is kept.

    Parameters
    ----------
    measured : ndarray of shape (N, measurements)
    labels : ndarray of shape (N,), int
        Each of 0 .. class_count - 1 occurs.
    class_count : int
        2 or more.
    seed : int
        Of the folds.

    Returns
    -------
    LinearClassifier
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the matrices are small: threads would wait for each other
        return _fit(np.asarray(measured, np.float64), labels, class_count, seed)


def _fit(measured: np.ndarray, labels: np.ndarray, class_count: int, seed: int) -> LinearClassifier:
    chosen = _for_choice(labels, seed)
    folds = list(_folds(labels[chosen], seed))
    enough = bool(folds) and min(len(train) for train, _ in folds) > class_count
    candidates = _candidates(with_discriminants=enough)
    best: tuple[float, float, float | None, Any] = (np.inf, 1.0, None, candidates[-2])
    for candidate in candidates if folds else ():
        logits, truth = _left_out(candidate, measured[chosen], labels[chosen], class_count, folds)
        temperature, loss = _calibrate(logits, truth)
        if loss < best[0]:
            best = (loss, temperature, float((logits.argmax(axis=1) == truth).mean()), candidate)
    _, temperature, accuracy, (name, make) = best
    weights, biases = _fit_one(make, measured, labels, class_count)
    return LinearClassifier(weights / temperature, biases / temperature, name, accuracy)


def _candidates(with_discriminants: bool) -> list[tuple[str, Any]]:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    def discriminant(shrinkage: float) -> Any:
        return lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)

    def logistic(strength: float) -> Any:
        return lambda: LogisticRegression(C=strength, max_iter=300, tol=1e-3)

    shrinkages = SHRINKAGES if with_discriminants else ()  # they need more images than classes
    return [
        *((f"linear discriminant analysis, shrinkage {s:g}", discriminant(s)) for s in shrinkages),
        *((f"logistic regression, C = {c:g}", logistic(c)) for c in STRENGTHS),
    ]


def _for_choice(labels: np.ndarray, seed: int) -> np.ndarray:
    """Choose images of each class by its share, as many as the choice takes."""
    if len(labels) <= MOST_FOR_CHOICE:
        return np.arange(len(labels))
    from sklearn.model_selection import train_test_split

    counts = np.bincount(labels)
    if min(counts[counts > 0]) < 2:
        return np.random.default_rng(seed).permutation(len(labels))[:MOST_FOR_CHOICE]
    chosen, _ = train_test_split(
        np.arange(len(labels)), train_size=MOST_FOR_CHOICE, stratify=labels, random_state=seed
    )
    return chosen


def _folds(labels: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield images to train with and to leave out; a class of one image is always trained with."""
    from sklearn.model_selection import StratifiedKFold

    counts = np.bincount(labels)
    single = np.isin(labels, np.flatnonzero(counts == 1))
    several, alone = np.flatnonzero(~single), np.flatnonzero(single)
    if len(np.unique(labels[several])) < 2:
        return
    folds = int(np.clip(min(counts[counts > 1]), 2, FOLDS))
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for train, out in splitter.split(several, labels[several]):
        yield np.concatenate([several[train], alone]), several[out]


def _left_out(
    candidate: tuple[str, Any],
    measured: np.ndarray,
    labels: np.ndarray,
    class_count: int,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Give the logits of all left-out images, and their labels."""
    logits = []
    for train, out in folds:
        weights, biases = _fit_one(candidate[1], measured[train], labels[train], class_count)
        logits.append(measured[out] @ weights + biases)
    return np.concatenate(logits), np.concatenate([labels[out] for _, out in folds])


def _fit_one(
    make: Any, measured: np.ndarray, labels: np.ndarray, class_count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one classifier to standardised measurements; give weights for those as they are."""
    import warnings

    mean, spread = measured.mean(axis=0), measured.std(axis=0)
    spread = np.where(spread > 1e-6, spread, 1.0)
    classifier = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not yet converged is regularised a little more
        classifier.fit((measured - mean) / spread, labels)
    found, intercept = classifier.coef_, classifier.intercept_
    if len(classifier.classes_) == 2 and len(found) == 1:
        found, intercept = np.stack([-found[0], found[0]]) / 2, np.r_[-intercept, intercept] / 2
    weights = np.zeros((measured.shape[1], class_count))
    biases = np.full(class_count, HOPELESS)
    weights[:, classifier.classes_] = found.T / spread[:, None]
    biases[classifier.classes_] = intercept - found @ (mean / spread)
    return weights, biases


def _calibrate(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Give the temperature at which the labels are likeliest, and the mean loss there."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(labels)), labels].mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(50.0)), method="bounded")
    return float(np.exp(found.x)), float(found.fun)
